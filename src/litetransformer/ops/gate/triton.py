"""GLU and padding in one Triton kernel, and their gradient in another."""

from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, triton_why_not

WIDEST = 8192


def why_not(x: Tensor, pad: Tensor | None, glu: bool) -> str | None:
    """A reason where Triton has one, where nothing is to be done, or for a type or width not taken."""
    if pad is None and not glu:
        return "without a GLU and without padding nothing is to be done"
    if x.dtype not in FLOATS:
        return f"the kernel takes fp32, bf16 and fp16, not {x.dtype}"
    if x.shape[-1] > WIDEST:
        return f"the kernel takes at most {WIDEST} channels, not {x.shape[-1]}"
    return triton_why_not(x)


def gate(x: Float[Tensor, "*N E"], pad: Bool[Tensor, "*N"] | None, glu: bool) -> Float[Tensor, "*N D"]:
    """The same as the reference."""
    from litetransformer.ops.gate import triton_ops

    found: Tensor = triton_ops.gate(x, pad, glu)
    return found
