"""What Triton kernels share: launching, sizes of blocks, dropout by a hash, matrix products."""

import functools
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import wrap_triton

PROGRAMS = 1056
"""Programs of a kernel that adds up columns: eight a multiprocessor of an H100, so that loads overlap."""


def launcher(kernel: Any) -> Any:
    """What `kernel[grid](…)` is called on: traceable by the compiler, or as it is under the interpreter."""
    return wrap_triton(kernel) if isinstance(kernel, triton.JITFunction) else kernel


def counted(turns: int, x: Tensor) -> Any:
    """How often a kernel over `x` is to go round a loop, as its argument.

    Of a number the interpreter would make a tensor, which no loop of Python's counts to.
    """
    return turns if x.is_cuda else tl.constexpr(turns)


def multiprocessors(x: Tensor) -> int:
    """Multiprocessors of the device of `x`, or 2 where it has none: so tests see more than one turn."""
    return _multiprocessors(x.device.index) if x.is_cuda else 2


@functools.cache
def _multiprocessors(index: int | None) -> int:
    return torch.cuda.get_device_properties(index).multi_processor_count


@triton.jit
@no_type_check
def dropped(index, seed, rate: tl.constexpr):
    """1 / (1 − rate) where the element with this index is kept, else 0; the references draw the same."""
    mixed = index.to(tl.uint32) * 0x9E3779B9 + seed.to(tl.uint32)
    mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6B
    mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35
    mixed = mixed ^ (mixed >> 16)
    threshold: tl.constexpr = int(rate * 4294967296.0)
    return tl.where(mixed >= threshold, 1.0 / (1.0 - rate), 0.0)


@triton.jit
@no_type_check
def multiply(left, right, summed, precise: tl.constexpr):
    """summed + left right; fp32 goes through the matrix units in three parts, which keeps its precision."""
    if precise:
        return tl.dot(left, right, summed, input_precision="tf32x3")
    return tl.dot(left, right, summed)


@triton.jit(do_not_specialize=["rows", "width"])
@no_type_check
def add_rows(partial, out, rows, width, turns: tl.constexpr, block: tl.constexpr, step: tl.constexpr):
    """A block of columns of the sum of all rows, always in the same order."""
    lane = tl.program_id(0) * block + tl.arange(0, block)
    total = tl.zeros((step, block), tl.float32)
    for turn in range(turns):
        row = turn * step + tl.arange(0, step)
        there = (row < rows)[:, None] & (lane < width)[None, :]
        total += tl.load(partial + row[:, None] * width + lane[None, :], mask=there, other=0.0)
    tl.store(out + lane, tl.sum(total, 0).to(out.dtype.element_ty), mask=lane < width)


def column_sums(partial: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum of the rows of an fp32 (P, W), in `dtype`: what the programs of another kernel found."""
    rows, width = partial.shape
    out = partial.new_empty(width, dtype=dtype)
    # Narrow and tall, or wide and low: a program has 4,096 numbers at a time.
    step = max(32, min(512, triton.next_power_of_2(rows)))
    block = 4096 // step
    launcher(add_rows)[(triton.cdiv(width, block),)](
        partial, out, rows, width, turns=triton.cdiv(rows, step), block=block, step=step, num_warps=8
    )
    return out
