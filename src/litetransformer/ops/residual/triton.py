"""Dropout and sum in one Triton kernel."""

from jaxtyping import Float
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, fresh_seed, triton_why_not


def why_not(x: Tensor, added: Tensor, rate: float = 0.0) -> str | None:
    """A reason where Triton has one, or for a type that the kernel doesn't take."""
    if x.dtype not in FLOATS or added.dtype not in FLOATS:
        return f"the kernel takes fp32, bf16 and fp16, not {x.dtype} and {added.dtype}"
    if rate == 0.0:
        return "without dropout a sum is all there is"
    return triton_why_not(x)


def residual(
    x: Float[Tensor, "*N D"], added: Float[Tensor, "*N D"], rate: float = 0.0
) -> Float[Tensor, "*N D"]:
    """The same as the reference, in the type of `x`."""
    from litetransformer.ops.residual import triton_ops

    found: Tensor = triton_ops.add_dropped(x, added, fresh_seed(x.device), rate)
    return found
