"""Triton kernels for static taps: multiply-adds in registers by threads that are numbered along whole rows.

A thread has `vector` neighbouring channels at `run` neighbouring positions, and all taps of their head. A row
that it reads goes at once into the sum of every position whose window has it, so that a number is converted
once, and the sums, the taps and little else stay in registers. The next thread has the next channels, of the
next head too: of a row nothing is read for nobody, however narrow the heads.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import multiply
from litetransformer.ops.windowed_sum.triton_pieces import inside, read, weigh
from litetransformer.ops.windowed_sum.triton_square_dynamic import weigh as weigh_rows

# ruff: noqa: RUF005 (the language has no star in a tuple)


@triton.jit
@no_type_check
def places(
    threads: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr, channels: tl.constexpr
):  # fmt: skip
    """A thread's run within the program, whether it has one, its head and its channels."""
    thread = tl.arange(0, threads)[:, None]
    mine, lane = thread // vectors, thread % vectors
    here = lane * vector + tl.arange(0, vector)[None, :]
    return mine, mine < threads // vectors, lane * vector // channels, here


@triton.jit
@no_type_check
def added(totals, value, weights, row: tl.constexpr, run: tl.constexpr, count: tl.constexpr):
    """`totals` of a run's positions with what `row` of their windows adds to each: tap row − position."""
    found = ()
    for step in tl.static_range(run):
        if row - step >= 0 and row - step < count:
            found = found + (totals[step] + weights[row - step] * value,)
        else:
            found = found + (totals[step],)
    return found


@triton.jit
@no_type_check
def zeros(number: tl.constexpr, threads: tl.constexpr, vector: tl.constexpr):
    """As many zeros for each of a thread's channels."""
    found = ()
    for _ in tl.static_range(number):
        found = found + (tl.zeros((threads, vector), tl.float32),)
    return found


@triton.jit
@no_type_check
def turned(weights, count: tl.constexpr):
    """The weights from the last to the first."""
    found = ()
    for tap in tl.static_range(count):
        found = found + (weights[count - 1 - tap],)
    return found


@triton.jit
@no_type_check
def apart(value, threads: tl.constexpr, vector: tl.constexpr):
    """A thread's channels, each by itself."""
    found = ()
    if vector == 1:
        found = (tl.reshape(value, (threads,)),)
    elif vector == 2:
        found = tl.split(value)
    else:
        even, odd = tl.split(tl.reshape(value, (threads, 2, 2)))
        found = tl.split(even) + tl.split(odd)
    return found


@triton.jit
@no_type_check
def side_by_side(values, threads: tl.constexpr, count: tl.constexpr, wide: tl.constexpr):
    """(threads, wide) of a thread's `count` numbers, and zeros after them."""
    found = values
    for _ in tl.static_range(count, wide):
        found = found + (tl.zeros((threads,), tl.float32),)
    # Halves are joined, then halves of halves: what is joined last lies side by side.
    for level in tl.static_range(1, 8):
        if (wide >> level) > 0:
            joined = ()
            for index in tl.static_range(wide >> level):
                joined = joined + (tl.join(found[index], found[index + (wide >> level)]),)
            found = joined
    return tl.reshape(found[0], (threads, wide))


@triton.jit(do_not_specialize=["length", "runs", "all_runs", "left", "x_batch"])
@no_type_check
def rows_forward(
    x, taps, seed, out, length, runs, all_runs, left, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, run: tl.constexpr, threads: tl.constexpr, vectors: tl.constexpr,
    vector: tl.constexpr, long: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """`run` positions a thread of the output."""
    mine, has, head, here = places(threads, vectors, vector, channels)
    index = tl.program_id(0) * (threads // vectors) + mine
    until = tl.where((index < all_runs) & has, length, 0)
    begin = (index % runs) * run
    batch = index // runs
    if long:
        batch = batch.to(tl.int64)
    window = read(x + batch * (x_batch * unit) + here, begin - left, until, x_row, run + count - 1)
    weights = weigh(taps, seed, head, heads, count, softmax, rate)
    written = out + (batch * length + begin) * (heads * channels) + here
    totals = zeros(run, threads, vector)
    for row in tl.static_range(run + count - 1):
        totals = added(totals, window[row].to(tl.float32), weights, row, run, count)
        if row >= count - 1:
            # This was the last row of a position's window.
            tl.store(
                written + (row - (count - 1)) * (heads * channels),
                totals[row - (count - 1)].to(out.dtype.element_ty),
                mask=inside(begin + (row - (count - 1)), until),
            )


@triton.jit(do_not_specialize=["length", "runs", "all_runs", "back", "upstream_batch", "x_batch"])
@no_type_check
def rows_backward(
    upstream, x, taps, seed, x_gradient, partial, length, runs, all_runs, back, upstream_batch, x_batch,
    turns: tl.constexpr, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, count: tl.constexpr, run: tl.constexpr,
    threads: tl.constexpr, vectors: tl.constexpr, vector: tl.constexpr, long: tl.constexpr,
    heads_block: tl.constexpr, wide: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """The gradient of x, and these runs' share in that of the taps, which sums x · upstream over all x."""
    mine, has, head, here = places(threads, vectors, vector, channels)
    # Row `row` of a window of upstream met position `step` with tap step − row + count − 1.
    weights = turned(weigh(taps, seed, head, heads, count, softmax, rate), count)
    sums = ()
    for _ in tl.static_range(count):
        sums = sums + (tl.zeros((threads,), tl.float32),)
    for turn in range(turns):
        index = (tl.program_id(0) * turns + turn) * (threads // vectors) + mine
        until = tl.where((index < all_runs) & has, length, 0)
        begin = (index % runs) * run
        batch = index // runs
        if long:
            batch = batch.to(tl.int64)
        own = read(x + batch * (x_batch * unit) + here, begin, until, x_row, run)
        start = upstream + batch * (upstream_batch * unit) + here
        window = read(start, begin - back, until, upstream_row, run + count - 1)
        written = x_gradient + (batch * length + begin) * (heads * channels) + here
        values = ()
        for step in tl.static_range(run):
            values = values + (apart(own[step].to(tl.float32), threads, vector),)
        totals = zeros(run, threads, vector)
        for row in tl.static_range(run + count - 1):
            above = window[row].to(tl.float32)
            totals = added(totals, above, weights, row, run, count)
            parts = apart(above, threads, vector)
            more = ()
            for place in tl.static_range(count):
                total = sums[place]
                if row - place >= 0 and row - place < run:
                    for part in tl.static_range(vector):
                        total += values[row - place][part] * parts[part]
                more = more + (total,)
            sums = more
            if row >= count - 1:
                tl.store(
                    written + (row - (count - 1)) * (heads * channels),
                    totals[row - (count - 1)].to(x_gradient.dtype.element_ty),
                    mask=inside(begin + (row - (count - 1)), until),
                )
    # A product with ones and zeros adds up the threads of each head.
    one = tl.arange(0, heads_block)[:, None] == tl.reshape(head, (1, threads))
    together = side_by_side(turned(sums, count), threads, count, wide)
    share = multiply(one.to(tl.float32), together, tl.zeros((heads_block, wide), tl.float32), True)
    which, tap = tl.arange(0, heads_block)[:, None], tl.arange(0, wide)[None, :]
    exists, spot = (which < heads) & (tap < count), which * count + tap
    logits = tl.load(taps + spot, mask=exists, other=0.0)
    weight, factor = weigh_rows(logits, spot, exists, seed, softmax, rate)
    share *= factor
    if softmax:
        share = weight * (share - tl.sum(weight * share, 1)[:, None])
    tl.store(partial + tl.program_id(0) * (heads * count) + spot, share, mask=exists)
