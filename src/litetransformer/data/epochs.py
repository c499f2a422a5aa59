"""Which rows go together in an epoch, from the rows' lengths alone, the same every time.

A row belongs to the shortest length of a ladder that holds both its sides. A batch has rows of one length L
only, at most ``budget // L`` of them, so that a side never has more than `budget` tokens, padding included.
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from litetransformer.core.errors import InputError
from litetransformer.data.permutation import Permutation

_GROWTH = 1.2
_MULTIPLE = 8
_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class Batch:
    """Which rows of a store go together; padded to `length`, there would be room for `rows` of them."""

    indices: NDArray[np.int64]
    length: int
    rows: int


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
    generator = epoch_generator(seed, epoch)
    order = shuffled(len(lengths), generator)
    batches = _fill(order, lengths, budget, ladder)
    return [batches[place] for place in shuffled(len(batches), generator)]


def in_order_batches(lengths: NDArray[np.integer[Any]], budget: int, ladder: Sequence[int]) -> list[Batch]:
    """Every row once, rows and batches from short to long, rows of equal length in the store's order."""
    return _fill(np.argsort(lengths, kind="stable"), lengths, budget, ladder)


class Rungs:
    """The rows of each length of a ladder, in the store's order, 4 bytes each: what a `LargeEpoch` draws."""

    def __init__(self, lengths: NDArray[np.integer[Any]], ladder: Sequence[int]) -> None:
        self.ladder = np.array(ladder)
        blocks = range(0, len(lengths), _BLOCK)
        counts = np.zeros(len(ladder), np.int64)
        for first in blocks:
            counts += np.bincount(self._rungs(lengths, first), minlength=len(ladder))
        self.ends = np.cumsum(counts)
        self.starts = self.ends - counts
        self.rows = np.empty(len(lengths), np.uint32 if len(lengths) <= 2**32 else np.int64)
        filled = self.starts.copy()
        for first in blocks:
            rungs = self._rungs(lengths, first)
            by_rung, counts = np.argsort(rungs, kind="stable"), np.bincount(rungs, minlength=len(ladder))
            for rung, rows in enumerate(np.split(by_rung, np.cumsum(counts)[:-1])):
                self.rows[filled[rung] : filled[rung] + len(rows)] = first + rows
            filled += counts

    def _rungs(self, lengths: NDArray[np.integer[Any]], first: int) -> NDArray[np.uint16]:
        block = lengths[first : first + _BLOCK]
        if (longest := int(block.max())) > self.ladder[-1]:
            raise _too_long(longest, int(self.ladder[-1]))
        return np.searchsorted(self.ladder, block).astype(np.uint16)


class LargeEpoch(Sequence[Batch]):
    """The batches of an epoch of very many rows, each made when it is asked for, by number or in slices.

    Every row is in one of them, and they come in a drawn order; a pure function of the arguments. Nothing but
    a few numbers for each length is kept besides `rungs`, which all epochs share.
    """

    def __init__(self, rungs: Rungs, budget: int, seed: int, epoch: int) -> None:
        generator = epoch_generator(seed, epoch)
        self.rungs = rungs
        counts = rungs.ends - rungs.starts
        self._rows = np.maximum(1, budget // rungs.ladder)
        batches = -(-counts // self._rows)
        self._ends = np.cumsum(batches)
        self._orders = [Permutation(int(count), generator) for count in counts]
        self._order = Permutation(int(self._ends[-1]), generator)

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Batch: ...

    @overload
    def __getitem__(self, place: slice) -> list[Batch]: ...

    def __getitem__(self, place: int | slice) -> Batch | list[Batch]:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        number = int(self._order(np.array([range(len(self))[operator.index(place)]]))[0])
        rung = int(np.searchsorted(self._ends, number, side="right"))
        first, rows = number - int(self._ends[rung - 1] if rung else 0), int(self._rows[rung])
        order = self._orders[rung]
        places = order(np.arange(first * rows, min((first + 1) * rows, len(order))))
        indices = self.rungs.rows[self.rungs.starts[rung] + places].astype(np.int64)
        return Batch(indices, int(self.rungs.ladder[rung]), rows)


def epoch_generator(seed: int, epoch: int) -> np.random.PCG64:
    """What all that is random in an epoch is drawn from."""
    return np.random.PCG64(np.random.SeedSequence([seed, epoch]))


def shuffled(count: int, generator: np.random.PCG64) -> NDArray[np.int64]:
    """The numbers from 0 to `count` − 1 in an order drawn by `generator`."""
    # NumPy keeps the raw stream of a bit generator for ever, but not what `permutation` makes of it.
    return np.argsort(generator.random_raw(count), kind="stable")


def _fill(
    order: NDArray[np.int64], lengths: NDArray[np.integer[Any]], budget: int, ladder: Sequence[int]
) -> list[Batch]:
    """Batches of one length of the ladder each, filled with the rows of `order` as they come."""
    if len(lengths) and (longest := int(lengths.max())) > ladder[-1]:
        raise _too_long(longest, ladder[-1])
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


def _too_long(longest: int, ladder: int) -> InputError:
    return InputError(f"a row of {longest} tokens is longer than the longest batch, {ladder}")
