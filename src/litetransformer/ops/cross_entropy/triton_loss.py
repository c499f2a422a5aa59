"""A Triton kernel over logits in their own type: each row's loss, and its gradient in the row's place."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.core.tokens import PAD
from litetransformer.ops.triton_common import launcher

BLOCK = 4096


@triton.jit
@no_type_check
def row_loss(
    logits, targets, losses, smoothing, row_stride,
    vocabulary: tl.constexpr, pad: tl.constexpr, block: tl.constexpr, rounds: tl.constexpr,
    gradient: tl.constexpr,
):  # fmt: skip
    """One row: the softmax's normaliser in one pass, the gradient over the logits in a second."""
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets + row)
    start = logits + row * row_stride
    lane = tl.arange(0, block)
    if target == pad:
        tl.store(losses + row, 0.0)
        if gradient:
            for turn in range(rounds):
                token = turn * block + lane
                nothing = tl.zeros((block,), tl.float32).to(logits.dtype.element_ty)
                tl.store(start + token, nothing, mask=token < vocabulary)
    else:
        chosen = tl.load(start + target).to(tl.float32)
        top = tl.full((block,), -1e30, tl.float32)
        total, plain = tl.zeros((block,), tl.float32), tl.zeros((block,), tl.float32)
        for turn in range(rounds):
            token = turn * block + lane
            value = tl.load(start + token, mask=token < vocabulary, other=-float("inf")).to(tl.float32)
            higher = tl.maximum(top, value)
            total = total * tl.exp(top - higher) + tl.exp(value - higher)
            top = higher
            plain += tl.where(token < vocabulary, value, 0.0)
        highest = tl.max(top, 0)
        normaliser = highest + tl.log(tl.sum(total * tl.exp(top - highest), 0))
        mean = tl.sum(plain, 0) / vocabulary
        tl.store(losses + row, normaliser - (1.0 - smoothing) * chosen - smoothing * mean)
        if gradient:
            for turn in range(rounds):
                token = turn * block + lane
                value = tl.load(start + token, mask=token < vocabulary, other=0.0).to(tl.float32)
                slope = tl.exp(value - normaliser) - smoothing / vocabulary
                slope = tl.where(token == target, slope - (1.0 - smoothing), slope)
                tl.store(start + token, slope.to(logits.dtype.element_ty), mask=token < vocabulary)


@triton_op("litetransformer::row_loss", mutates_args={"logits"})
def loss_in_place(logits: Tensor, targets: Tensor, smoothing: float, gradient: bool) -> Tensor:
    """Each row's loss in fp32; with `gradient`, the logits become their own gradient."""
    rows, vocabulary = logits.shape
    losses = logits.new_empty(rows, dtype=torch.float32)
    block = min(BLOCK, triton.next_power_of_2(vocabulary))
    launcher(row_loss)[(rows,)](
        logits, targets, losses, smoothing, logits.stride(0), vocabulary=vocabulary, pad=PAD, block=block,
        rounds=-(-vocabulary // block), gradient=gradient, num_warps=8,
    )  # fmt: skip
    return losses
