"""The definition, with all logits in memory at once."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD


def cross_entropy(
    features: Float[Tensor, "*N D"],
    table: Float[Tensor, "V D"],
    targets: Int[Tensor, "*N"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Σ over targets other than PAD of (1 − ε)(−log p(target)) + ε/V Σᵥ −log p(v), in nats; ε = `smoothing`.

    A sum, not a mean: the caller divides by the tokens of the whole update, so that neither accumulation nor
    several ranks change the result.
    """
    return F.cross_entropy(
        F.linear(features, table).flatten(0, -2).float(),
        targets.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=smoothing,
    )
