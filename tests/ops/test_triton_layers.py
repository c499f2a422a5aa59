"""The Triton kernels around the convolution equal their references: attention, linear, norm, residual.

On a GPU as they are, elsewhere under Triton's interpreter, which runs in fp32.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted

from litetransformer.ops.attention import attention
from litetransformer.ops.attention import reference as plain_attention
from litetransformer.ops.dispatch import use
from litetransformer.ops.gate import gate
from litetransformer.ops.gate import reference as plain_gate
from litetransformer.ops.layer_norm import layer_norm
from litetransformer.ops.layer_norm import reference as plain_layer_norm
from litetransformer.ops.linear import linear
from litetransformer.ops.linear import reference as plain_linear
from litetransformer.ops.residual import residual

with interpreted():
    import triton  # noqa: F401

BOTH = [torch.float32] + [torch.bfloat16] * (DEVICE == "cuda")
# The thread of backward greets cuBLAS first.
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")
TOLERANCES = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


def randn(*shape, dtype=torch.float32):
    return torch.randn(shape, device=DEVICE, dtype=dtype).requires_grad_()


def compare(function, reference, inputs):
    """Output and gradients of `function` beside the reference's in float64."""
    found = function(*inputs)
    upstream = torch.randn(found.shape, device=DEVICE)
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = reference(*exact)
    pairs = [(found, expected)]
    pairs += zip(
        torch.autograd.grad(found, inputs, upstream.to(found.dtype)),
        torch.autograd.grad(expected, exact, upstream.double()),
        strict=True,
    )
    for one, other in pairs:
        distance = (one.double() - other).detach().norm() / other.detach().norm().clamp_min(1e-9)
        assert distance.item() < TOLERANCES[inputs[0].dtype]


def by_triton(op):
    """`op` by its Triton kernels."""

    def run(*inputs):
        with use(op, "triton"):
            return op(*inputs)

    return run


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("batch", "heads", "length", "keys", "channels"),
    [(2, 2, 5, 5, 3), (1, 3, 16, 16, 20), (2, 1, 1, 9, 4), (1, 2, 70, 70, 8), (1, 1, 33, 130, 15)],
)
def test_attention(batch, heads, length, keys, channels, causal, dtype):
    if causal and length != keys:
        pytest.skip("causal attention looks at its own sequence")
    shapes = [(batch, length, heads, channels)] + [(batch, keys, heads, channels)] * 2
    inputs = [randn(*shape, dtype=dtype) for shape in shapes]
    seen = torch.rand(batch, 1, 1, keys, device=DEVICE) > 0.4
    seen[..., 0] = True
    for visible in (None, seen):

        def over(function, visible=visible):
            return lambda *each: function(*(tensor.transpose(1, 2) for tensor in each), visible, causal)

        function = over(by_triton(attention))
        compare(function, over(plain_attention), inputs)


@pytest.mark.parametrize("dtype", [*BOTH, torch.float16])
@pytest.mark.parametrize(("heads", "channels"), [(4, 25), (4, 20), (4, 60), (2, 124), (4, 16)])
def test_attention_of_heads_side_by_side(heads, channels, dtype):
    width = heads * channels
    x = randn(2, 9, 3 * width, dtype=dtype)

    def over(function):
        def run(x):
            parts = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in x.split(width, 2))
            # Merged, so that in the gradient from above they are side by side, too.
            return function(*parts, None, True).transpose(1, 2).flatten(2)

        return run

    compare(over(by_triton(attention)), over(plain_attention), [x])


def test_what_rows_of_heads_are_multiples_of():
    from litetransformer.ops.attention.triton_ops import unit_of

    def unit(heads, channels, begin=0, dtype=torch.float16):
        rows = torch.zeros(2, 9, begin + 2 * heads * channels, device=DEVICE, dtype=dtype)
        return unit_of(rows[..., begin:].unflatten(2, (2 * heads, -1))[..., :heads, :].transpose(1, 2))

    assert unit(4, 20) == unit(4, 20, begin=8) == unit(4, 40) == unit(4, 124) == 8
    assert unit(4, 20, begin=4) == unit(3, 20) == unit(4, 20, dtype=torch.float32) == 4
    assert unit(4, 20, begin=2) == 2
    # Many heads begin neither at a load nor at its middle.
    assert unit(4, 25) == unit(4, 50) == unit(4, 62) == unit(1, 31) == 1
    assert unit_of(torch.zeros(2, 4, 9, 32, device=DEVICE)) == 1


def test_merging_the_heads_of_attention_moves_nothing():
    inputs = [randn(2, 3, 5, 4) for _ in range(3)]
    found = by_triton(attention)(*inputs)
    assert found.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("size", [(300, 32), (150, 64)])
def test_attention_to_more_keys_than_a_program_holds_is_refused_by_name(size):
    inputs = [randn(1, 1, *size) for _ in range(3)]
    with use(attention, "triton"), pytest.raises(ValueError, match=f"hold no {size[0]} keys of {size[1]}"):
        attention(*inputs)


def test_a_mask_of_pairs_is_refused_by_name():
    inputs = [randn(1, 1, 3, 4) for _ in range(3)]
    visible = torch.ones(1, 1, 3, 3, dtype=torch.bool, device=DEVICE)
    with use(attention, "triton"), pytest.raises(ValueError, match="masks of keys"):
        attention(*inputs, visible)


@pytest.mark.parametrize("causal", [False, True])
def test_dropout_of_attention_keeps_its_share_and_its_gradients(causal):
    batch, heads, length = 8, 2, 24
    q, k = (randn(batch, heads, length, length) for _ in range(2))
    v = torch.eye(length, device=DEVICE).expand(batch, heads, -1, -1).contiguous().requires_grad_()
    # With the identity for values, what comes out is the weights.
    weights = by_triton(attention)(q, k, v, None, causal, 0.0)
    dropped = by_triton(attention)(q, k, v, None, causal, 0.25)
    factor = (dropped / weights.clamp_min(1e-30)).detach()
    drawn = weights > 0
    assert torch.minimum((factor[drawn] - 1 / 0.75).abs(), factor[drawn].abs()).max().item() < 1e-3
    assert (factor[drawn] < 0.5).float().mean().item() == pytest.approx(0.25, abs=0.03)
    upstream = torch.randn_like(dropped)
    found = torch.autograd.grad(dropped, (q, k, v), upstream)
    # The reference with the same factors on its weights.
    scores = q @ k.transpose(2, 3) / length**0.5
    if causal:
        scores = scores.masked_fill(scores.new_ones(length, length, dtype=torch.bool).triu(1), -torch.inf)
    expected = torch.autograd.grad((scores.softmax(-1) * factor) @ v, (q, k, v), upstream)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("rows", "width", "out"), [((2, 5), 3, 4), ((700,), 6, 300)])
def test_linear(rows, width, out, relu, dtype):
    inputs = [randn(*rows, width, dtype=dtype), randn(out, width, dtype=dtype), randn(out, dtype=dtype)]

    def over(function):
        return lambda *each: function(*each, relu)

    compare(over(by_triton(linear)), over(plain_linear), inputs)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize(("glu", "padded"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize(("shape", "width"), [((3, 7), 4), ((2, 61), 100), ((5,), 3000)])
def test_gate(shape, width, glu, padded, dtype):
    pad = torch.rand(shape, device=DEVICE) < 0.3 if padded else None

    def over(function):
        return lambda x: function(x, pad, glu)

    compare(over(by_triton(gate)), over(plain_gate), [randn(*shape, width * (1 + glu), dtype=dtype)])


def test_without_a_glu_and_padding_a_gate_is_no_kernel():
    with pytest.raises(ValueError, match="nothing is to be done"):
        by_triton(gate)(randn(3, 7, 4), None, False)


def test_a_gate_is_exactly_zero_on_padding():
    x, pad = randn(3, 8, 4), torch.zeros(3, 8, dtype=torch.bool, device=DEVICE)
    pad[1, 3:] = True
    with torch.no_grad():
        x[1, 5] = float("inf")
    found = by_triton(gate)(x, pad, True)
    assert not found[pad].any()
    (slope,) = torch.autograd.grad(found.sum(), x)
    assert not slope[pad].any()


@pytest.mark.parametrize("glu", [False, True])
@pytest.mark.parametrize("above", ["expanded", "across"])
def test_a_gate_takes_what_lies_in_any_way(above, glu):
    x, pad = randn(8, 3, 5), torch.rand(8, 3, device=DEVICE) < 0.3
    channels = 2 if glu else 4
    upstream = {
        "expanded": torch.randn(channels, device=DEVICE).expand(3, 8, -1),
        "across": torch.randn(channels, 8, 3, device=DEVICE).transpose(0, 2),
    }[above]

    def run(function):
        found = function(x.transpose(0, 1)[..., :4], pad.t(), glu)
        return found, *torch.autograd.grad(found, x, upstream)

    for one, other in zip(run(by_triton(gate)), run(plain_gate), strict=True):
        torch.testing.assert_close(one, other)


def test_linear_takes_slices_of_channels():
    inputs = [randn(2, 5, 8), randn(3, 4), randn(3)]
    compare(
        lambda x, *others: by_triton(linear)(x[..., 4:], *others),
        lambda x, *others: plain_linear(x[..., 4:], *others),
        inputs,
    )


def test_linear_without_a_bias_is_refused_by_name():
    with use(linear, "triton"), pytest.raises(ValueError, match="without a bias"):
        linear(randn(2, 3), randn(4, 3))


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5), (700, 24), (3, 300)])
def test_layer_norm(shape, added, dtype):
    width = shape[-1]
    inputs = [randn(*shape, dtype=dtype), randn(width), randn(width)]
    inputs += [randn(*shape, dtype=dtype)] * added
    compare(by_triton(layer_norm), plain_layer_norm, inputs)


@pytest.mark.parametrize("norm", [False, True])
def test_dropout_of_a_residual_keeps_its_share_and_sends_gradients_through_what_it_kept(norm):
    x, added = randn(40, 50, 16), randn(40, 50, 16)
    gain, shift = torch.ones(16, device=DEVICE), torch.zeros(16, device=DEVICE)
    if norm:
        zero = torch.zeros_like(x)
        out = by_triton(layer_norm)(zero, gain, shift, added, 0.25)
        # What dropped is where the norm of the sum is the norm of zero: below the others of its row.
        upstream = torch.randn_like(out)
        slope, value = torch.autograd.grad(out, added, upstream)[0], added.detach().double()
        kept = slope != 0
        again = value.requires_grad_()
        expected = torch.nn.functional.layer_norm(again * kept / 0.75, (16,))
        torch.testing.assert_close(out.double(), expected, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(
            slope.double(), torch.autograd.grad(expected, again, upstream.double())[0], atol=1e-3, rtol=1e-3
        )
    else:
        out = by_triton(residual)(x, added, 0.25)
        through, slope = torch.autograd.grad(out, (x, added), torch.ones_like(out))
        kept = slope != 0
        torch.testing.assert_close(out, x + added * kept / 0.75)
        torch.testing.assert_close(slope, kept / 0.75)
        torch.testing.assert_close(through, torch.ones_like(x))
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.01)
    for dim in range(3):
        share = kept.float().mean(tuple(other for other in range(3) if other != dim))
        assert (share - 0.75).abs().max().item() < 0.08


def test_dropout_differs_from_call_to_call():
    x, added = randn(8, 16), randn(8, 16)
    assert not torch.equal(by_triton(residual)(x, added, 0.5), by_triton(residual)(x, added, 0.5))
