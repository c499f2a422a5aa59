"""How good a model is on given texts, so that two versions of it can be compared: its loss and its score."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256
from litetransformer.core.spec import Spec
from litetransformer.data.batching import BatchPlan
from litetransformer.data.corpus import TextPairs, aligned, read_lines, read_pairs
from litetransformer.data.store import write_store
from litetransformer.models.model import Model
from litetransformer.tasks.record import DATA
from litetransformer.tasks.summarizer import Summarizer
from litetransformer.tasks.text_model import TextModel
from litetransformer.tasks.translator import Translator
from litetransformer.train.validation import validation_loss

AnyModel: TypeAlias = Translator | Summarizer | TextModel

_BUDGET = 4096
_LONGEST = 2**16


@dataclass(frozen=True, kw_only=True)
class Quality(Spec):
    """The loss in bits a token and the score, BLEU or ROUGE-L; a language model has the loss alone."""

    loss: float
    score: float | None = None
    metric: str = ""


@dataclass(frozen=True)
class Texts:
    """What a model is measured on: the lines of its source and its target, or of a language model's text."""

    source: tuple[str, ...]
    target: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the lines, a side after the other, each line with its end."""
        return sha256("".join(f"{line}\n" for line in (*self.source, *self.target)).encode())

    def first(self, lines: int) -> "Texts":
        """The first `lines` lines."""
        return Texts(self.source[:lines], self.target[:lines])


def read_texts(source: Path, target: Path | None) -> Texts:
    """The lines of both files; InputError where their numbers differ or there are none."""
    files = {path: read_lines(path) for path in (source, target) if path is not None}
    rows = list(aligned(files))
    if not rows:
        raise InputError("holds no lines", path=source)
    sides = list(zip(*rows, strict=True))
    return Texts(*sides)


def own_texts(folder: Path) -> Texts | None:
    """The validation text that a run's folder still has; None where it has none."""
    path = folder / DATA / "valid.jsonl"
    if not path.is_file():
        return None
    sides = list(zip(*read_pairs(TextPairs(source=str(path))), strict=True))
    return Texts(*sides)


def network_of(model: AnyModel) -> Model:
    """The network that `model` writes with."""
    assert isinstance(model.model, Model)
    return model.model


class Yardstick:
    """Measures a model, and every later state of the same network, on the same texts."""

    def __init__(self, model: AnyModel, texts: Texts) -> None:
        if bool(texts.target) == isinstance(model, TextModel):
            what = "a language model has no target" if texts.target else "the target is missing"
            raise InputError(what, path="--target", remedy="leave it out" if texts.target else "name it too")
        self.model, self.texts = model, texts
        self._folder = tempfile.TemporaryDirectory(prefix="litetransformer-")
        self._plan = None if isinstance(model, TextModel) else self._prepared(model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def _prepared(self, model: Translator | Summarizer) -> BatchPlan:
        store = write_store(
            Path(self._folder.name) / "texts",
            zip(self.texts.source, self.texts.target, strict=True),
            model.source,
            model.target,
            longest=_LONGEST,
            truncate_source=model.truncate_source,
        )
        longest = max(int(store.source_lengths.max()), int(store.target_lengths.max()))
        return BatchPlan(store, budget=max(_BUDGET, longest))

    def loss(self) -> float:
        """The loss of the model as it is now, in bits a token, no smoothing."""
        if isinstance(self.model, TextModel):
            return self.model.perplexity(self.texts.source).bits_per_token
        assert self._plan is not None
        return validation_loss(network_of(self.model).eval(), self._plan, self.model.device)

    def quality(self) -> Quality:
        """The loss and the score of the model as it is now."""
        if isinstance(self.model, TextModel):
            return Quality(loss=self.loss())
        assert self.model.card is not None
        network_of(self.model).eval()
        found = self.model.best(list(self.texts.source))
        name, value = score_of(
            found, self.texts.target, self.model.card.scoring, self.model.card.target_language
        )
        return Quality(loss=self.loss(), score=value, metric=name)


def score_of(found: Sequence[str], target: Sequence[str], mode: str, language: str) -> tuple[str, float]:
    """BLEU, or ROUGE-L: its name and value."""
    from litetransformer.tasks.translation import score_texts

    scores = score_texts(found, [list(target)], mode=mode, language=language)
    return next((score.name, score.value) for score in scores if score.name in ("BLEU", "ROUGE-L"))
