"""The models of the paper and their baselines by width: ``lite(160)``, ``transformer(128, 256)``.

Each is an expression over `models.spec`, nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from litetransformer.models.language_spec import LanguageModelSpec
from litetransformer.models.spec import (
    Attention,
    CrossAttention,
    DecoderLayer,
    DynamicConv,
    EncoderLayer,
    EvolvedDecoderCell,
    EvolvedEncoderCell,
    FeedForward,
    LightConv,
    LongShort,
    Mixer,
    Seq2SeqSpec,
    Tied,
)

PAPER_TAPS = (3, 7, 15, 31, 31, 31)
"""Kernel sizes of the six layers, encoder and decoder alike (PAPER §2)."""

LANGUAGE_TAPS = (*(15,) * 2, *(31,) * 4, *(63,) * 6)
"""Kernel sizes of the twelve layers of the paper's language model (PAPER §3)."""


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
    tied: Tied = "none",
) -> Seq2SeqSpec:
    """A Lite Transformer `dim` wide: LSRA and flattened feed-forward, one layer a kernel size (PAPER §3)."""

    def mix(size: int) -> LongShort:
        convolution = DynamicConv if dynamic else LightConv
        return LongShort(
            Attention(heads, attention_dropout), convolution(heads, size, dropout=weight_dropout)
        )

    mixers, cross = [mix(size) for size in taps], CrossAttention(cross_heads, attention_dropout)
    return _layers(dim, dim, mixers, mixers, cross, dropout, tied)


def transformer(
    dim: int,
    hidden: int,
    *,
    layers: int = 6,
    heads: int = 4,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    tied: Tied = "none",
) -> Seq2SeqSpec:
    """The plain Transformer: full-width attention, feed-forward `hidden` wide; `dim` is "flattened"."""
    mixers: list[Mixer] = [Attention(heads, attention_dropout)] * layers
    cross = CrossAttention(heads, attention_dropout)
    return _layers(dim, hidden, mixers, mixers, cross, dropout, tied)


def lightconv(
    dim: int,
    hidden: int,
    *,
    dynamic: bool = False,
    glu: bool = False,
    taps: tuple[int, ...] = (*PAPER_TAPS, 31),
    decoder_taps: tuple[int, ...] = PAPER_TAPS,
    heads: int = 4,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    tied: Tied = "none",
) -> Seq2SeqSpec:
    """A LightConv model, or `dynamic` a DynamicConv model: convolution alone mixes (Wu et al. 2019).

    Seven encoder and six decoder layers; in the paper without a GLU (PAPER §4).
    """
    convolution = DynamicConv if dynamic else LightConv
    encoder, decoder = (
        [convolution(heads, size, dropout=weight_dropout, glu=glu) for size in sizes]
        for sizes in (taps, decoder_taps)
    )
    cross = CrossAttention(heads, attention_dropout)
    return _layers(dim, hidden, encoder, decoder, cross, dropout, tied)


def evolved(
    dim: int,
    *,
    cells: int = 3,
    decoder_cells: int = 4,
    heads: int = 8,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    tied: Tied = "none",
) -> Seq2SeqSpec:
    """An Evolved Transformer of pre-norm cells, each as deep as two layers (So et al. 2019)."""
    return Seq2SeqSpec(
        dim=dim,
        encoder=(EvolvedEncoderCell(heads, attention_dropout),) * cells,
        decoder=(EvolvedDecoderCell(heads, attention_dropout),) * decoder_cells,
        dropout=dropout,
        norm="pre",
        tied=tied,
    )


def lite_lm(
    dim: int,
    *,
    taps: tuple[int, ...] = LANGUAGE_TAPS,
    hidden: int | None = None,
    heads: int = 4,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    hidden_dropout: float = 0.0,
    output_dropout: float = 0.0,
    cutoffs: tuple[int, ...] = (),
    final_norm: bool = False,
    tied: bool = True,
) -> LanguageModelSpec:
    """A Lite language model: LSRA with dynamic convolution, one layer a kernel size (PAPER §3).

    Feed-forward layers are flattened where `hidden` is not given; `hidden_dropout` falls inside them.
    """
    feed_forward = FeedForward(dim if hidden is None else hidden, hidden_dropout)
    attention = Attention(heads, attention_dropout)
    return LanguageModelSpec(
        dim=dim,
        layers=tuple(
            EncoderLayer(LongShort(attention, DynamicConv(heads, size, weight_dropout)), feed_forward)
            for size in taps
        ),
        dropout=dropout,
        final_norm=final_norm,
        cutoffs=cutoffs,
        tied=tied,
        output_dropout=output_dropout,
    )


def transformer_lm(
    dim: int,
    hidden: int,
    *,
    layers: int = 12,
    heads: int = 8,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
    hidden_dropout: float = 0.0,
    output_dropout: float = 0.0,
    cutoffs: tuple[int, ...] = (),
    final_norm: bool = False,
    tied: bool = True,
) -> LanguageModelSpec:
    """The plain Transformer as a language model; with `cutoffs` that of Baevski and Auli (2019)."""
    layer = EncoderLayer(Attention(heads, attention_dropout), FeedForward(hidden, hidden_dropout))
    return LanguageModelSpec(
        dim=dim,
        layers=(layer,) * layers,
        dropout=dropout,
        final_norm=final_norm,
        cutoffs=cutoffs,
        tied=tied,
        output_dropout=output_dropout,
    )


def _layers(
    dim: int,
    hidden: int,
    encoder: Sequence[Mixer],
    decoder: Sequence[Mixer],
    cross: CrossAttention,
    dropout: float,
    tied: Tied,
) -> Seq2SeqSpec:
    feed_forward = FeedForward(hidden)
    return Seq2SeqSpec(
        dim=dim,
        encoder=tuple(EncoderLayer(mix, feed_forward) for mix in encoder),
        decoder=tuple(DecoderLayer(mix, cross, feed_forward) for mix in decoder),
        dropout=dropout,
        tied=tied,
    )
