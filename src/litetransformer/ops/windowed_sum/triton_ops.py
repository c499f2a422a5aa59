"""What PyTorch sees of the Triton kernels: the windowed sum and its gradients.

`softmax` and `rate` say what happens to the taps on the way: `taps` are logits, or weights as they are.
Import this only where `triton.why_not` has no reason against it.
"""

from typing import Any

import torch
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.gradients import Sum, collected
from litetransformer.ops.kernels import power, side_by_side
from litetransformer.ops.triton_common import column_sums, launcher, multiprocessors
from litetransformer.ops.triton_memory import unit
from litetransformer.ops.windowed_sum import (
    triton_across_ops,
    triton_dynamic,
    triton_short_ops,
    triton_square_ops,
    triton_static,
)
from litetransformer.ops.windowed_sum.triton_band import Tiling, rounded, tiling
from litetransformer.ops.windowed_sum.triton_forms import form

OTHERS = {
    "short": triton_short_ops,
    "square": triton_square_ops,
    "across": triton_across_ops,
}
"""What there is beside the bands, which are launched here."""

BACKWARD_WARPS = 2
"""Times the warps of the forward pass, for the gradients of per-position taps: with fewer, a thread's 220
numbers leave a multiprocessor eight warps. Not in fp32, which then spills.
"""


def constants(x: Tensor, taps: Tensor, plan: Tiling, softmax: bool, rate: float) -> dict[str, Any]:
    """What every kernel is compiled for."""
    heads, count = taps.shape[-2:]
    channels, precise = x.shape[2] // heads, x.dtype == torch.float32
    block = min(64, power(channels))
    return {
        "x_row": x.stride(1),
        "heads": heads,
        "channels": channels,
        "taps_a_head": count,
        "rows": plan.rows,
        "columns": plan.columns,
        "block": block,
        "groups": plan.groups,
        "softmax": softmax,
        "rate": rate,
        "precise": precise,
        "num_warps": plan.warps(block, dynamic=taps.dim() == 4, precise=precise),
        "num_stages": 2 if plan.groups == 1 else 1,
    }


@triton_op("litetransformer::windowed_sum", mutates_args={})
def windowed_sum(
    x: Tensor, taps: Tensor, seed: Tensor | None, left: int, softmax: bool, rate: float
) -> Tensor:
    """The windowed sum in the type of `x`."""
    x, taps = side_by_side(x), taps.contiguous()
    seed = taps if seed is None else seed
    kind = form(x, taps, left)
    if kind in OTHERS:
        return OTHERS[kind].forward(x, taps, seed, left, softmax, rate)
    batch, length, _ = x.shape
    heads, count = taps.shape[-2:]
    out, one = x.new_empty(x.shape), unit(x)
    plan = tiling(length, count, left, taps.dim() == 2)
    fixed = constants(x, taps, plan, softmax, rate) | {"unit": one}
    if taps.dim() == 2:
        tiles = batch * plan.tiles
        programs = multiprocessors(x) * plan.programs(fixed["num_warps"], backward=False)
        turns = rounded(tiles * heads, programs)
        launcher(triton_static.static_forward)[(-(-tiles // turns) * heads,)](
            x, taps, seed, out, length, plan.tiles, tiles, left, plan.reach, plan.step, plan.group,
            x.stride(0) // one, turns=turns, wide=power(count), **fixed,
        )  # fmt: skip
        return out
    launcher(triton_dynamic.dynamic_forward)[(batch * plan.tiles,)](
        x, taps, seed, out, length, plan.tiles, left, plan.reach, plan.step, x.stride(0) // one,
        group=plan.group, group_block=power(plan.group), **fixed,
    )  # fmt: skip
    return out


@triton_op("litetransformer::windowed_sum_backward", mutates_args={})
def windowed_sum_backward(
    upstream: Tensor,
    x: Tensor,
    taps: Tensor,
    seed: Tensor | None,
    left: int,
    softmax: bool,
    rate: float,
    add_up: bool,
) -> tuple[Tensor, Tensor]:
    """The gradients of `x` and `taps`; without `add_up` that of static taps in shares, (P, H K)."""
    upstream, x, taps = side_by_side(upstream), side_by_side(x), taps.contiguous()
    seed = taps if seed is None else seed
    batch, length, _ = x.shape
    heads, count = taps.shape[-2:]
    kind = form(x, taps, left, backward=True)
    if kind in OTHERS:
        x_gradient, found = OTHERS[kind].backward(upstream, x, taps, seed, left, softmax, rate)
        return x_gradient, found if taps.dim() == 4 else _added(found, taps, add_up)
    x_gradient, one = x.new_empty(x.shape), unit(x, upstream)
    plan = tiling(length, count, left, taps.dim() == 2)
    fixed = constants(x, taps, plan, softmax, rate) | {"unit": one, "upstream_row": upstream.stride(1)}
    strides = (upstream.stride(0) // one, x.stride(0) // one)
    if taps.dim() == 2:
        tiles = batch * plan.tiles
        programs = multiprocessors(x) * plan.programs(fixed["num_warps"], backward=True)
        turns = rounded(tiles * heads, programs)
        shares = -(-tiles // turns)
        partial = x.new_empty((shares, heads, count), dtype=torch.float32)
        launcher(triton_static.static_backward)[(shares * heads, plan.groups)](
            upstream, x, taps, seed, x_gradient, partial, length, plan.tiles, tiles,
            left, plan.reach, plan.back, plan.step, plan.group, *strides,
            turns=turns, group_block=power(plan.group), wide=power(count), **fixed,
        )  # fmt: skip
        return x_gradient, _added(partial, taps, add_up)
    gradient = taps.new_empty(taps.shape)
    if not fixed["precise"]:
        fixed["num_warps"] = min(16, BACKWARD_WARPS * fixed["num_warps"])
    launcher(triton_dynamic.dynamic_backward)[(batch * plan.tiles,)](
        upstream, x, taps, seed, x_gradient, gradient, length, plan.tiles,
        left, plan.reach, plan.back, plan.step, *strides,
        group=plan.group, group_block=power(plan.group), **fixed,
    )  # fmt: skip
    return x_gradient, gradient


def _added(partial: Tensor, taps: Tensor, add_up: bool) -> Tensor:
    """(P, H K), the programs' shares in the gradient of static taps, or their sum."""
    partial = partial.flatten(1)
    return column_sums(partial, taps.dtype).view(taps.shape) if add_up else partial


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, taps, seed, ctx.left, ctx.softmax, ctx.rate = inputs
    ctx.save_for_backward(x, taps, seed)
    ctx.later = collected(taps) if taps.dim() == 2 else None


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    x, taps, seed = ctx.saved_tensors
    x_gradient, found = torch.ops.litetransformer.windowed_sum_backward(
        upstream, x, taps, seed, ctx.left, ctx.softmax, ctx.rate, ctx.later is None
    )
    if ctx.later is not None:
        into, (place,) = ctx.later
        into.sums.append(Sum(found, 0, taps.numel(), place))
        found = None
    return x_gradient, found, None, None, None, None


windowed_sum.register_autograd(_backward, setup_context=_keep)
