"""How tensors lie in memory, as far as the width of the Triton kernels' loads depends on it.

Triton itself asks only whether 16 divides an address or a stride: of rows of 100 channels, 8 bytes apart from
a multiple of 16, it loads one number at a time.
"""

import math
from typing import no_type_check

import triton
import triton.language as tl
from torch import Tensor
from torch.nn import Parameter

WIDEST = 16
"""Numbers that one load can be sure to find together: more than 16 bytes in any type."""


def unit(*tensors: Tensor) -> int:
    """A power of two that divides the batch strides: known when compiling, it lets loads be wide."""
    return math.gcd(WIDEST, *(tensor.stride(0) for tensor in tensors))


def even(x: Tensor) -> int:
    """What the address and the row of `x` are multiples of, in its numbers: at most 16 bytes' worth.

    A kernel takes the row in units of it, and the address by `aligned`.
    """
    size = x.element_size()
    # What only resembles a tensor, such as a traced one, has no address; allocated memory begins even.
    place = x.data_ptr() // size if type(x) in (Tensor, Parameter) else x.storage_offset()
    return math.gcd(16 // size, x.stride(0), place)


@triton.jit
@no_type_check
def aligned(address, even: tl.constexpr):
    """The address, known to be a multiple of `even` numbers."""
    size: tl.constexpr = address.dtype.element_ty.primitive_bitwidth // 8
    # The compiler forgets what it is told of a kernel's argument itself.
    return tl.multiple_of(address.to(tl.int64).to(address.dtype), even * size)
