"""Batches of blocks of running text: all tokens of a store as one stream, cut into pieces of one length.

Block i of length L has the tokens i L to (i + 1) L − 1 to predict, wherever lines end. What is given for each
is the token before it, which for the first of all is EOS: a text begins as a line does.
"""

import numpy as np
from numpy.typing import NDArray

from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.batching import TrainingBatch
from litetransformer.data.epochs import Batch, epoch_generator, shuffled
from litetransformer.data.side import Array
from litetransformer.data.store import TokenStore

SIDE = "text"
"""The one side of a store of running text."""


class TextPlan:
    """The blocks of a store's text in batches, for any epoch, without keeping them.

    `epoch(n)` is the same list every time, so going on from batch k of epoch n is ``epoch(n)[k:]``. A batch
    has as many blocks of `length` tokens as `budget` tokens hold, one at least. With `fixed` all have the
    same shape (for compiled models), else the last one has only the blocks that are left. Rank r of `world`
    loads blocks r, r + world, … of each batch.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        length: int,
        budget: int,
        seed: int = 0,
        fixed: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.tokens = store.sides[SIDE].tokens
        self.length, self.rows, self.seed = length, max(1, budget // length), seed
        self.fixed, self.rank, self.world = fixed, rank, world
        self.blocks = -(-len(self.tokens) // length)

    def epoch(self, number: int) -> list[Batch]:
        """The batches of epoch `number`, from 0: every block once, shuffled by the seed and the epoch."""
        return self._batches(shuffled(self.blocks, epoch_generator(self.seed, number)))

    def in_order(self) -> list[Batch]:
        """The batches for validation: every block once, from the first to the last."""
        return self._batches(np.arange(self.blocks))

    def load(self, batch: Batch) -> TrainingBatch:
        """What is given and what is to be predicted in this rank's blocks of `batch`."""
        import torch

        mine = batch.indices[self.rank :: self.world]
        rows = max(1, len(range(self.rank, self.rows, self.world)) if self.fixed else len(mine))
        inputs, outputs = blocks(self.tokens, mine * self.length, self.length, rows)
        count = int(np.count_nonzero(outputs != PAD))
        left = len(self.tokens) - batch.indices * self.length
        others = 0 if self.world == 1 else int(np.minimum(left, self.length).sum()) - count
        return TrainingBatch((torch.from_numpy(inputs), torch.from_numpy(outputs)), count, others)

    def _batches(self, order: NDArray[np.int64]) -> list[Batch]:
        return [
            Batch(order[first : first + self.rows], self.length, self.rows)
            for first in range(0, len(order), self.rows)
        ]


def blocks(
    tokens: Array, starts: NDArray[np.int64], length: int, rows: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The given tokens and those to predict of the blocks at `starts`, (rows, length).

    Both are padded where the text has ended, and, up to `rows`, with blocks that have nothing to predict.
    """
    places = starts[:, None] + np.arange(length)
    inside = places < len(tokens)
    shape = (rows or len(starts), length)
    outputs, inputs = np.full(shape, PAD, np.int64), np.full(shape, PAD, np.int64)
    outputs[: len(starts)][inside] = tokens[places[inside]]
    before = tokens[np.maximum(places[inside] - 1, 0)]
    inputs[: len(starts)][inside] = np.where(places[inside] > 0, before, EOS)
    return inputs, outputs
