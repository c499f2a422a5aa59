"""Which kind of Triton kernel takes a shape: the one place where that is decided.

- `short`: multiply-adds in registers, `triton_short`;
- `rows`: the same for static taps, more of them, along whole rows, `triton_rows`; only if forced;
- `across`: squares for static taps and channels of several heads, `triton_across`; only if forced;
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
NARROW = 32
"""Channels a head below which, with static taps, a square gains less than it costs."""
FEW = 33
"""Taps up to which that holds."""
WIDE = 64
"""Channels a head up to which a square of taps per position fits in registers in fp32."""
LONGEST = 256
"""Channels of a row up to which a program has a thread for each."""
WIDEST = 128
"""Channels a head up to which the others beside the bands can be taken."""
FORCED: str | None = None
"""The kind to take wherever it can be, in place of the choice below: for tests and measurements."""


def form(x: Tensor, taps: Tensor, left: int, *, backward: bool = False) -> str:
    """The kernels for this shape: short, square or bands."""
    found = FORCED or _chosen(x, taps, backward)
    return found if _possible(found, x, taps, left) else "bands"


def _chosen(x: Tensor, taps: Tensor, backward: bool) -> str:
    """By what an H100 takes (docs/results/windowed-sum-variants.json)."""
    heads, count = taps.shape[-2:]
    static, width = taps.dim() == 2, x.shape[2] // heads
    if count <= SHORT:
        return "short"
    if x.dtype == torch.float32:
        # Per position a square of wide heads has too few registers in fp32.
        return "square" if static or width <= WIDE else "bands"
    if static and width < NARROW and count <= FEW:
        if backward:
            # Heads that begin at odd places cost bands more than squares, which begin before them.
            return "square" if width % 4 else "bands"
        return "short" if count <= SHORTEST else "bands"
    return "square"


def _possible(form: str, x: Tensor, taps: Tensor, left: int) -> bool:
    heads, count = taps.shape[-2:]
    if form == "bands":
        return True
    if form in ("rows", "across") and taps.dim() == 4:
        return False
    if form == "rows" and x.shape[2] > LONGEST:
        return False
    # Windows must meet their position.
    most = SHORTEST if form == "short" else SQUARE
    return count <= most and 0 <= left < count and x.shape[2] // heads <= WIDEST
