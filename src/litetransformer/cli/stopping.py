"""SIGINT and SIGTERM in a verb: an exception where they come, and again where the verb would wait.

Python drops an exception that is raised within a destructor or a callback of a library, one of a signal, too;
who then waits for input would wait for ever.
"""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Stopped(BaseException):
    """SIGTERM came, outside of training, which has its own way to stop."""


_RAISED: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Stopped}
_received: list[int] = []


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, SIGINT raises KeyboardInterrupt and SIGTERM Stopped, so that temporary files are removed."""
    before: dict[int, Any] = {}
    try:
        for number in _RAISED:
            before[number] = signal.signal(number, _stop)
    except ValueError:
        # Not the main thread: its own way of stopping stays in force.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def heed() -> None:
    """Raise what a signal raised before, if anyone can still ask: it was dropped."""
    if _received:
        raise _RAISED[_received[0]]


def _stop(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise _RAISED[number]
