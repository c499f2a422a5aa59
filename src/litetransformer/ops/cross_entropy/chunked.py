"""Some rows' logits at a time, turned into their own gradient in place: see `ops/vocabulary.py`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD
from litetransformer.ops.kernels import triton_why_not
from litetransformer.ops.vocabulary import summed_in_chunks


def why_not(features: Tensor, table: Tensor, targets: Tensor, smoothing: float = 0.0) -> str | None:
    """None: it runs everywhere."""
    return None


def cross_entropy(
    features: Float[Tensor, "*N D"],
    table: Float[Tensor, "V D"],
    targets: Int[Tensor, "*N"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The same as the reference; under autocast the products are in its type, the softmax in fp32."""

    def loss(logits: Tensor, some: Tensor, gradient: bool) -> Tensor:
        return loss_in_place(logits, some, smoothing, gradient)

    return summed_in_chunks(features.flatten(0, -2)[None], table, targets.flatten(), loss)


def loss_in_place(
    logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], smoothing: float, gradient: bool
) -> Float[Tensor, " N"]:
    """Each row's loss in fp32; with `gradient`, the logits become their own gradient."""
    if triton_why_not(logits) is None:
        from litetransformer.ops.cross_entropy import triton_loss

        found: Tensor = triton_loss.loss_in_place(logits, targets, smoothing, gradient)
        return found
    values, real = logits.to(torch.promote_types(logits.dtype, torch.float32)), (targets != PAD)[:, None]
    normaliser = values.logsumexp(1, keepdim=True)
    losses = normaliser - (1 - smoothing) * values.gather(1, targets[:, None])
    losses = (losses - smoothing * values.mean(1, keepdim=True)) * real
    if gradient:
        slope = (values - normaliser).exp_().sub_(smoothing / values.shape[1])
        slope.scatter_add_(1, targets[:, None], slope.new_full((len(slope), 1), smoothing - 1))
        logits.copy_(slope.mul_(real))
    return losses[:, 0]
