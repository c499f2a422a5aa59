"""The one contract: what everything inside a block is and does."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Tree: TypeAlias = Tensor | tuple[Any, ...]
"""A nested tuple of tensors, batch first: the form of every decoding state and of every memory."""


class Shared(tuple[Tensor, ...]):
    """Tensors in a tree that are the same for all rows: what a search computes once from the weights."""


Costs: TypeAlias = Counter[str]
"""Mult-adds by component (``attention``, ``convolution``, ``taps``, ``feed_forward`` …)."""


class Sublayer(nn.Module, ABC):
    """A map from (B, T, D) to (B, T, D) that can also run one position at a time.

    `forward` runs a whole sequence. Decoding asks `remember` once a source, `start` once a search, and `step`
    once a position; stepping through a sequence gives what `forward` gives. State is a value: `step` returns
    the next one and changes nothing. Every tensor in state and memory has the batch first, or is `Shared`, so
    `select` is all that beam search needs to reorder it.
    """

    dim: int
    component: ClassVar[str] = ""
    """What its parameters and mult-adds count as (``attention`` …); empty for combinators."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        """The output for a whole sequence; `pad` is True on padding, which reaches no real position."""

    @abstractmethod
    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Multiply-accumulates for one sequence of `length` tokens over a source of `source` tokens."""

    def remember(self, encoded: Float[Tensor, "B S E"], pad: Bool[Tensor, "B S"] | None = None) -> Tree:
        """What is computed once per source and given to every later call as `memory`."""
        return ()

    def start(self, batch: int) -> Tree:
        """The state before the first position, for `batch` rows."""
        return ()

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        """The output (B, 1, D) at the next position, and the state after it."""
        return self(x, None, memory), state


def tree_map(function: Callable[[Tensor], Tensor], tree: Tree) -> Tree:
    """`tree` with `function` applied to each of its tensors that have rows."""
    if isinstance(tree, Shared):
        return tree
    if isinstance(tree, Tensor):
        return function(tree)
    return tuple(tree_map(function, branch) for branch in tree)


def select(tree: Tree, rows: Int[Tensor, " N"]) -> Tree:
    """The chosen batch rows of a state or memory, repeats allowed: all that reordering beams takes."""
    return tree_map(lambda tensor: tensor.index_select(0, rows), tree)


def parameter_device(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where and in which precision a module computes, for the states that it starts."""
    parameter = next(module.parameters())
    return parameter.device, parameter.dtype
