"""Triton kernels for static taps whose bands are cut into 16 × 16 pieces, the same along each diagonal.

A block of 16 positions of the sum is the sum of products, each of one piece and one block of x: that at the
same place, the one before it, and so on. So few pieces serve all blocks, and little of a piece is empty. A
program has `block` channels, whatever heads they belong to: it multiplies all by the pieces of each of these
`spans` heads, and keeps of the sums what is that head's.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import dropped, multiply
from litetransformer.ops.windowed_sum.triton_across import lanes
from litetransformer.ops.windowed_sum.triton_pieces import inside
from litetransformer.ops.windowed_sum.triton_square import read, write
from litetransformer.ops.windowed_sum.triton_static import normaliser, weigh

# ruff: noqa: RUF005 (the language has no star in a tuple)


@triton.jit
@no_type_check
def pieces(
    taps, seed, first, begin, least: tl.constexpr, numbers: tl.constexpr, heads: tl.constexpr,
    spans: tl.constexpr, count: tl.constexpr, size: tl.constexpr, wide: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr, dtype: tl.constexpr,
):  # fmt: skip
    """Each head's pieces from `least` off the main diagonal on, which has the taps of the numbers `begin`."""
    found = ()
    for span in tl.static_range(spans):
        # Where there is no such head, none of the channels is its.
        head = tl.minimum(first + span, heads - 1)
        top, total = 0.0, 1.0
        if softmax:
            top, total = normaliser(taps, head, count, wide)
        tap = tl.arange(0, wide)
        weight = weigh(taps, seed, head, tap, tap < count, top, total, count, softmax, rate)
        # Weighed once, and then moved to where they stand in each row.
        weight = tl.broadcast_to(weight[None, :], (size, wide))
        for number in tl.static_range(numbers):
            tap = begin - (number + least) * size
            piece = tl.gather(weight, tap & (wide - 1), 1)
            found = found + (tl.where((tap >= 0) & (tap < count), piece, 0.0).to(dtype),)
    return found


@triton.jit
@no_type_check
def blocks_of(
    start, begin, until, here, exists, number: tl.constexpr, size: tl.constexpr, row: tl.constexpr
):  # fmt: skip
    """`number` blocks from the position `begin` on."""
    found = ()
    for place in tl.static_range(number):
        found = found + (read(start, begin + place * size, until, here, exists, size, row),)
    return found


@triton.jit
@no_type_check
def beginning(index, blocks, all_blocks, length, step: tl.constexpr):
    """A turn's sequence, its first position there, and where the sequence ends; of no such turn, at once."""
    return (index // blocks).to(tl.int64), (index % blocks) * step, tl.where(index < all_blocks, length, 0)


@triton.jit
@no_type_check
def fetch(
    start, begin, until, part, rows: tl.constexpr, width: tl.constexpr, row: tl.constexpr,
    block: tl.constexpr,
):  # fmt: skip
    """Has `rows` rows of a program's channels brought into the cache, so that memory is at work meanwhile."""
    line, lane = begin + tl.arange(0, rows), part * block + tl.arange(0, block // 16) * 16
    there = inside(line, until)[:, None] & (lane < width)[None, :]
    # A number for each 32 bytes; in place of what isn't there, what is the first.
    place = start + tl.where(there, line[:, None] * row + lane[None, :], 0)
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;", "=r,l", [place], dtype=tl.int32, is_pure=False, pack=1
    )  # fmt: skip


@triton.jit
@no_type_check
def summed(
    own, values, place: tl.constexpr, step: tl.constexpr, most: tl.constexpr, numbers: tl.constexpr, whose,
    spans: tl.constexpr, size: tl.constexpr, block: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """The sum over all pieces, times the block at `place` for the first and `step` further for each next one.

    There are `most` blocks. A channel is multiplied by the pieces of its head.
    """
    total = tl.zeros((size, block), tl.float32)
    for span in tl.static_range(spans):
        product = tl.zeros((size, block), tl.float32)
        for number in tl.static_range(numbers):
            if place + step * number >= 0 and place + step * number < most:
                piece, value = own[span * numbers + number], values[place + step * number]
                product = multiply(piece, value, product, precise)
        total = product if span == 0 else tl.where((whose == span)[None, :], product, total)
    return total


@triton.jit
@no_type_check
def added(
    products, values, window, place: tl.constexpr, most: tl.constexpr, numbers: tl.constexpr, whose,
    spans: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """`products` and those of the blocks of `values` from `place` on with `window`.

    First each head's but the last's, then those of all channels.
    """
    found = ()
    for span in tl.static_range(spans):
        own = window
        if span < spans - 1:
            own = tl.where((whose == span)[None, :], window, 0.0).to(window.dtype)
        for number in tl.static_range(numbers):
            product = products[span * numbers + number]
            if place + number >= 0 and place + number < most:
                product = multiply(values[place + number], tl.trans(own), product, precise)
            found = found + (product,)
    return found


@triton.jit
@no_type_check
def zeros(number: tl.constexpr, size: tl.constexpr):
    """As many times (size, size) of zeros."""
    found = ()
    for _ in tl.static_range(number):
        found = found + (tl.zeros((size, size), tl.float32),)
    return found


@triton.jit(do_not_specialize=["length", "blocks", "all_blocks", "left", "x_batch", "turns"])
@no_type_check
def diagonals_forward(
    x, taps, seed, out, length, blocks, all_blocks, left, x_batch, turns,
    x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, many: tl.constexpr, back: tl.constexpr, ahead: tl.constexpr,
    edge: tl.constexpr, block: tl.constexpr, parts: tl.constexpr, spans: tl.constexpr, wide: tl.constexpr,
    rows: tl.constexpr, fetched: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """`turns` times `many` blocks of some channels of the output.

    They need those of x from `back` blocks before to `ahead` after, which are read where there is an `edge`.
    """
    share, part = tl.program_id(0) // parts, tl.program_id(0) % parts
    here, exists, whose, first = lanes(part, heads, channels, block)
    for turn in tl.static_range(fetched):
        batch, begin, until = beginning(share * turns + turn, blocks, all_blocks, length, size * many)
        fetch(x + batch * (x_batch * unit), begin, until, part, rows, heads * channels, x_row, block)
    row = tl.arange(0, size)
    own = pieces(
        taps, seed, first, left + row[None, :] - row[:, None], -ahead, back + ahead + 1, heads, spans, count,
        size, wide, softmax, rate, x.dtype.element_ty,
    )  # fmt: skip
    for turn in range(turns):
        batch, begin, until = beginning(share * turns + turn, blocks, all_blocks, length, size * many)
        windows = blocks_of(
            x + batch * (x_batch * unit), begin - edge * back * size, until, here, exists,
            many + edge * (back + ahead), size, x_row,
        )  # fmt: skip
        for place in tl.static_range(many):
            total = summed(
                own, windows, place + edge * back + ahead, -1, many + edge * (back + ahead), back + ahead + 1,
                whose, spans, size, block, precise,
            )  # fmt: skip
            write(
                out + batch * length * (heads * channels), begin + place * size, until, here, exists, total,
                size, heads * channels,
            )  # fmt: skip


@triton.jit(
    do_not_specialize=["length", "blocks", "all_blocks", "left", "upstream_batch", "x_batch", "turns"]
)
@no_type_check
def diagonals_backward(
    upstream, x, taps, seed, x_gradient, partial, length, blocks, all_blocks, left, upstream_batch, x_batch,
    turns, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, count: tl.constexpr, size: tl.constexpr, many: tl.constexpr,
    back: tl.constexpr, ahead: tl.constexpr, edge: tl.constexpr, before: tl.constexpr, after: tl.constexpr,
    block: tl.constexpr, parts: tl.constexpr, spans: tl.constexpr, slots: tl.constexpr, wide: tl.constexpr,
    rows: tl.constexpr, fetched: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """`turns` times `many` blocks of some channels of x's gradient, and their share in that of the taps.

    A block of x met the upstream from `ahead` blocks before to `back` blocks after.
    """
    share, part = tl.program_id(0) // parts, tl.program_id(0) % parts
    here, exists, whose, first = lanes(part, heads, channels, block)
    for turn in tl.static_range(fetched):
        batch, begin, until = beginning(share * turns + turn, blocks, all_blocks, length, size * many)
        start = upstream + batch * (upstream_batch * unit)
        fetch(start, begin, until, part, rows, heads * channels, upstream_row, block)
        fetch(x + batch * (x_batch * unit), begin, until, part, rows, heads * channels, x_row, block)
    row = tl.arange(0, size)
    numbers: tl.constexpr = back + ahead + 1
    own = pieces(
        taps, seed, first, left + row[:, None] - row[None, :], -ahead, numbers, heads, spans, count, size,
        wide, softmax, rate, x.dtype.element_ty,
    )  # fmt: skip
    most: tl.constexpr = many + edge * (back + ahead)
    products = zeros(spans * numbers, size)
    for turn in range(turns):
        batch, begin, until = beginning(share * turns + turn, blocks, all_blocks, length, size * many)
        aboves = blocks_of(
            upstream + batch * (upstream_batch * unit), begin - edge * ahead * size, until, here, exists,
            most, size, upstream_row,
        )  # fmt: skip
        windows = blocks_of(x + batch * (x_batch * unit), begin, until, here, exists, many, size, x_row)
        for place in tl.static_range(many):
            total = summed(
                own, aboves, place + edge * ahead - ahead, 1, most, numbers, whose, spans, size, block,
                precise,
            )  # fmt: skip
            write(
                x_gradient + batch * length * (heads * channels), begin + place * size, until, here, exists,
                total, size, heads * channels,
            )  # fmt: skip
            products = added(
                products, aboves, windows[place], place + edge * ahead - ahead, most, numbers, whose, spans,
                precise,
            )  # fmt: skip
    for span in tl.static_range(spans):
        own = ()
        for number in tl.static_range(numbers):
            product = products[span * numbers + number]
            if span == spans - 1:
                # What is not the other heads'.
                for other in tl.static_range(spans - 1):
                    product -= products[other * numbers + number]
            own = own + (product,)
        returned(
            own, partial, share, part, first + span, taps, seed, left, -ahead, numbers, before, after, heads,
            channels, count, size, block, slots, wide, softmax, rate,
        )  # fmt: skip


@triton.jit
@no_type_check
def returned(
    products, partial, share, part, head, taps, seed, left, least: tl.constexpr, numbers: tl.constexpr,
    before: tl.constexpr, after: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, block: tl.constexpr, slots: tl.constexpr, wide: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """Writes a head's share, taken back through dropout and softmax.

    `before` and `after` the pieces are as many whose taps reach over the sequence's ends from anywhere.

    A head has as many rows for each share as it has blocks of channels at most; the last of its blocks writes
    zeros to the others.
    """
    row = tl.arange(0, size)
    # What belongs to one tap lies along a diagonal: above the main one here, below it in the piece before.
    stand = (row[:, None] - row[None, :]) & (size - 1)
    wraps = row[:, None] < row[None, :]
    slopes = ()
    for _ in tl.static_range(before):
        slopes = slopes + (tl.zeros((size,), tl.float32),)
    last = tl.zeros((size, size), tl.float32)
    for number in tl.static_range(numbers):
        found = tl.gather(products[number], stand, 1)
        slopes = slopes + (tl.sum(tl.where(wraps, found, last), 0),)
        last = found
    slopes = slopes + (tl.sum(tl.where(wraps, 0.0, last), 0),)
    for _ in tl.static_range(after):
        slopes = slopes + (tl.zeros((size,), tl.float32),)
    top, total, level = 0.0, 1.0, 0.0
    there = head < heads
    if softmax:
        top, total = normaliser(taps, tl.minimum(head, heads - 1), count, wide)
    found, weights = (), ()
    for number in tl.static_range(before + numbers + 1 + after):
        tap = left - (number - before - 1 + least) * size - row
        slope = slopes[number]
        if rate > 0.0:
            slope *= dropped(head * count + tap, tl.load(seed), rate)
        if softmax:
            inside = (tap >= 0) & (tap < count) & there
            weight = weigh(taps, seed, head, tap, inside, top, total, count, True, 0.0)
            weights = weights + (weight,)
            level += tl.sum(weight * slope, 0)
        found = found + (slope,)
    mine = part - head * channels // block
    end = ((head + 1) * channels - 1) // block
    for number in tl.static_range(before + numbers + 1 + after):
        tap = left - (number - before - 1 + least) * size - row
        slope = found[number]
        if softmax:
            slope = weights[number] * (slope - level)
        inside = (tap >= 0) & (tap < count) & there & (mine >= 0)
        for slot in tl.static_range(slots):
            place = partial + ((share * slots + slot) * heads + head) * count + tap
            wanted = (mine == slot) | ((part == end) & (slot > mine))
            tl.store(place, tl.where(mine == slot, slope, 0.0), mask=inside & wanted)
