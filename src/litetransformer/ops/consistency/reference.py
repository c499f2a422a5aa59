"""The definition, with the logits of both halves in memory at once."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD


def consistent_cross_entropy(
    features: Float[Tensor, "*M D"],
    table: Float[Tensor, "V D"],
    targets: Int[Tensor, "*N"],
    smoothing: float = 0.0,
    weight: float = 1.0,
) -> Float[Tensor, ""]:
    """Σ over targets other than PAD of ½ (CE(p) + CE(q)) + `weight` · ½ (KL(p‖q) + KL(q‖p)), in nats.

    p are the probabilities of the first half of `features`, q those of the second: the same batch, run twice.
    A sum, not a mean, and of the batch once: on the scale of `cross_entropy` of either half alone.
    """
    check_halves(features, targets)
    logits = F.linear(features.flatten(0, -2), table)
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
    flat = targets.flatten()
    both = F.nll_loss(scores, flat.repeat(2), ignore_index=PAD, reduction="sum")
    first, second = scores.chunk(2)
    real = flat != PAD
    even = -((first + second).mean(-1) * real).sum()
    apart = (((first.exp() - second.exp()) * (first - second)).sum(-1) * real).sum()
    return ((1 - smoothing) * both + smoothing * even + weight * apart) / 2


def check_halves(features: Tensor, targets: Tensor) -> None:
    """Raise ValueError unless there are two rows of `features` for each target."""
    rows, wanted = features.shape[:-1].numel(), 2 * targets.numel()
    if rows != wanted:
        raise ValueError(f"{rows} rows of features for {targets.numel()} targets, which need {wanted}")
