"""A Triton kernel over the logits of both halves: each target's loss, and its gradient in their place."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op

from litetransformer.core.tokens import PAD
from litetransformer.ops.triton_common import launcher

BLOCK = 2048


@triton.jit
@no_type_check
def pair_loss(
    logits, targets, losses, smoothing, weight, row_stride, half_stride,
    vocabulary: tl.constexpr, pad: tl.constexpr, block: tl.constexpr, rounds: tl.constexpr,
    gradient: tl.constexpr,
):  # fmt: skip
    """One target: normalisers and divergences of its two rows in one pass, the gradient in a second."""
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets + row)
    first = logits + row * row_stride
    second = first + half_stride
    lane = tl.arange(0, block)
    if target == pad:
        tl.store(losses + row, 0.0)
        if gradient:
            nothing = tl.zeros((block,), tl.float32).to(logits.dtype.element_ty)
            for turn in range(rounds):
                token = turn * block + lane
                tl.store(first + token, nothing, mask=token < vocabulary)
                tl.store(second + token, nothing, mask=token < vocabulary)
    else:
        known = (target >= 0) & (target < vocabulary)
        place = tl.where(known, target, 0)
        chosen = tl.load(first + place).to(tl.float32) + tl.load(second + place).to(tl.float32)
        plain = tl.zeros((block,), tl.float32)
        top_p, top_q = tl.full((block,), -1e30, tl.float32), tl.full((block,), -1e30, tl.float32)
        total_p, total_q = tl.zeros((block,), tl.float32), tl.zeros((block,), tl.float32)
        # Σ p (z − y) and Σ q (z − y) of the logits z and y, as sums that follow the highest so far.
        drift_p, drift_q = tl.zeros((block,), tl.float32), tl.zeros((block,), tl.float32)
        for turn in range(rounds):
            token = turn * block + lane
            inside = token < vocabulary
            one = tl.load(first + token, mask=inside, other=-1e30).to(tl.float32)
            two = tl.load(second + token, mask=inside, other=-1e30).to(tl.float32)
            apart = one - two
            plain += tl.where(inside, one + two, 0.0)
            higher_p, higher_q = tl.maximum(top_p, one), tl.maximum(top_q, two)
            shrunk_p, shrunk_q = tl.exp(top_p - higher_p), tl.exp(top_q - higher_q)
            more_p, more_q = tl.exp(one - higher_p), tl.exp(two - higher_q)
            total_p, total_q = total_p * shrunk_p + more_p, total_q * shrunk_q + more_q
            drift_p, drift_q = drift_p * shrunk_p + more_p * apart, drift_q * shrunk_q + more_q * apart
            top_p, top_q = higher_p, higher_q
        highest_p, highest_q = tl.max(top_p, 0), tl.max(top_q, 0)
        share_p, share_q = tl.exp(top_p - highest_p), tl.exp(top_q - highest_q)
        sum_p, sum_q = tl.sum(total_p * share_p, 0), tl.sum(total_q * share_q, 0)
        normaliser_p, normaliser_q = highest_p + tl.log(sum_p), highest_q + tl.log(sum_q)
        # A kernel can't raise, and what lies beside the row is another's.
        normaliser_p = tl.where(known, normaliser_p, float("nan"))
        gap = normaliser_p - normaliser_q
        pull_p = tl.sum(drift_p * share_p, 0) / sum_p - gap
        pull_q = gap - tl.sum(drift_q * share_q, 0) / sum_q
        loss = normaliser_p + normaliser_q - (1.0 - smoothing) * chosen
        loss += weight * (pull_p + pull_q) - smoothing * tl.sum(plain, 0) / vocabulary
        tl.store(losses + row, loss / 2)
        if gradient:
            for turn in range(rounds):
                token = turn * block + lane
                inside = token < vocabulary
                one = tl.load(first + token, mask=inside, other=0.0).to(tl.float32)
                two = tl.load(second + token, mask=inside, other=0.0).to(tl.float32)
                p, q, apart = tl.exp(one - normaliser_p), tl.exp(two - normaliser_q), one - two - gap
                flat = smoothing / vocabulary + tl.where(token == target, 1.0 - smoothing, 0.0)
                slope_p = p * (1.0 + weight + weight * (apart - pull_p)) - weight * q - flat
                slope_q = q * (1.0 + weight - weight * (apart + pull_q)) - weight * p - flat
                tl.store(first + token, (slope_p / 2).to(logits.dtype.element_ty), mask=inside)
                tl.store(second + token, (slope_q / 2).to(logits.dtype.element_ty), mask=inside)


@triton_op("litetransformer::pair_loss", mutates_args={"logits"})
def loss_in_place(logits: Tensor, targets: Tensor, smoothing: float, weight: float, gradient: bool) -> Tensor:
    """Each target's loss in fp32; with `gradient`, the logits become their own gradient."""
    vocabulary = logits.shape[1]
    losses = logits.new_empty(len(targets), dtype=torch.float32)
    block = min(BLOCK, triton.next_power_of_2(vocabulary))
    launcher(pair_loss)[(len(targets),)](
        logits, targets, losses, smoothing, weight, logits.stride(0), len(targets) * logits.stride(0),
        vocabulary=vocabulary, pad=PAD, block=block, rounds=-(-vocabulary // block), gradient=gradient,
        num_warps=8,
    )  # fmt: skip
    return losses
