"""What the Triton kernels share: how work is cut into tiles, which taps dropout keeps, matrix products.

A program computes `rows` positions of one head as a matrix product, band (rows × columns) times window
(columns × channels), on the GPU's matrix units. The band of a row holds its taps, moved to where they fall in
the window. Sizes of blocks are powers of two, so a tile is worth `step` positions and the rest is masked.
"""

from dataclasses import dataclass
from typing import no_type_check

import triton
import triton.language as tl

WIDEST = 64
"""Taps that one band holds; more are summed in groups of this many."""


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How T positions are cut into tiles, and the taps into groups.

    `rows` and `columns` are a tile's positions and those it looks at, of which `step` rows count. A window
    begins `reach` before its tile, and `back` before it where the gradient looks the other way.
    """

    rows: int
    columns: int
    step: int
    tiles: int
    reach: int
    back: int
    group: int
    groups: int

    def warps(self, block: int, *, dynamic: bool, precise: bool) -> int:
        """Warps a program: so many that its numbers stay in registers (seen in what the compiler reports)."""
        least = max(1, self.rows // 16, self.rows * self.columns // 1024)
        return min(8, least << (dynamic + precise + (block > 32)))


def power(count: int) -> int:
    """The least power of two that is at least `count`, and 16, the least side of a matrix product."""
    return max(16, triton.next_power_of_2(count))


def tiling(length: int, taps: int, left: int, static: bool) -> Tiling:
    """Tiles with few empty places: of the size of the sequence where it is short, else of the taps.

    A static band serves many tiles, so its empty places cost little; a dynamic one is made for each.
    """
    if length <= (64 if static else 32) and taps <= WIDEST:
        # The window is the sequence itself, so nothing is read twice.
        rows = power(length)
        return Tiling(
            rows=rows, columns=rows, step=length, tiles=1, reach=0, back=0, group=taps, groups=1
        )  # fmt: skip
    group = min(taps, WIDEST)
    rows = power(group - 1)
    rows = max(32, rows) if static else min(32, rows)
    columns = power(rows + group - 1)
    step = min(rows, columns - group + 1)
    return Tiling(
        rows=rows,
        columns=columns,
        step=step,
        tiles=-(-length // step),
        reach=left,
        back=group - 1 - left,
        group=group,
        groups=-(-taps // group),
    )


@triton.jit
@no_type_check
def dropped(index, seed, rate: tl.constexpr):
    """1 / (1 − rate) where the tap with this index is kept, else 0; the reference draws the same."""
    mixed = index.to(tl.uint32) * 0x9E3779B9 + seed.to(tl.uint32)
    mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6B
    mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35
    mixed = mixed ^ (mixed >> 16)
    threshold: tl.constexpr = int(rate * 4294967296.0)
    return tl.where(mixed >= threshold, 1.0 / (1.0 - rate), 0.0)


@triton.jit
@no_type_check
def multiply(left, right, summed, precise: tl.constexpr):
    """summed + left right; fp32 goes through the matrix units in three parts, which keeps its precision."""
    if precise:
        return tl.dot(left, right, summed, input_precision="tf32x3")
    return tl.dot(left, right, summed)
