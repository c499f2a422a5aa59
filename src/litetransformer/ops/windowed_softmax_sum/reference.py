"""The definition: softmax over the taps, dropout by a seed, the windowed sum."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.ops.windowed_sum import reference as windowed_sum


def windowed_softmax_sum(
    x: Float[Tensor, "B T C"],
    logits: Float[Tensor, "H K"] | Float[Tensor, "B T H K"],
    left: int,
    rate: float = 0.0,
    seed: Int[Tensor, "1"] | None = None,
) -> Float[Tensor, "B T C"]:
    """windowed_sum(x, drop(softmax(logits)), left); `rate` is the share to drop, `seed` says which taps.

    Without a seed, which taps drop is drawn from PyTorch's generator.
    """
    return windowed_sum(x, dropped(logits.softmax(-1), rate, seed), left)


def dropped(
    weights: Float[Tensor, "*taps"], rate: float, seed: Int[Tensor, "1"] | None
) -> Float[Tensor, "*taps"]:
    """`weights` with a share of `rate` zeroed, by a hash of the index, and the rest divided by 1 − rate.

    index · 0x9E3779B9 + seed goes through the finaliser of MurmurHash3 (Appleby), in 32 bits.
    """
    if rate == 0.0:
        return weights
    if seed is None:
        return F.dropout(weights, rate)
    mixed = torch.arange(weights.numel(), device=weights.device) * 0x9E3779B9 + seed & 0xFFFFFFFF
    mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    kept = (mixed ^ (mixed >> 16)) >= int(rate * 2**32)
    return weights * kept.view(weights.shape) / (1.0 - rate)
