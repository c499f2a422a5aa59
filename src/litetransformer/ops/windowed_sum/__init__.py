"""`windowed_sum(x, weights, left)`: the weighted window behind both convolutions; see README.md here."""

from torch import Tensor

from litetransformer.ops.dispatch import Op
from litetransformer.ops.windowed_sum import band, grouped, shift
from litetransformer.ops.windowed_sum.reference import windowed_sum as reference

FEW_TAPS = 7
"""Up to here K multiply-adds beat building a band (measured on two CPU cores at B×T = 32×30)."""
SHORT = 256
"""Up to this length the T×T band's wasted products cost less than K passes over memory."""


def _choose(x: Tensor, weights: Tensor, left: int) -> str:
    static, taps, length = weights.dim() == 2, weights.shape[-1], x.shape[1]
    if x.device.type == "cuda":
        return "band" if length <= SHORT else "shift"
    if taps <= FEW_TAPS:
        return "grouped" if static else "shift"
    if length <= SHORT:
        return "band"
    return "grouped" if static else "shift"


windowed_sum = Op("windowed_sum", reference, _choose)
windowed_sum.register("shift", shift.windowed_sum, shift.why_not)
windowed_sum.register("band", band.windowed_sum, band.why_not)
windowed_sum.register("grouped", grouped.windowed_sum, grouped.why_not)
