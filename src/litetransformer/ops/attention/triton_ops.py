"""The Triton kernels as two operators that PyTorch knows: attention and its gradients.

A program holds all keys and values of one head of one sentence, and goes through the queries a tile at a
time. Backward computes the weights anew. Import this only where `triton.why_not` has no reason against it.
"""

import math
from collections.abc import Sequence
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.kernels import power, side_by_side
from litetransformer.ops.triton_common import dropped, launcher, multiply

VARYING = ["length", "keys", "visible_batch", "visible_key"]
"""What changes from batch to batch: a kernel for each would take longer to make than an epoch."""
SHORTEST = 32
"""Sequences up to so long share one kernel."""
HELD = 2048
"""Numbers of its weights and keys that a warp holds, at least."""
EVEN = 4
"""Heads of a multiple of so many channels are read up to 16 bytes at once, others number by number.

In updates of 16,384 tokens on an H100, wide loads took a launch over heads of 20 or 40 channels from 13.1 µs
forward and 24.8 backward to 11.4 and 22.2, but one over heads of 25 from 23.6 and 31.8 to 24.5 and 57.3.
"""


@triton.jit
@no_type_check
def weigh(
    query, key, visible, visible_key, seed, begin, pair, length, keys, scale,
    rows: tl.constexpr, columns: tl.constexpr, causal: tl.constexpr, masked: tl.constexpr,
    rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """A tile's weights before dropout, and the factors of dropout."""
    row, column = begin + tl.arange(0, rows), tl.arange(0, columns)
    seen = (column < keys)[None, :] & (row < length)[:, None]
    if masked:
        seen = seen & (tl.load(visible + column * visible_key, mask=column < keys, other=0) != 0)[None, :]
    if causal:
        seen = seen & (column[None, :] <= row[:, None])
    scores = multiply(query, tl.trans(key), tl.zeros((rows, columns), tl.float32), precise) * scale
    scores = tl.where(seen, scores, -1e30)
    weight = tl.where(seen, tl.exp(scores - tl.max(scores, 1)[:, None]), 0.0)
    weight = weight * (1.0 / tl.maximum(tl.sum(weight, 1), 1e-30))[:, None]
    factor = tl.full((rows, columns), 1.0, tl.float32)
    if rate > 0.0:
        index = (pair * length + row[:, None]) * keys + column[None, :]
        factor = dropped(index, tl.load(seed), rate)
    return weight, factor


@triton.jit
@no_type_check
def head_of(tensor, batch, batch_step, head, head_step, begin, unit: tl.constexpr):
    """Where the columns that a program reads of a head begin in a tensor.

    Steps are in units, that of heads in numbers. With a `unit` above 1 heads follow each other, so that it is
    at `begin`, and the compiler is told of what it is a multiple: that many numbers are read at once.
    """
    if unit == 1:
        return tensor + batch * batch_step + head * head_step
    size: tl.constexpr = tensor.dtype.element_ty.primitive_bitwidth // 8
    return tl.multiple_of(tensor + batch * batch_step * unit + begin, unit * size)


@triton.jit(do_not_specialize=VARYING)
@no_type_check
def attend(
    q, k, v, visible, seed, out, length, keys, scale,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, visible_batch, visible_key,
    heads: tl.constexpr, channels: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
    block: tl.constexpr, unit: tl.constexpr, causal: tl.constexpr, masked: tl.constexpr, rate: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """A tile of queries of one head, which may begin within what is read at once."""
    width: tl.constexpr = heads * channels
    pair = tl.program_id(0).to(tl.int64)
    batch, head = pair // heads, pair % heads
    begin, first = tl.program_id(1) * rows, head * channels // unit * unit
    row, column, lane = begin + tl.arange(0, rows), tl.arange(0, columns), tl.arange(0, block)
    # Columns of other heads: the query has zeros there, and nothing is stored.
    own = ((lane >= head * channels - first) & (lane < (head + 1) * channels - first))[None, :]
    read = (first + lane < width)[None, :] if unit > 1 else own
    asked, there = (row < length)[:, None], (column < keys)[:, None]
    query = tl.load(
        head_of(q, batch, q_batch, head, q_head, first, unit) + row[:, None] * (q_row * unit) + lane[None, :],
        mask=asked & read, other=0.0,
    )  # fmt: skip
    key = tl.load(
        head_of(k, batch, k_batch, head, k_head, first, unit) + column[:, None] * (k_row * unit)
        + lane[None, :],
        mask=there & read, other=0.0,
    )  # fmt: skip
    value = tl.load(
        head_of(v, batch, v_batch, head, v_head, first, unit) + column[:, None] * (v_row * unit)
        + lane[None, :],
        mask=there & read, other=0.0,
    )  # fmt: skip
    if unit > 1:
        query = tl.where(own, query, 0.0)
    weight, factor = weigh(
        query, key, visible + batch * visible_batch, visible_key, seed, begin, pair, length, keys, scale,
        rows, columns, causal, masked, rate, precise,
    )  # fmt: skip
    weight = (weight * factor).to(value.dtype)
    found = multiply(weight, value, tl.zeros((rows, block), tl.float32), precise)
    tl.store(
        out + (batch * length + row[:, None]) * width + first + lane[None, :],
        found.to(out.dtype.element_ty),
        mask=asked & own,
    )


@triton.jit(do_not_specialize=VARYING)
@no_type_check
def attend_backward(
    upstream, q, k, v, visible, seed, gradients, length, keys, keys_at, scale,
    upstream_batch, upstream_head, upstream_row,
    q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, visible_batch, visible_key,
    heads: tl.constexpr, channels: tl.constexpr, rows: tl.constexpr, columns: tl.constexpr,
    block: tl.constexpr, unit: tl.constexpr, tiles: tl.constexpr, packed: tl.constexpr, causal: tl.constexpr,
    masked: tl.constexpr, rate: tl.constexpr, precise: tl.constexpr,
):  # fmt: skip
    """All gradients of one head of one sentence, in rows as `slopes` takes them apart."""
    width: tl.constexpr = heads * channels
    query_row: tl.constexpr = 3 * width if packed else width
    key_row: tl.constexpr = 3 * width if packed else 2 * width
    pair = tl.program_id(0).to(tl.int64)
    batch, head = pair // heads, pair % heads
    column, lane, first = tl.arange(0, columns), tl.arange(0, block), head * channels // unit * unit
    own = ((lane >= head * channels - first) & (lane < (head + 1) * channels - first))[None, :]
    read = (first + lane < width)[None, :] if unit > 1 else own
    there = (column < keys)[:, None]
    key = tl.load(
        head_of(k, batch, k_batch, head, k_head, first, unit) + column[:, None] * (k_row * unit)
        + lane[None, :],
        mask=there & read, other=0.0,
    )  # fmt: skip
    value = tl.load(
        head_of(v, batch, v_batch, head, v_head, first, unit) + column[:, None] * (v_row * unit)
        + lane[None, :],
        mask=there & read, other=0.0,
    )  # fmt: skip
    queries = head_of(q, batch, q_batch, head, q_head, first, unit)
    aboves = head_of(upstream, batch, upstream_batch, head, upstream_head, first, unit)
    key_slope = tl.zeros((columns, block), tl.float32)
    value_slope = tl.zeros((columns, block), tl.float32)
    for tile in range(tiles):
        begin = tile * rows
        row = begin + tl.arange(0, rows)
        asked = (row < length)[:, None]
        query = tl.load(queries + row[:, None] * (q_row * unit) + lane[None, :], mask=asked & read, other=0.0)
        above = tl.load(
            aboves + row[:, None] * (upstream_row * unit) + lane[None, :], mask=asked & read, other=0.0
        )
        if unit > 1:
            query, above = tl.where(own, query, 0.0), tl.where(own, above, 0.0)
        weight, factor = weigh(
            query, key, visible + batch * visible_batch, visible_key, seed, begin, pair, length, keys, scale,
            rows, columns, causal, masked, rate, precise,
        )  # fmt: skip
        value_slope = multiply(tl.trans((weight * factor).to(above.dtype)), above, value_slope, precise)
        slope = multiply(above, tl.trans(value), tl.zeros((rows, columns), tl.float32), precise) * factor
        slope = weight * (slope - tl.sum(weight * slope, 1)[:, None]) * scale
        slope = slope.to(query.dtype)
        key_slope = multiply(tl.trans(slope), query, key_slope, precise)
        query_slope = multiply(slope, key, tl.zeros((rows, block), tl.float32), precise)
        tl.store(
            gradients + (batch * length + row[:, None]) * query_row + first + lane[None, :],
            query_slope.to(gradients.dtype.element_ty),
            mask=asked & own,
        )
    place = gradients + keys_at * unit + (batch * keys + column[:, None]) * key_row + first + lane[None, :]
    tl.store(place, key_slope.to(gradients.dtype.element_ty), mask=there & own)
    tl.store(place + width, value_slope.to(gradients.dtype.element_ty), mask=there & own)


def unit_of(*tensors: Tensor) -> int:
    """Numbers, at most 16 bytes of them, that rows of all these (B, H, T, R) tensors are multiples of.

    1 where the heads of a row do not follow each other, and where they begin as `EVEN` excludes. A head that
    begins within a load does so at its middle, for which its block, of a power of two, has room.
    """
    _, heads, _, channels = tensors[0].shape
    # What only resembles a tensor, such as a traced one, has no address.
    if channels % EVEN or any(t.stride(1) != channels or type(t) is not Tensor for t in tensors):
        return 1
    size = tensors[0].element_size()
    begins = (tensor.data_ptr() // size for tensor in tensors)
    strides = (stride for tensor in tensors for stride in (tensor.stride(0), tensor.stride(2)))
    return math.gcd(16 // size, heads * channels, *begins, *strides)


def steps(tensor: Tensor, unit: int) -> tuple[int, int, int]:
    """The strides of batch and rows in units, with that of heads between them in numbers."""
    batch, head, row, _ = tensor.stride()
    return batch // unit, head, row // unit


def sizes(q: Tensor, k: Tensor) -> dict[str, Any]:
    """Tiles of at most 4,096 weights, and so many warps that a program's numbers stay in registers."""
    rows, columns = max(SHORTEST, power(q.shape[2])), max(SHORTEST, power(k.shape[2]))
    block = power(q.shape[3])
    rows = max(16, min(rows, 4096 // columns))
    held = rows * columns + columns * block
    return {
        "heads": q.shape[1],
        "channels": q.shape[3],
        "rows": rows,
        "columns": columns,
        "block": block,
        "precise": q.element_size() == 4,
        "num_warps": max(1, min(8, triton.next_power_of_2(held // HELD))),
    }


@triton_op("litetransformer::attention", mutates_args={})
def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None,
    seed: Tensor | None,
    causal: bool,
    rate: float,
) -> Tensor:
    """(B, T, H, R): the weighted sum of `v`; `visible` is (B, 1, 1, S)."""
    q, k, v = map(side_by_side, (q, k, v))
    batch, heads, length, channels = q.shape
    out = q.new_empty(batch, length, heads, channels)
    size, seen, unit = sizes(q, k), q if visible is None else visible, unit_of(q, k, v)
    launcher(attend)[(batch * heads, triton.cdiv(length, size["rows"]))](
        q, k, v, seen, q if seed is None else seed, out, length, k.shape[2], channels**-0.5,
        *steps(q, unit), *steps(k, unit), *steps(v, unit), seen.stride(0), seen.stride(3),
        unit=unit, causal=causal, masked=visible is not None, rate=0.0 if seed is None else rate, **size,
    )  # fmt: skip
    return out


@triton_op("litetransformer::attention_backward", mutates_args={})
def attention_backward(
    upstream: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None,
    seed: Tensor | None,
    causal: bool,
    rate: float,
    packed: bool,
) -> Tensor:
    """The gradients of `q`, `k` and `v` in one piece of memory, which `slopes` takes apart."""
    q, k, v, upstream = map(side_by_side, (q, k, v, upstream.transpose(1, 2)))
    batch, heads, length, channels = q.shape
    gradients = q.new_empty(q.numel() + k.numel() + v.numel())
    keys_at = heads * channels if packed else q.numel()
    size, seen, unit = sizes(q, k), q if visible is None else visible, unit_of(q, k, v, upstream)
    launcher(attend_backward)[(batch * heads,)](
        upstream, q, k, v, seen, q if seed is None else seed, gradients,
        length, k.shape[2], keys_at // unit, channels**-0.5, *steps(upstream, unit),
        *steps(q, unit), *steps(k, unit), *steps(v, unit), seen.stride(0), seen.stride(3), unit=unit,
        tiles=triton.cdiv(length, size["rows"]), packed=packed, causal=causal, masked=visible is not None,
        rate=0.0 if seed is None else rate, **size,
    )  # fmt: skip
    return gradients


def shares_rows(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether q, k and v lie as in rows of all three, as one product makes them."""
    row = 3 * q.shape[1] * q.shape[3]
    return q.shape == k.shape and q.stride() == k.stride() == v.stride() and q.stride(2) == row


def slopes(gradients: Tensor, q: Tensor, k: Tensor, packed: bool) -> Sequence[Tensor]:
    """The gradients of q, k and v, each (B, T, H, R): slices of rows of all three, or q's and rows of two.

    So they lie as the products did that q, k and v are slices of, whose gradients need no copy (`split`).
    """
    batch, heads, length, channels = q.shape
    if packed:
        return gradients.view(batch, length, 3, heads, channels).unbind(2)
    of_q, others = gradients.split([q.numel(), 2 * k.numel()])
    pairs = others.view(batch, k.shape[2], 2, heads, channels)
    return of_q.view(batch, length, heads, channels), *pairs.unbind(2)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.causal, ctx.rate = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, *others = ctx.saved_tensors
    packed = shares_rows(q, k, v)
    gradients = torch.ops.litetransformer.attention_backward(
        upstream, q, k, v, *others, ctx.causal, ctx.rate, packed
    )
    parts = slopes(gradients, q, k, packed)
    return (*(part.transpose(1, 2) for part in parts), None, None, None, None)


attention.register_autograd(_backward, setup_context=_keep)
