"""The files of one side of a store, and its rows read where they lie on disk.

Of shard 0 they are ``SIDE.bin``, the tokens of all rows one after the other, each row ending in EOS
(little-endian uint16, or uint32 for more than 65,536 tokens), and ``SIDE.offsets``, where each row begins and
the last one ends (int64); of shard 12 ``SIDE-00012.bin`` and ``SIDE-00012.offsets``, likewise from 0.
"""

import bisect
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from litetransformer.core import files
from litetransformer.core.errors import InputError
from litetransformer.data.store_index import SideIndex
from litetransformer.data.tokenise import Tokens
from litetransformer.data.tokenizer import Tokenizer

_OFFSET = np.dtype("<i8")
_TOKEN: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


def token_file(folder: Path, side: str, shard: int) -> Path:
    """Where the tokens of a side of a shard are; its offsets are beside them."""
    return folder / (f"{side}-{shard:05}.bin" if shard else f"{side}.bin")


def offset_file(folder: Path, side: str, shard: int) -> Path:
    """Where the offsets of a side of a shard are."""
    return token_file(folder, side, shard).with_suffix(".offsets")


class Side:
    """The rows of one side, of all shards: `side[i]` is the tokens of row i, the last of them EOS.

    `tokens` and `offsets` are arrays, memory-mapped, or where there are several shards what reads like them.
    """

    def __init__(self, folder: Path, shards: Sequence[tuple[SideIndex, int]]) -> None:
        tokens, offsets, before = [], [], [0]
        for number, (index, rows) in enumerate(shards):
            path = offset_file(folder, index.name, number)
            tokens.append(_mapped(token_file(folder, index.name, number), _TOKEN[index.dtype], index.tokens))
            offsets.append(_mapped(path, _OFFSET, rows + 1))
            if offsets[-1][0] != 0 or offsets[-1][-1] != index.tokens:
                raise damaged(path, "it does not fit the tokens")
            before.append(before[-1] + index.tokens)
        self.tokens: Array = tokens[0]
        self.offsets: Array = offsets[0]
        if len(shards) > 1:
            self.tokens = Joined(tokens)
            # Where a shard ends the next begins: that offset is kept once.
            parts = [*(part[:-1] for part in offsets), offsets[-1][-1:]]
            self.offsets = Joined(parts, [*before[:-1], before[-2]])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row, EOS included."""
        return self.lengths_of(0, len(self))

    def lengths_of(self, first: int, end: int) -> NDArray[np.int64]:
        """The number of tokens of each row from `first` to before `end`."""
        return np.diff(self.offsets[first : end + 1])


class Joined:
    """Arrays that are read as one, end to end, without being put together; what part i holds plus `added[i]`.

    It takes one place, a slice, or an array of places, none of them negative.
    """

    def __init__(self, parts: Sequence[NDArray[Any]], added: Sequence[int] = ()) -> None:
        self.parts, self.added = tuple(parts), tuple(added) or (0,) * len(parts)
        self.dtype = parts[0].dtype
        self.starts = np.cumsum([0, *map(len, parts)])
        self._starts: list[int] = self.starts.tolist()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            return self._between(*places.indices(len(self)))
        chosen = np.asarray(places)
        if chosen.size and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise IndexError(f"places from {chosen.min()} to {chosen.max()} of {len(self)}")
        if not chosen.ndim:
            number = bisect.bisect_right(self._starts, int(chosen)) - 1
            value = self.parts[number][int(chosen) - self._starts[number]]
            return value + self.dtype.type(self.added[number])
        found = np.empty(chosen.shape, self.dtype)
        homes = np.searchsorted(self.starts, chosen, side="right") - 1
        for number in np.flatnonzero(np.bincount(homes.ravel(), minlength=1)).tolist():
            here = homes == number
            found[here] = self.parts[number][chosen[here] - self._starts[number]]
            found[here] += self.dtype.type(self.added[number])
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("parts end to end are no array without a copy")
        whole = self._between(0, len(self), 1)
        return whole if dtype is None else whole.astype(dtype)

    def _between(self, first: int, end: int, step: int) -> NDArray[Any]:
        if step != 1:
            raise IndexError(f"a step of {step}, not 1")
        pieces = []
        for number in range(bisect.bisect_right(self._starts, first) - 1, len(self.parts)):
            start = self._starts[number]
            if start >= end:
                break
            piece = self.parts[number][max(0, first - start) : end - start]
            pieces.append(piece + self.dtype.type(self.added[number]) if self.added[number] else piece)
        return np.concatenate(pieces) if len(pieces) > 1 else [*pieces, np.empty(0, self.dtype)][0]


Array: TypeAlias = NDArray[Any] | Joined


class SideWriter:
    """Appends to the two files of a side, which appear when `stack` closes without an exception."""

    def __init__(self, stack: ExitStack, folder: Path, name: str, shard: int, tokenizer: Tokenizer) -> None:
        self.name, self.tokenizer = name, tokenizer.digest
        self.dtype: Literal["uint16", "uint32"] = "uint16" if tokenizer.size <= 2**16 else "uint32"
        self.rows = self.tokens = 0
        paths = (token_file(folder, name, shard), offset_file(folder, name, shard))
        self._tokens, self._offsets = (
            _Checksummed(stack.enter_context(files.atomic_writer(path))) for path in paths
        )
        self._offsets.write(np.zeros(1, _OFFSET))

    def append(self, side: Tokens) -> None:
        self._tokens.write(side.tokens.astype(_TOKEN[self.dtype]))
        self._offsets.write((self.tokens + np.cumsum(side.lengths)).astype(_OFFSET))
        self.rows += len(side.lengths)
        self.tokens += len(side.tokens)

    def index(self) -> SideIndex:
        return SideIndex(
            name=self.name,
            tokenizer=self.tokenizer,
            dtype=self.dtype,
            tokens=self.tokens,
            tokens_sha256=self._tokens.hash.hexdigest(),
            offsets_sha256=self._offsets.hash.hexdigest(),
        )


def verify_files(folder: Path, index: SideIndex, shard: int) -> None:
    """Read both files of a side of a shard; InputError naming the first that has not its SHA-256."""
    for path, digest in (
        (token_file(folder, index.name, shard), index.tokens_sha256),
        (offset_file(folder, index.name, shard), index.offsets_sha256),
    ):
        if not path.is_file():
            raise damaged(path, "missing")
        if files.sha256_of_file(path) != digest:
            raise damaged(path, "its SHA-256 is not the one in the index")


def damaged(path: Path, what: str) -> InputError:
    """What to raise for a file of a store that is not as it was written."""
    return InputError(f"damaged: {what}", path=path, remedy="prepare the data again")


class _Checksummed:
    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()

    def write(self, array: NDArray[Any]) -> None:
        content = array.tobytes()
        self.hash.update(content)
        self.file.write(content)


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    if not path.is_file():
        raise damaged(path, "missing")
    size, expected = path.stat().st_size, count * dtype.itemsize
    if size != expected:
        raise damaged(path, f"{size:,} bytes where {expected:,} were written")
    return np.memmap(path, dtype, mode="r", shape=(count,))
