"""Tokens on disk, memory-mapped: a folder for each split, in it arrays of tokens for each side.

A side is ``source``, ``target``, or ``text``; see `side` for its files. What has more than `SHARD_TOKENS`
tokens is written in shards of about as many, each whole before the next begins, so that a preparation that
was killed goes on after the last of them. ``index.json`` holds checksums and is written last: a folder
without it is no store.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litetransformer.core import files
from litetransformer.core.errors import InputError
from litetransformer.data.side import Side, SideWriter, verify_files
from litetransformer.data.store_index import (
    INDEX,
    VERSION,
    StoreIndex,
    dropped,
    read_index,
    together,
    write_index,
)
from litetransformer.data.tokenise import CHUNK, Chunk, Sampling, tokenise
from litetransformer.data.tokenizer import Tokenizer
from litetransformer.data.unfinished import Unfinished

SHARD_TOKENS = 2**25
"""A shard ends with the chunk that brings one of its sides to this many tokens: about a million sentences."""


def write_store(
    folder: Path,
    pairs: Iterable[tuple[str, str]],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    *,
    truncate_source: int = 0,
    **options: Any,
) -> "TokenStore":
    """The store of `pairs` in `folder`, with the sides ``source`` and ``target``; see `write_sides`."""
    tokenizers = {"source": source_tokenizer, "target": target_tokenizer}
    return write_sides(folder, pairs, tokenizers, truncate={"source": truncate_source}, **options)


def write_sides(
    folder: Path,
    rows: Iterable[Sequence[str]],
    tokenizers: Mapping[str, Tokenizer],
    *,
    longest: int | None = 256,
    longest_ratio: float = 0.0,
    truncate: Mapping[str, int] | None = None,
    sampling: Sampling | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    shard_tokens: int | None = None,
    resume: str = "",
) -> "TokenStore":
    """The store of `rows`, each with one text for each of `tokenizers`, written to `folder`.

    `truncate` says for a side how many tokens (EOS not included) are kept of a longer text; 0 keeps all. Left
    out, and counted, are rows with an empty side, with a side of more than `longest` tokens (EOS included),
    or, unless `longest_ratio` is 0, with more than that many times the tokens of another side; with `longest`
    None every row is kept, an empty one too. With `sampling` segmentations of some rows are drawn, each
    by the row's number. The bytes written do not depend on `workers`, the number of processes. Memory stays
    bounded. `progress` is told how many more rows have been read. A shard is full with `shard_tokens`,
    `SHARD_TOKENS` unless given.

    Whatever ends the writing early leaves no store: one that stood in `folder` is gone from the beginning.
    Where `resume` says what the rows are (their checksum, for example), the shards that were finished stay,
    and the next call with the same arguments goes on after them, to the same bytes; `progress` is told of
    their rows at once.

    Raises InputError when another process writes to `folder`, when no row is left, or when the disk is full.
    """
    full = SHARD_TOKENS if shard_tokens is None else shard_tokens
    limits = [(truncate or {}).get(name, 0) for name in tokenizers]
    facts: dict[str, Any] = {
        "rows": resume,
        "tokenizers": {name: tokenizer.digest for name, tokenizer in tokenizers.items()},
        "longest": longest,
        "longest_ratio": longest_ratio,
        "truncate": limits,
        "shard_tokens": full,
        "chunk_rows": CHUNK,
    }
    if sampling is not None:
        facts["sampling"] = [sampling.dropout, sampling.first]
    with files.only_writer(folder):
        (folder / INDEX).unlink(missing_ok=True)
        unfinished = Unfinished(folder, facts, tokenizers)
        try:
            if (read := sum(shard.read for shard in unfinished.shards)) and progress is not None:
                progress(read)
            shard: _Shard | None = None
            with ExitStack() as stack:
                for chunk in tokenise(
                    itertools.islice(rows, read, None),
                    list(tokenizers.values()),
                    longest=longest,
                    longest_ratio=longest_ratio,
                    truncate=limits,
                    sampling=sampling,
                    before=read,
                    workers=workers,
                ):
                    # A chunk of which nothing is kept belongs to the shard before: none is without a row.
                    if shard is not None and shard.tokens >= full and len(chunk.sides[0].lengths):
                        stack.close()
                        unfinished.add(shard.index(longest, longest_ratio))
                        shard = None
                    if shard is None:
                        shard = _Shard(stack, folder, len(unfinished.shards), tokenizers)
                    shard.append(chunk)
                    if progress is not None:
                        progress(chunk.rows)
                if not unfinished.shards and (shard is None or not shard.rows):
                    raise _nothing_left(folder, Counter() if shard is None else shard.dropped, longest)
            if shard is not None:
                unfinished.add(shard.index(longest, longest_ratio))
            write_index(folder, unfinished.shards)
        except BaseException:
            if not resume:
                unfinished.forget()
            raise
        unfinished.done()
    return TokenStore(folder)


class TokenStore:
    """The rows of a store, read where they lie on disk, from as many shards as there are.

    Opening checks the index and the sizes of the files, which finds what was cut or mixed up; `verify` reads
    everything and finds a changed bit. `digest` stands for the whole content, as the index holds the
    checksums of the other files.

    Raises InputError naming the file that is missing or wrong.
    """

    def __init__(self, folder: Path) -> None:
        self.shards = read_index(folder)
        self.folder = folder
        self.index = together(self.shards)
        self.digest = files.sha256_of_file(folder / INDEX)
        self.sides = {
            side.name: Side(folder, [(shard.sides[place], shard.rows) for shard in self.shards])
            for place, side in enumerate(self.index.sides)
        }

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
        for number, shard in enumerate(self.shards):
            for side in shard.sides:
                verify_files(self.folder, side, number)


class _Shard:
    """Appends to the files of one shard, which appear when `stack` closes without an exception."""

    def __init__(
        self, stack: ExitStack, folder: Path, number: int, tokenizers: Mapping[str, Tokenizer]
    ) -> None:
        self._sides = [
            SideWriter(stack, folder, name, number, tokenizer) for name, tokenizer in tokenizers.items()
        ]
        self.dropped: Counter[str] = Counter()
        self.truncated = 0

    @property
    def rows(self) -> int:
        return self._sides[0].rows

    @property
    def tokens(self) -> int:
        """The tokens of its longest side."""
        return max(side.tokens for side in self._sides)

    def append(self, chunk: Chunk) -> None:
        for writer, side in zip(self._sides, chunk.sides, strict=True):
            writer.append(side)
        self.dropped.update(chunk.dropped)
        self.truncated += chunk.truncated

    def index(self, longest: int | None, longest_ratio: float) -> StoreIndex:
        return StoreIndex(
            version=VERSION,
            rows=self.rows,
            longest=longest,
            longest_ratio=longest_ratio,
            dropped=dropped(self.dropped),
            sides=tuple(side.index() for side in self._sides),
            truncated=self.truncated,
        )


def _nothing_left(folder: Path, reasons: Counter[str], longest: int | None) -> InputError:
    said = ", ".join(f"{count:,} {why}" for why, count in sorted(reasons.items()))
    return InputError(
        f"nothing is left of the text ({said or 'it was empty'})",
        path=folder,
        remedy="rows need text on every side" + ("" if longest is None else f" and at most {longest} tokens"),
    )
