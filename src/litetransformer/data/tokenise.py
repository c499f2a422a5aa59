"""Rows of text to chunks of tokens, in order, by one process or several."""

import itertools
import multiprocessing
import os
import random
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS
from litetransformer.data.dropout import MergeDropout, merge_dropouts
from litetransformer.data.filters import why_drop
from litetransformer.data.tokenizer import Tokenizer

CHUNK = 2000
"""Rows handed to a process at a time: enough to hide the hand-over, few enough to stay small in memory."""
_CHUNKS_EACH = 4
"""Chunks that a process is worth starting for, which takes as long as some; with large imports, longer."""

Texts = Sequence[Sequence[str]]


class Tokens(NamedTuple):
    """Rows of tokens one after the other, each ending in EOS, and the length of each row."""

    tokens: NDArray[np.uint32]
    lengths: NDArray[np.int64]


class Chunk(NamedTuple):
    """The tokens of each side for the rows kept, of `rows` read; the others are counted by why they went.

    Of the rows kept, `truncated` have a side that was cut.
    """

    sides: tuple[Tokens, ...]
    rows: int
    dropped: Counter[str]
    truncated: int


class Sampling(NamedTuple):
    """Rows from number `first` on, counted from 0, have segmentations drawn with `dropout` of merges."""

    dropout: float
    first: int


class _Work(NamedTuple):
    tokenizers: Sequence[Tokenizer]
    samplers: Sequence[MergeDropout]
    first_sampled: int
    longest: int | None
    longest_ratio: float
    truncate: Sequence[int | None]


def tokenise(
    rows: Iterable[Sequence[str]],
    tokenizers: Sequence[Tokenizer],
    *,
    longest: int | None,
    longest_ratio: float = 0.0,
    truncate: Sequence[int] = (),
    sampling: Sampling | None = None,
    before: int = 0,
    workers: int = 1,
) -> Iterator[Chunk]:
    """The tokens of `rows`, chunk by chunk in their order, whatever the number of processes.

    Each row holds one text for each of `tokenizers`; see `filters.why_drop` for those that are dropped, where
    `longest` counts EOS too; with None every row is kept, an empty one as its EOS. Before that, each side is
    cut to its number of tokens in `truncate`, if that is not 0. What `sampling` draws for a row depends on
    the row and its number, which counts the rows `before` these. At most a few chunks for each of `workers`
    are in memory, and little text is tokenised without starting that many.

    Raises InputError where a tokenizer can't do what `sampling` asks for.
    """
    if workers < 1:
        raise InputError(f"{workers} processes cannot do the work", field="workers", remedy="give 1 or more")
    limits = [limit or None for limit in truncate or [0] * len(tokenizers)]
    samplers = merge_dropouts(tokenizers, sampling.dropout) if sampling else ()
    first_sampled = sampling.first if sampling else 0
    work = _Work(tokenizers, samplers, first_sampled, longest, longest_ratio, limits)
    reader = iter(rows)
    texts: Iterator[Texts] = iter(lambda: list(itertools.islice(reader, CHUNK)), [])
    chunks = zip(itertools.count(before, CHUNK), texts, strict=False)
    ahead = list(itertools.islice(chunks, _CHUNKS_EACH * workers))
    workers, all_chunks = -(-len(ahead) // _CHUNKS_EACH), itertools.chain(ahead, chunks)
    # The chain drops them as they are done.
    del ahead
    if workers <= 1:
        yield from (_tokenise_chunk(work, *chunk) for chunk in all_chunks)
        return
    # A forked copy of a process with threads (PyTorch's, for one) can hang, so workers start afresh.
    context = multiprocessing.get_context("spawn")
    # As an argument, work of a pipe's size would wait forever for a process that couldn't start.
    packed = ForkingPickler.dumps(work)
    memory = SharedMemory(create=True, size=len(packed))
    _buffer(memory)[: len(packed)] = packed
    handed = (memory.name, len(packed))
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=handed)
    try:
        running: deque[Future[Chunk]] = deque()
        for chunk in all_chunks:
            running.append(pool.submit(_tokenise_in_worker, *chunk))
            if len(running) > 2 * workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process that tokenised was killed, or could not start",
            remedy='use fewer workers; a script does its work under `if __name__ == "__main__":`',
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        memory.close()
        memory.unlink()


def _tokenise_chunk(work: _Work, first: int, texts: Texts) -> Chunk:
    kept: list[list[list[int]]] = []
    dropped: Counter[str] = Counter()
    truncated = 0
    for number, row in enumerate(texts, first):
        whole = _encode(work, number, row)
        sides = [side[:limit] for side, limit in zip(whole, work.truncate, strict=True)]
        reason = ""
        if work.longest is not None:
            counts = [len(side) for side in sides]
            reason = why_drop(counts, longest=work.longest - 1, ratio=work.longest_ratio)
        if reason:
            dropped[reason] += 1
        else:
            kept.append([[*side, EOS] for side in sides])
            truncated += sides != whole
    return Chunk(
        tuple(_flatten([row[side] for row in kept]) for side in range(len(work.tokenizers))),
        len(texts),
        dropped,
        truncated,
    )


def _encode(work: _Work, number: int, row: Sequence[str]) -> list[list[int]]:
    if not work.samplers or number < work.first_sampled:
        return [tokenizer.encode(text) for tokenizer, text in zip(work.tokenizers, row, strict=True)]
    generator = random.Random(number)
    return [sampler(text, generator) for sampler, text in zip(work.samplers, row, strict=True)]


def _flatten(rows: Sequence[Sequence[int]]) -> Tokens:
    lengths = np.array([len(row) for row in rows], np.int64)
    return Tokens(np.fromiter(itertools.chain.from_iterable(rows), np.uint32, int(lengths.sum())), lengths)


def _buffer(memory: SharedMemory) -> memoryview:
    assert memory.buf is not None
    return memory.buf


_worker: _Work


def _start_worker(name: str, length: int) -> None:
    global _worker  # noqa: PLW0603 – how a process pool hands its workers what they keep
    # Ctrl-C reaches the whole process group; only the parent is to answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    memory = SharedMemory(name)
    _worker = ForkingPickler.loads(bytes(_buffer(memory)[:length]))
    memory.close()


def _end_with_parent() -> None:
    # A worker waits for work from a queue that it holds open itself, so it would outlive a killed parent.
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _tokenise_in_worker(first: int, texts: Texts) -> Chunk:
    return _tokenise_chunk(_worker, first, texts)
