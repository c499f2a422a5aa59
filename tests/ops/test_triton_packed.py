"""Attention's Triton kernel leaves the gradients of q, k, v where one product over all three reads them.

On a GPU as it is, elsewhere under Triton's interpreter.
"""

import pytest
import torch
from interpreter import DEVICE, interpret, interpreted
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from litetransformer.layers.attention import SelfAttention, merge_heads, split_heads
from litetransformer.layers.cross_attention import CrossAttention
from litetransformer.ops.attention import attention
from litetransformer.ops.dispatch import use
from litetransformer.ops.split import split

with interpreted():
    import triton  # noqa: F401

# The thread of backward greets cuBLAS first.
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")
HEADS, CHANNELS = 2, 5
WIDTH = HEADS * CHANNELS


@pytest.fixture(autouse=True)
def _interpreter(monkeypatch):
    interpret(monkeypatch)


class Copies(TorchDispatchMode):
    """The sizes of what is concatenated inside."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        if function is torch.ops.aten.cat.default:
            self.sizes.append(tuple(found.shape))
        return found


def randn(*shape):
    return torch.randn(shape, device=DEVICE).requires_grad_()


def backward(module, inputs, run):
    """The gradients of the inputs and weights, by Triton's attention and by the reference; the copies."""
    wanted = [*inputs, *module.parameters()]
    found = {}
    for way in ("triton", "reference"):
        with use(attention, way):
            out = run(*inputs)
            upstream = torch.linspace(-1, 1, out.numel(), device=DEVICE).view_as(out)
            # A GPU's backward has a thread of its own, where nothing is counted.
            with Copies() as copies:
                found[way] = torch.autograd.grad((out * upstream).sum(), wanted)
        found[way, "copies"] = [size for size in copies.sizes if len(size) == 3]
    for one, other in zip(found["triton"], found["reference"], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    return found["triton", "copies"], found["reference", "copies"]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("batch", "length"), [(2, 7), (3, 2), (1, 40)])
def test_self_attention_copies_no_gradients(batch, length, causal):
    module = SelfAttention(WIDTH, heads=HEADS, causal=causal).to(DEVICE)
    nn.init.normal_(module.query.bias)
    copies, before = backward(module, [randn(batch, length, WIDTH)], module)
    assert copies == []
    assert DEVICE == "cuda" or before == [(batch, length, 3 * WIDTH)]


@pytest.mark.parametrize(("length", "source"), [(4, 9), (6, 6), (40, 3)])
def test_cross_attention_copies_no_gradients(length, source):
    module = CrossAttention(WIDTH, heads=HEADS).to(DEVICE)
    pad = torch.zeros(2, source, dtype=torch.bool, device=DEVICE)
    pad[1, source - 1] = True

    def run(x, encoded):
        return module(x, None, module.remember(encoded, pad))

    copies, before = backward(module, [randn(2, length, WIDTH), randn(2, source, WIDTH)], run)
    assert copies == []
    assert DEVICE == "cuda" or before == [(2, source, 2 * WIDTH)]


@pytest.mark.parametrize("parts", [2, 3])
def test_the_gradient_of_what_is_split_is_what_attention_wrote(parts):
    packed, own = randn(2, 7, parts * WIDTH), randn(2, 7, WIDTH)
    slices = [own][parts - 2 :] + list(split(packed, [WIDTH] * parts))
    written = []
    for part in slices:
        part.register_hook(lambda gradient: written.append(gradient.data_ptr()))
    with use(attention, "triton"):
        out = merge_heads(attention(*(split_heads(part, HEADS) for part in slices)))
    (found,) = torch.autograd.grad(out.sum(), packed)
    assert found.data_ptr() in written
    assert found.is_contiguous()
    size = 4 * WIDTH
    assert {found.data_ptr() + number * size for number in range(parts)} <= set(written)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(lambda *each: torch.stack(each), id="three tensors in one"),
        pytest.param(lambda *each: torch.cat(each, 1).transpose(0, 1), id="sentences inside"),
        pytest.param(lambda q, k, v: torch.cat([v, q, k], -1), id="another order"),
    ],
)
def test_views_of_other_layouts_get_their_own_gradients(layout):
    inputs = [randn(2, 3, WIDTH) for _ in range(3)]

    def apart(way):
        whole = layout(*inputs)
        if whole.dim() == 4:
            q, k, v = whole.unbind()
        elif whole.shape[-1] == 3 * WIDTH:
            v, q, k = split(whole, [WIDTH] * 3)
        else:
            q, k, v = (part.transpose(0, 1) for part in whole.split([3] * 3))
        with use(attention, way):
            out = attention(*(split_heads(part, HEADS) for part in (q, k, v)))
        return torch.autograd.grad(out.sin().sum(), inputs)

    for one, other in zip(apart("triton"), apart("reference"), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("missing", range(3))
def test_a_slice_that_is_used_again_or_cut_off_gets_what_it_is_owed(missing):
    packed = randn(2, 7, 3 * WIDTH)

    def through(way, again):
        slices = list(split(packed, [WIDTH] * 3))
        extra = slices[missing].square().sum() if again else 0.0
        if not again:
            slices[missing] = slices[missing].detach()
        with use(attention, way):
            out = attention(*(split_heads(part, HEADS) for part in slices))
        return torch.autograd.grad(out.sin().sum() + extra, packed)

    for again in (False, True):
        found, expected = through("triton", again), through("reference", again)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        assert again or not found[0][..., missing * WIDTH : (missing + 1) * WIDTH].any()
