"""The kernels of 16 × 16 pieces equal the reference: on a GPU, elsewhere under Triton's interpreter."""

import jaxtyping
import pytest
import torch

from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_softmax_sum import reference as softmax_reference
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum import reference, triton_forms, windowed_sum

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def interpret(patch):
    if DEVICE == "cpu":
        patch.setenv("TRITON_INTERPRET", "1")


with pytest.MonkeyPatch.context() as patch:
    # Triton reads this when its own functions are defined, and again when ours are.
    interpret(patch)
    pytest.importorskip("triton", reason="needs the package triton, which PyTorch's builds for CUDA bring")
    from litetransformer.ops.windowed_sum import triton_diagonals_ops

# The thread of backward greets cuBLAS first; the compiler uses what PyTorch itself has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TOLERANCES = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}
SHAPES = [
    # batch, length, channels, heads, taps
    (2, 20, 24, 2, 31),  # more taps than positions
    (1, 71, 40, 2, 31),  # two turns a sequence, both with an edge
    (3, 40, 8, 2, 15),  # one turn of three blocks
    (1, 140, 100, 4, 31),  # rows that begin within what memory moves at once
    (1, 130, 10, 2, 63),  # five pieces
    (2, 33, 6, 6, 3),  # a channel a head
    (1, 40, 66, 1, 9),  # several blocks of channels a head
    (2, 5, 80, 4, 36),  # one block, and taps that no two positions are apart
]
SEED = 12345678901


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)
    monkeypatch.setattr(triton_forms, "FORCED", "diagonals")


def compare(op, definition, shape, dtype, *options):
    batch, length, channels, heads, taps = shape
    x = torch.randn(length, batch, channels, device=DEVICE, dtype=dtype).transpose(0, 1).requires_grad_()
    weights = torch.randn(heads, taps, device=DEVICE).requires_grad_()
    upstream = torch.randn(batch, channels, length, device=DEVICE, dtype=dtype).transpose(1, 2)
    exact = tuple(tensor.detach().double().requires_grad_() for tensor in (x, weights))
    expected = definition(*exact, *options)
    expected = (expected, *torch.autograd.grad(expected, exact, upstream.double()))
    with use(op, "triton"):
        found = op(x, weights, *options)
    found = (found, *torch.autograd.grad(found, (x, weights), upstream))
    for one, other in zip(found, expected, strict=True):
        distance = (one.double() - other).detach().norm() / other.detach().norm().clamp_min(1e-9)
        assert distance.item() < TOLERANCES[dtype]


@pytest.mark.parametrize("shape", SHAPES)
def test_sum_and_gradients_equal_the_references(shape):
    for left in {shape[-1] - 1, shape[-1] // 2, 0}:
        compare(windowed_sum, reference, shape, torch.float32, left)


@pytest.mark.parametrize("shape", SHAPES[:5] + SHAPES[-1:])
def test_softmax_and_dropout_of_the_taps_in_the_kernel(shape):
    options = (shape[-1] // 2, 0.3, torch.tensor([SEED], device=DEVICE))
    compare(windowed_softmax_sum, softmax_reference, shape, torch.float32, *options)


def test_half_precision_adds_up_in_full():
    compare(windowed_sum, reference, (2, 40, 24, 2, 13), torch.float16, 12)


@pytest.mark.parametrize(("channels", "block", "numbers"), [(80, 32, 2048), (100, 128, 4096), (100, 16, 256)])
def test_other_sizes(channels, block, numbers, monkeypatch):
    for name, value in (("BLOCK", block), ("UNEVEN", block), ("NUMBERS", numbers), ("PROGRAMS", 4)):
        monkeypatch.setattr(triton_diagonals_ops, name, {"forward": value, "backward": value})
    compare(windowed_sum, reference, (3, 37, channels, 4, 12), torch.float32, 11)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("taps", [15, 31, 63])
@pytest.mark.parametrize(("length", "channels"), [(31, 80), (333, 80), (333, 100)])
def test_bfloat16_on_a_gpu(length, channels, taps):
    shape = (3, length, channels, 4, taps)
    compare(windowed_sum, reference, shape, torch.bfloat16, taps // 2)
    if taps == 31:
        options = (taps - 1, 0.1, torch.tensor([SEED], device=DEVICE))
        compare(windowed_softmax_sum, softmax_reference, shape, torch.bfloat16, *options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_bits_every_time_and_when_compiled(monkeypatch):
    # The compiler can't trace the checks of shapes that these tests put around every function.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    x = torch.randn(8, 300, 80, device=DEVICE, dtype=torch.bfloat16, requires_grad=True)
    weights = torch.randn(4, 31, device=DEVICE, requires_grad=True)

    def run(x, weights):
        return windowed_sum(x, weights, 30)

    def gradients(function):
        out = function(x, weights)
        return out, *torch.autograd.grad(out, (x, weights), torch.ones_like(out))

    with use(windowed_sum, "triton"):
        first, again = gradients(run), gradients(run)
        traced = gradients(torch.compile(run, fullgraph=True))
    for one, other, third in zip(first, again, traced, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)
