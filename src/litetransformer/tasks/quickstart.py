"""A first model in minutes: text, a Lite Transformer beside a Transformer of equal cost, and their scores."""

import contextlib
import dataclasses
import itertools
import math
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from litetransformer.core.errors import InputError
from litetransformer.core.files import only_writer
from litetransformer.data.batching import BatchPlan
from litetransformer.data.tokenizer import train_sentencepiece
from litetransformer.inspect.profile import profile
from litetransformer.models.presets import lite, transformer
from litetransformer.models.seq2seq import Seq2Seq
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.quickstart_texts import Pairs, generated, own_text, write_splits
from litetransformer.tasks.quickstart_words import about_stages, about_text, about_training, conclusion
from litetransformer.tasks.recipe import Recipe, Vocabulary
from litetransformer.tasks.run import RECIPE, read_recipe
from litetransformer.tasks.translation import score_texts, train_translator
from litetransformer.tasks.translator import Translator, load
from litetransformer.train.recipe import Training
from litetransformer.train.report import Report
from litetransformer.train.schedule import Cosine
from litetransformer.train.step import Step

SIZES = (2000, 1000, 500, 400, 350, 300, 4000, 8000, 16_000)
"""Vocabularies to try: small texts are too small for the first, many characters need the last."""

MODELS = {
    "lite": lite(96, taps=(3, 7, 15), tied="all"),
    "transformer": transformer(72, 132, layers=3, tied="all"),
}
"""Equally deep and, in the paper's counting, equal within 1% in mult-adds and 2% in parameters."""

UPDATES = 1000
"""Updates on generated text, where more gain little; a text of one's own is given all the time."""
FEWEST_UPDATES = 24
VALIDATIONS = 8
TRAINING_SHARE = 0.7
"""Of the time left after preparing; the rest is for validation, the test, and a machine that gets busy."""
SHOWN, SHORT = 3, 80
"""How many sentences are watched, and how many characters they should have at most."""

Echo = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class QuickstartModel:
    """One of the two models: its folder, BLEU on the test text, cost (`Profile`), and seconds in updates."""

    name: str
    folder: str
    bleu: float
    params: int
    mult_adds: int
    params_total: int
    mult_adds_total: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class QuickstartResult:
    """What a quickstart came to. `command` translates with the Lite model; `seconds` are this call's."""

    lite: QuickstartModel
    transformer: QuickstartModel
    signature: str
    updates: int
    train_pairs: int
    test_pairs: int
    seconds: float
    command: str

    def to_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return dataclasses.asdict(self)


def quickstart(
    folder: Path,
    *,
    source: Path | None = None,
    target: Path | None = None,
    minutes: float = 4.0,
    threads: int | None = None,
    seed: int = 1,
    echo: Echo = print,
) -> QuickstartResult:
    """Two trained translation models in `folder`, one Lite and one plain Transformer, scored on unseen text.

    They learn from generated German-English sentences, or from the user's lines in `source` and `target`, of
    which some are held out. Both have the same vocabulary, batches, updates, seed and cost. How many updates
    fit into `minutes`, for both and all else, is measured first and kept in the folder's recipes: the same
    call goes on with a run that was stopped. One CPU thread is used unless `threads` says more: with so small
    models two save a quarter of the time at best, and lose it many times over where other programs run.
    `echo` gets what people read.

    Raises InputError for wrong or too little text or a folder that holds another quickstart, Interrupted
    after a signal once the run is saved.
    """
    began = time.monotonic()
    if not 0 < minutes < math.inf:
        raise InputError(f"{minutes} minutes", field="minutes", remedy="give a number above 0")
    if target is not None and source is None:
        raise InputError("no source to this target", path=target, remedy="give both")
    own = source is not None
    with only_writer(folder), _threads(threads or 1):
        splits = generated(seed) if source is None else own_text(source, target, seed)
        data = write_splits(folder / "text", splits, ("src", "tgt") if own else ("de", "en"))
        echo(about_text(splits, folder / "text", own))
        size = _vocabulary_size(splits["train"]) if own else SIZES[0]

        def recipe(name: str, updates: int) -> Recipe:
            return Recipe(
                data=data,
                vocabulary=Vocabulary(size=size),
                model=dataclasses.replace(MODELS[name], dropout=0.1 if own else 0.0),
                train=_training(updates, seed),
            )

        if (folder / "lite" / RECIPE).is_file():
            updates = read_recipe(folder / "lite").train.updates
        else:
            each = [_seconds_an_update(recipe(name, FEWEST_UPDATES), folder / "lite") for name in MODELS]
            left = 60 * minutes - (time.monotonic() - began)
            fitting = int(TRAINING_SHARE * left / sum(each))
            updates = max(FEWEST_UPDATES, fitting if own else min(UPDATES, fitting))
            updates -= updates % VALIDATIONS
            echo(about_training(updates, each, enough=None if own else UPDATES))
        watched = sorted(splits["valid"], key=lambda pair: len(pair[0]) > SHORT)[:SHOWN]
        results = {}
        for name in MODELS:
            stages = _Stages(folder / name, updates, watched if name == "lite" else [], echo)
            echo(about_stages(name, stages.watched))
            progress = train_translator(
                recipe(name, updates), folder / name, report=stages, watch=stages.watch
            )
            results[name], signature = _tested(name, folder / name, splits["test"], progress.seconds)
    example = next((text for text, _ in splits["test"] if not text.startswith("-")), "")
    result = QuickstartResult(
        **results,
        signature=signature,
        updates=updates,
        train_pairs=len(splits["train"]),
        test_pairs=len(splits["test"]),
        seconds=round(time.monotonic() - began, 1),
        command=f"lite translate --model {shlex.quote(str(folder / 'lite'))} {shlex.quote(example)}",
    )
    echo(conclusion(result, own))
    return result


class _Stages(Report):
    """Tells each validation in a line, and what the model makes of the `watched` sources by then."""

    def __init__(self, folder: Path, updates: int, watched: Pairs, echo: Echo) -> None:
        super().__init__(folder, quiet=True)
        self.updates, self.watched, self.echo = updates, watched, echo
        self.translations: list[str] = []

    def watch(self, translator: Translator) -> None:
        """Translate with the model of a validation; its event follows."""
        self.translations = translator.translate([source for source, _ in self.watched])

    def event(self, event: str, values: Mapping[str, Any], *, shown: bool = True) -> None:
        super().event(event, values, shown=False)
        if event == "valid":
            self.echo(f"  update {values['update']:,} of {self.updates:,}, loss {values['loss']:.2f}")
            for number, text in enumerate(self.translations, 1):
                self.echo(f"    {number}  {text}")
        elif event == "resume":
            self.echo(f"  going on from update {values['update']:,}")
        elif event == "warning":
            self.echo(f"  warning: {values['message']}")


def _vocabulary_size(pairs: Pairs) -> int:
    """The first of `SIZES` that a tokenizer of this text can have."""
    for size in SIZES:
        try:
            train_sentencepiece((text for pair in pairs for text in pair), size=size)
        except InputError as error:
            if error.field != "vocabulary.size":
                raise
        else:
            return size
    raise InputError("the text is too small for a vocabulary", remedy="give more lines")


def _training(updates: int, seed: int) -> Training:
    warmup = updates // 4
    return Training(
        updates=updates,
        batch_tokens=1024,
        schedule=Cosine(peak=6e-3, warmup=warmup, period=updates - warmup, end=1e-4),
        clip=1.0,
        validate_every=updates // VALIDATIONS,
        seed=seed,
    )


def _seconds_an_update(recipe: Recipe, folder: Path) -> float:
    """How long an update of `recipe` takes here, measured on a fresh model and the text in `folder`."""
    prepared = prepare(recipe, folder)
    plan = BatchPlan(prepared.train, budget=recipe.train.batch_tokens, seed=recipe.train.seed)
    model = recipe.model.build(prepared.source.size, prepared.target.size)
    step = Step(model, recipe.train.optimizer.build(model), recipe.train, torch.device("cpu"))
    batches = itertools.cycle(plan.epoch(0))
    for update in range(1, 4):
        step([plan.load(next(batches))], update)
    began = time.perf_counter()
    for update in range(4, FEWEST_UPDATES):
        step([plan.load(next(batches))], update)
    return (time.perf_counter() - began) / (FEWEST_UPDATES - 4)


def _tested(name: str, folder: Path, pairs: Pairs, seconds: float) -> tuple[QuickstartModel, str]:
    """The model in `folder`, scored on `pairs` with its own search, and the score's signature."""
    translator = load(folder)
    assert isinstance(translator.model, Seq2Seq)
    assert translator.card is not None
    sources, references = zip(*pairs, strict=True)
    found, language = translator.translate(sources), translator.card.target_language
    score = score_texts(found, [references], mode="sacrebleu", language=language)[0]
    cost = profile(translator.model)
    model = QuickstartModel(
        name=name,
        folder=str(folder),
        bleu=round(score.value, 2),
        params=cost.params,
        mult_adds=cost.mult_adds,
        params_total=cost.params_total,
        mult_adds_total=cost.mult_adds_total,
        seconds=round(seconds, 1),
    )
    return model, score.signature


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
