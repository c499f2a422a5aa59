"""The weights for one step on a GPU: bf16 where matrix products read them, made once and not once a use."""

from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from litetransformer.layers.embedding import Embedding
from litetransformer.models.model import Model
from litetransformer.ops.kernels import seeds_drawn_at_once

LARGE = 1 << 18
"""Weights from which on a parameter is a piece of its own."""


class WorkingCopy:
    """A model's loss and its gradient, by copies of all weights in a few pieces of memory.

    The weights of linear layers and tables are bf16, the others fp32. Small ones of a type share a piece and
    are views of it. Under autocast each use of a weight casts it, and each gradient is cast back and
    added up by itself: a thousand launches of 2 µs for a Lite Transformer, as long as the work between them.
    Here a piece is filled, and its gradient collected, by a handful.
    """

    def __init__(self, model: Model) -> None:
        self.model = _Loss(model)
        products = {
            id(parameter)
            for module in model.modules()
            if isinstance(module, nn.Linear | Embedding)
            for parameter in module.parameters(recurse=False)
        }
        # Odd sizes come last: what begins at a multiple of 16 bytes is quicker to read.
        named = sorted(model.named_parameters(), key=lambda pair: pair[1].numel() % 8 != 0)
        # A table among small weights would make a launch as long as if all were tables.
        groups: dict[Hashable, list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in named:
            kind = name if parameter.numel() > LARGE else id(parameter) in products
            groups.setdefault(kind, []).append((f"model.{name}", parameter))
        self.pieces = [
            _Piece(group, torch.bfloat16 if id(group[0][1]) in products else torch.float32)
            for group in groups.values()
        ]
        self.parameters = [parameter for piece in self.pieces for parameter in piece.parameters]
        """All weights in the order of `gradient`."""

    def refresh(self) -> None:
        """Copy the weights as they now are."""
        for piece in self.pieces:
            piece.refresh()

    def loss(self, *batch: Tensor, **options: Any) -> Tensor:
        """The model's loss by the copies."""
        weights = dict(pair for piece in self.pieces for pair in piece.views())
        with seeds_drawn_at_once(self.parameters[0].device):
            found: Tensor = torch.func.functional_call(self.model, weights, batch, options)
        return found

    def add_gradient(self, loss: Tensor, gradient: Tensor) -> None:
        """Add the gradient of `loss` to `gradient`, which is flat and fp32."""
        found = torch.autograd.grad(loss, [piece.flat for piece in self.pieces])
        for place, each in zip(gradient.split([len(each) for each in found]), found, strict=True):
            place.add_(each)


class _Piece:
    """Copies of some parameters side by side; a leaf of autograd."""

    def __init__(self, named: list[tuple[str, nn.Parameter]], dtype: torch.dtype) -> None:
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.sizes = [parameter.numel() for parameter in self.parameters]
        device = self.parameters[0].device
        self.flat = torch.empty(sum(self.sizes), dtype=dtype, device=device).requires_grad_()

    @torch.no_grad()
    def refresh(self) -> None:
        parts = [parameter.flatten() for parameter in self.parameters]
        self.flat.copy_(parts[0] if len(parts) == 1 else torch.cat(parts))

    def views(self) -> Iterator[tuple[str, Tensor]]:
        parts = self.flat.split(self.sizes) if len(self.sizes) > 1 else [self.flat]
        for name, part, parameter in zip(self.names, parts, self.parameters, strict=True):
            yield name, part.view(parameter.shape)


class _Loss(nn.Module):
    """The loss as a module's forward, which is what can be called with other weights."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, *batch: Tensor, **options: Any) -> Tensor:
        return self.model.loss(*batch, **options)
