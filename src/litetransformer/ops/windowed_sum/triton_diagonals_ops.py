"""How the Triton kernels of `triton_diagonals` are launched."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from litetransformer.ops.triton_common import launcher, multiprocessors
from litetransformer.ops.windowed_sum import triton_diagonals
from litetransformer.ops.windowed_sum.triton_across_ops import spans
from litetransformer.ops.windowed_sum.triton_memory import unit

SIZE = 16
"""Positions a block: as few as the matrix units take."""
NUMBERS = {"forward": 1024, "backward": 1024}
"""Numbers of x that a turn computes with, at most."""
BLOCK = {"forward": 16, "backward": 16}
"""Channels a block: 16 of two bytes are the 32 that memory moves at once."""
UNEVEN = {"forward": 32, "backward": 32}
"""The same where rows don't begin at multiples of 16 channels, so that each block touches 32 bytes more."""
PROGRAMS = {"forward": 16, "backward": 8}
"""Programs, of a warp each, that a multiprocessor is given: as many as run at once by their registers."""
PIECES = 96
"""Pieces that all of these programs have in registers, at most."""
STAGES = {"forward": 2, "backward": 2}
"""Turns that are on their way at once, where products wait for loads."""

FETCHED = {"forward": 2, "backward": 2}
"""Turns that are brought into the cache before the taps are looked at."""


def forward(x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float) -> Tensor:
    """The windowed sum in the type of `x`."""
    out, fixed = x.new_empty(x.shape), constants("forward", taps, left, softmax, rate, x)
    blocks, turns, shares = shared("forward", x, fixed)
    launcher(triton_diagonals.diagonals_forward)[(shares * fixed["parts"],)](
        x, taps, seed, out, x.shape[1], blocks, len(x) * blocks, left, x.stride(0) // fixed["unit"],
        # The interpreter's loops have numbers alone.
        turns if x.is_cuda else tl.constexpr(turns), **fixed,
    )  # fmt: skip
    return out


def backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradient of `x`, and the shares in that of the taps."""
    heads, count = taps.shape
    x_gradient, fixed = x.new_empty(x.shape), constants("backward", taps, left, softmax, rate, x, upstream)
    blocks, turns, shares = shared("backward", x, fixed)
    strides = (upstream.stride(0) // fixed["unit"], x.stride(0) // fixed["unit"])
    before = -(-(count - 1 - left) // SIZE) - fixed["ahead"]
    after = -(-left // SIZE) - fixed["back"]
    slots = touched(heads, fixed["channels"], fixed["block"])
    partial = x.new_empty((shares * slots, heads, count), dtype=torch.float32)
    launcher(triton_diagonals.diagonals_backward)[(shares * fixed["parts"],)](
        upstream, x, taps, seed, x_gradient, partial, x.shape[1], blocks, len(x) * blocks, left, *strides,
        turns if x.is_cuda else tl.constexpr(turns), upstream_row=upstream.stride(1), before=before,
        after=after, slots=slots, **fixed,
    )  # fmt: skip
    return x_gradient, partial


def constants(
    direction: str, taps: Tensor, left: int, softmax: bool, rate: float, *tensors: Tensor
) -> dict[str, Any]:
    """What the kernels are compiled for."""
    x, (heads, count) = tensors[0], taps.shape
    channels, blocks = x.shape[2] // heads, -(-x.shape[1] // SIZE)
    even = all(tensor.stride(1) % 16 == 0 for tensor in tensors)
    block = min((BLOCK if even else UNEVEN)[direction], max(16, triton.next_power_of_2(x.shape[2])))
    most = max(1, NUMBERS[direction] // (SIZE * block))
    # As many turns as that takes, of one size.
    many = -(-blocks // -(-blocks // most))
    return {
        "x_row": x.stride(1),
        "unit": unit(*tensors),
        "heads": heads,
        "channels": channels,
        "count": count,
        "size": SIZE,
        "many": many,
        "back": min(blocks - 1, -(-left // SIZE)),
        "ahead": min(blocks - 1, -(-(count - 1 - left) // SIZE)),
        "edge": int(many < blocks),
        "block": block,
        "parts": -(-x.shape[2] // block),
        "spans": spans(heads, channels, block),
        "wide": triton.next_power_of_2(count),
        "rows": triton.next_power_of_2(many * SIZE),
        "fetched": fetched(direction, x),
        "softmax": softmax,
        "rate": rate,
        "precise": x.dtype == torch.float32,
        "num_warps": 1,
        "num_stages": STAGES[direction],
    }


def fetched(direction: str, x: Tensor) -> int:
    """Turns to bring into the cache: by a line of assembly, unknown to interpreter and tracing compiler."""
    return FETCHED[direction] if x.is_cuda and type(x) is Tensor else 0


def shared(direction: str, x: Tensor, fixed: dict[str, Any]) -> tuple[int, int, int]:
    """Turns that a sequence takes, turns of a program, and programs for each block of channels."""
    blocks = -(-x.shape[1] // (fixed["size"] * fixed["many"]))
    pieces = fixed["spans"] * (fixed["back"] + fixed["ahead"] + 1)
    programs = max(1, min(PROGRAMS[direction], PIECES // pieces))
    room = max(1, multiprocessors(x) * programs // fixed["parts"])
    turns = -(-len(x) * blocks // room)
    return blocks, turns, -(-len(x) * blocks // turns)


def touched(heads: int, channels: int, block: int) -> int:
    """Blocks of channels that a head belongs to, at most."""
    return max(((head + 1) * channels - 1) // block - head * channels // block + 1 for head in range(heads))
