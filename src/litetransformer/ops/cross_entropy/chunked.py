"""A chunk of rows at a time, and the gradients at once: the logits of one chunk are all that is ever kept.

The loss is the last thing that a step computes, so its gradient with regard to the features and the table can
be made on the way forward, while the chunk's logits are still near, and scaled on the way back.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD
from litetransformer.ops.kernels import computing_type, triton_why_not

CHUNKS = {"cuda": 1 << 26, "cpu": 1 << 19}
"""Logits a chunk. On a GPU 128 MiB in bf16: smaller ones stay in its cache, but there are too many. On a CPU
2 MiB in fp32, which its cache holds: training a model 64 wide took a third less time."""
ROWS = 64
"""A chunk has a multiple of so many rows, the least that a product is quick for."""


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
    dtype = computing_type(features)
    wanted = torch.is_grad_enabled() and (features.requires_grad or table.requires_grad)
    loss: Tensor = _Loss.apply(features.flatten(0, -2), table, targets.flatten(), smoothing, dtype, wanted)
    return loss


class _Loss(torch.autograd.Function):
    """The summed loss; the gradients are made with it, where they are `wanted`."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        table: Tensor,
        targets: Tensor,
        smoothing: float,
        dtype: torch.dtype,
        wanted: bool,
    ) -> Tensor:
        cast_features, cast_table = features.to(dtype), table.to(dtype)
        features_slope = torch.empty_like(features) if wanted else None
        table_slope: Tensor | None = None
        losses = []
        rows = max(1, CHUNKS["cuda" if features.is_cuda else "cpu"] // len(table) // ROWS) * ROWS
        for start in range(0, len(features), rows):
            some = cast_features[start : start + rows]
            logits = F.linear(some, cast_table)
            losses.append(loss_in_place(logits, targets[start : start + rows], smoothing, wanted))
            if features_slope is not None:
                features_slope[start : start + rows] = logits @ cast_table
                table_slope = _add_product(table_slope, logits.T, some)
        if table_slope is not None:
            ctx.save_for_backward(features_slope, table_slope.to(table.dtype))
        return torch.cat(losses).sum()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        features_slope, table_slope = ctx.saved_tensors
        return features_slope * upstream, table_slope * upstream, None, None, None, None


def _add_product(summed: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """`summed` + left right, at least in fp32: many chunks would be lost in bf16."""
    if not left.is_cuda or left.dtype == torch.float32:
        product = (left @ right).to(torch.promote_types(left.dtype, torch.float32))
        return product if summed is None else summed.add_(product)
    if summed is None:
        return torch.mm(left, right, out_dtype=torch.float32)
    return torch.addmm(summed, left, right, out_dtype=torch.float32)


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
