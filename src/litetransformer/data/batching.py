"""Batches of rows of about the same length, the same ones in the same order every time.

A row belongs to the shortest length of a ladder that holds both its sides. A batch has rows of one length L
only, at most ``budget // L`` of them, so that a side never has more than `budget` tokens, padding included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.store import Side, TokenStore

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_GROWTH = 1.2
_MULTIPLE = 8


@dataclass(frozen=True, eq=False)
class Batch:
    """Which rows of a store go together; padded to `length`, there would be room for `rows` of them."""

    indices: NDArray[np.int64]
    length: int
    rows: int


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

    `epoch(n)` is the same list every time, so going on from batch k of epoch n is ``epoch(n)[k:]``. With
    `fixed` every batch of one length has the same shape (for compiled models), else it is cut to its longest
    row. Rank r of `world` loads rows r, r + world, … of each batch.
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
    ) -> None:
        self.store, self.budget, self.seed = store, budget, seed
        self.fixed, self.rank, self.world = fixed, rank, world
        self.lengths = np.maximum(store.source_lengths, store.target_lengths).astype(np.int32)
        self.ladder = length_ladder(int(self.lengths.max()))

    def epoch(self, number: int) -> list[Batch]:
        """The batches of epoch `number`, from 0, in their order."""
        return epoch_batches(self.lengths, self.budget, self.ladder, self.seed, number)

    def in_order(self) -> list[Batch]:
        """The batches for validation: every row once, from short to long."""
        return in_order_batches(self.lengths, self.budget, self.ladder)

    def load(self, batch: Batch) -> TrainingBatch:
        """The tensors of this rank's rows of `batch`."""
        return collate(self.store, batch, fixed=self.fixed, rank=self.rank, world=self.world)


def length_ladder(longest: int) -> tuple[int, ...]:
    """Lengths to pad to: multiples of 8, each about a fifth above the last, until one holds `longest`."""
    top = _MULTIPLE * -(-longest // _MULTIPLE)
    ladder = [_MULTIPLE]
    while ladder[-1] < top:
        step = max(_MULTIPLE, round(ladder[-1] * (_GROWTH - 1) / _MULTIPLE) * _MULTIPLE)
        ladder.append(min(ladder[-1] + step, top))
    return tuple(ladder)


def epoch_batches(
    lengths: NDArray[np.integer[Any]], budget: int, ladder: Sequence[int], seed: int, epoch: int
) -> list[Batch]:
    """Every row once, in shuffled batches in shuffled order; a pure function of its arguments.

    `lengths` has the longer side of each row, EOS included. Raises InputError for a row that is
    longer than the whole ladder.
    """
    generator = np.random.PCG64(np.random.SeedSequence([seed, epoch]))
    order = shuffled(len(lengths), generator)
    batches = _fill(order, lengths, budget, ladder)
    return [batches[place] for place in shuffled(len(batches), generator)]


def in_order_batches(lengths: NDArray[np.integer[Any]], budget: int, ladder: Sequence[int]) -> list[Batch]:
    """Every row once, rows and batches from short to long, rows of equal length in the store's order."""
    return _fill(np.argsort(lengths, kind="stable"), lengths, budget, ladder)


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


def shuffled(count: int, generator: np.random.PCG64) -> NDArray[np.int64]:
    """The numbers from 0 to `count` − 1 in an order drawn by `generator`."""
    # NumPy keeps the raw stream of a bit generator for ever, but not what `permutation` makes of it.
    return np.argsort(generator.random_raw(count), kind="stable")


def _fill(
    order: NDArray[np.int64], lengths: NDArray[np.integer[Any]], budget: int, ladder: Sequence[int]
) -> list[Batch]:
    """Batches of one length of the ladder each, filled with the rows of `order` as they come."""
    if len(lengths) and (longest := int(lengths.max())) > ladder[-1]:
        raise InputError(f"a row of {longest} tokens is longer than the longest batch, {ladder[-1]}")
    rungs = np.searchsorted(ladder, lengths[order]).astype(np.uint16)
    by_rung = order[np.argsort(rungs, kind="stable")]
    ends = np.cumsum(np.bincount(rungs, minlength=len(ladder)))
    batches = []
    for length, start, end in zip(ladder, [0, *ends[:-1]], ends, strict=True):
        rows = max(1, budget // length)
        batches += [
            Batch(by_rung[first : min(first + rows, end)], length, rows) for first in range(start, end, rows)
        ]
    return batches


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
