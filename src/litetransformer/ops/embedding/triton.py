"""Lookup, scale, positions and dropout in one Triton kernel, and the table's gradient by a few."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.gradients import collected
from litetransformer.ops.kernels import FLOATS, fresh_seed, triton_why_not


def why_not(tokens: Tensor, table: Tensor, positions: Tensor, rate: float = 0.0) -> str | None:
    """A reason where Triton has one, for a type or shape that the kernels don't take, or under a compiler."""
    if table.dtype not in FLOATS:
        return f"the kernel takes fp32, bf16 and fp16, not {table.dtype}"
    if torch.compiler.is_compiling():
        return "a compiler makes kernels of its own of this"
    if positions.shape not in (tokens.shape, tokens.shape[-1:]):
        return f"the kernel takes positions of every row or of all, not {tuple(positions.shape)}"
    if tokens.numel() * table.shape[1] >= 2**31 or tokens.numel() == 0:
        return "the kernel counts in 32 bits, and at least one token"
    return triton_why_not(table)


def embedding(
    tokens: Int[Tensor, "B T"],
    table: Float[Tensor, "V D"],
    positions: Int[Tensor, "B T"] | Int[Tensor, " T"],
    rate: float = 0.0,
) -> Float[Tensor, "B T D"]:
    """The same as the reference; under autocast in fp32. A token that is not in the table becomes NaN."""
    seed = fresh_seed(table.device) if rate > 0.0 else None
    dtype = torch.float32 if torch.is_autocast_enabled(table.device.type) else table.dtype
    found: Tensor = _Embedding.apply(tokens, table, positions, seed, rate, dtype)
    return found


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        tokens: Tensor,
        table: Tensor,
        positions: Tensor,
        seed: Tensor | None,
        rate: float,
        dtype: torch.dtype,
    ) -> Tensor:
        from litetransformer.ops.embedding import triton_ops

        ctx.rate, ctx.shape, ctx.dtype, ctx.later = rate, table.shape, table.dtype, collected(table)
        ctx.save_for_backward(tokens, seed)
        return triton_ops.look_up(tokens, table, positions, seed, rate, dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        from litetransformer.ops.embedding import triton_ops

        tokens, seed = ctx.saved_tensors
        if ctx.later is None:
            gradient = upstream.new_zeros(ctx.shape, dtype=torch.float32)
        else:
            into, (place,) = ctx.later
            gradient = into.part(place, ctx.shape)
        triton_ops.add_runs(upstream, tokens, seed, ctx.rate, gradient)
        return None, gradient.to(ctx.dtype) if ctx.later is None else None, None, None, None, None
