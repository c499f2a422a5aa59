"""The Triton kernels as two operators that PyTorch knows: the gate and its gradient.

Import this only where `triton.why_not` has no reason against it.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.kernels import power
from litetransformer.ops.triton_common import launcher

NUMBERS = 2048
"""Numbers of the result that a program makes."""


@triton.jit
@no_type_check
def places(
    pad, rows, width: tl.constexpr, block: tl.constexpr, step: tl.constexpr, padded: tl.constexpr
):  # fmt: skip
    """A program's rows and channels, where there are numbers, and where they are not padding."""
    row, lane = tl.program_id(0).to(tl.int64) * step + tl.arange(0, step), tl.arange(0, block)
    there = (row < rows)[:, None] & (lane < width)[None, :]
    real = there
    if padded:
        real = there & (tl.load(pad + row, mask=row < rows, other=1) == 0)[:, None]
    return row, lane, there, real


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def gate_forward(
    x, pad, out, rows,
    width: tl.constexpr, block: tl.constexpr, step: tl.constexpr, glu: tl.constexpr, padded: tl.constexpr,
):  # fmt: skip
    """`step` rows of the result, each `width` wide."""
    row, lane, there, real = places(pad, rows, width, block, step, padded)
    begin = x + row[:, None] * (width * (1 + glu)) + lane[None, :]
    value = tl.load(begin, mask=real, other=0.0)
    if glu:
        opened = tl.sigmoid(tl.load(begin + width, mask=real, other=0.0).to(tl.float32))
        value = (value.to(tl.float32) * opened).to(out.dtype.element_ty)
    tl.store(out + row[:, None] * width + lane[None, :], value, mask=there)


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def gate_backward(
    upstream, x, pad, gradient, rows,
    width: tl.constexpr, block: tl.constexpr, step: tl.constexpr, glu: tl.constexpr, padded: tl.constexpr,
):  # fmt: skip
    """`step` rows of the gradient of x, from as many of what is above."""
    row, lane, there, real = places(pad, rows, width, block, step, padded)
    above = tl.load(upstream + row[:, None] * width + lane[None, :], mask=real, other=0.0)
    place = row[:, None] * (width * (1 + glu)) + lane[None, :]
    if glu:
        value = tl.load(x + place, mask=real, other=0.0).to(tl.float32)
        opened = tl.sigmoid(tl.load(x + width + place, mask=real, other=0.0).to(tl.float32))
        slope = above.to(tl.float32) * opened
        steep = slope * (1.0 - opened) * value
        tl.store(gradient + width + place, steep.to(gradient.dtype.element_ty), mask=there)
        above = slope.to(gradient.dtype.element_ty)
    tl.store(gradient + place, above, mask=there)


def sizes(x: Tensor, pad: Tensor | None, glu: bool) -> tuple[int, int, dict[str, Any]]:
    """Programs, rows, and what is known of a kernel when it is compiled."""
    width = x.shape[-1] // 2 if glu else x.shape[-1]
    rows, block = x.numel() // x.shape[-1], power(width)
    step = max(1, NUMBERS // block)
    fixed = {"width": width, "block": block, "step": step, "glu": glu, "padded": pad is not None}
    return triton.cdiv(rows, step), rows, fixed


@triton_op("litetransformer::gate", mutates_args={})
def gate(x: Tensor, pad: Tensor | None, glu: bool) -> Tensor:
    """The halves of x gated with `glu`, else x, and zeros on padding."""
    x = x.contiguous()
    programs, rows, fixed = sizes(x, pad, glu)
    out = x.new_empty((*x.shape[:-1], fixed["width"]))
    launcher(gate_forward)[(programs,)](x, x if pad is None else pad.contiguous(), out, rows, **fixed)
    return out


@triton_op("litetransformer::gate_backward", mutates_args={})
def gate_slope(upstream: Tensor, x: Tensor, pad: Tensor | None, glu: bool) -> Tensor:
    """The gradient of x; without `glu` only its shape is needed of x, and `upstream` may stand for it."""
    upstream, x = upstream.contiguous(), x.contiguous()
    programs, rows, fixed = sizes(x, pad, glu)
    gradient = x.new_empty(x.shape)
    launcher(gate_backward)[(programs,)](
        upstream, x, x if pad is None else pad.contiguous(), gradient, rows, **fixed
    )
    return gradient


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, pad, ctx.glu = inputs
    ctx.save_for_backward(x if ctx.glu else None, pad)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    x, pad = ctx.saved_tensors
    found = torch.ops.litetransformer.gate_backward(upstream, upstream if x is None else x, pad, ctx.glu)
    return found, None, None


gate.register_autograd(_backward, setup_context=_keep)
