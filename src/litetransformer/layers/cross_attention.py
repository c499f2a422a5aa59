"""Attention from the target to the source: full width, never branched."""

import math
from collections import Counter

from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.layers.attention import check_heads, merge_heads, split_heads
from litetransformer.layers.linear import project, projection
from litetransformer.layers.sublayer import Costs, Sublayer, Tree
from litetransformer.ops.attention import attention
from litetransformer.ops.attention.reference import attention_weights


class CrossAttention(Sublayer):
    """Queries from the target, keys and values from the encoded source (PAPER §2).

    Memory: the source's keys and values (B, H, S, R) and, where there is padding, which ones are visible
    (B, 1, 1, S).
    """

    component = "cross_attention"

    def __init__(self, dim: int, *, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.dim, self.heads, self.dropout = dim, heads, dropout
        self.query, self.key, self.value = (projection(dim, gain=1 / math.sqrt(2)) for _ in range(3))
        self.out = projection(dim)

    def remember(self, encoded: Float[Tensor, "B S D"], pad: Bool[Tensor, "B S"] | None = None) -> Tree:
        keys, values = (split_heads(part, self.heads) for part in project(encoded, (self.key, self.value)))
        return (keys, values) if pad is None else (keys, values, ~pad[:, None, None])

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        keys, values, *visible = memory
        q = split_heads(self.query(x), self.heads)
        dropout = self.dropout if self.training else 0.0
        return self.out(merge_heads(attention(q, keys, values, *visible, dropout=dropout)))

    def mixing(self, x: Float[Tensor, "B T D"], memory: Tree) -> Float[Tensor, "B H T S"]:
        """The attention weights: the alignment of target positions with source positions."""
        keys, _, *visible = memory
        return attention_weights(split_heads(self.query(x), self.heads), keys, *visible)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Projections of both sides and the two products: 2 D² T + 2 D² S + 2 T S D (PAPER §4)."""
        width = self.dim
        return Counter(
            cross_attention=2 * width**2 * length + 2 * width**2 * source + 2 * length * source * width
        )
