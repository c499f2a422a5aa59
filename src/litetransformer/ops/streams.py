"""Independent branches of a training step side by side on a GPU: each but the first on a stream of its own.

Kernels of a branch of half the width leave much of a GPU idle. In a recorded graph, branches on streams of
their own have no order among them. Backward runs each node on the stream of its forward, and so overlaps too.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from litetransformer.ops.kernels import trains_on_gpu

_overlapping = False
_streams: dict[torch.device, list[torch.cuda.Stream]] = {}


@contextlib.contextmanager
def overlapping_branches(wanted: bool = True) -> Iterator[None]:
    """Inside, `run_branches` overlaps them where a GPU trains; what is recorded there does so ever after."""
    global _overlapping  # noqa: PLW0603 (a setting of the process, as forced ops are)
    before, _overlapping = _overlapping, wanted
    try:
        yield
    finally:
        _overlapping = before


def run_branches(branches: Sequence[Callable[[], Tensor]], read: Iterable[Tensor | None]) -> list[Tensor]:
    """The results of all `branches`, which read the tensors `read` and write nothing that another reads.

    They are called in their order, so what they draw from a generator does not depend on overlapping.
    """
    given = [tensor for tensor in read if tensor is not None]
    if torch.compiler.is_compiling() or not (_overlapping and all(map(trains_on_gpu, given))):
        return [branch() for branch in branches]
    device = given[0].device
    while len(made := _streams.setdefault(device, [])) < len(branches) - 1:
        made.append(torch.cuda.Stream(device))
    sides, own = made[: len(branches) - 1], torch.cuda.current_stream(device)
    begun = own.record_event()
    results = [branches[0]()]
    for branch, side in zip(branches[1:], sides, strict=True):
        side.wait_event(begun)
        for tensor in given:
            # Its memory is `own`'s, which would hand it out again while `side` still reads it.
            tensor.record_stream(side)
        with torch.cuda.stream(side):
            results.append(branch())
    for result, side in zip(results[1:], sides, strict=True):
        own.wait_stream(side)
        result.record_stream(own)
    return results
