"""The windowed sum's Triton kernels with softmax and dropout in them: the weights are never in memory."""

from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.kernels import fresh_seed
from litetransformer.ops.windowed_sum import triton

WIDEST = 64
"""A softmax runs over taps that one band holds."""


def why_not(
    x: Tensor, logits: Tensor, left: int, rate: float = 0.0, seed: Tensor | None = None
) -> str | None:
    """A reason where the windowed sum has one, or where the taps are too many."""
    if logits.shape[-1] > WIDEST:
        return f"the fused softmax takes at most {WIDEST} taps, not {logits.shape[-1]}"
    return triton.why_not(x, logits, left)


def windowed_softmax_sum(
    x: Float[Tensor, "B T C"],
    logits: Float[Tensor, "H K"] | Float[Tensor, "B T H K"],
    left: int,
    rate: float = 0.0,
    seed: Int[Tensor, "1"] | None = None,
) -> Float[Tensor, "B T C"]:
    """The same as the reference; under autocast in its type, with the softmax in fp32."""
    if rate > 0.0 and seed is None:
        seed = fresh_seed(x.device)
    return triton.run(x, logits, seed, left, True, rate)
