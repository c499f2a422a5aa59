"""The definition, by PyTorch's own functions."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def sinusoids(positions: Int[Tensor, "*N"], dim: int) -> Float[Tensor, "*N D"]:
    """[sin(p ωᵢ) | cos(p ωᵢ)] with ωᵢ from 1 down to 1/10000: all the sines, then all the cosines.

    The order matters here: after the channel split the attention half sees the sines and the convolution half
    the cosines.
    """
    half = dim // 2
    steps = torch.arange(half, device=positions.device, dtype=torch.float32)
    frequencies = torch.exp(steps * slope(dim))
    angles = positions[..., None].float() * frequencies
    table = torch.cat([angles.sin(), angles.cos()], -1)
    return F.pad(table, (0, dim - 2 * half))


def slope(dim: int) -> float:
    """The logarithm of what each frequency is of the one before."""
    return -math.log(10000.0) / max(dim // 2 - 1, 1)


def embedding(
    tokens: Int[Tensor, "B T"],
    table: Float[Tensor, "V D"],
    positions: Int[Tensor, "B T"] | Int[Tensor, " T"],
    rate: float = 0.0,
) -> Float[Tensor, "B T D"]:
    """dropout(√D · table[token] + sinusoid(position)); `rate` is the share to drop (0 outside training)."""
    vectors = F.embedding(tokens, table)
    if torch.is_autocast_enabled(vectors.device.type):
        # What residuals add up stays fp32, whatever the table's copy is in.
        vectors = vectors.float()
    dim = table.shape[1]
    vectors = vectors * math.sqrt(dim)
    return F.dropout(vectors + sinusoids(positions, dim).to(vectors.dtype), rate)
