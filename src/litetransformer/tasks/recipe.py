"""A recipe: one row of the paper, or one model of your own, as a value."""

from dataclasses import dataclass, field
from typing import Literal

from litetransformer.core.spec import Spec
from litetransformer.data.corpus import TextPairs
from litetransformer.decode.options import SearchOptions
from litetransformer.models.spec import Seq2SeqSpec
from litetransformer.train.recipe import Training


@dataclass(frozen=True, kw_only=True)
class Vocabulary(Spec):
    """How text becomes tokens: SentencePiece BPE, or Moses tokens and BPE as in the paper (extra ``paper``).

    `size` is the joint vocabulary's, or that of each side where `joint` is false.
    """

    kind: Literal["sentencepiece", "moses"] = "sentencepiece"
    size: int = 8000
    joint: bool = True
    lowercase: bool = False

    def __post_init__(self) -> None:
        if self.size < 8:
            raise ValueError(f"size={self.size} must be at least 8")


@dataclass(frozen=True, kw_only=True)
class Data(Spec):
    """The texts: a catalogued set by name, or files of one's own."""

    name: str = ""
    source_language: str = "src"
    target_language: str = "tgt"
    train: TextPairs | None = None
    valid: TextPairs | None = None
    longest_ratio: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Expect(Spec):
    """What the paper states for this row: parameters and mult-adds in millions, and BLEU; None: nothing.

    `source` says where. The vocabularies are those that the paper trained with.
    """

    params: float
    mult_adds: float | None = None
    bleu: float | None = None
    source_vocabulary: int | None = None
    target_vocabulary: int | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe(Spec):
    """Everything that decides a translation model: data, vocabulary, network, training, search, scoring.

    `scoring` is sacreBLEU on plain text, or the ``paper``'s tokenised lowercase BLEU, or the latter after
    splitting compounds (WMT En-De).
    """

    data: Data
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    model: Seq2SeqSpec
    train: Training = field(default_factory=Training)
    search: SearchOptions = field(default_factory=SearchOptions)
    scoring: Literal["sacrebleu", "paper", "paper-cased", "paper-compound"] = "sacrebleu"
    expect: Expect | None = None

    def __post_init__(self) -> None:
        if self.model.tied == "all" and not self.vocabulary.joint:
            raise ValueError(
                "model.tied='all' shares one table between both sides and needs vocabulary.joint=true"
            )

    def vocabularies(self) -> tuple[int, int]:
        """How many tokens the source and the target have, told before there is any text.

        Exact for SentencePiece and where the paper states them; Moses BPE comes near its number of merges.
        """
        size, expect = self.vocabulary.size, self.expect
        if expect is None:
            return size, size
        return expect.source_vocabulary or size, expect.target_vocabulary or size
