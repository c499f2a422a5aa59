"""A sign of life: each rank gives one a second, and ends where another gives none."""

import contextlib
import os
import sys
import threading
import time
from typing import Any

PERIOD = 1.0
LOST_AFTER = 15.0
"""Seconds without a sign after which a rank counts as gone."""
GRACE = 10.0
"""Seconds that a rank has to end by itself once another is gone: a save to finish, an error to tell."""
_ENDED = 1 << 40
"""A count of signs that says: there will be no more, and all is well."""


class Pulse:
    """While its block runs, this rank gives signs of life in `store` and watches for those of the next rank.

    When the next rank gives none, or any rank has set `gone`, the process prints `message` and ends: its main
    thread may wait in a place that neither an exception nor a signal reaches.
    """

    def __init__(self, store: Any, rank: int, world: int, gone: str, message: str) -> None:
        self._store, self._gone, self._message = store, gone, message
        self._mine, self._next = f"pulse {rank}", f"pulse {(rank + 1) % world}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        # Where the store is out of reach, the thread waits for it; the process need not.
        self._thread.join(PERIOD)

    def _watch(self) -> None:
        signs, since = 0, time.monotonic()
        while not self._ended.wait(PERIOD):
            gone = False
            # Whoever holds the store may be the one that is gone: then no sign comes any more.
            with contextlib.suppress(RuntimeError):
                self._store.add(self._mine, 1)
                gone, now = self._store.check([self._gone]), self._store.add(self._next, 0)
                # Before its first sign and after its last one, none is expected of a rank.
                if now != signs or now == 0 or now >= _ENDED:
                    signs, since = now, time.monotonic()
            if gone or time.monotonic() - since > LOST_AFTER:
                self._end()
                return
        with contextlib.suppress(RuntimeError):
            self._store.add(self._mine, _ENDED)

    def _end(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._store.set(self._gone, "")
        if not self._ended.wait(GRACE):
            if sys.stderr is not None:
                print(f"error: {self._message}", file=sys.stderr, flush=True)
            os._exit(1)
