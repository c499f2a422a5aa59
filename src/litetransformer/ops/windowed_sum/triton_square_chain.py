"""A Triton kernel for the gradients of per-position taps along a chain of blocks: see `triton_square`.

What a block's upstream gives the x before it is carried to the next turn, so taps and upstream are read and
weighed once, at the price of turns that wait for each other.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import multiply
from litetransformer.ops.windowed_sum.triton_square import lanes, read, write
from litetransformer.ops.windowed_sum.triton_square_dynamic import existing, lower, places, upper, weigh


@triton.jit(
    do_not_specialize=[
        "length", "blocks", "all_blocks", "shift", "ahead", "nothing", "upstream_batch", "x_batch"
    ]
)  # fmt: skip
@no_type_check
def square_chain_backward(
    upstream, x, taps, seed, x_gradient, gradient, length, blocks, all_blocks, shift, ahead, nothing,
    upstream_batch, x_batch, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    turns: tl.constexpr, lead: tl.constexpr, heads: tl.constexpr, channels: tl.constexpr,
    count: tl.constexpr, size: tl.constexpr, block: tl.constexpr, align: tl.constexpr, trim: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """`turns` blocks of one head of both gradients, from the end of a sequence to its beginning.

    `nothing` is 0. Where the compiler can't know that, it makes the masks of all places anew every turn, and
    doesn't keep a hundred of them in registers.
    """
    head = tl.program_id(0) % heads
    share = tl.program_id(0) // heads
    here, wanted, own = lanes(head, 0, heads, channels, block, align)
    row = tl.arange(0, size)
    carried = tl.zeros((size, block), tl.float32)
    # One block more, where the last is not a sequence's end: what it gives the x before it is needed.
    for turn in range(-lead, turns):
        index = share * turns + turns - 1 - turn
        batch = (index // blocks).to(tl.int64)
        begin = (index % blocks - (ahead > 0)) * size
        until = tl.where(index < all_blocks, length, 0)
        if lead:
            # The first block of the next sequence gives this one nothing.
            until = tl.where((turn < 0) & (index % blocks == 0), 0, until)
        counted = tl.where(turn >= 0, until, 0)
        turned = shift + nothing * turn + row[None, :] - row[:, None]
        tap = turned & (size - 1)
        spot = places(tap, heads, count, size)
        base = ((batch * length + begin) * heads + head) * count
        exists = existing(begin, until, tap, count, size)
        found = tl.load(taps + base + spot, mask=exists, other=0.0)
        start = upstream + batch * (upstream_batch * unit)
        above = read(start, begin, until, here, wanted, size, upstream_row)
        source = x + batch * (x_batch * unit)
        window = read(source, begin + ahead, counted, here, wanted, size, x_row)
        earlier = read(source, begin + ahead - size, counted, here, wanted, size, x_row)
        if trim:
            above = tl.where(own[None, :], above, 0.0)
        weight, factor = weigh(found, base + spot, exists, seed, softmax, rate)
        used = weight * factor
        this = upper(used, turned, size, False, x.dtype.element_ty)
        summed = multiply(tl.trans(this), above, carried, precise)
        write(
            x_gradient + batch * length * (heads * channels), begin + ahead, counted, here, own, summed, size,
            heads * channels,
        )  # fmt: skip
        before = lower(used, turned, size, x.dtype.element_ty)
        carried = multiply(tl.trans(before), above, tl.zeros((size, block), tl.float32), precise)
        carried = tl.where(index % blocks == 0, 0.0, carried)
        slope = multiply(above, tl.trans(window), tl.zeros((size, size), tl.float32), precise)
        other = multiply(above, tl.trans(earlier), tl.zeros((size, size), tl.float32), precise)
        slope = tl.where(turned < size, slope, other) * factor
        if softmax:
            slope = weight * (slope - tl.sum(weight * slope, 1)[:, None])
        there = existing(begin, counted, tap, count, size)
        tl.store(gradient + base + spot, slope.to(gradient.dtype.element_ty), mask=there)
