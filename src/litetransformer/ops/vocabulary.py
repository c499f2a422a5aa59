"""A loss over the vocabulary, a chunk of rows at a time: the logits of one chunk are all that is ever kept.

The loss is the last thing that a step computes, so its gradient with regard to the features and the table can
be made on the way forward, while the chunk's logits are still near, and scaled on the way back.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.gradients import Later, collected
from litetransformer.ops.kernels import computing_type

CHUNKS = {"cuda": 1 << 27, "cpu": 1 << 19}
"""Logits a chunk. On a GPU 256 MiB in bf16: smaller ones stay in its cache, but are too many. On a CPU
2 MiB in fp32, which its cache holds: training a model 64 wide took a third less time."""
ROWS = 64
"""A chunk has a multiple of so many rows, the least that a product is quick for."""

Loss = Callable[[Tensor, Tensor, bool], Tensor]
"""Each target's loss, of a chunk's logits and targets; with True, the logits become their own gradient."""


def summed_in_chunks(
    features: Float[Tensor, "P N D"], table: Float[Tensor, "V D"], targets: Int[Tensor, " N"], loss: Loss
) -> Float[Tensor, ""]:
    """The sum of `loss` over all targets, each of which has P rows of `features`, one in each part.

    A chunk's logits are those of its rows of the first part, then of the next; under autocast in its type.
    """
    wanted = torch.is_grad_enabled() and (features.requires_grad or table.requires_grad)
    later = collected(table)
    found: Tensor = _Sum.apply(features, table, targets, loss, computing_type(features), wanted, later)
    return found


class _Sum(torch.autograd.Function):
    """The summed loss; the gradients are made with it, where they are `wanted`."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        table: Tensor,
        targets: Tensor,
        loss: Loss,
        dtype: torch.dtype,
        wanted: bool,
        later: Later | None,
    ) -> Tensor:
        ctx.later = later
        cast_features, cast_table = features.to(dtype), table.to(dtype)
        features_slope = torch.empty_like(features) if wanted else None
        table_slope: Tensor | None = None
        losses, parts = [], len(features)
        chunk = CHUNKS["cuda" if features.is_cuda else "cpu"] // (parts * len(table))
        rows = max(1, chunk // ROWS) * ROWS
        for start in range(0, len(targets), rows):
            place = slice(start, start + rows)
            some = cast_features[:, place].flatten(0, 1)
            logits = F.linear(some, cast_table)
            losses.append(loss(logits, targets[place], wanted))
            if features_slope is not None:
                features_slope[:, place] = (logits @ cast_table).unflatten(0, (parts, -1))
                table_slope = _add_product(table_slope, logits.T, some)
        if table_slope is not None:
            # Who collects gradients adds them up in fp32.
            kept = table_slope if later is not None else table_slope.to(table.dtype)
            ctx.save_for_backward(features_slope, kept)
        return torch.cat(losses).sum()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        features_slope, table_slope = ctx.saved_tensors
        into = features_slope * upstream
        if ctx.later is None:
            return into, table_slope * upstream, None, None, None, None, None
        collector, (place,) = ctx.later
        collector.part(place, table_slope.shape).addcmul_(table_slope, upstream)
        return into, None, None, None, None, None, None


def _add_product(summed: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """`summed` + left right, at least in fp32: many chunks would be lost in bf16."""
    if not left.is_cuda or left.dtype == torch.float32:
        product = (left @ right).to(torch.promote_types(left.dtype, torch.float32))
        return product if summed is None else summed.add_(product)
    if summed is None:
        return torch.mm(left, right, out_dtype=torch.float32)
    return torch.addmm(summed, left, right, out_dtype=torch.float32, out=summed)
