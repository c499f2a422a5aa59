"""Triton kernels for taps that are the same at every position, and their gradients.

A program keeps one head's band in registers and goes through several tiles of the batch with it. The
gradient of the taps is the sum along the diagonals of (upstream × windowᵀ): each program adds up its tiles'
products, takes the sum back through dropout and softmax, and writes one row. All rows are added up later, not
atomically, so the same input gives the same bits.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import dropped, multiply


@triton.jit
@no_type_check
def normaliser(taps, head, taps_a_head: tl.constexpr, wide: tl.constexpr):
    """The largest of a head's logits and the sum of their exponentials above it."""
    index = tl.arange(0, wide)
    logits = tl.load(taps + head * taps_a_head + index, mask=index < taps_a_head, other=-float("inf"))
    logits = logits.to(tl.float32)
    top = tl.max(logits, 0)
    return top, tl.sum(tl.exp(logits - top), 0)


@triton.jit
@no_type_check
def weigh(
    taps, seed, head, tap, inside, top, total,
    taps_a_head: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """The weights of the taps with these numbers, zero where not `inside`."""
    index = head * taps_a_head + tap
    weight = tl.load(taps + index, mask=inside, other=0.0).to(tl.float32)
    if softmax:
        weight = tl.exp(weight - top) / total
    if rate > 0.0:
        weight = weight * dropped(index, tl.load(seed), rate)
    return tl.where(inside, weight, 0.0)


@triton.jit
@no_type_check
def returned(
    gradient, taps, seed, head, tap, taps_a_head: tl.constexpr, wide: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr,
):  # fmt: skip
    """A share of the gradient of a head's weights as one of that of its taps; both steps are linear in it."""
    if rate > 0.0:
        gradient = gradient * dropped(head * taps_a_head + tap, tl.load(seed), rate)
    if softmax:
        top, total = normaliser(taps, head, taps_a_head, wide)
        exists = tap < taps_a_head
        weight = weigh(taps, seed, head, tap, exists, top, total, taps_a_head, True, 0.0)
        gradient = weight * (gradient - tl.sum(weight * gradient, 0))
    return gradient


@triton.jit(
    do_not_specialize=[
        "length", "tiles", "all_tiles", "left", "reach", "step", "group", "x_batch"
    ]
)  # fmt: skip
@no_type_check
def static_forward(
    x, taps, seed, out, length, tiles, all_tiles, left, reach, step, group, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr, turns: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, taps_a_head: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, block: tl.constexpr, wide: tl.constexpr,
    groups: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """`turns` tiles of one head of the output."""
    head = tl.program_id(0) % heads
    first = (tl.program_id(0) // heads) * turns
    row, column, lane = tl.arange(0, rows), tl.arange(0, columns), tl.arange(0, block)
    top, total = 0.0, 1.0
    if softmax:
        top, total = normaliser(taps, head, taps_a_head, wide)
    place = column[None, :] - row[:, None] + left - reach
    inside = (place >= 0) & (place < group)
    if groups == 1:
        band = weigh(taps, seed, head, place, inside, top, total, taps_a_head, softmax, rate)
        band = band.to(x.dtype.element_ty)
    for turn in range(turns):
        tile = first + turn
        batch = (tile // tiles).to(tl.int64)
        begin = (tile % tiles) * step
        until = tl.where(tile < all_tiles, length, 0)
        position = begin + row
        written = (row < step) & (position < until)
        for start in range(0, channels, block):
            channel = start + lane
            here = head * channels + channel
            summed = tl.zeros((rows, block), tl.float32)
            for index in range(groups):
                near = begin - reach + index * group + column
                if groups > 1:
                    tap = place + index * group
                    band = weigh(
                        taps, seed, head, tap, inside & (tap < taps_a_head), top, total,
                        taps_a_head, softmax, rate,
                    ).to(x.dtype.element_ty)  # fmt: skip
                window = tl.load(
                    x + batch * (x_batch * unit) + near[:, None] * x_row + here[None, :],
                    mask=((near >= 0) & (near < until))[:, None] & (channel < channels)[None, :],
                    other=0.0,
                )
                summed = multiply(band, window, summed, precise)
            tl.store(
                out + (batch * length + position[:, None]) * (heads * channels) + here[None, :],
                summed.to(out.dtype.element_ty),
                mask=written[:, None] & (channel < channels)[None, :],
            )


@triton.jit(
    do_not_specialize=[
        "length", "tiles", "all_tiles", "left", "reach", "back", "step", "group",
        "upstream_batch", "x_batch",
    ]
)  # fmt: skip
@no_type_check
def static_backward(
    upstream, x, taps, seed, x_gradient, partial, length, tiles, all_tiles, left, reach, back, step, group,
    upstream_batch, x_batch, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    turns: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, taps_a_head: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, block: tl.constexpr, group_block: tl.constexpr,
    wide: tl.constexpr, groups: tl.constexpr, softmax: tl.constexpr,
    rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """`turns` tiles of one head of the gradient of x, and these tiles' share in that of the weights.

    With several groups of taps, the second grid axis says whose share; its first program writes x's gradient.
    """
    head = tl.program_id(0) % heads
    share = tl.program_id(0) // heads
    mine = tl.program_id(1)
    row, column, lane = tl.arange(0, rows), tl.arange(0, columns), tl.arange(0, block)
    top, total = 0.0, 1.0
    if softmax:
        top, total = normaliser(taps, head, taps_a_head, wide)
    place = row[:, None] - column[None, :] + left + back
    inside = (place >= 0) & (place < group)
    if groups == 1:
        band = weigh(taps, seed, head, place, inside, top, total, taps_a_head, softmax, rate)
        band = band.to(x.dtype.element_ty)
    products = tl.zeros((rows, columns), tl.float32)
    for turn in range(turns):
        tile = share * turns + turn
        batch = (tile // tiles).to(tl.int64)
        begin = (tile % tiles) * step
        until = tl.where(tile < all_tiles, length, 0)
        position = begin + row
        written = (row < step) & (position < until)
        for start in range(0, channels, block):
            channel = start + lane
            here = head * channels + channel
            exists = (channel < channels)[None, :]
            own = tl.load(
                upstream + batch * (upstream_batch * unit) + position[:, None] * upstream_row + here[None, :],
                mask=written[:, None] & exists,
                other=0.0,
            )
            near = begin - reach + mine * group + column
            window = tl.load(
                x + batch * (x_batch * unit) + near[:, None] * x_row + here[None, :],
                mask=((near >= 0) & (near < until))[:, None] & exists,
                other=0.0,
            )
            products = multiply(own, tl.trans(window), products, precise)
            if mine == 0:
                summed = tl.zeros((rows, block), tl.float32)
                for index in range(groups):
                    if groups > 1:
                        tap = place + index * group
                        band = weigh(
                            taps, seed, head, tap, inside & (tap < taps_a_head), top, total,
                            taps_a_head, softmax, rate,
                        ).to(x.dtype.element_ty)  # fmt: skip
                    near = begin - back - index * group + column
                    window = tl.load(
                        upstream
                        + batch * (upstream_batch * unit)
                        + near[:, None] * upstream_row
                        + here[None, :],
                        mask=((near >= 0) & (near < until))[:, None] & exists,
                        other=0.0,
                    )
                    summed = multiply(band, window, summed, precise)
                tl.store(
                    x_gradient + (batch * length + position[:, None]) * (heads * channels) + here[None, :],
                    summed.to(x_gradient.dtype.element_ty),
                    mask=written[:, None] & exists,
                )
    # Product (i, j) belongs to tap j − i + left − reach of the group.
    tap = tl.arange(0, group_block)
    found = tap[None, :] + row[:, None] - left + reach
    there = (found >= 0) & (found < columns)
    diagonal = tl.gather(products, tl.minimum(tl.maximum(found, 0), columns - 1), 1)
    gradient = tl.sum(tl.where(there, diagonal, 0.0), 0)
    # With a softmax there is one group.
    gradient = returned(gradient, taps, seed, head, tap, taps_a_head, wide, softmax, rate)
    tl.store(
        partial + (share * heads + head) * taps_a_head + mine * group + tap,
        gradient,
        mask=(tap < group) & (mine * group + tap < taps_a_head),
    )
