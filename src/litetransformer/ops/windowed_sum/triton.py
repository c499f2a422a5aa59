"""Triton kernels: the window is read once and the sum written once, for any number of taps and any length."""

from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, computing_type, triton_why_not


def why_not(x: Tensor, weights: Tensor, left: int) -> str | None:
    """A reason where there is no Triton, no CUDA device, or a type that the kernels don't have."""
    if x.dtype not in FLOATS or weights.dtype not in FLOATS:
        return f"the kernels take fp32, bf16 and fp16, not {x.dtype} and {weights.dtype}"
    return triton_why_not(x)


def windowed_sum(
    x: Float[Tensor, "B T C"], weights: Float[Tensor, "H K"] | Float[Tensor, "B T H K"], left: int
) -> Float[Tensor, "B T C"]:
    """The same as the reference; under autocast in its type, as a matrix product would be."""
    return run(x, weights, None, left, False, 0.0)


def run(
    x: Float[Tensor, "B T C"],
    taps: Float[Tensor, "H K"] | Float[Tensor, "B T H K"],
    seed: Int[Tensor, "1"] | None,
    left: int,
    softmax: bool,
    rate: float,
) -> Float[Tensor, "B T C"]:
    """The sum with these taps; they go through softmax and dropout on their way where that is asked for."""
    # A first import of Triton takes a while, and few machines need it.
    from litetransformer.ops.windowed_sum import triton_ops

    found: Tensor = triton_ops.windowed_sum(x.to(computing_type(x)), taps, seed, left, softmax, rate)
    return found
