"""Slices of the channels: as PyTorch's split, without its copy where the gradients lie side by side."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from litetransformer.ops import split as module
from litetransformer.ops.split import split, whole

WIDTHS = [3, 4, 1]


@pytest.fixture(autouse=True)
def _as_where_kernels_run(monkeypatch):
    monkeypatch.setattr(module, "triton_why_not", lambda x: None)


class Copies(TorchDispatchMode):
    """Counts the concatenations inside."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.cat.default
        return function(*args, **(kwargs or {}))


class Given(torch.autograd.Function):
    """The sum of slices, whose gradients are the ones given."""

    @staticmethod
    def forward(ctx, gradients, *slices):
        ctx.gradients = gradients
        return sum(part.sum() for part in slices)

    @staticmethod
    def backward(ctx, upstream):
        return None, *ctx.gradients


def gradient(gradients, shape=(2, 5, 8), widths=WIDTHS):
    """The gradient of what is split, for these of its slices; and how many copies that took."""
    x = torch.randn(shape, requires_grad=True)
    out = Given.apply(gradients, *split(x, widths))
    with Copies() as copies:
        found = torch.autograd.grad(out, x, allow_unused=True)[0]
    return found, copies.count


def test_slices_are_views_as_pytorchs_own():
    x = torch.randn(2, 5, 8, requires_grad=True)
    for one, other in zip(split(x, WIDTHS), x.split(WIDTHS, -1), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() == other.data_ptr()
        assert one.stride() == other.stride()


def test_gradients_are_those_of_pytorchs_split():
    x = torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)

    def through(slices):
        first, second, third = slices
        return (first.exp() @ second[..., :3].transpose(1, 2)).sum() + (third * first).sum() + third.sum()

    (found,) = torch.autograd.grad(through(split(x, WIDTHS)), x)
    (expected,) = torch.autograd.grad(through(x.split(WIDTHS, -1)), x)
    torch.testing.assert_close(found, expected)
    assert torch.autograd.gradgradcheck(lambda x: through(split(x, WIDTHS)), x)


@pytest.mark.parametrize("begin", [0, 7])
def test_gradients_side_by_side_are_the_gradient_without_a_copy(begin):
    memory = torch.randn(begin + 2 * 5 * 8)
    whole = memory[begin:].view(2, 5, 8)
    found, copies = gradient(whole.split(WIDTHS, -1))
    assert copies == 0
    assert found.data_ptr() == whole.data_ptr()
    assert found.shape == whole.shape
    assert found.stride() == whole.stride()
    assert torch.equal(found, whole)


def test_gradients_side_by_side_in_longer_rows_need_no_copy_either():
    rows = torch.randn(2, 5, 20)
    found, copies = gradient(rows[..., 6:14].split(WIDTHS, -1))
    assert copies == 0
    assert found.data_ptr() == rows[..., 6:].data_ptr()
    assert torch.equal(found, rows[..., 6:14])


def shuffled(whole: Tensor) -> list[Tensor]:
    """Equal widths in another order than the slices'."""
    first, second = whole[..., :4], whole[..., 4:]
    return [second, first]


@pytest.mark.parametrize(
    ("make", "widths"),
    [
        pytest.param(lambda whole: [part.clone() for part in whole.split(WIDTHS, -1)], WIDTHS, id="apart"),
        pytest.param(shuffled, [4, 4], id="in another order"),
        pytest.param(lambda whole: [whole[..., :4], whole[..., :4]], [4, 4], id="the same twice"),
        pytest.param(lambda whole: [whole[..., 0:4], whole[..., 3:7]], [4, 4], id="overlapping"),
        pytest.param(lambda whole: [whole[..., 0:3], whole[..., 4:8]], [3, 4], id="with a gap"),
        pytest.param(lambda whole: [whole[..., ::2], whole[..., 1::2]], [4, 4], id="interleaved"),
        pytest.param(
            lambda whole: [whole.view(2, 8, 5).transpose(1, 2)[..., :4], whole[..., 4:]],
            [4, 4],
            id="rows of unlike strides",
        ),
        pytest.param(
            lambda whole: [part.transpose(1, 2) for part in whole.view(2, 8, 5).split(WIDTHS, 1)],
            WIDTHS,
            id="side by side along another axis",
        ),
        pytest.param(
            lambda whole: [whole[:, :1, :4].expand(2, 5, 4), whole[..., 4:]], [4, 4], id="one expanded"
        ),
        pytest.param(
            lambda whole: [torch.ones(()).expand(2, 5, width) for width in WIDTHS], WIDTHS, id="of one number"
        ),
    ],
)
def test_gradients_that_lie_otherwise_are_copied_right(make, widths):
    gradients = make(torch.randn(2, 5, 8))
    found, copies = gradient(gradients, (2, 5, sum(widths)), widths)
    assert copies == 1
    assert torch.equal(found, torch.cat(gradients, -1))


def test_rows_that_are_one_in_memory_are_one_in_the_gradient():
    whole = torch.randn(2, 1, 8).expand(2, 5, 8)
    found, copies = gradient(whole.split(WIDTHS, -1))
    assert copies == 0
    assert torch.equal(found, whole)


def test_a_missing_gradient_is_zero():
    whole = torch.randn(2, 5, 8)
    first, _, third = whole.split(WIDTHS, -1)
    found, copies = gradient([first, None, third])
    assert copies == 1
    assert torch.equal(found, torch.cat([first, torch.zeros(2, 5, 4), third], -1))
    assert gradient([None, None, None])[0] is None


def test_a_slice_used_twice_gets_both_gradients():
    x = torch.randn(2, 5, 8, requires_grad=True)
    whole = torch.randn(2, 5, 8)
    slices = split(x, WIDTHS)
    out = Given.apply(whole.split(WIDTHS, -1), *slices) + 2 * slices[1].sum()
    (found,) = torch.autograd.grad(out, x)
    expected = whole.clone()
    expected[..., 3:7] += 2
    torch.testing.assert_close(found, expected)


def test_what_is_split_twice_gets_both_gradients_and_theirs_stay_as_they_were():
    x = torch.randn(2, 5, 8, requires_grad=True)
    one, other = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    before = one.clone(), other.clone()
    out = Given.apply(one.split(WIDTHS, -1), *split(x, WIDTHS))
    out = out + Given.apply(other.split([4, 4], -1), *split(x, [4, 4]))
    (found,) = torch.autograd.grad(out, x)
    torch.testing.assert_close(found, before[0] + before[1])
    assert torch.equal(one, before[0])
    assert torch.equal(other, before[1])


def test_parts_of_other_types_or_lengths_are_no_whole():
    x = torch.randn(2, 5, 8)
    assert whole([x[..., :4], x[..., 4:]]) is not None
    assert whole([x[..., :4], x[:1, :, 4:]]) is None
    assert whole([x[..., :4], x.view(torch.int32)[..., 4:]]) is None


def test_where_no_kernel_runs_it_is_pytorchs(monkeypatch):
    monkeypatch.setattr(module, "triton_why_not", lambda x: "a reason")
    x = torch.randn(2, 5, 8, requires_grad=True)
    assert {type(part.grad_fn).__name__ for part in split(x, WIDTHS)} == {"SplitWithSizesBackward0"}


def test_without_gradients_it_is_pytorchs():
    x = torch.randn(2, 5, 8, requires_grad=True)
    with torch.no_grad():
        assert all(part.grad_fn is None for part in split(x, WIDTHS))
    assert all(part.grad_fn is None for part in split(x.detach(), WIDTHS))


TRACED = """
import torch
from litetransformer.ops import split as module
from litetransformer.ops.split import split

module.triton_why_not = lambda x: None

def through(x):
    first, second, third = split(x, [3, 4, 1])
    return (first * third).sum() + second.exp().sum()

x = torch.randn(2, 5, 8, requires_grad=True)
compiled = torch.compile(through, backend="aot_eager", fullgraph=True)
found, expected = (torch.autograd.grad(run(x), x)[0] for run in (compiled, through))
torch.testing.assert_close(found, expected)
"""


@pytest.mark.slow
def test_a_compiler_traces_through():
    # In a process of its own: the shape checks of this one are nothing that a compiler could trace.
    subprocess.run([sys.executable, "-c", TRACED], check=True)
