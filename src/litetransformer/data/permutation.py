"""A drawn order of very many numbers, each place of it computed when it is asked for."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 8


class Permutation:
    """The numbers from 0 to `count` − 1 in an order drawn by `generator`, none of which is kept in memory.

    `permutation(places)` are the numbers at those places. They lie in a rectangle of about as many fields,
    whose rows are turned by amounts that depend on the row and then its columns likewise, again and again (a
    Feistel network), so that different places stay different; what comes to a field too many goes on.
    """

    def __init__(self, count: int, generator: np.random.PCG64) -> None:
        self.count = count
        self._rows = np.uint64(math.isqrt(max(0, count - 1)) + 1)
        self._columns = np.uint64(max(1, -(-count // int(self._rows))))
        self._keys: list[np.uint64] = list(generator.random_raw(2 * ROUNDS))

    def __len__(self) -> int:
        return self.count

    def __call__(self, places: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        numbers = self._once(places.astype(np.uint64))
        while (outside := numbers >= self.count).any():
            numbers[outside] = self._once(numbers[outside])
        return numbers.astype(np.int64)

    def _once(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        row, column = np.divmod(numbers, self._columns)
        for first, second in zip(self._keys[::2], self._keys[1::2], strict=True):
            column = (column + _mixed(row + first) % self._columns) % self._columns
            row = (row + _mixed(column + second) % self._rows) % self._rows
        return row * self._columns + column


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers of which every bit depends on every bit of those given: the last steps of SplitMix64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
