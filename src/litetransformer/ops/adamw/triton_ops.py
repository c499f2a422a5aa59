"""The Triton kernels as one operator that PyTorch knows.

Import this only where `triton.why_not` has no reason against it.
"""

import math
from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.ops.adamw.reference import TINY
from litetransformer.ops.triton_common import PROGRAMS, launcher

SQUARES = 4096
"""Numbers a program of the norm has at a time."""
BLOCK = 1024
"""Weights a program of the pass has."""


@triton.jit
@no_type_check
def add_squares(
    gradient, partial, units, unit: tl.constexpr, turns: tl.constexpr, block: tl.constexpr
):  # fmt: skip
    """The sum of the squares in `turns` blocks."""
    count = units * unit
    total = tl.zeros((block,), tl.float32)
    for turn in range(turns):
        place = (tl.program_id(0).to(tl.int64) * turns + turn) * block + tl.arange(0, block)
        value = tl.load(gradient + place, mask=place < count, other=0.0).to(tl.float32)
        total += value * value
    tl.store(partial + tl.program_id(0), tl.sum(total, 0))


@triton.jit(do_not_specialize=["programs", "parameters"])
@no_type_check
def judge(
    partial, norm, numbers, steps, rate, update, first_bad, programs, parameters,
    log_beta: tl.constexpr, log_other: tl.constexpr, decay: tl.constexpr, clip: tl.constexpr,
    tiny: tl.constexpr, lanes: tl.constexpr, places: tl.constexpr,
):  # fmt: skip
    """What every weight needs to know, as `numbers`; the first says whether there is an update."""
    lane = tl.arange(0, lanes)
    length = tl.sqrt(tl.sum(tl.load(partial + lane, mask=lane < programs, other=0.0), 0))
    # False for NaN as well.
    good = length < float("inf")
    place = tl.arange(0, places)
    made = tl.load(steps + place, mask=place < parameters, other=0.0)
    made += tl.where(good, 1.0, 0.0)
    tl.store(steps + place, made, mask=place < parameters)
    bad = tl.load(first_bad)
    tl.store(first_bad, tl.where(good | (bad >= 0), bad, tl.load(update)))
    # In fp32, 1 − β₂ᵗ would have three digits at the first updates.
    number = tl.maximum(tl.max(made, 0), 1.0).to(tl.float64)
    step = tl.load(rate).to(tl.float64)
    cut = 1.0
    if clip > 0.0:
        cut = tl.minimum(clip / (length + tiny), 1.0)
    tl.store(norm, length)
    tl.store(numbers, tl.where(good, 1.0, 0.0))
    tl.store(numbers + 1, cut)
    tl.store(numbers + 2, (1.0 - step * decay).to(tl.float32))
    tl.store(numbers + 3, (step / (1.0 - tl.exp(number * log_beta))).to(tl.float32))
    tl.store(numbers + 4, (1.0 / tl.sqrt(1.0 - tl.exp(number * log_other))).to(tl.float32))


@triton.jit
@no_type_check
def change(
    weights, first, second, gradient, copies, numbers, units,
    beta: tl.constexpr, other: tl.constexpr, eps: tl.constexpr, unit: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """A block of weights, their means and their copies; its gradient becomes zero."""
    place = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    there = place < units * unit
    good = place < tl.where(tl.load(numbers) > 0.0, units, 0) * unit
    slope = tl.load(gradient + place, mask=good, other=0.0).to(tl.float32) * tl.load(numbers + 1)
    weight = tl.load(weights + place, mask=good, other=0.0).to(tl.float32)
    mean = tl.load(first + place, mask=good, other=0.0).to(tl.float32)
    square = tl.load(second + place, mask=good, other=0.0).to(tl.float32)
    mean = beta * mean + (1.0 - beta) * slope
    square = other * square + (1.0 - other) * slope * slope
    way = mean / (tl.sqrt(square) * tl.load(numbers + 4) + eps)
    weight = weight * tl.load(numbers + 2) - tl.load(numbers + 3) * way
    tl.store(weights + place, weight.to(weights.dtype.element_ty), mask=good)
    tl.store(copies + place, weight.to(copies.dtype.element_ty), mask=good)
    tl.store(first + place, mean.to(first.dtype.element_ty), mask=good)
    tl.store(second + place, square.to(second.dtype.element_ty), mask=good)
    tl.store(gradient + place, tl.zeros((block,), gradient.dtype.element_ty), mask=there)


@triton_op(
    "litetransformer::adamw",
    mutates_args={"weights", "first", "second", "gradient", "copies", "steps", "first_bad"},
)
def adamw(
    weights: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
    copies: Tensor,
    steps: Tensor,
    rate: Tensor,
    update: Tensor,
    first_bad: Tensor,
    beta: float,
    other: float,
    eps: float,
    decay: float,
    clip: float,
) -> Tensor:
    """The gradient's norm; everything else in place."""
    count = weights.numel()
    # A divisor that the compiler knows lets masked loads be wide ones.
    unit = math.gcd(count, 16)
    blocks = triton.cdiv(count, SQUARES)
    turns = triton.next_power_of_2(triton.cdiv(blocks, PROGRAMS))
    programs = triton.cdiv(blocks, turns)
    partial = weights.new_empty(programs, dtype=torch.float32)
    numbers = weights.new_empty(5, dtype=torch.float32)
    norm = weights.new_empty((), dtype=torch.float32)
    launcher(add_squares)[(programs,)](
        gradient, partial, count // unit, unit=unit, turns=turns, block=SQUARES, num_warps=4
    )
    launcher(judge)[(1,)](
        partial, norm, numbers, steps, rate, update, first_bad, programs, steps.numel(),
        log_beta=_log(beta), log_other=_log(other), decay=decay, clip=clip, tiny=TINY,
        lanes=triton.next_power_of_2(programs), places=triton.next_power_of_2(steps.numel()), num_warps=4,
    )  # fmt: skip
    launcher(change)[(triton.cdiv(count, BLOCK),)](
        weights, first, second, gradient, copies, numbers, count // unit,
        beta=beta, other=other, eps=eps, unit=unit, block=BLOCK, num_warps=4,
    )  # fmt: skip
    return norm


def _log(beta: float) -> float:
    """The logarithm of `beta`, and for 0 one whose multiples are as good as that of 0."""
    return math.log(beta) if beta else -1e9
