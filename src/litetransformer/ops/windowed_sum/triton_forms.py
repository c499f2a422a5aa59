"""Which kind of Triton kernel takes a shape: the one place where that is decided.

- `short`: multiply-adds in registers, `triton_short`;
- `across`: squares for static taps and channels of several heads, `triton_across`;
- `square`: products with a square's two triangles, `triton_square`;
- `bands`: products with bands, `triton_static` and `triton_dynamic`: for any shape.
"""

import torch
from torch import Tensor

SHORT = 8
"""Taps up to which multiply-adds in registers take less time than the memory."""
SHORTEST = 16
"""Taps up to which they fit in registers at all."""
SQUARE = 64
"""Taps up to which a square fits in registers."""
SLIM = 32
"""Channels a head below which static sums forward of up to `SHORTEST` taps are quicker without products."""
NARROW = 48
"""Channels a head below which, with static taps, programs by heads move too many parts of memory twice."""
THIN = 4
"""Channels a head below which the 16 of a block belong to more heads than a program has registers for."""
WIDE = 64
"""Channels a head up to which a square of taps per position fits in registers in fp32."""
WIDEST = 128
"""Channels a head up to which the others beside the bands can be taken."""
FORCED: str | None = None
"""The kind to take wherever it can be, in place of the choice below: for tests and measurements."""


def form(x: Tensor, taps: Tensor, left: int, *, backward: bool = False) -> str:
    """The kernels for this shape: short, across, square or bands."""
    found = FORCED or _chosen(x, taps, backward)
    return found if _possible(found, x, taps, left) else "bands"


def _chosen(x: Tensor, taps: Tensor, backward: bool) -> str:
    """By what an H100 takes (docs/performance.md, "Four kinds of kernel, and what they reach")."""
    heads, count = taps.shape[-2:]
    static, width = taps.dim() == 2, x.shape[2] // heads
    if count <= SHORT:
        return "short"
    if x.dtype == torch.float32:
        # Per position a square of wide heads has too few registers in fp32.
        return "square" if static or width <= WIDE else "bands"
    if not static or width >= NARROW:
        return "square"
    if width < SLIM and count <= SHORTEST and not backward:
        return "short"
    return "across" if width >= THIN else "bands"


def _possible(form: str, x: Tensor, taps: Tensor, left: int) -> bool:
    heads, count = taps.shape[-2:]
    if form == "bands":
        return True
    if form == "across" and taps.dim() == 4:
        return False
    # Windows must meet their position.
    most = SHORTEST if form == "short" else SQUARE
    return count <= most and 0 <= left < count and x.shape[2] // heads <= WIDEST
