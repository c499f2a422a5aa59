"""Tokens and positions as vectors."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


def sinusoids(positions: Int[Tensor, "*N"], dim: int) -> Float[Tensor, "*N D"]:
    """[sin(p ωᵢ) | cos(p ωᵢ)] with ωᵢ from 1 down to 1/10000: all the sines, then all the cosines.

    The order matters here: after the channel split the attention half sees the sines and the convolution half
    the cosines.
    """
    half = dim // 2
    steps = torch.arange(half, device=positions.device, dtype=torch.float32)
    frequencies = torch.exp(steps * (-math.log(10000.0) / max(half - 1, 1)))
    angles = positions[..., None].float() * frequencies
    table = torch.cat([angles.sin(), angles.cos()], -1)
    return nn.functional.pad(table, (0, dim - 2 * half))


def positions_of(pad: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """0, 1, 2 … over the real tokens of each row, wherever its padding lies."""
    return ((~pad).cumsum(1) - 1).clamp_min(0)


class Embedding(nn.Module):
    """dropout(√D · table[token] + sinusoid(position)) (PAPER §2).

    Tables start normal with deviation D^−½, the padding row at zero.
    """

    def __init__(self, vocabulary: int, dim: int, *, dropout: float = 0.0, padding: int = 0) -> None:
        super().__init__()
        self.vocabulary, self.dim = vocabulary, dim
        self.weight = nn.Parameter(torch.empty(vocabulary, dim))
        nn.init.normal_(self.weight, std=dim**-0.5)
        with torch.no_grad():
            self.weight[padding] = 0.0
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Int[Tensor, "B T"], positions: Int[Tensor, "B T"] | Int[Tensor, " T"]
    ) -> Float[Tensor, "B T D"]:
        """The vectors of `tokens` at `positions`."""
        vectors = nn.functional.embedding(tokens, self.weight)
        if torch.is_autocast_enabled(vectors.device.type):
            # What residuals add up stays fp32, whatever the table's copy is in.
            vectors = vectors.float()
        vectors = vectors * math.sqrt(self.dim)
        return self.dropout(vectors + sinusoids(positions, self.dim).to(vectors.dtype))
