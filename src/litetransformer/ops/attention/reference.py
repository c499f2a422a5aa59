"""The definition, in four steps; `weights` alone is what the pictures of attention show."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def attention_weights(
    q: Float[Tensor, "B H T R"],
    k: Float[Tensor, "B H S R"],
    visible: Bool[Tensor, "B #H #T S"] | None = None,
    causal: bool = False,
) -> Float[Tensor, "B H T S"]:
    """softmax(q kᵀ / √R) over the keys that each query may see."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if visible is not None:
        scores = scores.masked_fill(~visible, -math.inf)
    if causal:
        future = scores.new_ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(future, -math.inf)
    return scores.softmax(-1)


def attention(
    q: Float[Tensor, "B H T R"],
    k: Float[Tensor, "B H S R"],
    v: Float[Tensor, "B H S R"],
    visible: Bool[Tensor, "B #H #T S"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T R"]:
    """The weighted sum of `v`; `dropout` is the share of weights to drop (0 outside training)."""
    return F.dropout(attention_weights(q, k, visible, causal), dropout) @ v
