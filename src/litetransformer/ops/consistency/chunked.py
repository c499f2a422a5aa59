"""Some rows' logits of both halves at a time, turned into their own gradient: see `ops/vocabulary.py`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD
from litetransformer.ops.consistency.reference import check_halves
from litetransformer.ops.kernels import triton_why_not
from litetransformer.ops.vocabulary import summed_in_chunks


def why_not(
    features: Tensor, table: Tensor, targets: Tensor, smoothing: float = 0.0, weight: float = 1.0
) -> str | None:
    """None: it runs everywhere."""
    return None


def consistent_cross_entropy(
    features: Float[Tensor, "*M D"],
    table: Float[Tensor, "V D"],
    targets: Int[Tensor, "*N"],
    smoothing: float = 0.0,
    weight: float = 1.0,
) -> Float[Tensor, ""]:
    """The same as the reference; under autocast the products are in its type, the rest in fp32."""
    check_halves(features, targets)

    def loss(logits: Tensor, some: Tensor, gradient: bool) -> Tensor:
        return loss_in_place(logits, some, smoothing, weight, gradient)

    halves = features.flatten(0, -2).unflatten(0, (2, -1))
    return summed_in_chunks(halves, table, targets.flatten(), loss)


def loss_in_place(
    logits: Float[Tensor, "M V"],
    targets: Int[Tensor, " N"],
    smoothing: float,
    weight: float,
    gradient: bool,
) -> Float[Tensor, " N"]:
    """Each target's loss, in fp32 at least; with `gradient`, the logits become their own gradient."""
    if logits.itemsize <= 4 and triton_why_not(logits) is None:
        from litetransformer.ops.consistency import triton_loss

        found: Tensor = triton_loss.loss_in_place(logits, targets, smoothing, weight, gradient)
        return found
    values = logits.to(torch.promote_types(logits.dtype, torch.float32))
    scores = values.log_softmax(1).chunk(2)
    real, chosen = (targets != PAD)[:, None], targets[:, None]
    chances = [each.exp() for each in scores]
    apart = scores[0] - scores[1]
    # KL(p‖q) and KL(q‖p), a row each.
    pulls = [(chances[0] * apart).sum(1, keepdim=True), -(chances[1] * apart).sum(1, keepdim=True)]
    losses = weight * (pulls[0] + pulls[1])
    for each in scores:
        losses = losses - (1 - smoothing) * each.gather(1, chosen) - smoothing * each.mean(1, keepdim=True)
    if gradient:
        for index, place in enumerate(logits.chunk(2)):
            own, other, sign = chances[index], chances[1 - index], 1 - 2 * index
            factor = apart * (sign * weight) + (1 + weight - weight * pulls[index])
            slope = factor.mul_(own).sub_(other, alpha=weight).sub_(smoothing / values.shape[1])
            slope.scatter_add_(1, chosen, slope.new_full((len(slope), 1), smoothing - 1))
            place.copy_(slope.mul_(real / 2))
    return (losses * real / 2)[:, 0]
