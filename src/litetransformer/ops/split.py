"""`split(x, widths)`: slices of the channels, whose gradients are joined without a copy where they can be.

PyTorch's own split concatenates the slices' gradients. Where one kernel writes them all, as that of attention
does for q, k and v, they lie side by side already, and what they are slices of is the gradient.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from litetransformer.ops.kernels import triton_why_not


def split(x: Float[Tensor, "*N D"], widths: Sequence[int]) -> tuple[Float[Tensor, "*N _"], ...]:
    """The same as `x.split(widths, -1)`."""
    # The compiler has no addresses to compare; it makes one kernel of the copy and what is next to it. And
    # only kernels of ours write gradients side by side.
    plain = torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad)
    if plain or triton_why_not(x) is not None:
        return x.split(list(widths), -1)
    slices: tuple[Tensor, ...] = _Split.apply(x, list(widths))
    return slices


def whole(parts: Sequence[Tensor]) -> Tensor | None:
    """What the parts are neighbouring slices of along their last axis, sharing its memory; else None."""
    first, width = parts[0], 0
    # What only resembles a tensor, such as a traced one, may have no address.
    if any(type(part) is not Tensor or part.layout is not torch.strided for part in parts):
        return None
    begin = first.untyped_storage().data_ptr()
    for part in parts:
        if (
            part.untyped_storage().data_ptr() != begin
            or part.storage_offset() != first.storage_offset() + width
            or part.dtype != first.dtype
            or part.shape[:-1] != first.shape[:-1]
            or part.stride()[:-1] != first.stride()[:-1]
            or part.stride(-1) != 1
        ):
            return None
        width += part.shape[-1]
    return first.as_strided((*first.shape[:-1], width), first.stride(), first.storage_offset())


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, widths: list[int]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.shape, ctx.widths = x.shape, widths
        return x.split(widths, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        given = next((gradient for gradient in gradients if gradient is not None), None)
        if given is None:
            return None, None
        parts = [
            given.new_zeros(*ctx.shape[:-1], width) if gradient is None else gradient
            for gradient, width in zip(gradients, ctx.widths, strict=True)
        ]
        # Memory has no history, so the gradient of a gradient needs the copy.
        found = None if torch.is_grad_enabled() else whole(parts)
        return torch.cat(parts, -1) if found is None else found, None
