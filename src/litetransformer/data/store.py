"""Tokens on disk, memory-mapped: a folder for each split, in it one array of tokens for each side.

A side (``source``, ``target``, or ``text``) is two files: ``SIDE.bin``, the tokens of all rows one after the
other, each row ending in EOS (little-endian uint16, or uint32 for more than 65,536 tokens), and
``SIDE.offsets``, where each row begins and the last one ends (int64). ``index.json`` holds checksums and is
written last: a folder without it is no store.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from litetransformer.core import files
from litetransformer.core.errors import InputError
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.data.tokenise import Tokens, tokenise
from litetransformer.data.tokenizer import Tokenizer

VERSION = 1
INDEX = "index.json"

_OFFSET = np.dtype("<i8")
_TOKEN: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


@dataclass(frozen=True, kw_only=True)
class Dropped(Spec):
    """How many rows were left out, and why."""

    why: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class SideIndex(Spec):
    """What one side's two files hold."""

    name: str
    tokenizer: str
    dtype: Literal["uint16", "uint32"]
    tokens: int
    tokens_sha256: str
    offsets_sha256: str

    def __post_init__(self) -> None:
        # The name becomes a file's: nothing in an index may point out of its folder.
        if not self.name.isidentifier() or self.tokens < 0:
            raise ValueError(f"{self.name!r} with {self.tokens} tokens is no side")


@dataclass(frozen=True, kw_only=True)
class StoreIndex(Spec):
    """What a store holds: the content of ``index.json``; `truncated` of its rows have a side that was cut."""

    version: int
    rows: int
    longest: int | None
    longest_ratio: float
    dropped: tuple[Dropped, ...]
    sides: tuple[SideIndex, ...]
    truncated: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1 or not self.sides:
            raise ValueError("a store has at least one row and one side")


def write_store(
    folder: Path,
    pairs: Iterable[tuple[str, str]],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    *,
    longest: int = 256,
    longest_ratio: float = 0.0,
    truncate_source: int = 0,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> "TokenStore":
    """The store of `pairs` in `folder`, with the sides ``source`` and ``target``; see `write_sides`."""
    return write_sides(
        folder,
        pairs,
        {"source": source_tokenizer, "target": target_tokenizer},
        longest=longest,
        longest_ratio=longest_ratio,
        truncate={"source": truncate_source},
        workers=workers,
        progress=progress,
    )


def write_sides(
    folder: Path,
    rows: Iterable[Sequence[str]],
    tokenizers: Mapping[str, Tokenizer],
    *,
    longest: int | None = 256,
    longest_ratio: float = 0.0,
    truncate: Mapping[str, int] | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> "TokenStore":
    """The store of `rows`, each with one text for each of `tokenizers`, written to `folder`.

    `truncate` says for a side how many tokens (EOS not included) are kept of a longer text; 0 keeps all. Left
    out, and counted, are rows with an empty side, with a side of more than `longest` tokens (EOS included),
    or, unless `longest_ratio` is 0, with more than that many times the tokens of another side; with `longest`
    None every row is kept, an empty one too. The bytes written do not depend on `workers`, the number of
    processes. Memory stays bounded. `progress` is told how many more rows have been read.

    Whatever ends the writing early leaves no store: one that stood in `folder` is gone from the beginning.

    Raises InputError when another process writes to `folder`, when no row is left, or when the disk is full.
    """
    with files.only_writer(folder):
        files.sweep_partial(folder)
        (folder / INDEX).unlink(missing_ok=True)
        dropped: Counter[str] = Counter()
        truncated = 0
        with ExitStack() as stack:
            writers = [_SideWriter(stack, folder, name, known) for name, known in tokenizers.items()]
            for chunk in tokenise(
                rows,
                list(tokenizers.values()),
                longest=longest,
                longest_ratio=longest_ratio,
                truncate=[(truncate or {}).get(name, 0) for name in tokenizers],
                workers=workers,
            ):
                for writer, side in zip(writers, chunk.sides, strict=True):
                    writer.append(side)
                dropped.update(chunk.dropped)
                truncated += chunk.truncated
                if progress is not None:
                    progress(chunk.rows)
            if not writers[0].rows:
                reasons = ", ".join(f"{count:,} {why}" for why, count in sorted(dropped.items()))
                raise InputError(
                    f"nothing is left of the text ({reasons or 'it was empty'})",
                    path=folder,
                    remedy="rows need text on every side"
                    + ("" if longest is None else f" and at most {longest} tokens"),
                )
        index = StoreIndex(
            version=VERSION,
            rows=writers[0].rows,
            longest=longest,
            longest_ratio=longest_ratio,
            dropped=tuple(Dropped(why=why, rows=count) for why, count in sorted(dropped.items())),
            sides=tuple(writer.index() for writer in writers),
            truncated=truncated,
        )
        files.write_json(folder / INDEX, to_json(index))
    return TokenStore(folder)


class TokenStore:
    """The rows of a store, read where they lie on disk.

    Opening checks the index and the sizes of the files, which finds what was cut or mixed up; `verify` reads
    everything and finds a changed bit. `digest` stands for the whole content, as the index holds the
    checksums of the other files.

    Raises InputError naming the file that is missing or wrong.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / INDEX
        if not path.is_file():
            raise InputError("no prepared data here", path=folder, remedy="prepare it again")
        facts = files.read_json(path)
        if isinstance(facts, dict) and facts.get("version") != VERSION:
            raise InputError(
                f"version {facts.get('version')!r} of the format; this program reads {VERSION}",
                path=path,
                remedy="prepare the data again",
            )
        self.folder = folder
        self.index = from_json(facts, StoreIndex, path=str(path))
        self.digest = files.sha256_of_file(path)
        self.sides = {side.name: Side(folder, side, self.index.rows) for side in self.index.sides}

    def __len__(self) -> int:
        return self.index.rows

    def source(self, row: int) -> NDArray[Any]:
        """The tokens of the source of `row`, the last of them EOS."""
        return self.sides["source"][row]

    def target(self, row: int) -> NDArray[Any]:
        """The tokens of the target of `row`, the last of them EOS."""
        return self.sides["target"][row]

    @property
    def source_lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each source, EOS included."""
        return self.sides["source"].lengths

    @property
    def target_lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each target, EOS included."""
        return self.sides["target"].lengths

    def verify(self) -> None:
        """Read every file; raises InputError naming the first whose SHA-256 is not the one in the index."""
        for side in self.index.sides:
            for file, digest in (("bin", side.tokens_sha256), ("offsets", side.offsets_sha256)):
                path = self.folder / f"{side.name}.{file}"
                if files.sha256_of_file(path) != digest:
                    raise _damaged(path, "its SHA-256 is not the one in the index")


class Side:
    """The rows of one side: `side[i]` is the tokens of row i, the last of them EOS."""

    def __init__(self, folder: Path, index: SideIndex, rows: int) -> None:
        token = _TOKEN[index.dtype]
        self.tokens: NDArray[Any] = _mapped(folder / f"{index.name}.bin", token, index.tokens)
        self.offsets: NDArray[np.int64] = _mapped(folder / f"{index.name}.offsets", _OFFSET, rows + 1)
        if self.offsets[0] != 0 or self.offsets[-1] != index.tokens:
            raise _damaged(folder / f"{index.name}.offsets", "it does not fit the tokens")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row, EOS included."""
        return np.diff(self.offsets)


class _SideWriter:
    """Appends to the two files of a side, which appear when `stack` closes without an exception."""

    def __init__(self, stack: ExitStack, folder: Path, name: str, tokenizer: Tokenizer) -> None:
        self.name, self.tokenizer = name, tokenizer.digest
        self.dtype: Literal["uint16", "uint32"] = "uint16" if tokenizer.size <= 2**16 else "uint32"
        self.rows = self.tokens = 0
        self._tokens = _Checksummed(stack.enter_context(files.atomic_writer(folder / f"{name}.bin")))
        self._offsets = _Checksummed(stack.enter_context(files.atomic_writer(folder / f"{name}.offsets")))
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


class _Checksummed:
    def __init__(self, file: BinaryIO) -> None:
        self.file, self.hash = file, hashlib.sha256()

    def write(self, array: NDArray[Any]) -> None:
        content = array.tobytes()
        self.hash.update(content)
        self.file.write(content)


def _mapped(path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    if not path.is_file():
        raise _damaged(path, "missing")
    size, expected = path.stat().st_size, count * dtype.itemsize
    if size != expected:
        raise _damaged(path, f"{size:,} bytes where {expected:,} were written")
    return np.memmap(path, dtype, mode="r", shape=(count,))


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"damaged: {what}", path=path, remedy="prepare the data again")
