"""Triton kernels for static taps whose bands are the two triangles of one square, and their gradients.

Positions are cut into blocks of `size`, at least as many as there are taps, so a block of the sum needs two
blocks of x. Wrapped round at the block's end, a position's taps fill a row of a size × size square: the part
before the wrap meets the one block, the rest the other. A program goes along a sequence, reads a block once
and multiplies it by both triangles: one product completes this block of the sum, the other begins the next.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import multiply
from litetransformer.ops.windowed_sum.triton_pieces import inside
from litetransformer.ops.windowed_sum.triton_static import normaliser, returned, weigh


@triton.jit
@no_type_check
def lanes(
    head, part, heads: tl.constexpr, channels: tl.constexpr, block: tl.constexpr, align: tl.constexpr
):  # fmt: skip
    """A program's channels, begun where loads of `align` may: what to read, and which are its own."""
    lane = tl.arange(0, block)
    own = head * channels + part * block
    until = tl.minimum(own + block, (head + 1) * channels)
    first = own // align * align
    here = first + lane
    return here, (first + lane // align * align) < until, (here >= own) & (here < until)


@triton.jit
@no_type_check
def read(
    start, first, until, here, wanted, size: tl.constexpr, row: tl.constexpr
):  # fmt: skip
    """`size` rows from the position `first` on, zeros outside the sequence."""
    line = tl.arange(0, size)
    mask = inside(first + line, until)[:, None] & wanted[None, :]
    return tl.load(start + first * row + (line[:, None] * row + here[None, :]), mask=mask, other=0.0)


@triton.jit
@no_type_check
def write(start, first, until, here, own, value, size: tl.constexpr, row: tl.constexpr):
    """`size` rows from the position `first` on, where there are such positions."""
    line = tl.arange(0, size)
    mask = inside(first + line, until)[:, None] & own[None, :]
    start += first * row
    tl.store(start + (line[:, None] * row + here[None, :]), value.to(start.dtype.element_ty), mask=mask)


@triton.jit
@no_type_check
def triangles(
    taps, seed, head, turned, count: tl.constexpr, size: tl.constexpr, wide: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr, dtype: tl.constexpr,
):  # fmt: skip
    """The weights that meet this block, and those that meet the one before it.

    `turned` is the number of the tap at each place, counted on after the wrap.
    """
    top, total = 0.0, 1.0
    if softmax:
        top, total = normaliser(taps, head, count, wide)
    tap = turned & (size - 1)
    weight = weigh(taps, seed, head, tap, tap < count, top, total, count, softmax, rate)
    this = tl.where((turned >= 0) & (turned < size), weight, 0.0)
    return this.to(dtype), tl.where(turned >= size, weight, 0.0).to(dtype)


@triton.jit(do_not_specialize=["length", "blocks", "all_blocks", "shift", "ahead", "x_batch"])
@no_type_check
def square_forward(
    x, taps, seed, out, length, blocks, all_blocks, shift, ahead, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr, turns: tl.constexpr, lead: tl.constexpr,
    heads: tl.constexpr,
    channels: tl.constexpr, count: tl.constexpr, size: tl.constexpr, block: tl.constexpr,
    align: tl.constexpr, wide: tl.constexpr, single: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """`turns` blocks of one head of the output. Blocks of x begin `ahead` positions after the output's."""
    head = tl.program_id(0) % heads
    first = (tl.program_id(0) // heads) * turns
    here, wanted, own = lanes(head, tl.program_id(1), heads, channels, block, align)
    row = tl.arange(0, size)
    this, before = triangles(
        taps, seed, head, shift + row[None, :] - row[:, None], count, size, wide, softmax, rate,
        x.dtype.element_ty,
    )  # fmt: skip
    carried = tl.zeros((size, block), tl.float32)
    # One block more: what it begins is needed.
    for turn in range(-lead, turns):
        index = first + turn
        batch = (index // blocks).to(tl.int64)
        # With blocks that begin later, a sequence has one more, the first of which completes no sum.
        begin = (index % blocks - (ahead > 0)) * size
        until = tl.where((index >= 0) & (index < all_blocks), length, 0)
        window = read(x + batch * (x_batch * unit), begin + ahead, until, here, wanted, size, x_row)
        summed = multiply(this, window, carried, precise)
        write(
            out + batch * length * (heads * channels), begin, tl.where(turn >= 0, until, 0), here, own,
            summed, size, heads * channels,
        )  # fmt: skip
        if not single:
            carried = multiply(before, window, tl.zeros((size, block), tl.float32), precise)
            carried = tl.where(index % blocks == blocks - 1, 0.0, carried)


@triton.jit(
    do_not_specialize=["length", "blocks", "all_blocks", "shift", "ahead", "upstream_batch", "x_batch"]
)  # fmt: skip
@no_type_check
def square_backward(
    upstream, x, taps, seed, x_gradient, partial, length, blocks, all_blocks, shift, ahead,
    upstream_batch, x_batch, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    turns: tl.constexpr, lead: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr,
    size: tl.constexpr, block: tl.constexpr, align: tl.constexpr, trim: tl.constexpr,
    wide: tl.constexpr, single: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """`turns` blocks of one head of the gradient of x, and their share in that of the weights.

    Goes from the end of a sequence to its beginning: a block of the upstream reaches x before it.
    """
    head = tl.program_id(0) % heads
    share = tl.program_id(0) // heads
    here, wanted, own = lanes(head, tl.program_id(1), heads, channels, block, align)
    row = tl.arange(0, size)
    this, before = triangles(
        taps, seed, head, shift + row[:, None] - row[None, :], count, size, wide, softmax, rate,
        x.dtype.element_ty,
    )  # fmt: skip
    carried = tl.zeros((size, block), tl.float32)
    products = tl.zeros((size, size), tl.float32)
    earlier = tl.zeros((size, size), tl.float32)
    for turn in range(-lead, turns):
        index = share * turns + turns - 1 - turn
        batch = (index // blocks).to(tl.int64)
        begin = (index % blocks - (ahead > 0)) * size
        until = tl.where(index < all_blocks, length, 0)
        counted = tl.where(turn >= 0, until, 0)
        source = x + batch * (x_batch * unit)
        above = read(
            upstream + batch * (upstream_batch * unit), begin, until, here, wanted, size, upstream_row
        )  # fmt: skip
        if trim:
            above = tl.where(own[None, :], above, 0.0)
        window = read(source, begin + ahead, counted, here, wanted, size, x_row)
        products = multiply(above, tl.trans(window), products, precise)
        summed = multiply(this, above, carried, precise)
        write(
            x_gradient + batch * length * (heads * channels), begin + ahead, counted, here, own,
            summed, size, heads * channels,
        )  # fmt: skip
        if not single:
            window = read(source, begin + ahead - size, counted, here, wanted, size, x_row)
            earlier = multiply(above, tl.trans(window), earlier, precise)
            carried = multiply(before, above, tl.zeros((size, block), tl.float32), precise)
            carried = tl.where(index % blocks == 0, 0.0, carried)
    turned = shift + row[None, :] - row[:, None]
    if single:
        products = tl.where((turned >= 0) & (turned < size), products, 0.0)
    else:
        products = tl.where(turned < size, products, earlier)
    # Each row's products go back to where their taps stand.
    gradient = tl.sum(tl.gather(products, (row[None, :] + row[:, None] - shift) & (size - 1), 1), 0)
    gradient = returned(gradient, taps, seed, head, row, count, wide, softmax, rate)
    number = share * tl.num_programs(1) + tl.program_id(1)
    tl.store(partial + (number * heads + head) * count + row, gradient, mask=row < count)
