"""Collected gradients, added up by a few launches: products of one shape together, then all sums.

Import this only where Triton can run. What a launch is to do is in a table on the device: addresses, sizes.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from litetransformer.ops.gradients import Product, Sum
from litetransformer.ops.kernels import side_by_side
from litetransformer.ops.linear.triton_ops import rectified_sum
from litetransformer.ops.triton_common import counted, multiply, multiprocessors
from litetransformer.ops.triton_memory import even

TILE = 128
"""Rows and columns of a weight's gradient that a program has at most, a power of two from 64 on.

What programs read bounds them, and one of 64 × 64 reads twice as much for a product as one of 128 × 128."""
STEP = 1 << 13
"""Numbers of each operand that a program reads at a time, of the one that it has more columns of."""
PER_MULTIPROCESSOR = 2
"""Programs that a multiprocessor has at once."""
BUSY = 0.9
"""Share of the multiprocessors' time that a launch is cut into enough programs for."""
WIDE = 1 << 17
"""Weights from which on a layer's gradient is large enough to be a product of cuBLAS."""
TALL = 256
"""Rows from which on a sum is cut into narrow blocks of columns."""
ENTRY = 6
"""Numbers of a product or a sum in the table: even, as kernels expect sixteen bytes of an address."""


@triton.jit(do_not_specialize=["turns"])
@no_type_check
def weigh_rows(
    table, partial, turns,
    width: tl.constexpr, depth: tl.constexpr, high: tl.constexpr, wide: tl.constexpr,
    step: tl.constexpr, upstream_even: tl.constexpr, x_even: tl.constexpr, kind: tl.constexpr,
    precise: tl.constexpr,
):  # fmt: skip
    """One tile of upstreamᵀ x over `turns` times `step` rows; the first across adds up upstream too."""
    across_all: tl.constexpr = (depth + wide - 1) // wide
    down = (tl.program_id(0) // across_all) * high + tl.arange(0, high)
    across = (tl.program_id(0) % across_all) * wide + tl.arange(0, wide)
    first = tl.program_id(0) % across_all == 0
    share, job = tl.program_id(1), tl.program_id(2)
    entry = table + job * 6
    # What the compiler sees of a tensor's address and strides when it is an argument, it has to be told here.
    size: tl.constexpr = kind.primitive_bitwidth // 8
    upstream = tl.multiple_of(tl.load(entry).to(tl.pointer_type(kind)), upstream_even * size)
    x = tl.multiple_of(tl.load(entry + 1).to(tl.pointer_type(kind)), x_even * size)
    rows = tl.load(entry + 2)
    upstream_row = tl.multiple_of(tl.load(entry + 3), upstream_even)
    x_row = tl.multiple_of(tl.load(entry + 4), x_even)
    lane = tl.arange(0, step)
    # Within a block of rows 32 bits are enough.
    upstream_place = lane[:, None] * upstream_row.to(tl.int32) + down[None, :]
    x_place = lane[:, None] * x_row.to(tl.int32) + across[None, :]
    product, total = tl.zeros((high, wide), tl.float32), tl.zeros((high, 16), tl.float32)
    for turn in range(turns):
        begin = ((share * turns + turn) * step).to(tl.int64)
        within = (lane < rows - begin)[:, None]
        value = tl.load(
            upstream + begin * upstream_row + upstream_place, mask=within & (down < width)[None, :], other=0.0
        )
        right = tl.load(x + begin * x_row + x_place, mask=within & (across < depth)[None, :], other=0.0)
        value = tl.trans(value)
        product = multiply(value, right, product, precise)
        if first:
            # A product with ones adds up on the matrix units.
            total = multiply(value, tl.full((step, 16), 1.0, kind), total, precise)
    out = partial + (job * tl.num_programs(1) + share).to(tl.int64) * (width * depth + width)
    tl.store(
        out + down[:, None] * depth + across[None, :],
        product,
        mask=(down < width)[:, None] & (across < depth)[None, :],
    )
    if first:
        # All sixteen columns are equal.
        tl.store(out + width * depth + down, tl.max(total, 1), mask=down < width)


@triton.jit
@no_type_check
def add_rows(table, turns: tl.constexpr, block: tl.constexpr, step: tl.constexpr):
    """Add a block of columns of a sum over rows to where it belongs, always in the same order."""
    entry = table + tl.program_id(1) * 6
    partial = tl.load(entry).to(tl.pointer_type(tl.float32))
    rows, row_length, length = tl.load(entry + 1), tl.load(entry + 2), tl.load(entry + 3)
    place = tl.load(entry + 4).to(tl.pointer_type(tl.float32))
    lane = tl.program_id(0) * block + tl.arange(0, block)
    total = tl.zeros((step, block), tl.float32)
    for turn in range(turns):
        row = turn * step + tl.arange(0, step)
        there = (row < rows)[:, None] & (lane < length)[None, :]
        total += tl.load(partial + row[:, None] * row_length + lane[None, :], mask=there, other=0.0)
    found = tl.sum(total, 0)
    tl.store(place + lane, tl.load(place + lane, mask=lane < length, other=0.0) + found, mask=lane < length)


@torch.no_grad()
def add(
    products: Sequence[Product],
    sums: Sequence[Sum],
    gradient: Tensor,
    on_device: Callable[[Sequence[int], torch.device], Tensor],
) -> None:
    """Add all products and sums to `gradient`."""
    numbers: list[int] = []
    for product in products:
        if _size(product) > WIDE:
            _multiply(product, gradient)
    groups = list(_groups(product for product in products if _size(product) <= WIDE))
    starts = []
    for group in groups:
        starts.append(len(numbers))
        for product in group:
            upstream, x = product.upstream, product.x
            numbers += [upstream.data_ptr(), x.data_ptr(), len(x), upstream.stride(0), x.stride(0), 0]
    partials = [_partial(group) for group in groups]
    everything = [*sums, *(found for pair in zip(groups, partials, strict=True) for found in _sums(*pair))]
    begun, launches = len(numbers), list(_launches(everything))
    for _, some in launches:
        for one in some:
            address = one.rows.data_ptr() + one.begin * one.rows.element_size()
            place = gradient.data_ptr() + one.place * gradient.element_size()
            numbers += [address, len(one.rows), one.rows.stride(0), one.length, place, 0]
    table = on_device(numbers, gradient.device)
    for start, group, partial in zip(starts, groups, partials, strict=True):
        width, depth = group[0].upstream.shape[1], group[0].x.shape[1]
        high, wide, step = _tile(group)
        weigh_rows[(_tiles(group), partial.shape[1], len(group))](
            table[start:], partial, counted(_turns(group), partial), width=width, depth=depth,
            high=high, wide=wide, step=step, upstream_even=even(group[0].upstream), x_even=even(group[0].x),
            kind=_TYPES[group[0].x.dtype], precise=group[0].x.dtype == torch.float32,
            **_resources(high * wide),
        )  # fmt: skip
    for tall, some in launches:
        block, step = (32, 128) if tall else (512, 8)
        longest, most = max(one.length for one in some), max(len(one.rows) for one in some)
        add_rows[(triton.cdiv(longest, block), len(some))](
            table[begun:],
            turns=triton.next_power_of_2(triton.cdiv(most, step)),
            block=block,
            step=step,
            num_warps=8,
        )
        begun += ENTRY * len(some)


def _size(product: Product) -> int:
    return product.upstream.shape[1] * product.x.shape[1]


def _multiply(product: Product, gradient: Tensor) -> None:
    """Add one layer's gradients by themselves."""
    upstream, x = product.upstream, product.x
    place = gradient[product.weight :][: _size(product)].view(upstream.shape[1], -1)
    if x.dtype == torch.float32 or not x.is_cuda:
        place += upstream.t() @ x
    else:
        torch.addmm(place, upstream.t(), x, out_dtype=torch.float32, out=place)
    if product.bias is not None:
        gradient[product.bias :][: upstream.shape[1]] += rectified_sum(upstream, None, torch.float32)[1]


_TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}


def _groups(products: Iterable[Product]) -> Iterator[list[Product]]:
    """Products that one launch makes: of one shape and type, and read in pieces of the same length.

    Without a bias, too: what its program adds up for one is then read by no sum.
    """
    groups = defaultdict(list)
    for product in products:
        upstream, x = side_by_side(product.upstream), side_by_side(product.x)
        key = upstream.shape[1], x.shape[1], upstream.dtype, x.dtype, even(upstream), even(x)
        groups[key].append(Product(upstream, x, product.weight, product.bias))
    yield from groups.values()


def _partial(group: Sequence[Product]) -> Tensor:
    """Room for (jobs, shares, E D + E): what each share of the rows comes to."""
    width = group[0].upstream.shape[1]
    rows = max(len(product.x) for product in group)
    shares = triton.cdiv(rows, _tile(group)[2] * _turns(group))
    return group[0].x.new_empty((len(group), shares, _size(group[0]) + width), dtype=torch.float32)


def _tile(group: Sequence[Product]) -> tuple[int, int, int]:
    """Rows and columns of the gradient for a program, and rows of a batch that it reads at a time."""
    upstream, x = group[0].upstream, group[0].x
    # The three parts of an fp32 product take their place in registers.
    most = 64 if x.dtype == torch.float32 else TILE
    high, wide = (min(most, max(64, triton.next_power_of_2(one.shape[1]))) for one in (upstream, x))
    return high, wide, max(16, STEP // max(high, wide))


def _resources(numbers: int) -> dict[str, int]:
    """What a program with so many numbers of a gradient takes, so that a multiprocessor has two at once."""
    if numbers <= 64 * 64:
        return {"num_warps": 4, "num_stages": 3}
    # The compiler would take some registers more than half of all.
    return {"num_warps": 8, "num_stages": 3, "maxnreg": 128}


def _tiles(group: Sequence[Product]) -> int:
    high, wide, _ = _tile(group)
    return triton.cdiv(group[0].upstream.shape[1], high) * triton.cdiv(group[0].x.shape[1], wide)


def _turns(group: Sequence[Product]) -> int:
    """Blocks of rows for a program: so many that programs are few and leave no multiprocessor idle."""
    blocks = triton.cdiv(max(len(product.x) for product in group), _tile(group)[2])
    at_once, one_share = PER_MULTIPROCESSOR * multiprocessors(group[0].x), _tiles(group) * len(group)
    # Four at least: the first one has nothing to overlap with.
    most = max(1, blocks // 4)
    for shares in range(1, most):
        busy = one_share * shares / at_once
        if busy >= BUSY * math.ceil(busy):
            return triton.cdiv(blocks, shares)
    return triton.cdiv(blocks, most)


def _sums(group: Sequence[Product], partial: Tensor) -> Iterator[Sum]:
    for product, found in zip(group, partial, strict=True):
        width = product.upstream.shape[1]
        yield Sum(found, 0, found.shape[1] - width, product.weight)
        if product.bias is not None:
            yield Sum(found, found.shape[1] - width, width, product.bias)


def _launches(sums: Sequence[Sum]) -> Iterator[tuple[bool, list[Sum]]]:
    """Whether they are tall, and sums of about one size to be made at once, no two for the same places."""
    turns: list[list[Sum]] = []
    for one in sums:
        turn = 0
        while turn < len(turns) and any(_meet(one, other) for other in turns[turn]):
            turn += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(one)
    for some in turns:
        alike = defaultdict(list)
        for one in some:
            size = len(one.rows).bit_length(), one.length.bit_length()
            alike[len(one.rows) >= TALL, size].append(one)
        yield from ((tall, group) for (tall, _), group in alike.items())


def _meet(one: Sum, other: Sum) -> bool:
    return one.place < other.place + other.length and other.place < one.place + one.length
