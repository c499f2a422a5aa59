"""Triton kernels for static taps as those of `triton_square`, for blocks of channels that heads don't bound.

A narrow head's part of a row begins and ends within the 32 bytes that memory moves at once, so that two
programs would move them. Here a program has `block` channels from a multiple of `block` on, whatever heads
they belong to. It multiplies all of them by the triangles of each of these `spans` heads, and keeps of every
product the channels of that head.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import multiply
from litetransformer.ops.windowed_sum.triton_square import read, write
from litetransformer.ops.windowed_sum.triton_square_dynamic import weigh_rows
from litetransformer.ops.windowed_sum.triton_static import normaliser, weigh

# ruff: noqa: RUF005 (the language has no star in a tuple)


@triton.jit
@no_type_check
def lanes(part, heads: tl.constexpr, channels: tl.constexpr, block: tl.constexpr):
    """A program's channels, which there are, which of its heads each belongs to, and the first head."""
    here = part * block + tl.arange(0, block)
    first = part * block // channels
    return here, here < heads * channels, here // channels - first, first


@triton.jit
@no_type_check
def squares(
    taps, seed, first, turned, heads: tl.constexpr, spans: tl.constexpr, count: tl.constexpr,
    size: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr, dtype: tl.constexpr,
):  # fmt: skip
    """Both triangles of each head: the weights that meet this block, and those that meet the one before."""
    tap = tl.arange(0, size)
    found = ()
    for span in tl.static_range(spans):
        # Where there is no such head, none of the channels is its.
        head = tl.minimum(first + span, heads - 1)
        top, total = 0.0, 1.0
        if softmax:
            top, total = normaliser(taps, head, count, size)
        weight = weigh(taps, seed, head, tap, tap < count, top, total, count, softmax, rate)
        # Weighed once, and then moved to where they stand in each row.
        weight = tl.gather(tl.broadcast_to(weight[None, :], (size, size)), turned & (size - 1), 1)
        this = tl.where((turned >= 0) & (turned < size), weight, 0.0)
        found = found + ((this.to(dtype), tl.where(turned >= size, weight, 0.0).to(dtype)),)
    return found


@triton.jit
@no_type_check
def through(
    pairs, which: tl.constexpr, right, summed, whose, spans: tl.constexpr, precise: tl.constexpr
):  # fmt: skip
    """`summed` and each head's triangle times its channels of `right`."""
    total = multiply(pairs[0][which], right, summed, precise)
    for span in tl.static_range(1, spans):
        product = multiply(pairs[span][which], right, summed, precise)
        total = tl.where((whose == span)[None, :], product, total)
    return total


@triton.jit
@no_type_check
def added(products, left, right, whose, spans: tl.constexpr, precise: tl.constexpr):
    """Each head's `products` and those of its channels of `left` with `right`."""
    found = ()
    for span in tl.static_range(spans):
        own = left
        if spans > 1:
            own = tl.where((whose == span)[None, :], left, 0.0)
        found = found + (multiply(own, right, products[span], precise),)
    return found


@triton.jit
@no_type_check
def zeros(spans: tl.constexpr, size: tl.constexpr):
    """(size, size) of zeros for each head."""
    found = ()
    for _ in tl.static_range(spans):
        found = found + (tl.zeros((size, size), tl.float32),)
    return found


@triton.jit(do_not_specialize=["length", "blocks", "all_blocks", "shift", "ahead", "x_batch"])
@no_type_check
def across_forward(
    x, taps, seed, out, length, blocks, all_blocks, shift, ahead, x_batch, turns: tl.constexpr,
    lead: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, block: tl.constexpr, parts: tl.constexpr,
    spans: tl.constexpr, single: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """`turns` blocks of positions of some channels of the output; see `square_forward`."""
    share, part = tl.program_id(0) // parts, tl.program_id(0) % parts
    here, exists, whose, first = lanes(part, heads, channels, block)
    row = tl.arange(0, size)
    pairs = squares(
        taps, seed, first, shift + row[None, :] - row[:, None], heads, spans, count, size, softmax, rate,
        x.dtype.element_ty,
    )  # fmt: skip
    carried = tl.zeros((size, block), tl.float32)
    for turn in range(-lead, turns):
        index = share * turns + turn
        batch = (index // blocks).to(tl.int64)
        begin = (index % blocks - (ahead > 0)) * size
        until = tl.where((index >= 0) & (index < all_blocks), length, 0)
        window = read(x + batch * (x_batch * unit), begin + ahead, until, here, exists, size, x_row)
        summed = through(pairs, 0, window, carried, whose, spans, precise)
        write(
            out + batch * length * (heads * channels), begin, tl.where(turn >= 0, until, 0), here, exists,
            summed, size, heads * channels,
        )  # fmt: skip
        if not single:
            none = tl.zeros((size, block), tl.float32)
            carried = through(pairs, 1, window, none, whose, spans, precise)
            carried = tl.where(index % blocks == blocks - 1, 0.0, carried)


@triton.jit(
    do_not_specialize=["length", "blocks", "all_blocks", "shift", "ahead", "upstream_batch", "x_batch"]
)  # fmt: skip
@no_type_check
def across_backward(
    upstream, x, taps, seed, x_gradient, partial, length, blocks, all_blocks, shift, ahead,
    upstream_batch, x_batch, turns: tl.constexpr, lead: tl.constexpr, upstream_row: tl.constexpr,
    x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, block: tl.constexpr, parts: tl.constexpr,
    spans: tl.constexpr, heads_block: tl.constexpr, single: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """`turns` blocks of positions of some channels of x's gradient, and their share in that of the taps.

    Goes from the end of a sequence to its beginning. A block of x met the upstream of two blocks: this turn's
    and the one before's, which is kept.
    """
    share, part = tl.program_id(0) // parts, tl.program_id(0) % parts
    here, exists, whose, first = lanes(part, heads, channels, block)
    row = tl.arange(0, size)
    pairs = squares(
        taps, seed, first, shift + row[:, None] - row[None, :], heads, spans, count, size, softmax, rate,
        x.dtype.element_ty,
    )  # fmt: skip
    carried = tl.zeros((size, block), tl.float32)
    kept = tl.zeros((size, block), x.dtype.element_ty)
    products, earlier = zeros(spans, size), zeros(spans, size)
    for turn in range(-lead, turns):
        index = share * turns + turns - 1 - turn
        batch = (index // blocks).to(tl.int64)
        begin = (index % blocks - (ahead > 0)) * size
        until = tl.where(index < all_blocks, length, 0)
        counted = tl.where(turn >= 0, until, 0)
        above = read(
            upstream + batch * (upstream_batch * unit), begin, until, here, exists, size, upstream_row
        )  # fmt: skip
        window = read(x + batch * (x_batch * unit), begin + ahead, counted, here, exists, size, x_row)
        summed = through(pairs, 0, above, carried, whose, spans, precise)
        write(
            x_gradient + batch * length * (heads * channels), begin + ahead, counted, here, exists,
            summed, size, heads * channels,
        )  # fmt: skip
        products = added(products, above, tl.trans(window), whose, spans, precise)
        if not single:
            earlier = added(earlier, kept, tl.trans(window), whose, spans, precise)
            none = tl.zeros((size, block), tl.float32)
            carried = through(pairs, 1, above, none, whose, spans, precise)
            carried = tl.where(index % blocks == 0, 0.0, carried)
            kept = tl.where(index % blocks == 0, 0.0, above).to(x.dtype.element_ty)
    turned = shift + row[None, :] - row[:, None]
    # Each row's products go back to where their taps stand.
    stand = (row[None, :] + row[:, None] - shift) & (size - 1)
    which = tl.arange(0, heads_block)[:, None]
    gradient = tl.zeros((heads_block, size), tl.float32)
    for span in tl.static_range(spans):
        if single:
            found = tl.where((turned >= 0) & (turned < size), products[span], 0.0)
        else:
            found = tl.where(turned < size, products[span], earlier[span])
        found = tl.sum(tl.gather(found, stand, 1), 0)[None, :]
        gradient = tl.where(which == first + span, found, gradient)
    spot, there = which * count + row[None, :], (which < heads) & (row < count)[None, :]
    logits = tl.load(taps + spot, mask=there, other=0.0)
    weight, factor = weigh_rows(logits, spot, there, seed, softmax, rate)
    gradient *= factor
    if softmax:
        gradient = weight * (gradient - tl.sum(weight * gradient, 1)[:, None])
    tl.store(partial + tl.program_id(0) * (heads * count) + spot, gradient, mask=there)
