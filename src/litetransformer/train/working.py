"""The weights for one step on a GPU: bf16 where matrix products read them, made once and not once a use."""

from collections.abc import Hashable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from litetransformer.layers.embedding import Embedding
from litetransformer.models.model import Model
from litetransformer.ops.gradients import Collector, collecting
from litetransformer.ops.kernels import seeds_drawn_at_once

LARGE = 1 << 18
"""Weights from which on a parameter is a piece of its own."""
ALIGNED = 8
"""A piece has a multiple of this many places, so that the next one begins at 16 bytes."""


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
        # Odd sizes come last: what begins at a multiple of 16 bytes is quicker to read. Weights come before
        # biases: those of layers that are made as one product are neighbours then.
        named = sorted(
            model.named_parameters(), key=lambda pair: (pair[1].numel() % 8 != 0, pair[1].ndim == 1)
        )
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
        self.length = sum(len(piece.flat) for piece in self.pieces)
        """The places of `gradient`: one a weight, and a few that stay zero."""
        numbers = self.places(torch.arange(self.length))
        self.begins = [int(number.flatten()[0]) for number in numbers]
        """Where in `gradient` each parameter's begins."""
        self.collector = Collector()
        self.leaves: list[Tensor] = []

    def parts(self, flat: Tensor) -> tuple[Tensor, ...]:
        """The pieces' parts of a tensor of `length` places."""
        return flat.split([len(piece.flat) for piece in self.pieces])

    def places(self, flat: Tensor) -> Iterator[Tensor]:
        """The parameters' parts of a tensor of `length` places, in their order and shapes."""
        for piece, part in zip(self.pieces, self.parts(flat), strict=True):
            yield from (place for _, place in piece.views(part))

    def refresh(self) -> None:
        """Copy the weights as they now are."""
        for piece in self.pieces:
            piece.refresh()

    def loss(self, *batch: Tensor, **options: Any) -> Tensor:
        """The model's loss by the copies."""
        views = [pair for piece in self.pieces for pair in piece.views()]
        self.leaves = [view.requires_grad_() for _, view in views]
        weights = {name: leaf for (name, _), leaf in zip(views, self.leaves, strict=True)}
        self.collector.watch(zip(self.begins, self.leaves, strict=True))
        with collecting(self.collector), seeds_drawn_at_once(self.parameters[0].device):
            found: Tensor = torch.func.functional_call(self.model, weights, batch, options)
        return found

    def add_gradient(self, loss: Tensor, gradient: Tensor) -> None:
        """Add the gradient of `loss`, the last one found, to `gradient`, which is flat and fp32."""
        with self.collector.adding_to(gradient):
            found = torch.autograd.grad(loss, self.leaves, allow_unused=True)
        pairs = [(one, all) for one, all in zip(found, self.places(gradient), strict=True) if one is not None]
        alike, others = (
            [pair for pair in pairs if (pair[0].dtype == gradient.dtype) == same] for same in (True, False)
        )
        with torch.no_grad():
            if alike:
                torch._foreach_add_([place for _, place in alike], [one for one, _ in alike])
            for one, place in others:
                place.add_(one)


class _Piece:
    """Copies of some parameters side by side."""

    def __init__(self, named: list[tuple[str, nn.Parameter]], dtype: torch.dtype) -> None:
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.sizes = [parameter.numel() for parameter in self.parameters]
        if rest := -sum(self.sizes) % ALIGNED:
            self.sizes.append(rest)
        device = self.parameters[0].device
        self.flat = torch.zeros(sum(self.sizes), dtype=dtype, device=device)

    @torch.no_grad()
    def refresh(self) -> None:
        parts = [parameter.flatten() for parameter in self.parameters]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        self.flat[: len(whole)].copy_(whole)

    def views(self, flat: Tensor | None = None) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's name and its part of `flat`, or of the copies."""
        flat = self.flat if flat is None else flat
        parts = flat.split(self.sizes) if len(self.sizes) > 1 else [flat]
        # After the last one a few places may be left.
        for name, part, parameter in zip(self.names, parts, self.parameters, strict=False):
            yield name, part.view(parameter.shape)


class _Loss(nn.Module):
    """The loss as a module's forward, which is what can be called with other weights."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, *batch: Tensor, **options: Any) -> Tensor:
        return self.model.loss(*batch, **options)
