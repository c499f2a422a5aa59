"""The Triton kernels as two operators that PyTorch knows: the norm and its gradients.

Import this only where `triton.why_not` has no reason against it.
"""

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.gradients import Sum, collected
from litetransformer.ops.kernels import power
from litetransformer.ops.triton_common import PROGRAMS, column_sums, dropped, launcher

EPSILON = 1e-5


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def norm_forward(
    x, added, weight, bias, seed, summed, out, statistics, rows,
    width: tl.constexpr, block: tl.constexpr, step: tl.constexpr, residual: tl.constexpr,
    rate: tl.constexpr, epsilon: tl.constexpr,
):  # fmt: skip
    """`step` rows: their sum (where there is a residual), mean and 1 / deviation, and norm."""
    row = tl.program_id(0).to(tl.int64) * step + tl.arange(0, step)
    lane = tl.arange(0, block)
    there = (row < rows)[:, None] & (lane < width)[None, :]
    place = row[:, None] * width + lane[None, :]
    value = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    if residual:
        more = tl.load(added + place, mask=there, other=0.0).to(tl.float32)
        if rate > 0.0:
            more = more * dropped(place, tl.load(seed), rate)
        # What backward will read, so that both directions see the same numbers.
        rounded = (value + more).to(summed.dtype.element_ty)
        tl.store(summed + place, rounded, mask=there)
        value = rounded.to(tl.float32)
    mean = tl.sum(value, 1) / width
    centred = tl.where(there, value - mean[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / width + epsilon)
    tl.store(statistics + row * 2, mean, mask=row < rows)
    tl.store(statistics + row * 2 + 1, scale, mask=row < rows)
    gain = tl.load(weight + lane, mask=lane < width, other=0.0).to(tl.float32)
    shift = tl.load(bias + lane, mask=lane < width, other=0.0).to(tl.float32)
    normal = centred * scale[:, None] * gain[None, :] + shift[None, :]
    tl.store(out + place, normal.to(out.dtype.element_ty), mask=there)


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def norm_backward(
    upstream, summed, weight, statistics, seed, x_gradient, added_gradient, partial, rows,
    turns: tl.constexpr, width: tl.constexpr, block: tl.constexpr, step: tl.constexpr, residual: tl.constexpr,
    rate: tl.constexpr, far: tl.constexpr,
):  # fmt: skip
    """`turns` times `step` rows of the gradients, and this program's share in those of weight and bias."""
    lane = tl.arange(0, block)
    gain = tl.load(weight + lane, mask=lane < width, other=0.0).to(tl.float32)
    gain_share, shift_share = tl.zeros((step, block), tl.float32), tl.zeros((step, block), tl.float32)
    for turn in range(turns):
        row = (tl.program_id(0) * turns + turn) * step + tl.arange(0, step)
        if far:
            row = row.to(tl.int64)
        there = (row < rows)[:, None] & (lane < width)[None, :]
        place = row[:, None] * width + lane[None, :]
        above = tl.load(upstream + place, mask=there, other=0.0).to(tl.float32)
        value = tl.load(summed + place, mask=there, other=0.0).to(tl.float32)
        mean = tl.load(statistics + row * 2, mask=row < rows, other=0.0)
        scale = tl.load(statistics + row * 2 + 1, mask=row < rows, other=0.0)
        normal = tl.where(there, (value - mean[:, None]) * scale[:, None], 0.0)
        gain_share += above * normal
        shift_share += above
        slope = above * gain[None, :]
        along = tl.sum(slope * normal, 1) / width
        level = tl.sum(slope, 1) / width
        slope = (slope - level[:, None] - normal * along[:, None]) * scale[:, None]
        tl.store(x_gradient + place, slope.to(x_gradient.dtype.element_ty), mask=there)
        if residual:
            if rate > 0.0:
                slope = slope * dropped(place, tl.load(seed), rate)
            tl.store(added_gradient + place, slope.to(added_gradient.dtype.element_ty), mask=there)
    share = partial + tl.program_id(0) * 2 * width
    tl.store(share + lane, tl.sum(gain_share, 0), mask=lane < width)
    tl.store(share + width + lane, tl.sum(shift_share, 0), mask=lane < width)


def sizes(width: int, numbers: int, warps: int) -> dict[str, int]:
    """Rows of `width` for a program of so many warps, together some `numbers` numbers."""
    block = power(width)
    return {"width": width, "block": block, "step": max(1, numbers // block), "num_warps": warps}


@triton_op("litetransformer::layer_norm", mutates_args={})
def layer_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    added: Tensor | None,
    seed: Tensor | None,
    rate: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """The norm in `dtype`, the sum that it is of (empty without `added`), and each row's statistics."""
    x = x.contiguous()
    rows = x.numel() // x.shape[-1]
    out = x.new_empty(x.shape, dtype=dtype)
    summed = x.new_empty(x.shape if added is not None else (0,))
    statistics = x.new_empty((rows, 2), dtype=torch.float32)
    size = sizes(x.shape[-1], 2048, 4)
    launcher(norm_forward)[(triton.cdiv(rows, size["step"]),)](
        x, x if added is None else added.contiguous(), weight, bias, weight if seed is None else seed,
        summed, out, statistics, rows, residual=added is not None,
        rate=0.0 if seed is None else rate, epsilon=EPSILON, **size,
    )  # fmt: skip
    return out, summed, statistics


@triton_op("litetransformer::layer_norm_backward", mutates_args={})
def layer_norm_backward(
    upstream: Tensor,
    summed: Tensor,
    weight: Tensor,
    statistics: Tensor,
    seed: Tensor | None,
    rate: float,
    added_dtype: torch.dtype | None,
    add_up: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, of what was added (empty where nothing was), and (1, 2 D) of weight and bias.

    Without `add_up` the last one is (P, 2 D), of P shares of the rows.
    """
    upstream, width = upstream.contiguous(), summed.shape[-1]
    # A warp of its own for every two rows of the usual width: with several, a program waits for itself at
    # each sum of a row (on an H100 9 µs in place of 27 for 16,384 × 160).
    size = sizes(width, 512, max(1, power(width) // 512))
    rows = summed.numel() // width
    blocks = triton.cdiv(rows, size["step"])
    turns = triton.next_power_of_2(triton.cdiv(blocks, 2 * PROGRAMS))
    programs = triton.cdiv(blocks, turns)
    x_gradient = summed.new_empty(summed.shape)
    added_gradient = summed.new_empty(summed.shape if added_dtype else (0,), dtype=added_dtype)
    partial = summed.new_empty((programs, 2 * width), dtype=torch.float32)
    launcher(norm_backward)[(programs,)](
        upstream, summed, weight, statistics, weight if seed is None else seed, x_gradient, added_gradient,
        partial, rows, turns=turns, residual=added_dtype is not None,
        rate=0.0 if seed is None else rate, far=summed.numel() >= 2**31, **size,
    )  # fmt: skip
    if add_up:
        partial = column_sums(partial, torch.float32)[None]
    return x_gradient, added_gradient, partial


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, weight, bias, added, seed, ctx.rate, _ = inputs
    _, summed, statistics = output
    ctx.added = None if added is None else added.dtype
    ctx.types = weight.dtype, bias.dtype
    ctx.save_for_backward(x if added is None else summed, weight, statistics, seed)
    ctx.set_materialize_grads(False)
    ctx.later = collected(weight, bias)


def _backward(ctx: Any, upstream: Tensor, *_: object) -> tuple[Tensor | None, ...]:
    summed, weight, statistics, seed = ctx.saved_tensors
    x_gradient, added_gradient, found = torch.ops.litetransformer.layer_norm_backward(
        upstream, summed.contiguous(), weight, statistics, seed, ctx.rate, ctx.added, ctx.later is None
    )
    small: tuple[Tensor | None, ...] = (None, None)
    width = summed.shape[-1]
    if ctx.later is None:
        small = tuple(map(Tensor.to, found[0].split(width), ctx.types))
    else:
        into, places = ctx.later
        into.sums += [Sum(found, turn * width, width, place) for turn, place in enumerate(places)]
    return x_gradient, *small, None if ctx.added is None else added_gradient, None, None, None


layer_norm.register_autograd(_backward, setup_context=_keep)
