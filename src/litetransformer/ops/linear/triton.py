"""cuBLAS's products, with what backward adds up over rows in a Triton kernel."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from litetransformer.ops.gradients import Later, Product, collected
from litetransformer.ops.kernels import FLOATS, computing_type, triton_why_not

WIDEST = 8192


def why_not(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> str | None:
    """A reason where Triton has one, without a bias, or for a type or width that the kernel doesn't take."""
    if bias is None:
        return "without a bias there is nothing to add up"
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
    assert bias is not None
    dtype, later = computing_type(x), collected(weight, bias)
    with torch.autocast(x.device.type, enabled=False):
        # Casts are autograd's, so that each gradient comes back in the type of what it belongs to.
        found: Tensor = _Linear.apply(x.to(dtype), weight.to(dtype), bias.to(dtype), relu, later)
    return found


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, relu: bool, later: Later | None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        product = torch._addmm_activation if relu else torch.addmm
        out = product(bias, rows, weight.t())
        ctx.save_for_backward(x, weight, out if relu else None)
        ctx.later = later
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, out = ctx.saved_tensors
        above, rows = upstream.reshape(-1, weight.shape[0]), x.reshape(-1, x.shape[-1])
        find = _gradients if ctx.later is None else _note
        slope, weight_slope, bias_slope = find(above, rows, weight, out, ctx.later)
        into = (slope @ weight).view(x.shape) if ctx.needs_input_grad[0] else None
        return into, weight_slope, bias_slope, None, None


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
