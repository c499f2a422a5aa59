"""How preparing goes, told on stderr."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

TERMINAL_SECONDS = 0.5
PIPE_SECONDS = 30.0


class PreparingProgress:
    """Tells which part of preparing goes on, how many rows a second it reads, and the time left if known.

    On a terminal that is a line that changes. Elsewhere each part is one line, and a part that takes long one
    more now and then.
    """

    def __init__(
        self, *, quiet: bool, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = None if quiet else stream or sys.stderr
        self._clock = clock
        self._on_terminal = self._stream is not None and self._stream.isatty()
        self._part, self._rows, self._width = "", 0, 0
        self._told = self._began = 0.0
        self._before = 0

    def __call__(self, part: str, rows: int, total: int | None) -> None:
        """Note `rows` more of `part`, of `total` in all; without a name preparing is over."""
        if self._stream is None:
            return
        now = self._clock()
        if part != self._part:
            self._end()
            self._part, self._rows, self._told = part, 0, now
            if part:
                self._show(f"preparing: {part}")
        if not rows:
            return
        if not self._rows:
            # What was ready before, or read while processes started, says nothing about the speed.
            self._began, self._before = now, rows
        self._rows += rows
        every = TERMINAL_SECONDS if self._on_terminal else PIPE_SECONDS
        if now - self._told >= every or (self._on_terminal and self._rows == total):
            self._told = now
            self._show(f"preparing: {part} · {self._state(now, total)}")

    def _state(self, now: float, total: int | None) -> str:
        known = "" if total is None else f" of {total:,}"
        state = f"{self._rows:,}{known} rows"
        read, seconds = self._rows - self._before, now - self._began
        if not (read and seconds):
            return state
        state += f" · {read / seconds:,.0f} rows/s"
        left = 0.0 if total is None else (total - self._rows) * seconds / read
        return f"{state} · {clock_time(left)} left" if left > 0 else state

    def _show(self, line: str) -> None:
        assert self._stream is not None
        if self._on_terminal:
            # One column is left free: a full line would wrap.
            line = line[: shutil.get_terminal_size().columns - 1]
            print(f"\r{line.ljust(self._width)}", end="", file=self._stream, flush=True)
            self._width = len(line)
        else:
            print(line, file=self._stream, flush=True)

    def _end(self) -> None:
        if self._on_terminal and self._part:
            print(file=self._stream, flush=True)
        self._width = 0


def clock_time(seconds: float) -> str:
    """A time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
