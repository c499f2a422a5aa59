"""`windowed_sum(x, weights, left)`: the weighted window behind both convolutions; see README.md here."""

from torch import Tensor

from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import trains_on_gpu
from litetransformer.ops.windowed_sum import band, grouped, shift, triton
from litetransformer.ops.windowed_sum.reference import windowed_sum as reference

NARROWEST = 4
"""Channels a head from which on the Triton kernels are chosen: from 20 on they were always ahead."""
SHORT = 256
"""On a GPU, up to this length the T×T band's wasted products cost less than K passes over memory."""
STATIC_LENGTHS, DYNAMIC_LENGTHS = 4, 6
"""On a CPU the band's work grows with T, that of the others with K: it wins up to so many times K positions
(measured forward and backward, 1000 to 4000 positions of 32 to 80 channels, K from 3 to 31, T 24 to 500).
"""


def _choose(x: Tensor, weights: Tensor, left: int) -> str:
    static, taps, length = weights.dim() == 2, weights.shape[-1], x.shape[1]
    if x.device.type == "cuda":
        # Of a band with few channels a head most of the product's columns are empty.
        wide = x.shape[2] >= NARROWEST * weights.shape[-2]
        if wide and trains_on_gpu(x) and triton.why_not(x, weights, left) is None:
            return "triton"
        return "band" if length <= SHORT else "shift"
    if static and weights.shape[0] == x.shape[2]:
        # With a channel a head the band's product has one column a sentence: it lost at every length tried.
        return "grouped"
    if length <= taps * (STATIC_LENGTHS if static else DYNAMIC_LENGTHS):
        return "band"
    return "grouped" if static else "shift"


windowed_sum = Op("windowed_sum", reference, _choose)
windowed_sum.register("shift", shift.windowed_sum, shift.why_not)
windowed_sum.register("band", band.windowed_sum, band.why_not)
windowed_sum.register("grouped", grouped.windowed_sum, grouped.why_not)
windowed_sum.register("triton", triton.windowed_sum, triton.why_not)
