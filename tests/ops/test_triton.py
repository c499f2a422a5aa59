"""The Triton kernels equal their references: on a GPU as they are, elsewhere under Triton's interpreter.

The interpreter runs in fp32 and fp16: its matrix product does not know bf16.
"""

import jaxtyping
import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.core.tokens import PAD
from litetransformer.ops.consistency import consistent_cross_entropy
from litetransformer.ops.consistency import reference as consistency_reference
from litetransformer.ops.cross_entropy import cross_entropy
from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_softmax_sum import reference as softmax_reference
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum import reference, triton_forms, windowed_sum

with interpreted():
    import triton  # noqa: F401

# The thread of backward greets cuBLAS first; the compiler uses what PyTorch itself has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
TOLERANCES = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1e-2}
SHAPES = [
    # batch, length, channels, heads, taps
    (2, 13, 12, 4, 5),
    (3, 1, 8, 2, 3),
    (2, 20, 24, 2, 31),  # more taps than positions
    (1, 71, 40, 2, 7),  # several tiles
    (1, 67, 6, 1, 80),  # several groups of taps
    (1, 35, 66, 1, 4),  # several blocks of channels
    (1, 33, 6, 6, 2),  # a channel a head
    (2, 19, 40, 2, 8),  # as many taps as are summed without a product
    (5, 37, 16, 2, 3),  # more runs than programs at once
    (1, 9, 300, 150, 3),  # more heads than a program has
    (2, 9, 258, 1, 3),  # a head too wide for the short kernels
]
SQUARES = [
    (2, 20, 24, 2, 31),  # one block
    (1, 71, 40, 2, 31),  # a chain
    (3, 40, 8, 2, 15),  # chains that begin within a sequence
    (1, 70, 100, 4, 31),  # heads that begin within a load
    (1, 130, 10, 2, 63),  # a larger square
    (1, 40, 66, 1, 9),  # several blocks of channels
    (2, 33, 6, 6, 3),  # a channel a head
]


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


def gradients(function, inputs, upstream):
    out = function(*inputs)
    return out, *torch.autograd.grad(out, inputs, upstream)


def assert_near(found, expected, dtype):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        distance = (one.double() - other).detach().norm() / other.detach().norm().clamp_min(1e-9)
        assert distance.item() < TOLERANCES[dtype]


def inputs(shape, dynamic, dtype=torch.float32):
    batch, length, channels, heads, taps = shape
    x = torch.randn(length, batch, channels, device=DEVICE, dtype=dtype).transpose(0, 1)
    size = (batch, length, heads, taps) if dynamic else (heads, taps)
    weights = torch.randn(size, device=DEVICE, dtype=dtype)
    upstream = torch.randn(batch, channels, length, device=DEVICE, dtype=dtype).transpose(1, 2)
    return (x.requires_grad_(), weights.requires_grad_()), upstream


def doubled(tensors):
    return tuple(tensor.detach().double().requires_grad_() for tensor in tensors)


def compare(op, definition, shape, dynamic, dtype, *options):
    given, upstream = inputs(shape, dynamic, dtype)
    expected = gradients(lambda x, w: definition(x, w, *options), doubled(given), upstream.double())
    with use(op, "triton"):
        found = gradients(lambda x, w: op(x, w, *options), given, upstream)
    assert_near(found, expected, dtype)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_sum_and_gradients_equal_the_references(shape, dynamic):
    for left in {shape[-1] - 1, shape[-1] // 2}:
        compare(windowed_sum, reference, shape, dynamic, torch.float32, left)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", SQUARES)
def test_squares_equal_the_reference(shape, dynamic, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", "square")
    for left in {shape[-1] - 1, shape[-1] // 2}:
        compare(windowed_sum, reference, shape, dynamic, torch.float32, left)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", SQUARES[:3])
def test_squares_with_softmax_and_dropout(shape, dynamic, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", "square")
    options = (shape[-1] // 2, 0.3, torch.tensor([12345678901], device=DEVICE))
    compare(windowed_softmax_sum, softmax_reference, shape, dynamic, torch.float32, *options)


@pytest.mark.parametrize("shape", SQUARES)
def test_channels_of_several_heads_a_program_equal_the_reference(shape, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", "across")
    for left in {shape[-1] - 1, shape[-1] // 2}:
        compare(windowed_sum, reference, shape, False, torch.float32, left)


@pytest.mark.parametrize("shape", SQUARES[:3])
def test_channels_of_several_heads_a_program_with_softmax_and_dropout(shape, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", "across")
    options = (shape[-1] // 2, 0.3, torch.tensor([12345678901], device=DEVICE))
    compare(windowed_softmax_sum, softmax_reference, shape, False, torch.float32, *options)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("channels", [80, 100, 248])
def test_what_is_chosen_for_narrow_heads_in_half_precision(channels, softmax):
    shape = (2, 70, channels, 4, 31)
    if softmax:
        options = (30, 0.3, torch.tensor([12345678901], device=DEVICE))
        compare(windowed_softmax_sum, softmax_reference, shape, False, torch.float16, *options)
    else:
        compare(windowed_sum, reference, shape, False, torch.float16, 30)


@pytest.mark.parametrize("block", [32, 128])
def test_other_blocks_of_channels(block, monkeypatch):
    from litetransformer.ops.windowed_sum import triton_across_ops

    monkeypatch.setattr(triton_forms, "FORCED", "across")
    monkeypatch.setattr(triton_across_ops, "BLOCK", {"forward": block, "backward": block})
    compare(windowed_sum, reference, (3, 37, 80, 4, 12), False, torch.float32, 11)


def test_which_kernels_take_a_shape(monkeypatch):
    def form(taps, left, dtype=torch.float16, channels=8, rows=(), backward=False):
        x = torch.zeros(1, 4, channels, dtype=dtype)
        return triton_forms.form(x, torch.zeros(*rows, 2, taps), left, backward=backward)

    def both(taps, **options):
        return [form(taps, taps - 1, **options, backward=backward) for backward in (False, True)]

    assert both(8) == ["short", "short"]
    assert both(9) == both(16) == ["short", "across"]
    assert both(17) == both(31) == both(64) == both(31, channels=50) == ["across", "across"]
    assert both(9, channels=62) == ["short", "across"]
    assert both(9, channels=64) == both(31, channels=64) == both(64, channels=94) == ["across", "across"]
    assert both(8, channels=64) == both(8, channels=128) == ["short", "short"]
    assert both(31, channels=6) == ["bands", "bands"]
    assert both(9, channels=96) == both(64, channels=96) == both(64, channels=128) == ["square", "square"]
    assert both(31, rows=(1, 4)) == both(31, rows=(1, 4), channels=80) == ["square", "square"]
    for options in ({}, {"rows": (1, 4)}, {"channels": 80}):
        assert both(31, dtype=torch.float32, **options) == ["square", "square"]
    assert both(31, dtype=torch.float32, rows=(1, 4), channels=130) == ["bands", "bands"]
    assert both(65) == ["bands", "bands"]
    assert form(63, 63) == form(3, -1) == form(3, 2, channels=258) == "bands"
    monkeypatch.setattr(triton_forms, "FORCED", "square")
    assert both(3) == both(31) == ["square", "square"]
    assert both(65) == ["bands", "bands"]


@pytest.mark.parametrize("taps", [5, 31])
@pytest.mark.parametrize("dynamic", [False, True])
def test_half_precision_adds_up_in_full(dynamic, taps):
    compare(windowed_sum, reference, (2, 40, 24, 2, taps), dynamic, torch.float16, taps - 1)


@pytest.mark.parametrize("dynamic", [False, True])
def test_windows_that_miss_their_position(dynamic):
    for left in (-2, 6):
        compare(windowed_sum, shifted, (2, 20, 8, 2, 4), dynamic, torch.float32, left)


def shifted(x, weights, left):
    """The reference for a window wholly ahead of or behind its position, which `reference` pads for."""
    taps, zeros = weights.shape[-1], max(0, -left, left - weights.shape[-1] + 1)
    more = torch.nn.functional.pad(weights, (zeros, 0) if left < 0 else (0, zeros))
    assert more.shape[-1] == taps + zeros
    return reference(x, more, left + zeros if left < 0 else left)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("taps", [3, 31, 63, 80])
@pytest.mark.parametrize(("length", "channels"), [(31, 248), (333, 248), (333, 100), (1000, 448)])
def test_bfloat16_on_a_gpu(length, channels, taps, dynamic):
    for left in (taps - 1, taps // 2):
        compare(windowed_sum, reference, (3, length, channels, 4, taps), dynamic, torch.bfloat16, left)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("taps", [15, 31, 63])
@pytest.mark.parametrize(("length", "channels"), [(31, 80), (333, 80), (333, 100)])
def test_channels_of_several_heads_on_a_gpu(length, channels, taps, monkeypatch):
    monkeypatch.setattr(triton_forms, "FORCED", "across")
    shape, dropout = (3, length, channels, 4, taps), (0.1, torch.tensor([12345678901], device=DEVICE))
    compare(windowed_sum, reference, shape, False, torch.bfloat16, taps // 2)
    if taps == 31:
        compare(windowed_softmax_sum, softmax_reference, shape, False, torch.float32, taps - 1, *dropout)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_gpu_gives_the_same_bits_every_time_and_when_compiled(dynamic, monkeypatch):
    # The compiler can't trace the checks of shapes that these tests put around every function.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    given, upstream = inputs((8, 300, 80, 4, 31), dynamic, torch.bfloat16)
    with use(windowed_sum, "triton"):
        first = gradients(lambda x, w: windowed_sum(x, w, 30), given, upstream)
        again = gradients(lambda x, w: windowed_sum(x, w, 30), given, upstream)
        compiled = torch.compile(lambda x, w: windowed_sum(x, w, 30), fullgraph=True)
        traced = gradients(compiled, given, upstream)
    for one, other, third in zip(first, again, traced, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one, third)


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shape", SHAPES[:4])
def test_softmax_and_dropout_of_the_taps_in_the_kernel(shape, dynamic, rate):
    options = (shape[-1] // 2, rate, torch.tensor([12345678901], device=DEVICE))
    compare(windowed_softmax_sum, softmax_reference, shape, dynamic, torch.float32, *options)


def test_more_taps_than_a_softmax_takes_are_refused_by_name():
    (x, logits), _ = inputs((1, 4, 4, 2, 65), False)
    with use(windowed_softmax_sum, "triton"), pytest.raises(ValueError, match="at most 64 taps, not 65"):
        windowed_softmax_sum(x, logits, 64)


def test_double_precision_is_refused_by_name():
    (x, weights), _ = inputs((1, 4, 4, 2, 3), False)
    with (
        use(windowed_sum, "triton"),
        pytest.raises(ValueError, match=r"fp32, bf16 and fp16, not torch\.float64"),
    ):
        windowed_sum(x.double(), weights.double(), 2)


def test_autocast_gives_its_own_type():
    (x, weights), _ = inputs((1, 9, 8, 2, 3), False)
    with use(windowed_sum, "triton"), torch.autocast(DEVICE, torch.float16):
        assert windowed_sum(x, weights, 2).dtype == torch.float16


def precise_loss(features, table, targets, smoothing):
    """The reference's equation in the precision of its arguments; the reference itself stops at fp32."""
    losses = -(features @ table.T).log_softmax(-1)
    losses = (1 - smoothing) * losses.gather(-1, targets[..., None])[..., 0] + smoothing * losses.mean(-1)
    return losses[targets != PAD].sum()


def compare_loss(vocabulary, smoothing):
    features, table = torch.randn(3, 11, 5, device=DEVICE), torch.randn(vocabulary, 5, device=DEVICE)
    given, targets = (features.requires_grad_(), table.requires_grad_()), torch.randint(0, 7, (3, 11))
    targets[0, 0] = vocabulary - 1
    targets = targets.to(DEVICE)
    one = torch.ones((), device=DEVICE)
    expected = gradients(lambda f, t: precise_loss(f, t, targets, smoothing), doubled(given), one)
    with use(cross_entropy, "chunked"):
        found = gradients(lambda f, t: cross_entropy(f, t, targets, smoothing), given, one)
    assert_near(found, expected, torch.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("vocabulary", [7, 3001])
def test_the_loss_over_logits_and_its_gradients(vocabulary, smoothing):
    compare_loss(vocabulary, smoothing)


def test_rows_of_logits_too_long_to_be_held_are_read_again(monkeypatch):
    from litetransformer.ops.cross_entropy import triton_loss

    monkeypatch.setattr(triton_loss, "HELD", 1)
    monkeypatch.setattr(triton_loss, "WARPS", 2)
    compare_loss(1100, 0.1)


@pytest.mark.parametrize("wrong", [-1, 50, 2**40])
def test_a_target_that_is_no_token_makes_loss_and_gradient_of_its_row_nan(wrong):
    from litetransformer.ops.cross_entropy import triton_loss

    given, targets = torch.randn(4, 50, device=DEVICE), torch.tensor([5, 6, 7, 8], device=DEVICE)
    expected, logits = given.clone(), given.clone()
    losses = triton_loss.loss_in_place(expected, targets, 0.1, True)
    targets[1], losses[1], expected[1] = wrong, torch.nan, torch.nan
    found = triton_loss.loss_in_place(logits, targets, 0.1, True)
    torch.testing.assert_close((found, logits), (losses, expected), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("wrong", [-1, 50, 2**40])
def test_a_target_that_is_no_token_makes_both_of_its_rows_nan(wrong):
    from litetransformer.ops.consistency import triton_loss

    given, targets = torch.randn(8, 50, device=DEVICE), torch.tensor([5, 6, 7, 8], device=DEVICE)
    expected, logits = given.clone(), given.clone()
    losses = triton_loss.loss_in_place(expected, targets, 0.1, 2.5, True)
    targets[1], losses[1], expected[1], expected[5] = wrong, torch.nan, torch.nan, torch.nan
    found = triton_loss.loss_in_place(logits, targets, 0.1, 2.5, True)
    torch.testing.assert_close((found, logits), (losses, expected), rtol=0, atol=0, equal_nan=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("vocabulary", [8192, 40000, 40001, 70000])
def test_losses_over_logits_in_bfloat16_on_a_gpu(vocabulary):
    from litetransformer.ops.cross_entropy import triton_loss

    logits = 4 * torch.randn(1000, vocabulary, device=DEVICE, dtype=torch.bfloat16)
    targets = torch.randint(0, vocabulary, (1000,), device=DEVICE)
    targets[::7] = PAD
    expected = logits.double().requires_grad_()
    losses = torch.nn.functional.cross_entropy(
        expected, targets, ignore_index=PAD, reduction="none", label_smoothing=0.1
    )
    (slope,) = torch.autograd.grad(losses.sum(), expected)
    again = logits.clone()
    found = triton_loss.loss_in_place(logits, targets, 0.1, True)
    assert_near([found], [losses], torch.float32)
    assert_near([logits], [slope], torch.bfloat16)
    assert torch.equal(triton_loss.loss_in_place(again, targets, 0.1, True), found)
    assert torch.equal(again, logits)


@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 1.0), (0.1, 2.5)])
@pytest.mark.parametrize("vocabulary", [7, 5003])
def test_the_loss_over_the_logits_of_two_runs_and_its_gradients(vocabulary, smoothing, weight):
    features, table = torch.randn(6, 11, 5, device=DEVICE), torch.randn(vocabulary, 5, device=DEVICE)
    given, targets = (features.requires_grad_(), table.requires_grad_()), torch.randint(0, 7, (3, 11))
    settings = (targets.to(DEVICE), smoothing, weight)
    one = torch.ones((), device=DEVICE)
    expected = gradients(lambda f, t: consistency_reference(f, t, *settings), doubled(given), one)
    with use(consistent_cross_entropy, "chunked"):
        found = gradients(lambda f, t: consistent_cross_entropy(f, t, *settings), given, one)
    assert_near(found, expected, torch.float32)
