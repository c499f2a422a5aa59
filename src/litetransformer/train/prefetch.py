"""Batches loaded while the device works on earlier ones."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def loaded(items: Sequence[Any], load: Callable[[Any], T], ahead: int) -> Iterator[T]:
    """``load(item)`` for each of `items`, in order, up to `ahead` of them before they are asked for."""
    if not ahead:
        yield from map(load, items)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(load, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
