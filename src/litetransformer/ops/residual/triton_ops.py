"""The Triton kernel as two operators that PyTorch knows: the sum, and the gradient of what was added.

Import this only where `triton.why_not` has no reason against it.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.triton_common import dropped, launcher

BLOCK = 2048


@triton.jit(do_not_specialize=["count"])
@no_type_check
def add(x, added, seed, out, count, summed: tl.constexpr, block: tl.constexpr, rate: tl.constexpr):
    """A block of x + dropout(added), or of dropout(added) alone."""
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    value = tl.load(added + place, mask=place < count, other=0.0).to(tl.float32)
    value = value * dropped(place, tl.load(seed), rate)
    if summed:
        value += tl.load(x + place, mask=place < count, other=0.0).to(tl.float32)
    tl.store(out + place, value.to(out.dtype.element_ty), mask=place < count)


@triton_op("litetransformer::add_dropped", mutates_args={})
def add_dropped(x: Tensor, added: Tensor, seed: Tensor, rate: float) -> Tensor:
    """x + dropout(added) in the type of `x`."""
    x, added = x.contiguous(), added.contiguous()
    out = x.new_empty(x.shape)
    launcher(add)[(triton.cdiv(x.numel(), BLOCK),)](
        x, added, seed, out, x.numel(), summed=True, block=BLOCK, rate=rate
    )
    return out


@triton_op("litetransformer::dropped_again", mutates_args={})
def dropped_again(upstream: Tensor, seed: Tensor, rate: float, dtype: torch.dtype) -> Tensor:
    """`upstream` with what this seed drops dropped: the gradient of `added`."""
    upstream = upstream.contiguous()
    out = upstream.new_empty(upstream.shape, dtype=dtype)
    launcher(add)[(triton.cdiv(upstream.numel(), BLOCK),)](
        upstream, upstream, seed, out, upstream.numel(), summed=False, block=BLOCK, rate=rate
    )
    return out


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, added, seed, ctx.rate = inputs
    ctx.dtype = added.dtype
    ctx.save_for_backward(seed)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    (seed,) = ctx.saved_tensors
    slope = torch.ops.litetransformer.dropped_again(upstream, seed, ctx.rate, ctx.dtype)
    return upstream, slope, None, None


add_dropped.register_autograd(_backward, setup_context=_keep)
