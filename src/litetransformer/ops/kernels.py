"""Whether kernels written in Triton can run, and why not. Triton itself is imported where they first do."""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

INSTALLED = importlib.util.find_spec("triton") is not None
"""PyTorch's builds for CUDA bring it."""
FLOATS = (torch.float32, torch.bfloat16, torch.float16)
"""What the kernels compute with."""


def triton_why_not(tensor: Tensor) -> str | None:
    """A reason against a Triton kernel on this tensor's device, or None."""
    if not INSTALLED:
        return "the package triton is not installed"
    if not tensor.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        return f"a Triton kernel needs a CUDA device, not {tensor.device.type}"
    return None


def computing_type(tensor: Tensor) -> torch.dtype:
    """What a product of `tensor` is computed in: autocast's type where that is on, else its own."""
    device = tensor.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensor.dtype


def side_by_side(x: Tensor) -> Tensor:
    """`x` with channels that lie side by side in memory, as the kernels read them."""
    return x if x.stride(-1) == 1 else x.contiguous()


def power(count: int) -> int:
    """The least power of two that is at least `count`, and 16, the least side of a matrix product."""
    return max(16, 1 << (count - 1).bit_length())


def trains_on_gpu(tensor: Tensor) -> bool:
    """Whether gradients are wanted on a GPU: what a training step does, whose launches are recorded.

    Decoding launches every kernel anew, where PyTorch's own are the quicker to launch.
    """
    return tensor.is_cuda and torch.is_grad_enabled()


def triton_in_training(why_not: Callable[..., str | None], otherwise: str) -> Callable[..., str]:
    """An op's choice: its Triton version for training on a GPU where that can run, else `otherwise`."""

    def choose(x: Tensor, *others: object, **options: object) -> str:
        return "triton" if trains_on_gpu(x) and why_not(x, *others, **options) is None else otherwise

    return choose


_drawn: list[Iterator[Tensor]] = []


def fresh_seed(device: torch.device) -> Tensor:
    """A seed, (1,), on the device for one call's dropout; a recorded graph draws anew at every replay."""
    if _drawn and (found := next(_drawn[-1], None)) is not None:
        if found.is_cuda:
            # All seeds were drawn on one stream, and a branch may run on another (`ops.streams`).
            found.record_stream(torch.cuda.current_stream(found.device))
        return found
    return torch.randint(2**31 - 1, (1,), device=device)


@contextlib.contextmanager
def seeds_drawn_at_once(device: torch.device, count: int = 512) -> Iterator[None]:
    """Inside, the first `count` seeds come from one draw: each draw takes as long as a small kernel."""
    # Sixteen bytes apart, as a kernel expects of a tensor's beginning.
    seeds = torch.randint(2**31 - 1, (count, 2), device=device)
    _drawn.append(iter(seeds[:, :1].unbind()))
    try:
        yield
    finally:
        _drawn.pop()
