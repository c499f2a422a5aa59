"""What training minimises: label-smoothed cross-entropy, summed over tokens."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD


def smoothed_cross_entropy(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"], smoothing: float
) -> Float[Tensor, ""]:
    """Σ over real tokens of (1 − ε)(−log p(target)) + ε/V Σᵥ −log p(v), in nats; ε = `smoothing`.

    A sum, not a mean: the caller divides by the tokens of the whole update, so that neither accumulation nor
    several ranks change the result.
    """
    return F.cross_entropy(
        logits.flatten(0, 1).float(),
        targets.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=smoothing,
    )
