"""A recipe: one row of the paper, or one model of your own, as a value."""

import re
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from litetransformer.core.spec import Spec
from litetransformer.data.corpus import TextPairs
from litetransformer.decode.options import SearchOptions
from litetransformer.models.language_spec import LanguageModelSpec
from litetransformer.models.spec import Seq2SeqSpec
from litetransformer.train.recipe import Training

LARGEST_VOCABULARY = 2**24


def check_language(name: str, value: str) -> None:
    """Raise ValueError naming `name` unless `value` looks like a language: it is printed with scores."""
    if not re.fullmatch("[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*", value):
        shown = repr(value if len(value) <= 40 else f"{value[:39]}…")
        raise ValueError(f"{name}={shown} must be the code of a language; write for example 'de' or 'pt-BR'")


@dataclass(frozen=True, kw_only=True)
class Vocabulary(Spec):
    """How text becomes tokens: SentencePiece BPE, Moses tokens and BPE (extra ``paper``), or whole words.

    `size` is the joint vocabulary's, or that of each side where `joint` is false. Of ``words``, which white
    space separates, it is the largest: text with fewer different ones has a smaller vocabulary.

    Texts for training are split into tokens `draws` times, and an epoch reads all of them: first in the usual
    way, then at random, each merge of ``sentencepiece`` left out with probability `dropout` (BPE-dropout,
    `data.dropout`). What is validated with or translated is never split at random.
    """

    kind: Literal["sentencepiece", "moses", "words"] = "sentencepiece"
    size: int = 8000
    joint: bool = True
    lowercase: bool = False
    dropout: float = 0.0
    draws: int = 1

    def __post_init__(self) -> None:
        if self.size < 8:
            raise ValueError(f"size={self.size} must be at least 8")
        if self.size > LARGEST_VOCABULARY:
            raise ValueError(f"size={self.size} must be at most {LARGEST_VOCABULARY}; lower vocabulary.size")
        if self.kind == "words" and self.lowercase:
            raise ValueError("lowercase=true does not go with kind='words': words stay as they are written")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout} must be in [0, 1); 0 leaves no merge out")
        if self.draws < 1:
            raise ValueError(f"draws={self.draws} must be at least 1, the usual segmentation")
        if self.dropout and self.kind != "sentencepiece":
            raise ValueError(
                f"dropout={self.dropout} does not go with kind={self.kind!r}: only merges of "
                "kind='sentencepiece' can be left out"
            )
        if self.dropout and self.draws == 1:
            raise ValueError(
                f"dropout={self.dropout} changes nothing with draws=1, the usual segmentation; "
                "raise draws, for example to 8"
            )
        if self.draws > 1 and not self.dropout:
            raise ValueError(
                f"draws={self.draws} would only repeat the text with dropout=0; "
                "raise dropout, for example to 0.1"
            )


@dataclass(frozen=True, kw_only=True)
class Data(Spec):
    """The texts: a catalogued set by name, or files of one's own.

    A source of more than `truncate_source` tokens, its end not counted, is cut to them, in training and
    ever after; 0 cuts nothing.
    """

    name: str = ""
    source_language: str = "src"
    target_language: str = "tgt"
    train: TextPairs | None = None
    valid: TextPairs | None = None
    longest_ratio: float = 0.0
    truncate_source: int = 0

    def __post_init__(self) -> None:
        check_language("source_language", self.source_language)
        check_language("target_language", self.target_language)
        if self.truncate_source < 0:
            raise ValueError(f"truncate_source={self.truncate_source} must not be negative; 0 cuts nothing")


@dataclass(frozen=True, kw_only=True)
class Expect(Spec):
    """What the paper states for this row: parameters and mult-adds in millions, and a score; None: nothing.

    `source` says where. Mult-adds are those of one pair of `source_tokens` and `target_tokens`, `rouge` is
    ROUGE-1, -2 and -L. The vocabularies are those that the paper trained with.
    """

    params: float | None = None
    mult_adds: float | None = None
    bleu: float | None = None
    rouge: tuple[float, float, float] | None = None
    perplexity: float | None = None
    source_tokens: int = 30
    target_tokens: int = 30
    source_vocabulary: int | None = None
    target_vocabulary: int | None = None
    source: str = ""


class AnyRecipe(Spec):
    """What the recipes of all tasks have; each is a subclass, a frozen dataclass."""

    vocabulary: Vocabulary
    model: Seq2SeqSpec | LanguageModelSpec
    train: Training
    expect: Expect | None

    @abstractmethod
    def vocabularies(self) -> tuple[int, ...]:
        """How many tokens each vocabulary has, as `model.build` takes them, told before there is any text."""


@dataclass(frozen=True, kw_only=True)
class Recipe(AnyRecipe):
    """Everything that decides a model that writes text for text: data, vocabulary, network, training, search.

    `scoring` is sacreBLEU on plain text, or the ``paper``'s tokenised lowercase BLEU, or the latter after
    splitting compounds (WMT En-De), or ROUGE.
    """

    task: Literal["translation", "summarization"] = "translation"
    data: Data
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    model: Seq2SeqSpec
    train: Training = field(default_factory=Training)
    search: SearchOptions = field(default_factory=SearchOptions)
    scoring: Literal["sacrebleu", "paper", "paper-cased", "paper-compound", "rouge"] = "sacrebleu"
    expect: Expect | None = None

    def __post_init__(self) -> None:
        if self.model.tied == "all" and not self.vocabulary.joint:
            raise ValueError(
                "model.tied='all' shares one table between both sides and needs vocabulary.joint=true"
            )
        cut = self.data.truncate_source
        if self.task == "summarization" and not cut:
            raise ValueError(
                "summarization needs data.truncate_source, the most tokens that are read of a document"
            )
        if cut >= self.train.longest:
            raise ValueError(
                f"train.longest={self.train.longest} would drop every source of "
                f"data.truncate_source={cut} tokens and its end; raise it to {cut + 1} or more"
            )
        if self.train.best_by == "bleu" and self.scoring == "rouge":
            raise ValueError("train.best_by='bleu' contradicts scoring='rouge'; choose 'rouge' or 'loss'")

    def vocabularies(self) -> tuple[int, int]:
        """How many tokens the source and the target have, told before there is any text.

        Exact for SentencePiece and where the paper states them; Moses BPE comes near its number of merges.
        """
        size, expect = self.vocabulary.size, self.expect
        if expect is None:
            return size, size
        return expect.source_vocabulary or size, expect.target_vocabulary or size


@dataclass(frozen=True, kw_only=True)
class TextData(Spec):
    """Running text: a catalogued set by name, or files of one's own, a sentence, paragraph or page a line."""

    name: str = ""
    train: str | None = None
    valid: str | None = None


@dataclass(frozen=True, kw_only=True)
class LanguageRecipe(AnyRecipe):
    """Everything that decides a language model: data, vocabulary, network, training, evaluation.

    Training is on blocks of `block` tokens of the running text. Perplexity is that of tokens seen through
    windows of `window` tokens (0: `block`), each with at least `context` tokens before it, as far as the text
    has them.
    """

    data: TextData = field(default_factory=TextData)
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    model: LanguageModelSpec
    train: Training = field(default_factory=lambda: Training(label_smoothing=0.0))
    block: int = 512
    window: int = 0
    context: int = 0
    expect: Expect | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.block <= self.train.batch_tokens:
            raise ValueError(
                f"block={self.block} must be from 1 to train.batch_tokens={self.train.batch_tokens}"
            )
        if self.window < 0:
            raise ValueError(f"window={self.window} must not be negative; 0 is as long as block={self.block}")
        if not 0 <= self.context < (self.window or self.block):
            raise ValueError(
                f"context={self.context} must be from 0 to less than a window, "
                f"{self.window or self.block} tokens, which predicts the rest"
            )
        if self.vocabulary.kind == "moses":
            raise ValueError("vocabulary.kind='moses' is for translation; choose 'sentencepiece' or 'words'")
        if self.vocabulary.draws > 1:
            raise ValueError(
                f"vocabulary.draws={self.vocabulary.draws} is for models that read a source; leave it at 1"
            )
        if self.train.consistency:
            raise ValueError(
                f"train.consistency={self.train.consistency} is for models that read a source; leave it at 0"
            )
        if self.train.best_by != "loss":
            raise ValueError(
                f"train.best_by={self.train.best_by!r} is nothing that a language model has; choose 'loss'"
            )

    def vocabularies(self) -> tuple[int, ...]:
        """How many tokens the vocabulary has, told before there is any text: exact but for fewer words."""
        return (self.vocabulary.size,)
