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
Tied = Literal["none", "target", "all"]

LARGEST = {"dim": 2**16, "hidden": 2**20, "taps": 2**16, "heads": 2**12}
MOST_LAYERS = 512


@dataclass(frozen=True)
class Sized(Spec):
    """Part of a model, none of whose sizes exceeds `LARGEST`: a file may say anything."""

    def __post_init__(self) -> None:
        for name, most in LARGEST.items():
            if getattr(self, name, 0) > most:
                raise ValueError(f"{name}={getattr(self, name)} must be at most {most}")


@dataclass(frozen=True)
class Mixer(Sized):
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
class FeedForward(Sized):
    """The position-wise feed-forward layer; `hidden` equal to the width is "flattened"."""

    hidden: int
    dropout: float = 0.0

    def build(self, dim: int) -> Sublayer:
        """The sublayer of this description, `dim` channels wide."""
        from litetransformer.layers import feed_forward

        return feed_forward.FeedForward(dim, hidden=self.hidden, dropout=self.dropout)


@dataclass(frozen=True)
class CrossAttention(Sized):
    """Attention from the target to the source."""

    heads: int = 4
    dropout: float = 0.0

    def build(self, dim: int) -> Sublayer:
        """The sublayer of this description, `dim` channels wide."""
        from litetransformer.layers import cross_attention

        return cross_attention.CrossAttention(dim, heads=self.heads, dropout=self.dropout)


@dataclass(frozen=True)
class EncoderBlock(Sized):
    """What an encoder stacks."""

    @abstractmethod
    def build(self, dim: int, *, dropout: float, norm: Norm, causal: bool = False) -> Sublayer:
        """The block, `dropout` on each residual; `causal` where no position may see a later one."""


@dataclass(frozen=True)
class DecoderBlock(Sized):
    """What a decoder stacks: causal, and it looks at the source."""

    @abstractmethod
    def build(self, dim: int, *, dropout: float, norm: Norm) -> Sublayer:
        """The block, `dropout` on each residual."""


@dataclass(frozen=True)
class EncoderLayer(EncoderBlock):
    """mix → feed-forward, each in a residual."""

    mix: Mixer
    feed_forward: FeedForward

    def build(self, dim: int, *, dropout: float, norm: Norm, causal: bool = False) -> Sublayer:
        # Which part is built first decides which random weights a seed gives it.
        feed_forward = self.feed_forward.build(dim)
        mix = self.mix.build(dim, causal=causal)
        return _residuals(mix, feed_forward, dropout=dropout, norm=norm)


@dataclass(frozen=True)
class DecoderLayer(DecoderBlock):
    """causal mix → cross-attention → feed-forward, each in a residual."""

    mix: Mixer
    cross: CrossAttention
    feed_forward: FeedForward

    def build(self, dim: int, *, dropout: float, norm: Norm) -> Sublayer:
        feed_forward, cross = self.feed_forward.build(dim), self.cross.build(dim)
        mix = self.mix.build(dim, causal=True)
        return _residuals(mix, cross, feed_forward, dropout=dropout, norm=norm)


@dataclass(frozen=True)
class EvolvedEncoderCell(EncoderBlock):
    """The Evolved Transformer's encoder cell, as deep as two layers; `dropout` is the attention's."""

    heads: int = 8
    dropout: float = 0.0

    def build(self, dim: int, *, dropout: float, norm: Norm, causal: bool = False) -> Sublayer:
        from litetransformer.layers.evolved import encoder_cell

        return encoder_cell(
            dim,
            heads=self.heads,
            causal=causal,
            dropout=dropout,
            attention_dropout=self.dropout,
            norm=norm,
        )


@dataclass(frozen=True)
class EvolvedDecoderCell(DecoderBlock):
    """The Evolved Transformer's decoder cell; its first self-attention has twice the heads."""

    heads: int = 8
    dropout: float = 0.0

    def build(self, dim: int, *, dropout: float, norm: Norm) -> Sublayer:
        from litetransformer.layers.evolved import decoder_cell

        return decoder_cell(dim, heads=self.heads, dropout=dropout, attention_dropout=self.dropout, norm=norm)


def _residuals(*inner: Sublayer, dropout: float, norm: Norm) -> Sublayer:
    from litetransformer.layers.residual import Residual
    from litetransformer.layers.stack import Stack

    return Stack(*(Residual(sublayer, dropout=dropout, norm=norm) for sublayer in inner))


@dataclass(frozen=True, kw_only=True)
class Seq2SeqSpec(Sized):
    """An encoder-decoder model.

    `tied` says which tables are one: ``none`` (source, target, output apart; the paper's IWSLT models),
    ``target`` (target and output) or ``all`` (one joint vocabulary; the paper's WMT models).
    """

    dim: int
    encoder: tuple[EncoderBlock, ...]
    decoder: tuple[DecoderBlock, ...]
    dropout: float = 0.0
    norm: Norm = "post"
    tied: Tied = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim < 2:
            raise ValueError(f"dim={self.dim} must be at least 2")
        if not self.encoder or not self.decoder:
            raise ValueError("encoder and decoder need at least one layer each")
        for name in ("encoder", "decoder"):
            if len(getattr(self, name)) > MOST_LAYERS:
                what = f"{name} has {len(getattr(self, name))} layers and must have at most {MOST_LAYERS}"
                raise ValueError(what)
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
