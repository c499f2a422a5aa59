"""Triton kernels for taps that each position has of its own, and their gradients.

A program goes through the heads of one tile, whose places are the same for all. It reads its rows' taps as
they lie, K in a row, and moves every row to its place in the band with one gather; the gradient of the taps
comes back the same way.
"""

from typing import no_type_check

import triton
import triton.language as tl

from litetransformer.ops.triton_common import dropped, multiply


@triton.jit
@no_type_check
def weigh(
    taps, seed, batch, position, head, first, within, length,
    heads: tl.constexpr, taps_a_head: tl.constexpr, group: tl.constexpr, block: tl.constexpr,
    softmax: tl.constexpr, rate: tl.constexpr,
):  # fmt: skip
    """Some taps of each of these positions: the weights before dropout, and the factors of dropout."""
    tap = first + tl.arange(0, block)
    exists = ((tap < taps_a_head) & (tap < first + group))[None, :] & within[:, None]
    index = (position[:, None] * heads + head) * taps_a_head + tap[None, :]
    weight = tl.load(
        taps + batch * length * heads * taps_a_head + index, mask=exists, other=0.0
    ).to(tl.float32)  # fmt: skip
    if softmax:
        weight = tl.where(exists, weight, -1e30)
        weight = tl.where(exists, tl.exp(weight - tl.max(weight, 1)[:, None]), 0.0)
        weight = weight * (1.0 / tl.maximum(tl.sum(weight, 1), 1e-30))[:, None]
    factor = tl.full((position.shape[0], block), 1.0, tl.float32)
    if rate > 0.0:
        factor = dropped(batch * length * heads * taps_a_head + index, tl.load(seed), rate)
    return weight, factor


@triton.jit
@no_type_check
def skew(weight, place, inside):
    """The rows of `weight` with every element at its place in the band."""
    return tl.where(inside, tl.gather(weight, tl.where(inside, place, 0), 1), 0.0)


@triton.jit(do_not_specialize=["length", "tiles", "left", "reach", "step", "x_batch"])
@no_type_check
def dynamic_forward(
    x, taps, seed, out, length, tiles, left, reach, step, x_batch,
    x_row: tl.constexpr, unit: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, taps_a_head: tl.constexpr, group: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, block: tl.constexpr, group_block: tl.constexpr,
    groups: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """One tile of the output."""
    tile = tl.program_id(0)
    batch = (tile // tiles).to(tl.int64)
    begin = (tile % tiles) * step
    row, column, lane = tl.arange(0, rows), tl.arange(0, columns), tl.arange(0, block)
    position = begin + row
    written = (row < step) & (position < length)
    place = column[None, :] - row[:, None] + left - reach
    inside = (place >= 0) & (place < group)
    for head in range(heads):
        for start in range(0, channels, block):
            channel = start + lane
            here = head * channels + channel
            exists = (channel < channels)[None, :]
            summed = tl.zeros((rows, block), tl.float32)
            for index in range(groups):
                near = begin - reach + index * group + column
                window = tl.load(
                    x + batch * (x_batch * unit) + near[:, None] * x_row + here[None, :],
                    mask=((near >= 0) & (near < length))[:, None] & exists,
                    other=0.0,
                )
                weight, factor = weigh(
                    taps, seed, batch, position, head, index * group, written, length,
                    heads, taps_a_head, group, group_block, softmax, rate,
                )  # fmt: skip
                band = skew(weight * factor, place, inside).to(x.dtype.element_ty)
                summed = multiply(band, window, summed, precise)
            tl.store(
                out + (batch * length + position[:, None]) * (heads * channels) + here[None, :],
                summed.to(out.dtype.element_ty),
                mask=written[:, None] & exists,
            )


@triton.jit(
    do_not_specialize=["length", "tiles", "left", "reach", "back", "step", "upstream_batch", "x_batch"]
)  # fmt: skip
@no_type_check
def dynamic_backward(
    upstream, x, taps, seed, x_gradient, gradient, length, tiles, left, reach, back, step,
    upstream_batch, x_batch, upstream_row: tl.constexpr, x_row: tl.constexpr, unit: tl.constexpr,
    heads: tl.constexpr, channels: tl.constexpr, taps_a_head: tl.constexpr, group: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, block: tl.constexpr, group_block: tl.constexpr,
    groups: tl.constexpr, softmax: tl.constexpr, rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """One tile of both gradients."""
    tile = tl.program_id(0)
    batch = (tile // tiles).to(tl.int64)
    begin = (tile % tiles) * step
    row, column, lane = tl.arange(0, rows), tl.arange(0, columns), tl.arange(0, block)
    position = begin + row
    written = (row < step) & (position < length)
    # x[t] met the upstream of position t − k + left with that position's tap k.
    met = row[None, :] - column[:, None] + left + back
    meets = (met >= 0) & (met < group)
    for head in range(heads):
        for start in range(0, channels, block):
            channel = start + lane
            here = head * channels + channel
            exists = (channel < channels)[None, :]
            summed = tl.zeros((rows, block), tl.float32)
            for index in range(groups):
                near = begin - back - index * group + column
                within = (near >= 0) & (near < length)
                window = tl.load(
                    upstream + batch * (upstream_batch * unit) + near[:, None] * upstream_row + here[None, :],
                    mask=within[:, None] & exists,
                    other=0.0,
                )
                weight, factor = weigh(
                    taps, seed, batch, near, head, index * group, within, length,
                    heads, taps_a_head, group, group_block, softmax, rate,
                )  # fmt: skip
                band = skew(weight * factor, met, meets).to(x.dtype.element_ty)
                summed = multiply(tl.trans(band), window, summed, precise)
            tl.store(
                x_gradient + (batch * length + position[:, None]) * (heads * channels) + here[None, :],
                summed.to(x_gradient.dtype.element_ty),
                mask=written[:, None] & exists,
            )
        for index in range(groups):
            products = tl.zeros((rows, columns), tl.float32)
            near = begin - reach + index * group + column
            within = (near >= 0) & (near < length)
            for start in range(0, channels, block):
                channel = start + lane
                here = head * channels + channel
                exists = (channel < channels)[None, :]
                own = tl.load(
                    upstream
                    + batch * (upstream_batch * unit)
                    + position[:, None] * upstream_row
                    + here[None, :],
                    mask=written[:, None] & exists,
                    other=0.0,
                )
                window = tl.load(
                    x + batch * (x_batch * unit) + near[:, None] * x_row + here[None, :],
                    mask=within[:, None] & exists,
                    other=0.0,
                )
                products = multiply(own, tl.trans(window), products, precise)
            tap = tl.arange(0, group_block)
            found = tap[None, :] + row[:, None] - left + reach
            slope = skew(products, found, (found >= 0) & (found < columns))
            weight, factor = weigh(
                taps, seed, batch, position, head, index * group, written, length,
                heads, taps_a_head, group, group_block, softmax, rate,
            )  # fmt: skip
            slope = slope * factor
            if softmax:
                slope = weight * (slope - tl.sum(weight * slope, 1)[:, None])
            tap = index * group + tap
            tl.store(
                gradient + ((batch * length + position[:, None]) * heads + head) * taps_a_head + tap[None, :],
                slope.to(gradient.dtype.element_ty),
                mask=written[:, None] & ((tap < taps_a_head) & (tap < (index + 1) * group))[None, :],
            )
