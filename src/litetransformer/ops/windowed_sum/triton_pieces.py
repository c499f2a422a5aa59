"""Pieces of kernels that keep windows in registers: reading them, weighing taps, sums over a head's lanes."""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import dropped

# ruff: noqa: RUF005 (the language has no star in a tuple)


@triton.jit
@no_type_check
def places(
    pairs: tl.constexpr, together: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr,
    channels: tl.constexpr, heads: tl.constexpr,
):  # fmt: skip
    """A thread's run within the program, its head, its number there, its channels, and whether they exist."""
    thread = tl.arange(0, pairs * vectors)[:, None]
    pair, lane = thread // vectors, thread % vectors
    head = tl.program_id(1) * together + pair % together
    here = head * channels + lane * vector + tl.arange(0, vector)[None, :]
    return pair // together, head, lane, here, (head < heads) & (lane * vector < channels)


@triton.jit
@no_type_check
def head_sum(value, pairs: tl.constexpr, vectors: tl.constexpr):
    """The sum over a head's threads, for each of them."""
    total = tl.sum(tl.reshape(value, (pairs, vectors)), 1)[:, None]
    return tl.reshape(tl.broadcast_to(total, (pairs, vectors)), (pairs * vectors, 1))


@triton.jit
@no_type_check
def head_max(value, pairs: tl.constexpr, vectors: tl.constexpr):
    """The largest over a head's threads, for each of them."""
    top = tl.max(tl.reshape(value, (pairs, vectors)), 1)[:, None]
    return tl.reshape(tl.broadcast_to(top, (pairs, vectors)), (pairs * vectors, 1))


@triton.jit
@no_type_check
def pick(value, number: tl.constexpr, pairs: tl.constexpr, vectors: tl.constexpr):
    """What a head's thread of this number has, for each of the head's threads."""
    numbers = tl.full((pairs, vectors), number, tl.int32)
    return tl.reshape(tl.gather(tl.reshape(value, (pairs, vectors)), numbers, 1), (pairs * vectors, 1))


@triton.jit
@no_type_check
def inside(position, until):
    """Whether 0 ≤ position < until, in one comparison."""
    return position.to(tl.uint32, bitcast=True) < until.to(tl.uint32, bitcast=True)


@triton.jit
@no_type_check
def read(start, first, until, row: tl.constexpr, rows: tl.constexpr):
    """`rows` rows from the position `first` on, as they are in memory; zeros outside the sequence."""
    start += first * row
    found = ()
    for index in tl.static_range(rows):
        value = tl.load(start + index * row, mask=inside(first + index, until), other=0.0)
        found = found + (value,)
    return found


@triton.jit
@no_type_check
def weigh(
    taps, seed, head, heads: tl.constexpr, count: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr
):
    """A head's `count` weights after dropout, each by itself."""
    weights = ()
    for tap in tl.static_range(count):
        found = tl.load(taps + head * count + tap, mask=head < heads, other=0.0).to(tl.float32)
        weights = weights + (found,)
    if softmax:
        top = weights[0]
        for tap in tl.static_range(1, count):
            top = tl.maximum(top, weights[tap])
        total = tl.zeros_like(top)
        raised = ()
        for tap in tl.static_range(count):
            raised = raised + (tl.exp(weights[tap] - top),)
            total += raised[tap]
        weights = ()
        for tap in tl.static_range(count):
            weights = weights + (raised[tap] / total,)
    if rate > 0.0:
        kept = ()
        for tap in tl.static_range(count):
            kept = kept + (weights[tap] * dropped(head * count + tap, tl.load(seed), rate),)
        weights = kept
    return weights


@triton.jit
@no_type_check
def returned(
    shares, taps, seed, head, heads: tl.constexpr, count: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr,
):  # fmt: skip
    """Shares of the gradient of a head's weights as shares of that of its taps: both steps are linear."""
    slopes = ()
    for tap in tl.static_range(count):
        slope = shares[tap]
        if rate > 0.0:
            slope *= dropped(head * count + tap, tl.load(seed), rate)
        slopes = slopes + (slope,)
    if softmax:
        weights = weigh(taps, seed, head, heads, count, True, 0.0)
        level = tl.zeros_like(slopes[0])
        for tap in tl.static_range(count):
            level += weights[tap] * slopes[tap]
        found = ()
        for tap in tl.static_range(count):
            found = found + (weights[tap] * (slopes[tap] - level),)
        slopes = found
    return slopes


@triton.jit
@no_type_check
def read_taps(taps, spot, lane, first, until, row: tl.constexpr, rows: tl.constexpr, count: tl.constexpr):
    """The taps of each of `rows` positions from `first` on, side by side."""
    found = ()
    for index in tl.static_range(rows):
        mask = inside(first + index, until) & (lane < count)
        found = found + (tl.load(taps + spot + lane + index * row, mask=mask, other=0.0),)
    return found


@triton.jit
@no_type_check
def weigh_aside(
    found, seed, index, lane, count: tl.constexpr, pairs: tl.constexpr, vectors: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """Weights before dropout from taps that lie side by side, and dropout's factors."""
    weight = found.to(tl.float32)
    if softmax:
        weight = tl.where(lane < count, weight, -1e30)
        weight = tl.where(lane < count, tl.exp(weight - head_max(weight, pairs, vectors)), 0.0)
        weight = weight * (1.0 / head_sum(weight, pairs, vectors))
    factor = tl.full(weight.shape, 1.0, tl.float32)
    if rate > 0.0:
        factor = dropped(index + lane, tl.load(seed), rate)
    return weight, factor
