"""Products for rows that don't begin at multiples of 16 bytes, as one operator that PyTorch knows.

cuBLAS takes kernels of an earlier generation for them. Import this only where `triton.why_not` has no reason
against it.
"""

from typing import no_type_check

import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.kernels import power, side_by_side
from litetransformer.ops.triton_common import launcher
from litetransformer.ops.triton_memory import aligned, even

HIGH = 128
"""Rows a program; half as many where one block has all columns, so that there are more programs, and where
loads are so narrow that their addresses would not fit into registers."""
WIDE = 64
"""Columns a program."""
DEEP = 64
"""Channels added up at a time: a row of them is as much as shared memory moves at once."""
NARROW = 4
"""Numbers a load from which on it is none of the narrow ones."""
WARPS = 4
STAGES = 3


@triton.jit(do_not_specialize=["rows", "left_row"])
@no_type_check
def multiply_rows(
    left, right, bias, out, rows, left_row,
    depth: tl.constexpr, width: tl.constexpr, right_down: tl.constexpr, right_across: tl.constexpr,
    left_even: tl.constexpr, right_even: tl.constexpr, biased: tl.constexpr, relu: tl.constexpr,
    high: tl.constexpr, wide: tl.constexpr, deep: tl.constexpr,
):  # fmt: skip
    """A block of left right + bias; those of the same rows are next to each other."""
    across: tl.constexpr = (width + wide - 1) // wide
    left, right = aligned(left, left_even), aligned(right, right_even)
    row = (tl.program_id(0) // across) * high + tl.arange(0, high)
    column = (tl.program_id(0) % across) * wide + tl.arange(0, wide)
    within, there = (row < rows)[:, None], column < width
    row = row.to(tl.int64)[:, None]
    total = tl.zeros((high, wide), tl.float32)
    for begin in range(0, depth, deep):
        lane = begin + tl.arange(0, deep)
        exists = lane < depth
        some = tl.load(
            left + row * (left_row * left_even) + lane[None, :], mask=within & exists[None, :], other=0.0
        )
        weight = tl.load(
            right + lane[:, None] * right_down + column[None, :] * right_across,
            mask=exists[:, None] & there[None, :],
            other=0.0,
        )
        total = tl.dot(some, weight, total)
    if biased:
        total += tl.load(bias + column, mask=there, other=0.0).to(tl.float32)[None, :]
    if relu:
        total = tl.maximum(total, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(
        out + row * width + column[None, :], total.to(out.dtype.element_ty), mask=within & there[None, :]
    )


@triton_op("litetransformer::product", mutates_args={})
def product(left: Tensor, right: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    """(N, D) times (D, E), plus (E,), rectified with `relu`: (N, E), added up in fp32; bf16 or fp16."""
    left, (depth, width) = side_by_side(left), right.shape
    rows, unit = len(left), even(left)
    right_unit = even(right if right.stride(1) == 1 else right.t())
    wide = min(WIDE, power(width))
    across = triton.cdiv(width, wide)
    high = HIGH if across > 1 and min(unit, right_unit) >= NARROW else HIGH // 2
    out = left.new_empty((rows, width))
    launcher(multiply_rows)[(triton.cdiv(rows, high) * across,)](
        left, right, right if bias is None else side_by_side(bias), out, rows, left.stride(0) // unit,
        depth=depth, width=width, right_down=right.stride(0), right_across=right.stride(1),
        left_even=unit, right_even=right_unit, biased=bias is not None, relu=relu, high=high, wide=wide,
        deep=min(DEEP, power(depth)), num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    return out
