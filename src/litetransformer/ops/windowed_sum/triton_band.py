"""How the Triton kernels cut work into tiles.

A program computes `rows` positions of one head as a matrix product, band (rows × columns) times window
(columns × channels), on the GPU's matrix units. The band of a row holds its taps, moved to where they fall in
the window. Sizes of blocks are powers of two, so a tile is worth `step` positions and the rest is masked.
"""

from dataclasses import dataclass

from litetransformer.ops.triton_common import power

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


def tiling(length: int, taps: int, left: int, static: bool) -> Tiling:
    """Tiles with few empty places: of the size of the sequence where it is short, else of the taps.

    A static band serves many tiles, so its empty places cost little; a dynamic one is made for each.
    """
    if length <= (64 if static else 32) and taps <= WIDEST:
        # The window is the sequence itself, so nothing is read twice.
        rows = max(32, power(length)) if static else power(length)
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
