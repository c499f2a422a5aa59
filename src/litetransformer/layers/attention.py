"""Multi-head self-attention: the global half of long-short range attention."""

import math
from collections import Counter

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.layers.linear import project, projection
from litetransformer.layers.sublayer import Costs, Shared, Sublayer, Tree
from litetransformer.ops.attention import attention
from litetransformer.ops.attention.reference import attention_weights
from litetransformer.ops.linear import linear


def check_heads(dim: int, heads: int) -> None:
    """Raise ValueError unless `heads` divides `dim`."""
    if heads < 1 or dim % heads:
        raise ValueError(f"heads={heads} must divide the width {dim}; choose a divisor")


def split_heads(x: Float[Tensor, "B T D"], heads: int) -> Float[Tensor, "B H T R"]:
    """The channels of each head apart, head-major."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def merge_heads(x: Float[Tensor, "B H T R"]) -> Float[Tensor, "B T D"]:
    """The inverse of `split_heads`."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(Sublayer):
    """softmax(q kᵀ / √R) v with q, k, v and the result projected, all with bias (PAPER §2, [R]).

    `dropout` falls on the attention weights. State: the projections to q, k and v as one, and the keys and
    values so far, (B, 2 H, t, R).
    """

    component = "attention"

    def __init__(self, dim: int, *, heads: int, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.dim, self.heads, self.causal, self.dropout = dim, heads, causal, dropout
        self.query, self.key, self.value = (projection(dim, gain=1 / math.sqrt(2)) for _ in range(3))
        self.out = projection(dim)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        q, k, v = self._project(x)
        visible = None if pad is None else ~pad[:, None, None]
        dropout = self.dropout if self.training else 0.0
        return self.out(merge_heads(attention(q, k, v, visible, self.causal, dropout)))

    def start(self, batch: int) -> Tree:
        layers = (self.query, self.key, self.value)
        weight, bias = (torch.cat([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
        return Shared((weight, bias)), weight.new_empty(batch, 2 * self.heads, 0, self.dim // self.heads)

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        joint, past = state
        # Without its axis of one position, `x` may be a slice of channels and still takes but one operation.
        made = linear(x[:, 0], *joint).unflatten(1, (3 * self.heads, 1, -1))
        q, past = made[:, : self.heads], torch.cat([past, made[:, self.heads :]], 2)
        return self.out(merge_heads(attention(q, *past.chunk(2, 1)))), (joint, past)

    def mixing(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B H T T"]:
        """The attention weights: how much each position takes from each other one."""
        q, k, _ = self._project(x)
        return attention_weights(q, k, None if pad is None else ~pad[:, None, None], self.causal)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Four projections and the two products: 4 D² T + 2 T² D (PAPER §4)."""
        return Counter(attention=4 * self.dim**2 * length + 2 * length**2 * self.dim)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        layers = (self.query, self.key, self.value)
        q, k, v = (split_heads(part, self.heads) for part in project(x, layers))
        return q, k, v
