"""Lines as they come: a group as soon as there is one, a big one where much is waiting."""

import itertools
import os
import select
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from litetransformer.cli.stopping import heed
from litetransformer.core.errors import InputError
from litetransformer.data.corpus import decode_lines, read_lines

GROUP = 1024
"""Lines translated together at most: enough to find some of equal length, few enough to wait for."""

_PIECE = 2**16


def lines_of_file(path: Path) -> Iterator[list[str]]:
    """The lines of a text file in groups of `GROUP`."""
    lines = read_lines(path)
    return iter(lambda: list(itertools.islice(lines, GROUP)), [])


def lines_as_they_come(descriptor: int, name: str = "<stdin>") -> Iterator[list[str]]:
    """The lines of an open file, pipe or terminal, in groups of what is there: none waits for the next.

    Raises InputError as `decode_lines` does, once the lines before the wrong one have been yielded.
    """
    arriving = _Arriving(descriptor, name)
    group: list[str] = []
    try:
        for line in decode_lines(arriving, name):
            group.append(line)
            if len(group) == GROUP or not arriving.more():
                yield group
                group = []
    except InputError:
        if group:
            yield group
        raise
    if group:
        yield group


class _Arriving:
    """The raw lines of an open file, each with its LF; `more` tells whether another is there already."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor, self.name = descriptor, name
        self.complete: deque[bytes] = deque()
        self.begun: list[bytes] = []
        self.ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self.complete and not self.ended:
            self._read()
        if not self.complete:
            raise StopIteration
        return self.complete.popleft()

    def more(self) -> bool:
        """Whether a line can be had without waiting."""
        while not self.complete and not self.ended and select.select([self.descriptor], [], [], 0)[0]:
            self._read()
        return bool(self.complete)

    def _read(self) -> None:
        heed()
        try:
            piece = os.read(self.descriptor, _PIECE)
        except OSError as error:
            raise InputError(error.strerror or str(error), path=self.name) from error
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self.complete.append(b"".join([*self.begun, end, b"\n"]))
            self.begun.clear()
        if rest:
            self.begun.append(rest)
        if not piece:
            self.ended = True
            if self.begun:
                self.complete.append(b"".join(self.begun))
