"""`windowed_softmax_sum(x, logits, left, rate, seed)`: softmax and window in one; see README.md here."""

from torch import Tensor

from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import trains_on_gpu
from litetransformer.ops.windowed_softmax_sum import separate, triton
from litetransformer.ops.windowed_softmax_sum.reference import windowed_softmax_sum as reference

NARROWEST = 4
"""Channels a head from which on a matrix product, at least 16 wide, is worth its empty columns."""


def _choose(x: Tensor, logits: Tensor, left: int, rate: float = 0.0, seed: Tensor | None = None) -> str:
    wide = x.shape[2] >= NARROWEST * logits.shape[-2]
    wanted = wide and trains_on_gpu(x) and triton.why_not(x, logits, left, rate, seed) is None
    return "triton" if wanted else "separate"


windowed_softmax_sum = Op("windowed_softmax_sum", reference, _choose)
windowed_softmax_sum.register("separate", separate.windowed_softmax_sum, separate.why_not)
windowed_softmax_sum.register("triton", triton.windowed_softmax_sum, triton.why_not)
