"""What backward adds up over rows, as operators that PyTorch knows.

Import this only where `triton.why_not` has no reason against it.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.kernels import side_by_side
from litetransformer.ops.triton_common import PROGRAMS, column_sums, launcher, multiply
from litetransformer.ops.triton_memory import aligned, even

WIDTH = 256
"""Channels a program of the bias's gradient."""
TILE = 64
"""Rows and columns a program of the weight's gradient."""
SMALL = 65536
"""Up to so many weights their gradient's kernel, which makes the bias's as well, is the quicker one."""


@triton.jit(do_not_specialize=["rows"])
@no_type_check
def add_up(
    upstream, out, slope, partial, rows, width, upstream_row,
    turns: tl.constexpr, block: tl.constexpr, step: tl.constexpr, relu: tl.constexpr,
):  # fmt: skip
    """`turns` times `step` rows of the gradient before the relu, and their sum."""
    lane = tl.program_id(1) * block + tl.arange(0, block)
    total = tl.zeros((step, block), tl.float32)
    for turn in range(turns):
        row = (tl.program_id(0).to(tl.int64) * turns + turn) * step + tl.arange(0, step)
        there = (row < rows)[:, None] & (lane < width)[None, :]
        value = tl.load(upstream + row[:, None] * upstream_row + lane[None, :], mask=there, other=0.0)
        if relu:
            place = row[:, None] * width + lane[None, :]
            above = tl.load(out + place, mask=there, other=0.0) > 0.0
            value = tl.where(above, value, 0.0)
            tl.store(slope + place, value, mask=there)
        total += value.to(tl.float32)
    tl.store(partial + tl.program_id(0) * width + lane, tl.sum(total, 0), mask=lane < width)


@triton_op("litetransformer::rectified_sum", mutates_args={})
def rectified_sum(upstream: Tensor, out: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(N, E): the gradient where `out` is positive (empty without `out`); and its rows' sum in `dtype`."""
    upstream = side_by_side(upstream)
    rows, width = upstream.shape
    block = min(WIDTH, max(16, triton.next_power_of_2(width)))
    step = 4096 // block
    blocks = triton.cdiv(rows, step)
    turns = triton.next_power_of_2(triton.cdiv(blocks, PROGRAMS))
    programs = triton.cdiv(blocks, turns)
    slope = upstream.new_empty((0,) if out is None else upstream.shape)
    partial = upstream.new_empty((programs, width), dtype=torch.float32)
    launcher(add_up)[(programs, triton.cdiv(width, block))](
        upstream, upstream if out is None else out, slope, partial, rows, width, upstream.stride(0),
        turns=turns, block=block, step=step, relu=out is not None,
    )  # fmt: skip
    return slope, column_sums(partial, dtype)


@triton.jit(do_not_specialize=["rows", "upstream_row", "x_row"])
@no_type_check
def weigh_rows(
    upstream, x, out, slope, partial, rows, upstream_row, x_row,
    turns: tl.constexpr, width: tl.constexpr, depth: tl.constexpr, tile: tl.constexpr, step: tl.constexpr,
    upstream_even: tl.constexpr, x_even: tl.constexpr, relu: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """One tile of upstreamᵀ x over `turns` times `step` rows; the first in its row adds up upstream too."""
    down = tl.program_id(0) * tile + tl.arange(0, tile)
    across = tl.program_id(1) * tile + tl.arange(0, tile)
    upstream, x = aligned(upstream, upstream_even), aligned(x, x_even)
    upstream_row, x_row = upstream_row * upstream_even, x_row * x_even
    lane = tl.arange(0, step)
    product, total = tl.zeros((tile, tile), tl.float32), tl.zeros((tile, 16), tl.float32)
    first = tl.program_id(1) == 0
    for turn in range(turns):
        row = (tl.program_id(2) * turns + turn) * step + lane
        within = (row < rows)[:, None]
        row = row.to(tl.int64)
        there = within & (down < width)[None, :]
        value = tl.load(upstream + row[:, None] * upstream_row + down[None, :], mask=there, other=0.0)
        if relu:
            place = row[:, None] * width + down[None, :]
            above = tl.load(out + place, mask=there, other=0.0) > 0.0
            value = tl.where(above, value, 0.0)
            if first:
                tl.store(slope + place, value, mask=there)
        right = tl.load(
            x + row[:, None] * x_row + across[None, :], mask=within & (across < depth)[None, :], other=0.0
        )
        value = tl.trans(value)
        product = multiply(value, right, product, precise)
        if first:
            # A product with ones adds up on the matrix units.
            total = multiply(value, tl.full((step, 16), 1.0, value.dtype), total, precise)
    share = partial + tl.program_id(2).to(tl.int64) * (width * depth + width)
    tl.store(
        share + down[:, None] * depth + across[None, :],
        product,
        mask=(down < width)[:, None] & (across < depth)[None, :],
    )
    if first:
        # All sixteen columns are equal.
        tl.store(share + width * depth + down, tl.max(total, 1), mask=down < width)


@triton_op("litetransformer::weight_gradient", mutates_args={})
def weight_gradient(upstream: Tensor, x: Tensor, out: Tensor | None) -> tuple[Tensor, Tensor]:
    """(N, E): the gradient where `out` is positive (empty without `out`); and weight's and bias's, flat."""
    upstream, x = side_by_side(upstream), side_by_side(x)
    (rows, width), depth = upstream.shape, x.shape[1]
    step = 64
    blocks = triton.cdiv(rows, step)
    tiles = triton.cdiv(width, TILE) * triton.cdiv(depth, TILE)
    turns = triton.next_power_of_2(max(triton.cdiv(blocks, max(1, 528 // tiles)), min(4, blocks)))
    shares = triton.cdiv(blocks, turns)
    upstream_even, x_even = even(upstream), even(x)
    slope = upstream.new_empty((0,) if out is None else upstream.shape)
    partial = upstream.new_empty((shares, width * depth + width), dtype=torch.float32)
    launcher(weigh_rows)[(triton.cdiv(width, TILE), triton.cdiv(depth, TILE), shares)](
        upstream, x, upstream if out is None else out, slope, partial, rows,
        upstream.stride(0) // upstream_even, x.stride(0) // x_even,
        turns=turns, width=width, depth=depth, tile=TILE, step=step, upstream_even=upstream_even,
        x_even=x_even, relu=out is not None, precise=upstream.dtype == torch.float32, num_warps=4,
        num_stages=3,
    )  # fmt: skip
    return slope, column_sums(partial, upstream.dtype)
