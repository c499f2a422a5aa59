"""The Evolved Transformer (So, Liang, Le 2019): its two searched cells, each as deep as two layers.

Published with a norm before every sublayer and one at the end of the stack.
"""

from collections import Counter
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.attention import SelfAttention
from litetransformer.layers.branched_conv import BranchedConv, Convolution, SeparableConv
from litetransformer.layers.cross_attention import CrossAttention
from litetransformer.layers.feed_forward import FeedForward
from litetransformer.layers.linear import LayerNorm, projection
from litetransformer.layers.residual import Residual
from litetransformer.layers.stack import Stack
from litetransformer.layers.sublayer import Costs, Sublayer, Tree
from litetransformer.layers.sum import Sum
from litetransformer.ops.gate import gate


class Gate(Sublayer):
    """The gated linear unit: (x W + b) · σ(x V + c)."""

    component = "gate"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.enter = dim, projection(dim, 2 * dim)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        return gate(self.enter(x), None, True)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Two linears: 2 D² T."""
        return Counter(gate=2 * self.dim**2 * length)


class SwishFeedForward(Sublayer):
    """norm(swish(x W₁ + b₁)) W₂ + b₂: the decoder cell's feed-forward layer."""

    component = "feed_forward"

    def __init__(self, dim: int, *, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.enter, self.out = projection(dim, hidden), projection(hidden, dim)
        self.norm, self.dropout = LayerNorm(hidden), nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        return self.out(self.norm(self.dropout(F.silu(self.enter(x)))))

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Two linears, 2 D F T, and one per element of the norm between them."""
        return Counter(feed_forward=2 * self.dim * self.hidden * length, norm=self.hidden * length)


def encoder_cell(
    dim: int,
    *,
    heads: int,
    causal: bool,
    dropout: float,
    attention_dropout: float,
    norm: Literal["post", "pre"],
) -> Stack:
    """gate → branched convolution → self-attention → feed-forward, each in a residual.

    The branches are a dense layer to 4 D and a 3-tap convolution to D / 2, both with ReLU; a separable
    convolution of 9 taps to D / 2 follows.
    """
    half = _half(dim)
    branched = BranchedConv(
        Convolution(dim, 4 * dim, taps=1, causal=causal, relu=True),
        Convolution(dim, half, taps=3, causal=causal, relu=True),
        SeparableConv(4 * dim, half, taps=9, causal=causal),
        dropout=dropout,
    )
    attention = SelfAttention(dim, heads=heads, causal=causal, dropout=attention_dropout)
    inner = (Gate(dim), branched, attention, FeedForward(dim, hidden=4 * dim, dropout=dropout))
    return Stack(*(Residual(sublayer, dropout=dropout, norm=norm) for sublayer in inner))


def decoder_cell(
    dim: int, *, heads: int, dropout: float, attention_dropout: float, norm: Literal["post", "pre"]
) -> Stack:
    """self-attention + cross-attention → branched convolution → self-attention → cross-attention → swish.

    Each is in a residual. The first self-attention has twice the heads. The branches are separable
    convolutions of 11 taps to 2 D, with ReLU, and of 7 taps to D / 2; one of 7 taps to D follows.
    """
    half = _half(dim)

    def attend(count: int) -> SelfAttention:
        return SelfAttention(dim, heads=count, causal=True, dropout=attention_dropout)

    def align() -> CrossAttention:
        return CrossAttention(dim, heads=heads, dropout=attention_dropout)

    branched = BranchedConv(
        SeparableConv(dim, 2 * dim, taps=11, causal=True, relu=True),
        SeparableConv(dim, half, taps=7, causal=True),
        SeparableConv(2 * dim, dim, taps=7, causal=True),
        dropout=dropout,
    )
    feed_forward = SwishFeedForward(dim, hidden=4 * dim, dropout=dropout)
    # The sum's branches meet dropout one by one, before they are added.
    return Stack(
        Residual(Sum(attend(2 * heads), align(), dropout=dropout), norm=norm),
        *(
            Residual(sublayer, dropout=dropout, norm=norm)
            for sublayer in (branched, attend(heads), align(), feed_forward)
        ),
    )


def _half(dim: int) -> int:
    if dim % 2:
        raise ValueError(f"dim={dim} must be even, for a branch half as wide; choose an even width")
    return dim // 2
