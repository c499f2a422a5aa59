"""Ctrl-C and SIGTERM while training: noted at once, obeyed after the current update."""

import signal
from types import FrameType
from typing import Any


class Interrupted(Exception):  # noqa: N818 (not an error: the run is saved and can go on)
    """Training stopped on a signal after saving; the process should exit with 128 + `number`."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command goes on from here")


class Signals:
    """Inside the block, SIGINT and SIGTERM only set `received`; a second SIGINT stops at once."""

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        import threading

        # Only the main thread may set handlers; elsewhere the caller's own stay in force.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received == number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
