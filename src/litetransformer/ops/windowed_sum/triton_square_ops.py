"""How the Triton kernels of `triton_square` and `triton_square_dynamic` are launched."""

import math
from typing import Any

import torch
import triton
from torch import Tensor

from litetransformer.ops.triton_common import launcher, multiprocessors
from litetransformer.ops.triton_memory import unit
from litetransformer.ops.windowed_sum import triton_square, triton_square_dynamic
from litetransformer.ops.windowed_sum.triton_band import rounded

LEAST = 32
"""Positions a block, at least."""
BLOCK = 64
"""Channels that a program multiplies at once, at most."""
ROOM = 1.0
"""Times as many static programs as are meant to run at once."""
WARPS = 1.0
"""Times the warps a program that its matrix products fill."""
STAGES = 3
"""Blocks that are on their way at once, where products wait for loads."""


def alignment(heads: int, channels: int, block: int, most: int) -> int:
    """Channels a load: as many as `most`, as long as a head that begins within one still fits in a block."""
    align = most
    while align > 1:
        outside = max(head * channels % align for head in range(heads))
        if outside == 0 or channels + outside <= block:
            break
        align //= 2
    return align


def shared(taps: Tensor, softmax: bool, rate: float, *tensors: Tensor) -> dict[str, Any]:
    """What kernels of squares are compiled for, whatever channels a program has."""
    x, (heads, count) = tensors[0], taps.shape[-2:]
    size = max(LEAST, triton.next_power_of_2(count))
    precise = x.dtype == torch.float32
    return {
        "x_row": x.stride(1),
        "unit": unit(*tensors),
        "heads": heads,
        "channels": x.shape[2] // heads,
        "count": count,
        "size": size,
        "single": x.shape[1] <= size,
        "softmax": softmax,
        "rate": rate,
        "precise": precise,
        "num_stages": 2 if precise else STAGES,
    }


def constants(taps: Tensor, softmax: bool, rate: float, *tensors: Tensor) -> dict[str, Any]:
    """What the kernels are compiled for."""
    x, fixed = tensors[0], shared(taps, softmax, rate, *tensors)
    heads, channels, size, precise = (fixed[name] for name in ("heads", "channels", "size", "precise"))
    # The three parts of an fp32 product take as many registers again.
    block = max(16, min(32 if precise else BLOCK, triton.next_power_of_2(channels)))
    strides = (tensor.stride(1) for tensor in tensors)
    most = math.gcd(16 // x.element_size(), fixed["unit"], x.shape[2], *strides)
    return fixed | {
        "block": block,
        "align": alignment(heads, channels, block, most),
        "num_warps": max(1, int(min(8, size * size // 512 << precise) * WARPS)),
    }


def chain(length: int, left: int, fixed: dict[str, Any]) -> tuple[int, int, int]:
    """Blocks a sequence, how far the taps are turned, and how much later blocks of x begin."""
    if fixed["single"]:
        return 1, left, 0
    ahead = fixed["count"] - 1 - left
    return -(-length // fixed["size"]) + (ahead > 0), fixed["count"] - 1, ahead


def forward(x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float) -> Tensor:
    """The windowed sum in the type of `x`."""
    batch, length, _ = x.shape
    out, fixed = x.new_empty(x.shape), constants(taps, softmax, rate, x)
    blocks, shift, ahead = chain(length, left, fixed)
    parts = -(-fixed["channels"] // fixed["block"])
    step = x.stride(0) // fixed["unit"]
    if taps.dim() == 4:
        tiles = -(-length // fixed["size"])
        launcher(triton_square_dynamic.square_dynamic_forward)[(batch * tiles * fixed["heads"],)](
            x, taps, seed, out, length, tiles, shift, ahead, step, parts=parts, **fixed
        )
        return out
    turns, lead, programs = shares(x, batch * blocks, blocks, parts, fixed, backward=False)
    launcher(triton_square.square_forward)[(programs, parts)](
        x, taps, seed, out, length, blocks, batch * blocks, shift, ahead, step,
        turns=turns, lead=lead, wide=fixed["size"], **fixed,
    )  # fmt: skip
    return out


def room(fixed: dict[str, Any], backward: bool) -> int:
    """Warps of static programs that a multiprocessor is given at once."""
    if fixed["precise"]:
        return 8 if backward else 12
    if fixed["single"]:
        return (24 if fixed["size"] == 32 else 16) if backward else 32
    # Half of what fits: a chain of twice the length reads fewer blocks twice.
    if fixed["size"] > 32:
        return 8 if backward else 16
    if backward:
        return 4 if fixed["block"] == 64 else 7 if fixed["align"] >= 8 else 5
    return 8


def shares(
    x: Tensor, all_blocks: int, blocks: int, parts: int, fixed: dict[str, Any], backward: bool
) -> tuple[int, int, int]:
    """Blocks a program, whether it needs one more to begin with, and programs of all heads."""
    heads, warps = fixed["heads"], max(1, int(room(fixed, backward) * ROOM))
    turns = rounded(all_blocks * heads * parts, multiprocessors(x) * max(1, warps // fixed["num_warps"]))
    return turns, int(turns % blocks != 0), -(-all_blocks // turns) * heads


def backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradient of `x`, and that of per-position taps, or the shares in that of static weights."""
    batch, length, _ = x.shape
    x_gradient, fixed = x.new_empty(x.shape), constants(taps, softmax, rate, x, upstream)
    blocks, shift, ahead = chain(length, left, fixed)
    heads, parts = fixed["heads"], -(-fixed["channels"] // fixed["block"])
    fixed |= {"upstream_row": upstream.stride(1), "trim": fixed["channels"] % fixed["align"] > 0}
    strides = (upstream.stride(0) // fixed["unit"], x.stride(0) // fixed["unit"])
    if taps.dim() == 4:
        gradient = taps.new_empty(taps.shape)
        launcher(triton_square_dynamic.square_dynamic_backward)[(batch * blocks * heads,)](
            upstream, x, taps, seed, x_gradient, gradient, length, blocks, shift, ahead, *strides,
            parts=parts, **fixed,
        )  # fmt: skip
        return x_gradient, gradient
    turns, lead, programs = shares(x, batch * blocks, blocks, parts, fixed, backward=True)
    partial = x.new_empty((programs // heads * parts, heads, taps.shape[1]), dtype=torch.float32)
    launcher(triton_square.square_backward)[(programs, parts)](
        upstream, x, taps, seed, x_gradient, partial, length, blocks, batch * blocks, shift, ahead, *strides,
        turns=turns, lead=lead, wide=fixed["size"], **fixed,
    )  # fmt: skip
    return x_gradient, partial
