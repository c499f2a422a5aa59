"""Triton kernels for few taps: shifted multiply-adds in registers, no matrix product and no shared memory.

A thread has `vector` neighbouring channels of one head at a run of neighbouring positions. It asks for every
row that they look at before it computes, so many loads are on their way at once, and reads a row once for all
taps. Threads are numbered by run, head and vector: a warp reads and writes whole rows. Where a position has
taps of its own, each of a head's threads reads, weighs and writes one of them.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.windowed_sum.triton_pieces import (
    head_sum,
    inside,
    pick,
    places,
    read,
    read_taps,
    returned,
    weigh,
    weigh_aside,
)

# ruff: noqa: RUF005 (the language has no star in a tuple)


@triton.jit(do_not_specialize=["length", "runs", "all_runs", "left", "x_batch"])
@no_type_check
def short_forward(
    x, taps, seed, out, length, runs, all_runs, left, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, dynamic: tl.constexpr, run: tl.constexpr, pairs: tl.constexpr,
    together: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr, long: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """`run` positions a thread of the output."""
    mine, head, lane, here, exists = places(pairs, together, vectors, vector, channels, heads)
    index = tl.program_id(0) * (pairs // together) + mine
    within = tl.where((index < all_runs) & (head < heads), length, 0)
    until = tl.where(exists, within, 0)
    begin = (index % runs) * run
    batch = index // runs
    if long:
        batch = batch.to(tl.int64)
    window = read(x + batch * (x_batch * unit) + here, begin - left, until, x_row, run + count - 1)
    if dynamic:
        spot = ((batch * length + begin) * heads + head) * count
        own = read_taps(taps, spot, lane, begin, within, heads * count, run, count)
    else:
        weights = weigh(taps, seed, head, heads, count, softmax, rate)
    written = out + (batch * length + begin) * (heads * channels) + here
    for step in tl.static_range(run):
        if dynamic:
            weight, factor = weigh_aside(
                own[step], seed, spot + step * heads * count, lane, count, pairs, vectors, softmax, rate
            )  # fmt: skip
            weight *= factor
        total = tl.zeros((pairs * vectors, vector), tl.float32)
        for tap in tl.static_range(count):
            if dynamic:
                total += pick(weight, tap, pairs, vectors) * window[step + tap].to(tl.float32)
            else:
                total += weights[tap] * window[step + tap].to(tl.float32)
        tl.store(
            written + step * (heads * channels),
            total.to(out.dtype.element_ty), mask=inside(begin + step, until),
        )  # fmt: skip


@triton.jit(do_not_specialize=["length", "runs", "all_runs", "back", "upstream_batch", "x_batch"])
@no_type_check
def short_static_backward(
    upstream, x, taps, seed, x_gradient, partial, length, runs, all_runs, back,
    upstream_batch, x_batch, turns: tl.constexpr,
    upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, count: tl.constexpr, run: tl.constexpr,
    pairs: tl.constexpr, together: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr,
    long: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """The gradient of x, and these runs' share in that of the weights, which sums x · upstream over all x."""
    mine, head, _, here, exists = places(pairs, together, vectors, vector, channels, heads)
    weights = weigh(taps, seed, head, heads, count, softmax, rate)
    sums = ()
    for _ in tl.static_range(count):
        sums = sums + (tl.zeros((pairs * vectors, vector), tl.float32),)
    for turn in range(turns):
        index = (tl.program_id(0) * turns + turn) * (pairs // together) + mine
        until = tl.where((index < all_runs) & exists, length, 0)
        begin = (index % runs) * run
        batch = index // runs
        if long:
            batch = batch.to(tl.int64)
        start = upstream + batch * (upstream_batch * unit) + here
        window = read(start, begin - back, until, upstream_row, run + count - 1)
        own = read(x + batch * (x_batch * unit) + here, begin, until, x_row, run)
        written = x_gradient + (batch * length + begin) * (heads * channels) + here
        for step in tl.static_range(run):
            # Row `step + count − 1 − tap` of the window met x at this position with that tap.
            value = own[step].to(tl.float32)
            total = tl.zeros((pairs * vectors, vector), tl.float32)
            added = ()
            for tap in tl.static_range(count):
                other = window[step + count - 1 - tap].to(tl.float32)
                total += weights[tap] * other
                added = added + (sums[tap] + value * other,)
            sums = added
            tl.store(
                written + step * (heads * channels),
                total.to(x_gradient.dtype.element_ty), mask=inside(begin + step, until),
            )  # fmt: skip
    which = tl.program_id(1) * together + tl.arange(0, together)
    shares = ()
    for tap in tl.static_range(count):
        share = tl.sum(tl.reshape(tl.sum(sums[tap], 1), (pairs, vectors)), 1)
        shares = shares + (tl.sum(tl.reshape(share, (pairs // together, together)), 0),)
    shares = returned(shares, taps, seed, which, heads, count, softmax, rate)
    for tap in tl.static_range(count):
        tl.store(partial + (tl.program_id(0) * heads + which) * count + tap, shares[tap], mask=which < heads)


@triton.jit(do_not_specialize=["length", "runs", "all_runs", "left", "upstream_batch", "x_batch"])
@no_type_check
def short_dynamic_backward(
    upstream, x, taps, seed, x_gradient, gradient, length, runs, all_runs, left, upstream_batch, x_batch,
    upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr,
    channels: tl.constexpr, count: tl.constexpr, run: tl.constexpr, pairs: tl.constexpr,
    together: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr, long: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """`run` positions a thread of x's gradient, and as many of the taps', begun a little earlier.

    `count − 1 − left` earlier, both need the same rows: every position's upstream and taps are read
    and weighed once.
    """
    mine, head, lane, here, exists = places(pairs, together, vectors, vector, channels, heads)
    index = tl.program_id(0) * (pairs // together) + mine
    within = tl.where((index < all_runs) & (head < heads), length, 0)
    until = tl.where(exists, within, 0)
    begin = (index % runs) * run
    batch = index // runs
    if long:
        batch = batch.to(tl.int64)
    first = begin - (count - 1 - left)
    rows: tl.constexpr = run + count - 1
    above = read(upstream + batch * (upstream_batch * unit) + here, first, until, upstream_row, rows)
    window = read(x + batch * (x_batch * unit) + here, begin - (count - 1), until, x_row, rows)
    spot = ((batch * length + first) * heads + head) * count
    own = read_taps(taps, spot, lane, first, within, heads * count, rows, count)
    written = x_gradient + (batch * length + begin) * (heads * channels) + here
    # What the next positions of x have been given so far.
    sums = ()
    for _ in tl.static_range(count):
        sums = sums + (tl.zeros((pairs * vectors, vector), tl.float32),)
    for step in tl.static_range(rows):
        at = spot + step * heads * count
        weight, factor = weigh_aside(own[step], seed, at, lane, count, pairs, vectors, softmax, rate)
        value = above[step].to(tl.float32)
        used = weight * factor
        added = ()
        for tap in tl.static_range(count):
            added = added + (sums[tap] + pick(used, tap, pairs, vectors) * value,)
        if step >= count - 1:
            passed = step - (count - 1)
            tl.store(
                written + passed * (heads * channels),
                added[0].to(x_gradient.dtype.element_ty), mask=inside(begin + passed, until),
            )  # fmt: skip
        sums = added[1:] + (tl.zeros((pairs * vectors, vector), tl.float32),)
        if step < run:
            slope = tl.zeros((pairs * vectors, 1), tl.float32)
            for tap in tl.static_range(count):
                product = tl.sum(value * window[step + tap].to(tl.float32), 1)[:, None]
                slope = tl.where(lane == tap, head_sum(product, pairs, vectors), slope)
            slope *= factor
            if softmax:
                slope = weight * (slope - head_sum(weight * slope, pairs, vectors))
            tl.store(
                gradient + at + lane, slope.to(gradient.dtype.element_ty),
                mask=inside(first + step, within) & (lane < count),
            )  # fmt: skip
