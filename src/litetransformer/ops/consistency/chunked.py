"""A chunk of rows of both halves at a time, and the gradients at once: see `ops/cross_entropy/chunked.py`."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import PAD
from litetransformer.ops.consistency.reference import check_halves
from litetransformer.ops.kernels import computing_type, triton_why_not

CHUNK = 1 << 24
"""Logits a chunk, both halves together."""


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
    dtype = computing_type(features)
    wanted = torch.is_grad_enabled() and (features.requires_grad or table.requires_grad)
    halves = features.flatten(0, -2).unflatten(0, (2, -1))
    loss: Tensor = _Loss.apply(halves, table, targets.flatten(), smoothing, weight, dtype, wanted)
    return loss


class _Loss(torch.autograd.Function):
    """The summed loss; the gradients are made with it, where they are `wanted`."""

    @staticmethod
    def forward(
        ctx: Any,
        halves: Tensor,
        table: Tensor,
        targets: Tensor,
        smoothing: float,
        weight: float,
        dtype: torch.dtype,
        wanted: bool,
    ) -> Tensor:
        cast_halves, cast_table = halves.to(dtype), table.to(dtype)
        halves_slope = torch.empty_like(halves) if wanted else None
        table_slope: Tensor | None = None
        losses = []
        rows = max(128, CHUNK // (2 * len(table)) // 128 * 128)
        for start in range(0, len(targets), rows):
            place = slice(start, start + rows)
            some = cast_halves[:, place].flatten(0, 1)
            logits = F.linear(some, cast_table)
            losses.append(loss_in_place(logits, targets[place], smoothing, weight, wanted))
            if halves_slope is not None:
                halves_slope[:, place] = (logits @ cast_table).unflatten(0, (2, -1))
                share = (logits.T @ some).to(torch.promote_types(table.dtype, torch.float32))
                table_slope = share if table_slope is None else table_slope.add_(share)
        if table_slope is not None:
            table_slope = table_slope.to(table.dtype)
            ctx.save_for_backward(halves_slope, table_slope)
        return torch.cat(losses).sum()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        halves_slope, table_slope = ctx.saved_tensors
        return halves_slope * upstream, table_slope * upstream, None, None, None, None, None


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
