"""How the Triton kernels of `triton_across` are launched."""

from typing import Any

import torch
import triton
from torch import Tensor

from litetransformer.ops.triton_common import launcher, multiprocessors
from litetransformer.ops.windowed_sum import triton_across
from litetransformer.ops.windowed_sum.triton_band import stepped
from litetransformer.ops.windowed_sum.triton_square_ops import chain, shared

BLOCK = {"forward": 16, "backward": 16}
"""Channels a block: 16 of two bytes are the 32 that memory moves at once."""
UNEVEN = {"forward": 128, "backward": 32}
"""The same where rows don't begin at multiples of 16 channels, so that each block touches 32 bytes more."""
SPANS = 4
"""Heads that a block belongs to, at most, if it has more than 16 channels."""
WARPS = {16: 1, 32: 2, 64: 4, 128: 4}
"""Warps a program of blocks of 32 positions and so many channels; with 64 positions four times as many."""
PROGRAMS = {16: 8, 32: 8, 64: 8, 128: 12}
"""Warps of all programs with so many channels that a multiprocessor is given."""


def forward(x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float) -> Tensor:
    """The windowed sum in the type of `x`."""
    batch, length, _ = x.shape
    out, fixed = x.new_empty(x.shape), constants("forward", taps, softmax, rate, x)
    blocks, shift, ahead = chain(length, left, fixed)
    turns, lead, programs = shares(x, batch * blocks, blocks, fixed)
    launcher(triton_across.across_forward)[(programs * fixed["parts"],)](
        x, taps, seed, out, length, blocks, batch * blocks, shift, ahead, x.stride(0) // fixed["unit"],
        turns=turns, lead=lead, **fixed,
    )  # fmt: skip
    return out


def backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradient of `x`, and the shares in that of the taps."""
    batch, length, _ = x.shape
    heads, count = taps.shape
    x_gradient, fixed = x.new_empty(x.shape), constants("backward", taps, softmax, rate, x, upstream)
    blocks, shift, ahead = chain(length, left, fixed)
    turns, lead, programs = shares(x, batch * blocks, blocks, fixed)
    strides = (upstream.stride(0) // fixed["unit"], x.stride(0) // fixed["unit"])
    partial = x.new_empty((programs * fixed["parts"], heads, count), dtype=torch.float32)
    launcher(triton_across.across_backward)[(len(partial),)](
        upstream, x, taps, seed, x_gradient, partial, length, blocks, batch * blocks, shift, ahead, *strides,
        turns=turns, lead=lead, upstream_row=upstream.stride(1), heads_block=triton.next_power_of_2(heads),
        **fixed,
    )  # fmt: skip
    return x_gradient, partial


def constants(direction: str, taps: Tensor, softmax: bool, rate: float, *tensors: Tensor) -> dict[str, Any]:
    """What the kernels are compiled for."""
    width, fixed = tensors[0].shape[2], shared(taps, softmax, rate, *tensors)
    heads, channels = fixed["heads"], fixed["channels"]
    even = all(tensor.stride(1) % 16 == 0 for tensor in tensors)
    block = min((BLOCK if even else UNEVEN)[direction], max(16, triton.next_power_of_2(width)))
    while block > 16 and spans(heads, channels, block) > SPANS:
        block //= 2
    return fixed | {
        "block": block,
        "parts": -(-width // block),
        "spans": spans(heads, channels, block),
        "num_warps": min(8, WARPS[block] * (fixed["size"] // 32) ** 2 << fixed["precise"]),
    }


def spans(heads: int, channels: int, block: int) -> int:
    """Heads that a block of channels belongs to, at most."""
    begins = range(0, heads * channels, block)
    return max(
        (min(begin + block, heads * channels) - 1) // channels - begin // channels + 1 for begin in begins
    )


def shares(x: Tensor, all_blocks: int, blocks: int, fixed: dict[str, Any]) -> tuple[int, int, int]:
    """Blocks a program, whether it needs one more to begin with, and programs for each block of channels."""
    room = max(1, PROGRAMS[fixed["block"]] // fixed["num_warps"])
    turns = stepped(all_blocks, max(1, multiprocessors(x) * room // fixed["parts"]))
    return turns, int(turns % blocks != 0), -(-all_blocks // turns)
