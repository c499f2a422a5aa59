"""The Triton kernels of the lookup and of the table's gradient.

Import this only where `triton.why_not` has no reason against it.
"""

import math
from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from litetransformer.ops.embedding.reference import slope
from litetransformer.ops.kernels import power
from litetransformer.ops.triton_common import dropped, multiply

RUN = 64
"""Neighbours of the sorted tokens that a program has."""
WIDTH = 64
"""Channels that a program of the gradient has: with more of them it would have too few registers."""


@triton.jit(do_not_specialize=["rows", "period", "size"])
@no_type_check
def read(
    tokens, positions, table, seed, out, rows, period, size,
    width: tl.constexpr, block: tl.constexpr, step: tl.constexpr,
    scale: tl.constexpr, slope: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """`step` rows of the scaled vectors with their positions, dropped; NaN for tokens not in the table.

    A kernel can't raise, and must not read what lies beside the table: the step that meets NaN says so.
    """
    row, lane = tl.program_id(0) * step + tl.arange(0, step), tl.arange(0, block)
    half: tl.constexpr = width // 2
    there = (row < rows)[:, None] & (lane < width)[None, :]
    token = tl.load(tokens + row, mask=row < rows, other=0)
    position = tl.load(positions + row % period, mask=row < rows, other=0).to(tl.float32)
    known = ((token >= 0) & (token < size))[:, None]
    vector = tl.load(
        table + token[:, None] * width + lane[None, :], mask=there & known, other=float("nan")
    ).to(tl.float32)  # fmt: skip
    which = tl.where(lane < half, lane, lane - half).to(tl.float32)
    angle = position[:, None] * tl.exp(which * slope)[None, :]
    wave = tl.where((lane < half)[None, :], tl.sin(angle), tl.cos(angle))
    vector = vector * scale + tl.where((lane < 2 * half)[None, :], wave, 0.0)
    place = row[:, None] * width + lane[None, :]
    if rate > 0.0:
        vector = vector * dropped(place, tl.load(seed), rate)
    tl.store(out + place, vector.to(out.dtype.element_ty), mask=there)


def look_up(
    tokens: Tensor, table: Tensor, positions: Tensor, seed: Tensor | None, rate: float, dtype: torch.dtype
) -> Tensor:
    """(B, T, D): dropout(√D · table[token] + sinusoid(position)) in `dtype`."""
    dim, tokens, positions = table.shape[1], tokens.contiguous(), positions.contiguous()
    out = table.new_empty((*tokens.shape, dim), dtype=dtype)
    block = power(dim)
    step = max(1, 2048 // block)
    read[(triton.cdiv(tokens.numel(), step),)](
        tokens, positions, table.contiguous(), tokens if seed is None else seed, out, tokens.numel(),
        positions.numel(), len(table), width=dim, block=block, step=step, scale=math.sqrt(dim),
        slope=slope(dim), rate=0.0 if seed is None else rate,
    )  # fmt: skip
    return out


@triton.jit(do_not_specialize=["rows", "size"])
@no_type_check
def add_run(
    keys, order, values, seed, gradient, edge_keys, edges, rows, size,
    width: tl.constexpr, run: tl.constexpr, block: tl.constexpr,
    scale: tl.constexpr, rate: tl.constexpr, sorted_already: tl.constexpr, last: tl.constexpr,
):  # fmt: skip
    """The sums of each key's rows among `run` neighbours; those that go on beyond are left as edges."""
    begin = tl.program_id(0) * run
    lane = tl.program_id(1) * block + tl.arange(0, block)
    at = begin + tl.arange(0, run)
    # Beyond the last row its key is repeated, with nothing to add.
    key = tl.load(keys + tl.minimum(at, rows - 1)).to(tl.int32)
    before = tl.load(keys + tl.maximum(at - 1, 0)).to(tl.int32)
    first = (at == begin) | ((key != before) & (at < rows))
    there = (at < rows)[:, None] & (lane < width)[None, :]
    row = at if sorted_already else tl.load(order + at, mask=at < rows, other=0).to(tl.int32)
    place = row[:, None] * width + lane[None, :]
    value = tl.load(values + place, mask=there, other=0.0).to(tl.float32) * scale
    if rate > 0.0:
        value = value * dropped(place, tl.load(seed), rate)
    of_run = first[:, None] & (key[:, None] == key[None, :])
    total = multiply(of_run.to(tl.float32), value, tl.zeros((run, block), tl.float32), True)
    end = tl.minimum(begin + run, rows)
    if last:
        inside = first
    else:
        begin_key, end_key = tl.load(keys + begin).to(tl.int32), tl.load(keys + end - 1).to(tl.int32)
        goes_left = (begin > 0) & (tl.load(keys + tl.maximum(begin - 1, 0)).to(tl.int32) == begin_key)
        goes_right = (end < rows) & (tl.load(keys + tl.minimum(end, rows - 1)).to(tl.int32) == end_key)
        left = (key == begin_key) & (goes_left | (goes_right & (begin_key == end_key)))
        right = (key == end_key) & goes_right & (begin_key != end_key)
        inside = first & ~(left | right)
        # An edge that isn't needed is a row of zeros, so that the keys of all edges are sorted, too.
        edge = edges + tl.program_id(0) * 2 * width + lane
        tl.store(edge, tl.sum(tl.where((first & left)[:, None], total, 0.0), 0), mask=lane < width)
        tl.store(edge + width, tl.sum(tl.where((first & right)[:, None], total, 0.0), 0), mask=lane < width)
        tl.store(edge_keys + tl.program_id(0) * 2, begin_key)
        tl.store(edge_keys + tl.program_id(0) * 2 + 1, end_key)
    goal = gradient + key.to(tl.int64)[:, None] * width + lane[None, :]
    known = (key >= 0) & (key < size)
    there = (inside & known)[:, None] & (lane < width)[None, :]
    tl.store(goal, tl.load(goal, mask=there, other=0.0) + total, mask=there)


def add_runs(upstream: Tensor, tokens: Tensor, seed: Tensor | None, rate: float, gradient: Tensor) -> None:
    """Add the gradient of `look_up`'s table to `gradient`, (V, D) in fp32, given that of its output."""
    size, dim = gradient.shape
    small = torch.int16 if size <= 1 << 15 else torch.int32
    # The fewer bits, the fewer passes of the sort.
    keys, order = tokens.flatten().to(small).sort(stable=True)
    values, scale, first = upstream.contiguous(), math.sqrt(dim), True
    while True:
        rows = len(keys)
        programs = triton.cdiv(rows, RUN)
        edge_keys = keys.new_empty(2 * programs, dtype=torch.int32)
        edges = gradient.new_empty((2 * programs, dim))
        block = min(WIDTH, power(dim))
        add_run[(programs, triton.cdiv(dim, block))](
            keys, order, values, order if seed is None else seed, gradient, edge_keys, edges, rows, size,
            width=dim, run=RUN, block=block, scale=scale, rate=rate if first and seed is not None else 0.0,
            sorted_already=not first, last=programs == 1,
        )  # fmt: skip
        if programs == 1:
            return
        keys, values, scale, first = edge_keys, edges, 1.0, False
