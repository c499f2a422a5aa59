"""One update of flat weights, by PyTorch's functions and by the Triton kernels, is that of torch.optim.AdamW.

On a GPU as they are, elsewhere under Triton's interpreter.
"""

import importlib.util
import math

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.ops.adamw import adamw
from litetransformer.ops.dispatch import use

HERE = importlib.util.find_spec("triton") is not None
if HERE:
    with interpreted():
        import triton  # noqa: F401

WAYS = [
    "reference",
    pytest.param("triton", marks=pytest.mark.skipif(not HERE, reason="needs the package triton")),
]


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


class Flat:
    """The memory of one flat AdamW."""

    def __init__(self, weights, steps=3, betas=(0.9, 0.98), eps=1e-8, decay=0.0, clip=0.0):
        self.weights = weights.clone()
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)
        self.copies = weights.bfloat16()
        self.steps = torch.zeros(steps, device=DEVICE)
        self.first_bad = torch.tensor(-1, device=DEVICE)
        self.settings = {"betas": betas, "eps": eps, "decay": decay, "clip": clip}

    def update(self, gradient, rate, number=1):
        return adamw(
            self.weights,
            self.first,
            self.second,
            gradient,
            self.copies,
            self.steps,
            torch.tensor(rate, device=DEVICE),
            torch.tensor(number, device=DEVICE),
            self.first_bad,
            **self.settings,
        )

    def state(self):
        return [each.clone() for each in (self.weights, self.first, self.second, self.copies, self.steps)]


def randn(length, seed):
    return torch.randn(length, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [1, 7, 1000, 1024, 4096 * 2 + 8, 12345])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"decay": 0.1, "clip": 0.5},
        {"betas": (0.0, 0.999), "clip": 1e6},
        {"betas": (0.9, 0.0), "eps": 1e-3},
    ],
)
def test_updates_are_those_of_pytorch(way, length, settings):
    weights = torch.nn.Parameter(randn(length, 0))
    flat = Flat(weights.detach(), **settings)
    chosen = {"betas": (0.9, 0.98), "eps": 1e-8} | {
        key: value for key, value in settings.items() if key in ("betas", "eps")
    }
    plain = torch.optim.AdamW([weights], weight_decay=settings.get("decay", 0.0), **chosen)
    for number, rate in enumerate((0.1, 0.02, 0.0, 0.3), 1):
        gradient = randn(length, number) * number
        weights.grad = gradient.clone()
        expected = gradient.norm()
        if clip := settings.get("clip"):
            torch.nn.utils.clip_grad_norm_([weights], clip)
        plain.param_groups[0]["lr"] = rate
        plain.step()
        with use(adamw, way):
            torch.testing.assert_close(flat.update(gradient, rate), expected, rtol=1e-5, atol=1e-6)
        assert not gradient.any()
        state = plain.state[weights]
        torch.testing.assert_close(flat.weights, weights.detach(), rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(flat.first, state["exp_avg"], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(flat.second, state["exp_avg_sq"], rtol=1e-5, atol=1e-6)
        # The interpreter rounds towards zero.
        rounding = 2**-7 if way == "triton" and DEVICE == "cpu" else 0.0
        torch.testing.assert_close(flat.copies, flat.weights.bfloat16(), rtol=rounding, atol=0.0)
        assert flat.steps.tolist() == [number] * 3
    assert flat.first_bad == -1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_gradient_that_is_not_finite_changes_nothing_but_who_was_first(way, value, clip):
    flat = Flat(randn(2000, 0), clip=clip)

    def update(number, bad):
        gradient = randn(2000, number)
        if bad:
            gradient[number] = value
        flat.update(gradient, 0.1, number)
        assert not gradient.any()

    with use(adamw, way):
        update(3, bad=True)
        assert torch.equal(flat.weights, randn(2000, 0))
        update(4, bad=False)
        assert not torch.equal(flat.weights, randn(2000, 0))
        before = flat.state()
        update(5, bad=True)
        assert all(map(torch.equal, flat.state(), before))
    assert flat.first_bad == 3
    assert flat.steps.tolist() == [1.0] * 3


@pytest.mark.skipif(not HERE, reason="needs the package triton")
def test_the_kernels_are_refused_where_they_cannot_run(monkeypatch):
    flat = Flat(randn(8, 0))
    flat.first = randn(16, 1)[::2]
    with use(adamw, "triton"), pytest.raises(ValueError, match="side by side"):
        flat.update(randn(8, 1), 0.1)
    flat.first = randn(8, 1).double()
    with use(adamw, "triton"), pytest.raises(ValueError, match="float64"):
        flat.update(randn(8, 1), 0.1)
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "0")
        flat.first = randn(8, 1)
        with use(adamw, "triton"), pytest.raises(ValueError, match="needs a CUDA device"):
            flat.update(randn(8, 1), 0.1)
