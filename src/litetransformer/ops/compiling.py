"""Triton's kernels compiled on all cores at once, in place of one by one where a first update meets them.

An update of a Lite Transformer launches dozens of different kernels, and each takes a quarter of a second or
more to compile, most of it outside Python's lock.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import torch

from litetransformer.ops.kernels import INSTALLED

ASKED_EVERY = 0.2
"""Seconds between two questions whether to stop."""


def can_compile_together() -> bool:
    """Whether there is a Triton that tells of kernels before it compiles them: from 3.4 on."""
    if not INSTALLED:
        return False
    import triton

    return hasattr(triton, "knobs")


@contextlib.contextmanager
def compiled_together(threads: int, stop: Callable[[], bool] = lambda: False) -> Iterator[Mapping[Any, Any]]:
    """Inside, kernels that are not compiled yet are noted and not launched; at the end they all are compiled.

    So what is computed inside is worthless, and must not be used for anything but its shapes. A kernel that
    differs in nothing but numbers it doesn't depend on is compiled once. Yields what is noted, an item each.

    That takes so many `threads`. Once `stop` returns true, those not begun are left to their launch.

    Raises what Triton's compiler raises; ImportError unless `can_compile_together`.
    """
    import triton

    noted: dict[Any, Any] = {}

    def note(*, fn: Any, compile: dict[str, Any], **_: Any) -> bool:
        noted[fn.jit_function, compile["key"]] = compile["specialization_data"]
        # Not to be compiled now, and so not launched.
        return True

    settings = triton.knobs.runtime
    before, settings.jit_cache_hook = settings.jit_cache_hook, note
    try:
        yield noted
    finally:
        settings.jit_cache_hook = before
    pool = ThreadPoolExecutor(
        threads,
        thread_name_prefix="compiling",
        # A thread begins on the first device, whichever the others are on.
        initializer=torch.cuda.set_device,
        initargs=(torch.cuda.current_device(),),
    )
    try:
        waiting: set[Future[None]] = {
            pool.submit(_compile, kernel, data) for (kernel, _), data in noted.items()
        }
        while waiting and not stop():
            done, waiting = wait(waiting, ASKED_EVERY)
            for one in done:
                one.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _compile(kernel: Any, data: str) -> None:
    # What launches it is made by a C compiler, and the GPU is given it, when `run` is first asked for.
    _ = kernel.preload(data).run
