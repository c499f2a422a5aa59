"""How the Triton kernels for few taps are launched."""

import math
from typing import Any

import torch
import triton
from torch import Tensor

from litetransformer.ops.triton_common import launcher, multiprocessors
from litetransformer.ops.triton_memory import unit
from litetransformer.ops.windowed_sum import triton_short
from litetransformer.ops.windowed_sum.triton_band import rounded

THREADS = 128
SHARES = 4
"""Programs a multiprocessor that sum up a gradient of static taps."""


def forward(x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float) -> Tensor:
    """The windowed sum in the type of `x`."""
    batch, length, _ = x.shape
    out, dynamic, one = x.new_empty(x.shape), taps.dim() == 4, unit(x)
    fixed, together, groups = constants(taps, softmax, rate, x, backward=False)
    runs = -(-length // fixed["run"])
    launcher(triton_short.short_forward)[(-(-batch * runs // together), groups)](
        x, taps, seed, out, length, runs, batch * runs, left, x.stride(0) // one, dynamic=dynamic, **fixed
    )
    return out


def backward(
    upstream: Tensor, x: Tensor, taps: Tensor, seed: Tensor, left: int, softmax: bool, rate: float
) -> tuple[Tensor, Tensor]:
    """The gradient of `x`, and that of per-position taps, or the shares in that of static weights."""
    batch, length, _ = x.shape
    heads, count = taps.shape[-2:]
    x_gradient, one, back = x.new_empty(x.shape), unit(x, upstream), count - 1 - left
    strides = (upstream.stride(0) // one, x.stride(0) // one)
    fixed, together, groups = constants(taps, softmax, rate, x, upstream, backward=True)
    fixed["upstream_row"] = upstream.stride(1)
    if taps.dim() == 2:
        runs = -(-length // fixed["run"])
        programs = -(-batch * runs // together)
        turns = rounded(programs, SHARES * multiprocessors(x))
        shares = -(-programs // turns)
        partial = x.new_empty((shares, heads, count), dtype=torch.float32)
        launcher(triton_short.short_static_backward)[(shares, groups)](
            upstream, x, taps, seed, x_gradient, partial, length, runs, batch * runs, back, *strides,
            turns=turns, **fixed,
        )  # fmt: skip
        return x_gradient, partial
    runs = -(-(length + back) // fixed["run"])
    gradient = taps.new_empty(taps.shape)
    launcher(triton_short.short_dynamic_backward)[(-(-batch * runs // together), groups)](
        upstream, x, taps, seed, x_gradient, gradient, length, runs, batch * runs, left, *strides, **fixed
    )
    return x_gradient, gradient


def constants(
    taps: Tensor, softmax: bool, rate: float, *tensors: Tensor, backward: bool
) -> tuple[dict[str, Any], int, int]:
    """What the kernels are compiled for; the runs a program, and the groups of heads that the grid has."""
    x, (heads, count), dynamic = tensors[0], taps.shape[-2:], taps.dim() == 4
    channels, one, size = x.shape[2] // heads, unit(*tensors), x.element_size()
    # The numbers that stay in registers grow with the taps, and so fewer channels fit a thread.
    most = (8 if count > 4 or (backward and not dynamic) else 16) // size
    vector = math.gcd(most, channels, one, *(tensor.stride(1) for tensor in tensors))
    vectors = triton.next_power_of_2(-(-channels // vector))
    if dynamic:
        vectors = max(vectors, triton.next_power_of_2(count))
    pairs = max(1, THREADS // vectors)
    together = min(pairs, triton.next_power_of_2(heads))
    fixed = {
        "x_row": x.stride(1),
        "unit": one,
        "heads": heads,
        "channels": channels,
        "count": count,
        "run": 4 if dynamic and backward and (count > 4 or vector * size > 8) else 8,
        "pairs": pairs,
        "together": together,
        "vectors": vectors,
        "vector": vector,
        "long": max(x.numel(), taps.numel(), *(tensor.stride(0) * len(x) for tensor in tensors)) >= 2**31,
        "softmax": softmax,
        "rate": rate,
        "num_warps": pairs * vectors // 32,
    }
    return fixed, pairs // together, -(-heads // together)
