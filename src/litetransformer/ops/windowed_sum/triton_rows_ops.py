"""How the Triton kernels of `triton_rows` are launched."""

import math
from typing import Any

import torch
import triton
from torch import Tensor

from litetransformer.ops.kernels import power
from litetransformer.ops.triton_common import launcher
from litetransformer.ops.windowed_sum import triton_rows
from litetransformer.ops.windowed_sum.triton_band import multiprocessors, stepped
from litetransformer.ops.windowed_sum.triton_memory import unit

THREADS = 128
"""Threads a program, or as many as a row needs."""
NUMBERS = {"forward": 32, "backward": 16}
"""Sums that a thread has: channels times positions."""
VECTOR = {"forward": 2, "backward": 2}
"""Channels a thread, at most."""
SHARES = 3
"""Programs a multiprocessor that sum up a gradient of the taps."""


def forward(x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float) -> Tensor:
    """The windowed sum in the type of `x`."""
    batch, length, _ = x.shape
    out, fixed = x.new_empty(x.shape), constants("forward", taps, softmax, rate, x)
    runs = -(-length // fixed["run"])
    programs = -(-batch * runs // (fixed["threads"] // fixed["vectors"]))
    launcher(triton_rows.rows_forward)[(programs,)](
        x, taps, seed, out, length, runs, batch * runs, left, x.stride(0) // fixed["unit"], **fixed
    )
    return out


def backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradient of `x`, and the shares in that of the taps."""
    batch, length, _ = x.shape
    heads, count = taps.shape
    x_gradient, fixed = x.new_empty(x.shape), constants("backward", taps, softmax, rate, x, upstream)
    runs = -(-length // fixed["run"])
    programs = -(-batch * runs // (fixed["threads"] // fixed["vectors"]))
    turns = stepped(programs, SHARES * multiprocessors(x))
    shares = -(-programs // turns)
    partial = x.new_empty((shares, heads, count), dtype=torch.float32)
    strides = (upstream.stride(0) // fixed["unit"], x.stride(0) // fixed["unit"])
    launcher(triton_rows.rows_backward)[(shares,)](
        upstream, x, taps, seed, x_gradient, partial, length, runs, batch * runs, count - 1 - left, *strides,
        turns=turns, upstream_row=upstream.stride(1), heads_block=power(heads), wide=power(count), **fixed,
    )  # fmt: skip
    return x_gradient, partial


def constants(direction: str, taps: Tensor, softmax: bool, rate: float, *tensors: Tensor) -> dict[str, Any]:
    """What the kernels are compiled for."""
    x, (heads, count), one = tensors[0], taps.shape, unit(*tensors)
    channels = x.shape[2] // heads
    # A thread has the taps of one head, so no more channels than fit in heads without a rest.
    vector = math.gcd(VECTOR[direction], channels, one, *(tensor.stride(1) for tensor in tensors))
    vectors = x.shape[2] // vector
    threads = max(THREADS, triton.next_power_of_2(vectors))
    return {
        "x_row": x.stride(1),
        "unit": one,
        "heads": heads,
        "channels": channels,
        "count": count,
        "run": min(NUMBERS[direction] // vector, triton.next_power_of_2(x.shape[1])),
        "threads": threads,
        "vectors": vectors,
        "vector": vector,
        "long": max(tensor.stride(0) * len(x) for tensor in tensors) >= 2**31,
        "softmax": softmax,
        "rate": rate,
        "num_warps": threads // 32,
    }
