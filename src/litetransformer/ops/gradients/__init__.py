"""Gradients of weights that a backward pass leaves for its end, where a few launches make all of them.

A Lite Transformer has a hundred small linear layers and norms. The gradient of each one's weights is a sum
over all rows of a batch, too small a piece of work to fill a GPU and as many launches as layers. Inside
`collecting` the ops over them only note what to add up; `Collector.adding_to` does it, layers of one shape
side by side, right into the flat gradient of all weights.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Product:
    """Gradients to be found: upstreamᵀ x of a weight, and the sum of upstream's rows of a bias.

    `weight` and `bias` are where they belong in the flat gradient; None where there is no bias.
    """

    upstream: Tensor
    x: Tensor
    weight: int
    bias: int | None = None


@dataclass(frozen=True)
class Sum:
    """Rows to be added up: `length` columns of an fp32 matrix from column `begin` on, for `place`."""

    rows: Tensor
    begin: int
    length: int
    place: int


class Collector:
    """What is still to be added to the flat gradient of some weights.

    `weights` are the tensors that the ops read, with the place of each one's gradient: those that follow each
    other in memory and have places that do, too, can be joined.
    """

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.gradient = torch.empty(0)
        self.products: list[Product] = []
        self.sums: list[Sum] = []
        self.spare: dict[int, list[Tensor]] = defaultdict(list)
        self.kept: list[Tensor] = []

    def watch(self, weights: Iterable[tuple[int, Tensor]]) -> None:
        """Collect for these from now on, each by its place; forget what was noted and not added."""
        self.places = {weight.data_ptr(): place for place, weight in weights}
        self.products, self.sums = [], []

    def place(self, weight: Tensor) -> int | None:
        """Where the gradient of `weight` belongs; None if that is not collected here."""
        # What begins at the same address but is no weight, or not laid out as one, is another tensor.
        whole = weight.requires_grad and weight.is_contiguous()
        return self.places.get(weight.data_ptr()) if whole else None

    def neighbours(self, weights: Sequence[Tensor]) -> bool:
        """Whether the weights, and the places of their gradients, follow each other without a gap."""
        begin, place = weights[0].data_ptr(), self.place(weights[0])
        memory = weights[0].untyped_storage().data_ptr()
        for weight in weights:
            # Memory that was allocated twice may touch, and is no one tensor's all the same.
            there = weight.data_ptr() == begin and weight.untyped_storage().data_ptr() == memory
            if not there or place is None or self.place(weight) != place:
                return False
            begin, place = begin + weight.nbytes, place + weight.numel()
        return True

    def part(self, place: int, shape: Sequence[int]) -> Tensor:
        """The gradient of a weight, to add to it right away; only inside `adding_to`."""
        return self.gradient[place : place + math.prod(shape)].view(*shape)

    @contextlib.contextmanager
    def adding_to(self, gradient: Tensor) -> Iterator[None]:
        """Add to `gradient`, fp32 and flat, what the backward pass inside finds or notes."""
        self.gradient = gradient
        try:
            yield
            if self.products or self.sums:
                from litetransformer.ops.gradients import triton_ops

                triton_ops.add(self.products, self.sums, gradient, self.table)
        finally:
            self.products, self.sums, self.gradient = [], [], torch.empty(0)

    def table(self, numbers: Sequence[int], device: torch.device) -> Tensor:
        """`numbers` on the device, also from within a recording.

        A recording can't allocate the pinned memory that a copy needs, and its copy reads the same memory at
        every replay. So each run that is not recorded leaves a piece for the recording that follows.
        """
        plain = torch.tensor(numbers, dtype=torch.long)
        if device.type != "cuda":
            return plain
        spare = self.spare[len(numbers)]
        if torch.cuda.is_current_stream_capturing() and spare:
            pinned = spare.pop().copy_(plain)
            self.kept.append(pinned)
        else:
            pinned = plain.pin_memory()
            spare.append(torch.empty_like(plain).pin_memory())
        return pinned.to(device, non_blocking=True)


_collectors: list[Collector] = []


def collector() -> Collector | None:
    """The innermost one; none while a compiler traces, which has launches of its own to save."""
    return _collectors[-1] if _collectors and not torch.compiler.is_compiling() else None


Later = tuple[Collector, tuple[int, ...]]
"""Who collects the gradients of some weights, and the place of each."""


def collected(*weights: Tensor) -> Later | None:
    """Who collects the gradients of all these weights, and their places; None where an op is to find them."""
    into = collector()
    if into is None:
        return None
    places = tuple(place for weight in weights if (place := into.place(weight)) is not None)
    return (into, places) if len(places) == len(weights) else None


@contextlib.contextmanager
def collecting(into: Collector) -> Iterator[None]:
    """Inside, ops leave the gradients of the weights that `into` watches to it."""
    _collectors.append(into)
    try:
        yield
    finally:
        _collectors.pop()


def joined(weights: Sequence[Tensor]) -> Tensor:
    """The weights as one along their first axis; where they are collected and neighbours, without a copy."""
    into = collector()
    if into is None or not into.neighbours(weights):
        return torch.cat(list(weights))
    together: Tensor = _Joined.apply(*weights)
    return together


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.lengths = [len(weight) for weight in weights]
        first = weights[0]
        shape = (sum(ctx.lengths), *first.shape[1:])
        return first.as_strided(shape, first.stride(), first.storage_offset())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        return (None,) * len(ctx.lengths) if gradient is None else gradient.split(ctx.lengths)
