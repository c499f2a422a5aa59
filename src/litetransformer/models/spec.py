"""What a model is, as a value that reads aloud: ``LongShort(Attention(heads=4), LightConv(taps=7))``.

Specs are plain data (`core.spec`): they are stored as JSON with every model. Reading one never imports torch;
`build` does.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from litetransformer.core.spec import Spec

if TYPE_CHECKING:
    from litetransformer.layers.sublayer import Sublayer
    from litetransformer.models.seq2seq import Seq2Seq

Norm = Literal["post", "pre"]


@dataclass(frozen=True)
class Mixer(Spec):
    """Something that mixes positions of one sequence: a branch, or several side by side."""

    @abstractmethod
    def build(self, dim: int, *, causal: bool) -> Sublayer:
        """The sublayer of this description, `dim` channels wide."""


@dataclass(frozen=True)
class Attention(Mixer):
    """Multi-head self-attention: global context."""

    heads: int = 4
    dropout: float = 0.0

    def build(self, dim: int, *, causal: bool) -> Sublayer:
        from litetransformer.layers.attention import SelfAttention

        return SelfAttention(dim, heads=self.heads, causal=causal, dropout=self.dropout)


@dataclass(frozen=True)
class LightConv(Mixer):
    """Lightweight convolution: local context with one kernel a head."""

    heads: int = 4
    taps: int = 7
    dropout: float = 0.0
    glu: bool = False

    def build(self, dim: int, *, causal: bool) -> Sublayer:
        from litetransformer.layers import light_conv

        return light_conv.LightConv(
            dim, heads=self.heads, taps=self.taps, causal=causal, glu=self.glu, dropout=self.dropout
        )


@dataclass(frozen=True)
class DynamicConv(Mixer):
    """Dynamic convolution: local context with kernels predicted at each position."""

    heads: int = 4
    taps: int = 7
    dropout: float = 0.0
    glu: bool = True

    def build(self, dim: int, *, causal: bool) -> Sublayer:
        from litetransformer.layers import dynamic_conv

        return dynamic_conv.DynamicConv(
            dim, heads=self.heads, taps=self.taps, causal=causal, glu=self.glu, dropout=self.dropout
        )


@dataclass(frozen=True)
class LongShort(Mixer):
    """LSRA: the first half of the channels to one branch, the second half to the other (PAPER §2)."""

    attention: Mixer
    convolution: Mixer

    def build(self, dim: int, *, causal: bool) -> Sublayer:
        from litetransformer.layers.long_short import Split

        if dim % 2:
            raise ValueError(f"dim={dim} must be even to be split in two; choose an even width")
        half = dim // 2
        return Split(self.attention.build(half, causal=causal), self.convolution.build(half, causal=causal))


@dataclass(frozen=True)
class FeedForward(Spec):
    """The position-wise feed-forward layer; `hidden` equal to the width is "flattened"."""

    hidden: int
    dropout: float = 0.0

    def build(self, dim: int) -> Sublayer:
        """The sublayer of this description, `dim` channels wide."""
        from litetransformer.layers import feed_forward

        return feed_forward.FeedForward(dim, hidden=self.hidden, dropout=self.dropout)


@dataclass(frozen=True)
class CrossAttention(Spec):
    """Attention from the target to the source."""

    heads: int = 4
    dropout: float = 0.0

    def build(self, dim: int) -> Sublayer:
        """The sublayer of this description, `dim` channels wide."""
        from litetransformer.layers import cross_attention

        return cross_attention.CrossAttention(dim, heads=self.heads, dropout=self.dropout)


@dataclass(frozen=True)
class EncoderLayer(Spec):
    """mix → feed-forward, each in a residual."""

    mix: Mixer
    feed_forward: FeedForward

    def build(self, dim: int, *, dropout: float, norm: Norm) -> Sublayer:
        """The encoder layer, `dropout` on each residual."""
        # Which part is built first decides which random weights a seed gives it.
        feed_forward = self.feed_forward.build(dim)
        mix = self.mix.build(dim, causal=False)
        return _residuals(mix, feed_forward, dropout=dropout, norm=norm)


@dataclass(frozen=True)
class DecoderLayer(Spec):
    """causal mix → cross-attention → feed-forward, each in a residual."""

    mix: Mixer
    cross: CrossAttention
    feed_forward: FeedForward

    def build(self, dim: int, *, dropout: float, norm: Norm) -> Sublayer:
        """The decoder layer, `dropout` on each residual."""
        feed_forward, cross = self.feed_forward.build(dim), self.cross.build(dim)
        mix = self.mix.build(dim, causal=True)
        return _residuals(mix, cross, feed_forward, dropout=dropout, norm=norm)


def _residuals(*inner: Sublayer, dropout: float, norm: Norm) -> Sublayer:
    from litetransformer.layers.residual import Residual
    from litetransformer.layers.stack import Stack

    return Stack(*(Residual(sublayer, dropout=dropout, norm=norm) for sublayer in inner))


@dataclass(frozen=True, kw_only=True)
class Seq2SeqSpec(Spec):
    """An encoder-decoder model.

    `tied` says which tables are one: ``none`` (source, target, output apart; the paper's IWSLT models),
    ``target`` (target and output) or ``all`` (one joint vocabulary; the paper's WMT models).
    """

    dim: int
    encoder: tuple[EncoderLayer, ...]
    decoder: tuple[DecoderLayer, ...]
    dropout: float = 0.0
    norm: Norm = "post"
    tied: Literal["none", "target", "all"] = "none"

    def __post_init__(self) -> None:
        if self.dim < 2:
            raise ValueError(f"dim={self.dim} must be at least 2")
        if not self.encoder or not self.decoder:
            raise ValueError("encoder and decoder need at least one layer each")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout} must be in [0, 1)")

    def build(self, source_vocabulary: int, target_vocabulary: int) -> Seq2Seq:
        """The network, freshly initialised from torch's generator."""
        from litetransformer.layers.stack import Stack
        from litetransformer.models.seq2seq import Seq2Seq

        options = {"dropout": self.dropout, "norm": self.norm}
        return Seq2Seq(
            Stack(*(layer.build(self.dim, **options) for layer in self.encoder)),  # type: ignore[arg-type]
            Stack(*(layer.build(self.dim, **options) for layer in self.decoder)),  # type: ignore[arg-type]
            source_vocabulary=source_vocabulary,
            target_vocabulary=target_vocabulary,
            dropout=self.dropout,
            final_norm=self.norm == "pre",
            tied=self.tied,
        )


PAPER_TAPS = (3, 7, 15, 31, 31, 31)
"""Kernel sizes of the six layers, encoder and decoder alike (PAPER §2)."""


def lite(
    dim: int,
    *,
    dynamic: bool = False,
    taps: tuple[int, ...] = PAPER_TAPS,
    heads: int = 4,
    cross_heads: int = 4,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    tied: Literal["none", "target", "all"] = "none",
) -> Seq2SeqSpec:
    """A Lite Transformer `dim` wide: LSRA and flattened feed-forward, one layer a kernel size (PAPER §3)."""

    def mix(size: int) -> LongShort:
        convolution = DynamicConv if dynamic else LightConv
        return LongShort(
            Attention(heads, attention_dropout), convolution(heads, size, dropout=weight_dropout)
        )

    flat = FeedForward(dim)
    return Seq2SeqSpec(
        dim=dim,
        encoder=tuple(EncoderLayer(mix(size), flat) for size in taps),
        decoder=tuple(
            DecoderLayer(mix(size), CrossAttention(cross_heads, attention_dropout), flat) for size in taps
        ),
        dropout=dropout,
        tied=tied,
    )


def transformer(
    dim: int,
    hidden: int,
    *,
    layers: int = 6,
    heads: int = 4,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    tied: Literal["none", "target", "all"] = "none",
) -> Seq2SeqSpec:
    """The plain Transformer as the same kind of model: full-width attention, feed-forward `hidden` wide."""
    mix, wide = Attention(heads, attention_dropout), FeedForward(hidden)
    return Seq2SeqSpec(
        dim=dim,
        encoder=(EncoderLayer(mix, wide),) * layers,
        decoder=(DecoderLayer(mix, CrossAttention(heads, attention_dropout), wide),) * layers,
        dropout=dropout,
        tied=tied,
    )
