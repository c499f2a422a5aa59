"""The gradient of static taps, left to a collector, equals the one that autograd finds on its way.

On a GPU as they are, elsewhere under Triton's interpreter.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.ops.dispatch import use
from litetransformer.ops.gradients import Collector, collecting
from litetransformer.ops.windowed_softmax_sum import reference, windowed_softmax_sum

with interpreted():
    from litetransformer.ops.windowed_sum import triton_forms, triton_ops

HEADS = 2


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


def inputs(taps, dynamic=False):
    x = torch.randn(3, 40, 8 * HEADS, device=DEVICE)
    shape = (3, 40, HEADS, taps) if dynamic else (HEADS, taps)
    return x.requires_grad_(), torch.randn(shape, device=DEVICE).requires_grad_(), torch.randn_like(x)


def options(taps):
    return taps // 2, 0.3, torch.tensor([12345678901], device=DEVICE)


@pytest.mark.parametrize(
    ("form", "taps"),
    [("short", 5), ("across", 31), ("square", 31), ("bands", 31), ("bands", 5)],
)
def test_a_collected_gradient_is_autograds(form, taps, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", form)
    x, logits, upstream = inputs(taps)
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, logits)]
    # Used twice, as a layer of a loss that runs a model twice is.
    out = reference(exact[0], exact[1], *options(taps)) + reference(2 * exact[0], exact[1], *options(taps))
    expected = torch.autograd.grad(out, exact, upstream.double())
    gradient, into = torch.zeros(7 + logits.numel(), device=DEVICE), Collector()
    into.watch([(7, logits)])
    with use(windowed_softmax_sum, "triton"), collecting(into):
        out = sum(windowed_softmax_sum(turn * x, logits, *options(taps)) for turn in (1, 2))
        monkeypatch.setattr(triton_ops, "column_sums", None)
        with into.adding_to(gradient):
            found = torch.autograd.grad(out, [x, logits], upstream, allow_unused=True)
    assert found[1] is None
    assert not gradient[:7].any()
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient[7:].view_as(logits).double(), expected[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dynamic", [False, True])
def test_what_is_not_watched_gets_its_gradient_at_once(dynamic):
    x, logits, upstream = inputs(5, dynamic)
    into, other = Collector(), torch.zeros(1, device=DEVICE, requires_grad=True)
    into.watch([(0, logits if dynamic else other)])
    with use(windowed_softmax_sum, "triton"), collecting(into):
        out = windowed_softmax_sum(x, logits, *options(5))
    found = torch.autograd.grad(out, [x, logits], upstream)
    exact = [tensor.detach().double().requires_grad_() for tensor in (x, logits)]
    expected = torch.autograd.grad(reference(*exact, *options(5)), exact, upstream.double())
    assert not into.sums
    for one, right in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), right, rtol=1e-4, atol=1e-4)
