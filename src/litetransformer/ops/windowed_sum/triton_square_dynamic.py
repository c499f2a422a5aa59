"""Triton kernels for taps that each position has of its own, as triangles of squares; see `triton_square`.

A block's taps are read straight to their places in the square, and their gradients written straight from
there: nothing is moved between threads but by the matrix products.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import dropped, multiply
from litetransformer.ops.windowed_sum.triton_pieces import inside
from litetransformer.ops.windowed_sum.triton_square import lanes, read, write


@triton.jit
@no_type_check
def places(tap, heads: tl.constexpr, count: tl.constexpr, size: tl.constexpr):
    """Where the taps of a block's positions are, counted from those of the first."""
    # They lie side by side but for the wrap; said so, a warp reads rows. A load stays one number wide.
    return tl.max_contiguous(tl.arange(0, size)[:, None] * (heads * count) + tap, [1, size])


@triton.jit
@no_type_check
def existing(begin, until, tap, count: tl.constexpr, size: tl.constexpr):
    """Which taps of the positions from `begin` on there are."""
    return inside(begin + tl.arange(0, size), until)[:, None] & (tap < count)


@triton.jit
@no_type_check
def weigh_rows(found, index, exists, seed, softmax: tl.constexpr, rate: tl.constexpr):
    """Weights before dropout, zero where none exists, and the factors of dropout."""
    weight = found.to(tl.float32)
    if softmax:
        weight = tl.where(exists, weight, -1e30)
        weight = tl.where(exists, tl.exp(weight - tl.max(weight, 1)[:, None]), 0.0)
        weight = weight * (1.0 / tl.maximum(tl.sum(weight, 1), 1e-30))[:, None]
    factor = tl.full(weight.shape, 1.0, tl.float32)
    if rate > 0.0:
        factor = dropped(index.to(tl.int32), tl.load(seed), rate)
    return weight, factor


@triton.jit
@no_type_check
def upper(weight, turned, size: tl.constexpr, single: tl.constexpr, dtype: tl.constexpr):
    """The weights that meet this block, in its type. Of one block alone, some turn out at either end."""
    meets = turned < size
    if single:
        meets &= turned >= 0
    return tl.where(meets, weight, 0.0).to(dtype)


@triton.jit
@no_type_check
def lower(weight, turned, size: tl.constexpr, dtype: tl.constexpr):
    """The weights that meet the block before, in its type."""
    return tl.where(turned >= size, weight, 0.0).to(dtype)


@triton.jit(do_not_specialize=["length", "blocks", "shift", "ahead", "x_batch"])
@no_type_check
def square_dynamic_forward(
    x, taps, seed, out, length, blocks, shift, ahead, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, block: tl.constexpr, align: tl.constexpr,
    parts: tl.constexpr, single: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """One block of one head of the output."""
    head = tl.program_id(0) % heads
    index = tl.program_id(0) // heads
    batch = (index // blocks).to(tl.int64)
    begin = (index % blocks) * size
    row = tl.arange(0, size)
    turned = shift + row[None, :] - row[:, None]
    tap = turned & (size - 1)
    exists = existing(begin, length, tap, count, size)
    spot = places(tap, heads, count, size)
    base = ((batch * length + begin) * heads + head) * count
    found = tl.load(taps + base + spot, mask=exists, other=0.0)
    source = x + batch * (x_batch * unit)
    for part in tl.static_range(parts):
        here, wanted, own = lanes(head, part, heads, channels, block, align)
        window = read(source, begin + ahead, length, here, wanted, size, x_row)
        if not single:
            earlier = read(source, begin + ahead - size, length, here, wanted, size, x_row)
        if part == 0:
            weight, factor = weigh_rows(found, base + spot, exists, seed, softmax, rate)
            weight *= factor
            this = upper(weight, turned, size, single, x.dtype.element_ty)
            before = lower(weight, turned, size, x.dtype.element_ty)
        summed = multiply(this, window, tl.zeros((size, block), tl.float32), precise)
        if not single:
            summed = multiply(before, earlier, summed, precise)
        write(
            out + batch * length * (heads * channels), begin, length, here, own, summed, size,
            heads * channels,
        )  # fmt: skip


@triton.jit(do_not_specialize=["length", "blocks", "shift", "ahead", "upstream_batch", "x_batch"])
@no_type_check
def square_dynamic_backward(
    upstream, x, taps, seed, x_gradient, gradient, length, blocks, shift, ahead, upstream_batch, x_batch,
    upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr, heads: tl.constexpr,
    channels: tl.constexpr, count: tl.constexpr, size: tl.constexpr, block: tl.constexpr,
    align: tl.constexpr, trim: tl.constexpr, parts: tl.constexpr, single: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """One block of one head of x's gradient, and of that of the taps.

    A block of x met the upstream of two blocks, this one and the next, whose taps are read once more for it.
    """
    head = tl.program_id(0) % heads
    index = tl.program_id(0) // heads
    batch = (index // blocks).to(tl.int64)
    # With blocks of x that begin later, a sequence has one more, which precedes the first of the taps.
    begin = (index % blocks - (ahead > 0)) * size
    row = tl.arange(0, size)
    turned = shift + row[None, :] - row[:, None]
    tap = turned & (size - 1)
    spot = places(tap, heads, count, size)
    base = ((batch * length + begin) * heads + head) * count
    exists = existing(begin, length, tap, count, size)
    found = tl.load(taps + base + spot, mask=exists, other=0.0)
    more = size * heads * count
    if not single:
        follows = existing(begin + size, length, tap, count, size)
        if not softmax:
            follows &= turned >= size
        next_found = tl.load(taps + (base + more) + spot, mask=follows, other=0.0)
    slope = tl.zeros((size, size), tl.float32)
    other = tl.zeros((size, size), tl.float32)
    for part in tl.static_range(parts):
        here, wanted, own = lanes(head, part, heads, channels, block, align)
        start = upstream + batch * (upstream_batch * unit)
        above = read(start, begin, length, here, wanted, size, upstream_row)
        source = x + batch * (x_batch * unit)
        window = read(source, begin + ahead, length, here, wanted, size, x_row)
        if not single:
            next_above = read(start, begin + size, length, here, wanted, size, upstream_row)
            earlier = read(source, begin + ahead - size, length, here, wanted, size, x_row)
        if trim:
            above = tl.where(own[None, :], above, 0.0)
        if part == 0:
            weight, factor = weigh_rows(found, base + spot, exists, seed, softmax, rate)
            this = upper(weight * factor, turned, size, single, x.dtype.element_ty)
            if not single:
                next_weight, next_factor = weigh_rows(
                    next_found, base + more + spot, follows, seed, softmax, rate
                )  # fmt: skip
                before = lower(next_weight * next_factor, turned, size, x.dtype.element_ty)
        summed = multiply(tl.trans(this), above, tl.zeros((size, block), tl.float32), precise)
        slope = multiply(above, tl.trans(window), slope, precise)
        if not single:
            summed = multiply(tl.trans(before), next_above, summed, precise)
            other = multiply(above, tl.trans(earlier), other, precise)
        write(
            x_gradient + batch * length * (heads * channels), begin + ahead, length, here, own, summed, size,
            heads * channels,
        )  # fmt: skip
    if single:
        slope = tl.where((turned >= 0) & (turned < size), slope, 0.0)
    else:
        slope = tl.where(turned < size, slope, other)
    slope *= factor
    if softmax:
        slope = weight * (slope - tl.sum(weight * slope, 1)[:, None])
    tl.store(gradient + base + spot, slope.to(gradient.dtype.element_ty), mask=exists)
