"""Every implementation of `windowed_sum`: the equation as a loop, the reference's gradients."""

import pytest
import torch

from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_sum import reference, windowed_sum

NAMES = ["reference", "shift", "band", "grouped"]


def loop(x, weights, left):
    """The equation in README.md, term by term."""
    batch, length, channels = x.shape
    heads, taps = weights.shape[-2:]
    out = torch.zeros_like(x)
    for b in range(batch):
        for t in range(length):
            for c in range(channels):
                head = c // (channels // heads)
                kernel = weights[head] if weights.dim() == 2 else weights[b, t, head]
                for k in range(taps):
                    if 0 <= t + k - left < length:
                        out[b, t, c] += kernel[k] * x[b, t + k - left, c]
    return out


def inputs(batch, length, channels, heads, taps, dynamic):
    x = torch.randn(batch, length, channels, dtype=torch.float64, requires_grad=True)
    shape = (batch, length, heads, taps) if dynamic else (heads, taps)
    return x, torch.randn(shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("length", "heads", "taps"), [(1, 2, 3), (5, 1, 4), (4, 3, 7), (9, 2, 1)])
def test_the_sum_is_the_equation(name, dynamic, length, heads, taps):
    if name == "grouped" and dynamic:
        pytest.skip("static weights only")
    x, weights = inputs(2, length, 6, heads, taps, dynamic)
    for left in {taps - 1, taps // 2, 0}:
        with use(windowed_sum, name):
            torch.testing.assert_close(
                windowed_sum(x, weights, left), loop(x, weights, left), rtol=0, atol=1e-12
            )


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", NAMES[1:])
def test_gradients_equal_the_references(name, dynamic):
    if name == "grouped" and dynamic:
        pytest.skip("static weights only")
    x, weights = inputs(3, 13, 12, 4, 5, dynamic)
    upstream = torch.randn(3, 13, 12, dtype=torch.float64)
    expected = torch.autograd.grad(reference(x, weights, 2), (x, weights), upstream)
    with use(windowed_sum, name):
        found = torch.autograd.grad(windowed_sum(x, weights, 2), (x, weights), upstream)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_need_not_be_contiguous(name):
    x = torch.randn(5, 2, 8, dtype=torch.float64).transpose(0, 1)
    weights = torch.randn(3, 4, dtype=torch.float64).T
    with use(windowed_sum, name):
        torch.testing.assert_close(windowed_sum(x, weights, 1), reference(x, weights, 1))


def test_a_forced_name_that_cannot_run_says_why():
    x, weights = inputs(1, 4, 4, 2, 3, True)
    with (
        use(windowed_sum, "grouped"),
        pytest.raises(ValueError, match=r"forced to 'grouped'.*same weights at every position"),
    ):
        windowed_sum(x, weights, 1)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'grouped'"), use(windowed_sum, "groped"):
        pass


@pytest.mark.parametrize(("length", "taps"), [(20, 3), (20, 31), (300, 31)])
@pytest.mark.parametrize("heads", [2, 4])
@pytest.mark.parametrize("dynamic", [False, True])
def test_the_chosen_one_is_right_at_every_shape(length, taps, dynamic, heads):
    x, weights = inputs(1, length, 4, heads, taps, dynamic)
    torch.testing.assert_close(windowed_sum(x, weights, taps // 2), reference(x, weights, taps // 2))
