"""One update in three Triton kernels, of which one passes over the weights."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, triton_why_not


def why_not(
    weights: Tensor, first: Tensor, second: Tensor, gradient: Tensor, copies: Tensor, *_: Any, **__: Any
) -> str | None:
    """A reason where Triton has one, or for a type or layout that the kernel doesn't take."""
    flat = (weights, first, second, gradient, copies)
    if any(each.dtype not in FLOATS for each in flat):
        return f"the kernel takes fp32, bf16 and fp16, not {', '.join(str(each.dtype) for each in flat)}"
    if not all(each.is_contiguous() for each in flat):
        return "the kernel takes numbers that lie side by side"
    return triton_why_not(weights)


def choose(weights: Tensor, *others: Any, **options: Any) -> str:
    """The kernels on a GPU, where they can run."""
    return "triton" if weights.is_cuda and why_not(weights, *others, **options) is None else "reference"


def adamw(
    weights: Float[Tensor, " N"],
    first: Float[Tensor, " N"],
    second: Float[Tensor, " N"],
    gradient: Float[Tensor, " N"],
    copies: Float[Tensor, " N"],
    steps: Float[Tensor, " P"],
    rate: Float[Tensor, ""],
    update: Int[Tensor, ""],
    first_bad: Int[Tensor, ""],
    betas: tuple[float, float],
    eps: float,
    decay: float,
    clip: float,
) -> Float[Tensor, ""]:
    """The same as the reference."""
    from litetransformer.ops.adamw import triton_ops

    found: Tensor = triton_ops.adamw(
        weights, first, second, gradient, copies, steps, rate, update, first_bad, *betas, eps, decay, clip
    )
    return found
