"""Softmax and dropout as PyTorch does them, then the windowed sum that suits the shape."""

from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.windowed_softmax_sum.reference import dropped
from litetransformer.ops.windowed_sum import windowed_sum


def why_not(
    x: Tensor, logits: Tensor, left: int, rate: float = 0.0, seed: Tensor | None = None
) -> str | None:
    """None: it runs everywhere."""
    return None


def windowed_softmax_sum(
    x: Float[Tensor, "B T C"],
    logits: Float[Tensor, "H K"] | Float[Tensor, "B T H K"],
    left: int,
    rate: float = 0.0,
    seed: Int[Tensor, "1"] | None = None,
) -> Float[Tensor, "B T C"]:
    """The same as the reference."""
    return windowed_sum(x, dropped(logits.softmax(-1), rate, seed), left)
