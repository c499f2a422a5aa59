"""cuBLAS's products, or a Triton kernel's for rows that are uneven; what backward adds up, in another one."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from litetransformer.ops.gradients import Later, Product, collected
from litetransformer.ops.kernels import FLOATS, computing_type, triton_why_not

WIDEST = 8192
EVEN = 8
"""Numbers of two bytes that are 16 bytes: of rows that begin at multiples of them cuBLAS makes the most."""
MOST = 512
"""Channels in and out, at most, of products that are not left to cuBLAS: it fills a GPU with larger ones."""


def why_not(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> str | None:
    """A reason where Triton has one, without rows or a bias, or for a type or width that isn't taken."""
    if x.numel() == 0:
        return "the kernel adds up at least one row"
    if bias is None and not _uneven(computing_type(x), *weight.shape):
        return (
            f"without a bias the kernel takes bf16 and fp16, at most {MOST} channels, and in or out no "
            f"multiple of {EVEN} of them, not {computing_type(x)} from {weight.shape[1]} to {weight.shape[0]}"
        )
    if x.dtype not in FLOATS:
        return f"the kernel takes fp32, bf16 and fp16, not {x.dtype}"
    if weight.shape[0] > WIDEST:
        return f"the kernel takes at most {WIDEST} channels, not {weight.shape[0]}"
    return triton_why_not(x)


def linear(
    x: Float[Tensor, "*N D"],
    weight: Float[Tensor, "E D"],
    bias: Float[Tensor, " E"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "*N E"]:
    """The same as the reference; under autocast in its type."""
    dtype = computing_type(x)
    later = collected(weight) if bias is None else collected(weight, bias)
    with torch.autocast(x.device.type, enabled=False):
        # Casts are autograd's, so that each gradient comes back in the type of what it belongs to.
        bias = None if bias is None else bias.to(dtype)
        found: Tensor = _Linear.apply(x.to(dtype), weight.to(dtype), bias, relu, later)
    return found


def _uneven(dtype: torch.dtype, *counts: int) -> bool:
    """Whether these channels, and what is from row to row, are such that cuBLAS is slow."""
    return (
        dtype in (torch.bfloat16, torch.float16)
        and max(counts[:2]) <= MOST
        and any(count % EVEN for count in counts)
    )


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    """left right + bias, rectified with `relu`."""
    if _uneven(left.dtype, *right.shape, left.stride(0)):
        from litetransformer.ops.linear import triton_product

        return triton_product.product(left, right, bias, relu)
    if bias is None:
        return left @ right
    found: Tensor = (torch._addmm_activation if relu else torch.addmm)(bias, left, right)
    return found


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool, later: Later | None
    ) -> Tensor:
        out = _product(x.reshape(-1, x.shape[-1]), weight.t(), bias, relu)
        ctx.save_for_backward(x, weight, out if relu else None)
        ctx.later = later
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, out = ctx.saved_tensors
        above, rows = upstream.reshape(-1, weight.shape[0]), x.reshape(-1, x.shape[-1])
        find = _gradients if ctx.later is None else _note
        slope, weight_slope, bias_slope = find(above, rows, weight, out, ctx.later)
        into = _product(slope, weight).view(x.shape) if ctx.needs_input_grad[0] else None
        return into, weight_slope, bias_slope if ctx.needs_input_grad[2] else None, None, None


def _gradients(
    above: Tensor, rows: Tensor, weight: Tensor, out: Tensor | None, _: object
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient before the relu, the weight's and the bias's."""
    from litetransformer.ops.linear import triton_ops

    if weight.numel() <= triton_ops.SMALL:
        slope, both = triton_ops.weight_gradient(above, rows, out)
        weight_slope, bias_slope = both.split([weight.numel(), len(weight)])
        return above if out is None else slope, weight_slope.view(weight.shape), bias_slope
    slope, bias_slope = triton_ops.rectified_sum(above, out, weight.dtype)
    slope = above if out is None else slope
    return slope, slope.t() @ rows, bias_slope


def _note(
    above: Tensor, rows: Tensor, weight: Tensor, out: Tensor | None, later: Later
) -> tuple[Tensor, None, None]:
    """The gradient before the relu; the others are left to who collects them."""
    into, places = later
    slope = above if out is None else torch.ops.aten.threshold_backward(above, out, 0)
    into.products.append(Product(slope, rows.detach(), *places))
    return slope, None, None
