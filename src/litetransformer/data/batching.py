"""Batches of rows of about the same length, the same ones in the same order every time: see `epochs`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.epochs import (
    Batch,
    LargeEpoch,
    Rungs,
    epoch_batches,
    in_order_batches,
    length_ladder,
)
from litetransformer.data.side import Side
from litetransformer.data.store import TokenStore

if TYPE_CHECKING:
    import torch
    from torch import Tensor

AT_ONCE = 2**22
"""Up to so many rows are shuffled at once, about 28 bytes each; of more, batches are made one by one."""

_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Tensors (rows, length) of int64, padded with PAD, as a model's `loss` takes them.

    For a pair of texts they are the source, EOS and then the target up to its last token, and the target with
    its EOS. `tokens` counts the tokens to predict: the positions of the last tensor that are not padding.
    `others` counts those in the rows of the same batch that other ranks have.
    """

    tensors: "tuple[Tensor, ...]"
    tokens: int
    others: int = 0

    @property
    def all_tokens(self) -> int:
        """The tokens to predict in the whole batch, whoever has its rows."""
        return self.tokens + self.others

    def to(self, device: "torch.device | str") -> "TrainingBatch":
        """The same batch on `device`."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "TrainingBatch":
        """The same batch in memory that a GPU copies from while the program goes on."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, function: "Callable[[Tensor], Tensor]") -> "TrainingBatch":
        return TrainingBatch(tuple(map(function, self.tensors)), self.tokens, self.others)


class BatchPlan:
    """The batches of a store, for any epoch, without keeping them: what the training loop reads.

    `epoch(n)` is the same sequence every time, so going on from batch k of epoch n is ``epoch(n)[k:]``. With
    `fixed` every batch of one length has the same shape (for compiled models), else it is cut to its longest
    row. Rank r of `world` loads rows r, r + world, … of each batch.

    A row of a store takes a byte or two, its length. Where there are more than `at_once` rows it takes four
    more and nothing else grows with them: an epoch's batches are then made when they are asked for, in an
    order drawn otherwise than that of fewer rows.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        budget: int,
        seed: int = 0,
        fixed: bool = False,
        rank: int = 0,
        world: int = 1,
        at_once: int = AT_ONCE,
    ) -> None:
        self.store, self.budget, self.seed = store, budget, seed
        self.fixed, self.rank, self.world = fixed, rank, world
        self.lengths = longer_sides(store)
        self.ladder = length_ladder(int(self.lengths.max()))
        self._rungs = Rungs(self.lengths, self.ladder) if len(self.lengths) > at_once else None

    def epoch(self, number: int) -> Sequence[Batch]:
        """The batches of epoch `number`, from 0, in their order."""
        if self._rungs is not None:
            return LargeEpoch(self._rungs, self.budget, self.seed, number)
        return epoch_batches(self.lengths, self.budget, self.ladder, self.seed, number)

    def in_order(self) -> list[Batch]:
        """The batches for validation: every row once, from short to long."""
        return in_order_batches(self.lengths, self.budget, self.ladder)

    def load(self, batch: Batch) -> TrainingBatch:
        """The tensors of this rank's rows of `batch`."""
        return collate(self.store, batch, fixed=self.fixed, rank=self.rank, world=self.world)


def longer_sides(store: TokenStore) -> NDArray[np.signedinteger[Any]]:
    """The tokens of the longer side of each row, in the smallest signed type that holds them all."""
    sides = (store.sides["source"], store.sides["target"])
    blocks = [(first, min(first + _BLOCK, len(store))) for first in range(0, len(store), _BLOCK)]

    def longer(block: tuple[int, int]) -> NDArray[np.int64]:
        return np.maximum(*(side.lengths_of(*block) for side in sides))

    longest = max(int(longer(block).max()) for block in blocks)
    lengths = np.empty(len(store), np.min_scalar_type(-longest - 1))
    for block in blocks:
        lengths[slice(*block)] = longer(block)
    return lengths


def collate(
    store: TokenStore, batch: Batch, *, fixed: bool = False, rank: int = 0, world: int = 1
) -> TrainingBatch:
    """The tensors of the rows ``rank::world`` of `batch`.

    With `fixed` their shape is exactly that of a full batch of this length: rows that are missing have the
    source EOS and a target of padding alone, so they carry no loss. Without it the shape is cut to the
    longest row. A rank always has a row, if need be a missing one.
    """
    import torch

    mine = batch.indices[rank::world]
    rows = max(1, len(range(rank, batch.rows, world)) if fixed else len(mine))
    sources = _padded(store.sides["source"], mine, rows, batch.length if fixed else None)
    targets = _padded(store.sides["target"], mine, rows, batch.length if fixed else None)
    sources[len(mine) :, 0] = EOS
    inputs = np.full_like(targets, EOS)
    inputs[:, 1:] = np.where(targets[:, 1:] != PAD, targets[:, :-1], PAD)
    tokens = int(np.count_nonzero(targets != PAD))
    ends = store.sides["target"].offsets
    others = 0 if world == 1 else int((ends[batch.indices + 1] - ends[batch.indices]).sum()) - tokens
    return TrainingBatch(tuple(map(torch.from_numpy, (sources, inputs, targets))), tokens, others)


def _padded(side: Side, indices: NDArray[np.int64], rows: int, length: int | None) -> NDArray[np.int64]:
    """The rows `indices` of a side and then empty ones, (rows, length), padded."""
    starts = side.offsets[indices]
    lengths = side.offsets[indices + 1] - starts
    width = length or int(lengths.max(initial=1))
    places = np.arange(width)
    inside = places < lengths[:, None]
    padded = np.full((rows, width), PAD, np.int64)
    padded[: len(indices)][inside] = side.tokens[(starts[:, None] + places)[inside]]
    return padded
