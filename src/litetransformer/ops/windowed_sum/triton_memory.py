"""How tensors lie in memory, as far as the Triton kernels' loads depend on it."""

import math

from torch import Tensor

WIDEST = 16
"""Numbers that one load can be sure to find together: more than 16 bytes in any type."""


def unit(*tensors: Tensor) -> int:
    """A power of two that divides the batch strides: known when compiling, it lets loads be wide.

    Triton itself asks only whether 16 divides a stride; of 100 or 248 channels it loads one number at a time.
    """
    return math.gcd(WIDEST, *(tensor.stride(0) for tensor in tensors))
