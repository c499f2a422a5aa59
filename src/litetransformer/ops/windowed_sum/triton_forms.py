"""Which kind of Triton kernel takes a shape: the one place where that is decided.

- `short`: multiply-adds in registers, `triton_short`;
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
WIDEST = 128
"""Channels a head up to which the others beside the bands can be taken."""
FORCED: str | None = None
"""The kind to take wherever it can be, in place of the choice below: for tests and measurements."""


def form(x: Tensor, taps: Tensor, left: int) -> str:
    """The kernels for this shape: short, square or bands."""
    found = FORCED or _chosen(x, taps)
    return found if _possible(found, x, taps, left) else "bands"


def _chosen(x: Tensor, taps: Tensor) -> str:
    if taps.shape[-1] <= SHORT:
        return "short"
    # In fp32 a product takes three, and no square has been measured.
    return "square" if x.dtype != torch.float32 else "bands"


def _possible(form: str, x: Tensor, taps: Tensor, left: int) -> bool:
    heads, count = taps.shape[-2:]
    if form == "bands":
        return True
    # Windows must meet their position.
    most = SHORTEST if form == "short" else SQUARE
    return count <= most and 0 <= left < count and x.shape[2] // heads <= WIDEST
