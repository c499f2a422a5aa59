"""How the Triton kernels cut work into tiles.

A program computes `rows` positions of one head as a matrix product, band (rows × columns) times window
(columns × channels), on the GPU's matrix units. The band of a row holds its taps, moved to where they fall in
the window. Sizes of blocks are powers of two, so a tile is worth `step` positions and the rest is masked.
"""

from dataclasses import dataclass

from litetransformer.ops.kernels import power

WIDEST = 64
"""Taps that one band holds; more are summed in groups of this many."""
ROOM = 24
"""Warps of static forward programs that a multiprocessor holds at once; half backward over wide tiles."""


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

    def programs(self, warps: int, *, backward: bool) -> int:
        """Programs that a multiprocessor has room for at once: more of them would wait for a second wave."""
        wide = self.rows * self.columns > 1024
        return max(2, (ROOM // 2 if backward and wide else ROOM) // warps)


def rounded(pieces: int, programs: int) -> int:
    """Pieces a program, so that no more than `programs` are needed: 1, 2, 3, 4, 6, 8, 12, …

    Each number is a kernel of its own, so there must be few of them.
    """
    least = -(-pieces // programs)
    two = 1 << (least - 1).bit_length()
    return two * 3 // 4 if two * 3 // 4 >= least and two >= 4 else two


def stepped(pieces: int, programs: int) -> int:
    """The same in steps of an eighth to a quarter, where a program less at once is felt."""
    least = max(1, -(-pieces // programs))
    step = max(1, (1 << (least - 1).bit_length()) // 8)
    return -(-least // step) * step


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
