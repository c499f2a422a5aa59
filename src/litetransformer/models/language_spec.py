"""What a language model is, as a value: layers of `models.spec` in a causal stack, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from litetransformer.models.spec import MOST_LAYERS, EncoderBlock, Norm, Sized

if TYPE_CHECKING:
    from litetransformer.models.language_model import LanguageModel


@dataclass(frozen=True, kw_only=True)
class LanguageModelSpec(Sized):
    """A decoder without a source: causal `layers`, then a softmax over the vocabulary.

    The paper's is pre-norm without a `final_norm` (PAPER §2). With `cutoffs` (the paper's: 20000, 60000) the
    input and the softmax are adaptive: tokens from each cutoff on have `factor` times narrower vectors, which
    takes ids that fall in frequency. `tied` makes one of the input's and the output's tables (and
    projections). `output_dropout` falls on what the softmax sees.
    """

    dim: int
    layers: tuple[EncoderBlock, ...]
    dropout: float = 0.0
    norm: Norm = "pre"
    final_norm: bool = False
    cutoffs: tuple[int, ...] = ()
    factor: int = 4
    tied: bool = True
    output_dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim < 2:
            raise ValueError(f"dim={self.dim} must be at least 2")
        if not self.layers:
            raise ValueError("a language model needs at least one layer")
        if len(self.layers) > MOST_LAYERS:
            raise ValueError(f"{len(self.layers)} layers are too many; a model has at most {MOST_LAYERS}")
        if list(self.cutoffs) != sorted(set(self.cutoffs)):
            raise ValueError(f"cutoffs={self.cutoffs} must rise")
        if self.factor < 1:
            raise ValueError(f"factor={self.factor} must be at least 1")
        for name in ("dropout", "output_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name}={getattr(self, name)} must be in [0, 1)")

    def build(self, vocabulary: int) -> LanguageModel:
        """The network, freshly initialised from torch's generator."""
        from litetransformer.layers.stack import Stack
        from litetransformer.models.language_model import LanguageModel

        blocks = (
            layer.build(self.dim, dropout=self.dropout, norm=self.norm, causal=True) for layer in self.layers
        )
        return LanguageModel(
            Stack(*blocks),
            vocabulary=vocabulary,
            dropout=self.dropout,
            final_norm=self.final_norm,
            cutoffs=self.cutoffs,
            factor=self.factor,
            tied=self.tied,
            output_dropout=self.output_dropout,
        )
