"""Sum, dropout and LayerNorm in one Triton kernel, and their gradients in another."""

from jaxtyping import Float
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, computing_type, fresh_seed, triton_why_not

WIDEST = 4096


def why_not(
    x: Tensor, weight: Tensor, bias: Tensor, added: Tensor | None = None, rate: float = 0.0
) -> str | None:
    """A reason where Triton has one, or for a type or width that the kernels don't take."""
    if x.dtype not in FLOATS:
        return f"the kernel takes fp32, bf16 and fp16, not {x.dtype}"
    if x.shape[-1] > WIDEST:
        return f"the kernel takes at most {WIDEST} channels, not {x.shape[-1]}"
    return triton_why_not(x)


def layer_norm(
    x: Float[Tensor, "*N D"],
    weight: Float[Tensor, " D"],
    bias: Float[Tensor, " D"],
    added: Float[Tensor, "*N D"] | None = None,
    rate: float = 0.0,
) -> Float[Tensor, "*N D"]:
    """The same as the reference; under autocast in its type."""
    from litetransformer.ops.layer_norm import triton_ops

    seed = fresh_seed(x.device) if rate > 0.0 and added is not None else None
    found: Tensor = triton_ops.layer_norm(x, weight, bias, added, seed, rate, computing_type(x))[0]
    return found
