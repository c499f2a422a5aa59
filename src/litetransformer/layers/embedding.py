"""Tokens and positions as vectors."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from litetransformer.ops.embedding import embedding


def positions_of(pad: Bool[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """0, 1, 2 … over the real tokens of each row, wherever its padding lies."""
    return ((~pad).cumsum(1) - 1).clamp_min(0)


def drawn(table: Float[Tensor, "V D"]) -> Float[Tensor, "V D"]:
    """The table with normal numbers of deviation D^−½ in it; as it is on the device `meta`."""
    # PyTorch would load much of its compiler to draw nothing there, which takes a second.
    return table if table.is_meta else nn.init.normal_(table, std=table.shape[1] ** -0.5)


class Embedding(nn.Module):
    """dropout(√D · table[token] + sinusoid(position)) (PAPER §2).

    Tables start normal with deviation D^−½, the padding row at zero.
    """

    def __init__(self, vocabulary: int, dim: int, *, dropout: float = 0.0, padding: int = 0) -> None:
        super().__init__()
        self.vocabulary, self.dim = vocabulary, dim
        self.weight = nn.Parameter(drawn(torch.empty(vocabulary, dim)))
        with torch.no_grad():
            self.weight[padding] = 0.0
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Int[Tensor, "B T"], positions: Int[Tensor, "B T"] | Int[Tensor, " T"]
    ) -> Float[Tensor, "B T D"]:
        """The vectors of `tokens` at `positions`."""
        rate = self.dropout.p if self.training else 0.0
        return embedding(tokens, self.weight, positions, rate)
