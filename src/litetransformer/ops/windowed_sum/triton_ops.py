"""The Triton kernels as two operators that PyTorch knows: the windowed sum and its gradients.

`softmax` and `rate` say what happens to the taps on the way: `taps` are logits, or weights as they are.
Import this only where `triton.why_not` has no reason against it.
"""

from typing import Any

import torch
import triton
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.triton_common import launcher, power
from litetransformer.ops.windowed_sum import triton_dynamic, triton_static
from litetransformer.ops.windowed_sum.triton_band import Tiling, tiling

SHARES = 256
"""Rows of partial sums for the gradient of static taps: enough programs to fill a GPU, few to add up."""


def rows_of(x: Tensor) -> Tensor:
    """`x` with channels that lie side by side."""
    return x if x.stride(2) == 1 else x.contiguous()


def constants(x: Tensor, taps: Tensor, plan: Tiling, softmax: bool, rate: float) -> dict[str, Any]:
    """What every kernel is compiled for."""
    heads, count = taps.shape[-2:]
    channels, precise = x.shape[2] // heads, x.dtype == torch.float32
    block = min(64, power(channels))
    return {
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
    x, taps = rows_of(x), taps.contiguous()
    batch, length, _ = x.shape
    heads, count = taps.shape[-2:]
    out = x.new_empty(x.shape)
    seed = taps if seed is None else seed
    if taps.dim() == 2:
        plan = tiling(length, count, left, True)
        tiles = batch * plan.tiles
        turns = 1 << max(0, min(3, (tiles * heads // 2048).bit_length() - 1))
        launcher(triton_static.static_forward)[(-(-tiles // turns) * heads,)](
            x, taps, seed, out, length, plan.tiles, tiles, left, plan.reach, plan.step, plan.group,
            x.stride(0), x.stride(1), wide=power(count), turns=turns,
            **constants(x, taps, plan, softmax, rate),
        )  # fmt: skip
        return out
    plan = tiling(length, count, left, False)
    launcher(triton_dynamic.dynamic_forward)[(batch * plan.tiles,)](
        x, taps, seed, out, length, plan.tiles, left, plan.reach, plan.step, x.stride(0), x.stride(1),
        group=plan.group, group_block=power(plan.group), **constants(x, taps, plan, softmax, rate),
    )  # fmt: skip
    return out


@triton_op("litetransformer::windowed_sum_backward", mutates_args={})
def windowed_sum_backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor | None, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradients of `x` and `taps`."""
    upstream, x, taps = rows_of(upstream), rows_of(x), taps.contiguous()
    batch, length, _ = x.shape
    heads, count = taps.shape[-2:]
    x_gradient, gradient = x.new_empty(x.shape), taps.new_empty(taps.shape)
    seed = taps if seed is None else seed
    strides = (upstream.stride(0), upstream.stride(1), x.stride(0), x.stride(1))
    if taps.dim() == 2:
        plan = tiling(length, count, left, True)
        tiles = batch * plan.tiles
        # Powers of two: each number of turns is a kernel of its own.
        turns = triton.next_power_of_2(-(-tiles // SHARES))
        shares = -(-tiles // turns)
        partial = x.new_empty((shares, heads, count), dtype=torch.float32)
        launcher(triton_static.static_backward)[(shares * heads, plan.groups)](
            upstream, x, taps, seed, x_gradient, partial, length, plan.tiles, tiles,
            left, plan.reach, plan.back, plan.step, plan.group, *strides,
            group_block=power(plan.group), wide=power(count), turns=turns,
            **constants(x, taps, plan, softmax, rate),
        )  # fmt: skip
        block = max(16, min(SHARES, 8192 // power(count)))
        launcher(triton_static.finish)[(heads,)](
            partial, taps, seed, gradient, shares, heads=heads, taps_a_head=count,
            rounds=-(-shares // block), block=block, wide=power(count),
            softmax=softmax, rate=rate, num_warps=8,
        )  # fmt: skip
        return x_gradient, gradient
    plan = tiling(length, count, left, False)
    launcher(triton_dynamic.dynamic_backward)[(batch * plan.tiles,)](
        upstream, x, taps, seed, x_gradient, gradient, length, plan.tiles,
        left, plan.reach, plan.back, plan.step, *strides,
        group=plan.group, group_block=power(plan.group), **constants(x, taps, plan, softmax, rate),
    )  # fmt: skip
    return x_gradient, gradient


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, taps, seed, ctx.left, ctx.softmax, ctx.rate = inputs
    ctx.save_for_backward(x, taps, seed)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    x, taps, seed = ctx.saved_tensors
    gradients = torch.ops.litetransformer.windowed_sum_backward(
        upstream, x, taps, seed, ctx.left, ctx.softmax, ctx.rate
    )
    return (*gradients, None, None, None, None)


windowed_sum.register_autograd(_backward, setup_context=_keep)
