"""From a recipe to a scored model that writes text for text: data, training and decoding put together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch

from litetransformer.data.batching import BatchPlan
from litetransformer.decode.rouge import rouge
from litetransformer.decode.score import Reference, Score, bleu, chrf
from litetransformer.models.model import Model
from litetransformer.tasks.load import TEXT_TO_TEXT
from litetransformer.tasks.model_folder import ModelCard
from litetransformer.tasks.prepare import Prepared, prepare
from litetransformer.tasks.recipe import Recipe
from litetransformer.tasks.run import Options, train_run
from litetransformer.train.snapshot import Progress
from litetransformer.train.validation import validation_loss


def train_translator(recipe: Recipe, folder: Path, **options: Unpack[Options]) -> Progress:
    """Train the model of `recipe` in `folder`, or go on with the run that is there; leaves a model to `load`.

    It becomes a translator, or a summarizer where the recipe's task says so. See `tasks.run.Options`.

    Raises InputError for wrong input, Interrupted after a signal once the run is saved.
    """
    if recipe.train.best_by != "loss":
        # A package that scoring lacks is said now, not when the first epoch is over.
        _quality(recipe, ["a"], ["a"])
    return train_run(recipe, folder, prepare=prepare, card=_card, plan=_plan, evaluate=evaluate, **options)


def evaluate(
    model: Model,
    *,
    prepared: Prepared,
    recipe: Recipe,
    device: torch.device,
    card: ModelCard | None = None,
    watch: Callable[[Any], None] | None = None,
) -> dict[str, float]:
    """The validation loss (bits a token, no smoothing), and what training goes by, of a greedy search.

    That is BLEU or ROUGE-L, where it is not the loss itself.
    """
    model.eval()
    budget = max(recipe.train.batch_tokens, int(prepared.valid.index.longest or 0))
    scores = {"loss": validation_loss(model, BatchPlan(prepared.valid, budget=budget), device)}
    writer = TEXT_TO_TEXT[recipe.task](
        model,
        prepared.source,
        prepared.target,
        replace(recipe.search, beam=1, n_best=1),
        truncate_source=recipe.data.truncate_source,
        device=device,
        card=card,
    )
    if recipe.train.best_by != "loss":
        sources, references = zip(*prepared.valid_pairs, strict=True)
        found = writer.best(list(sources), batch_tokens=16384)
        scores[recipe.train.best_by] = _quality(recipe, found, references)
    if watch is not None:
        watch(writer)
    model.train()
    return scores


def _quality(recipe: Recipe, found: Sequence[str], references: Sequence[str]) -> float:
    """The score that training goes by: BLEU, or ROUGE-L."""
    mode = "rouge" if recipe.train.best_by == "rouge" else recipe.scoring
    scores = score_texts(found, [references], mode=mode, language=recipe.data.target_language)
    return next(score.value for score in scores if score.name in ("BLEU", "ROUGE-L"))


def score_texts(
    hypotheses: Sequence[str], references: Sequence[Sequence[Reference]], *, mode: str, language: str
) -> list[Score]:
    """What `mode` asks for: ROUGE, or BLEU and, on plain text, chrF."""
    if mode == "rouge":
        return rouge(hypotheses, references, language=language)
    scores = [bleu(hypotheses, references, mode=mode, language=language)]  # type: ignore[arg-type]
    return [*scores, chrf(hypotheses, references)] if mode == "sacrebleu" else scores


def _plan(_recipe: Recipe, prepared: Prepared, **order: Any) -> BatchPlan:
    return BatchPlan(prepared.train, **order)


def _card(recipe: Recipe, prepared: Prepared) -> ModelCard:
    return ModelCard(
        task=recipe.task,
        model=recipe.model,
        source=prepared.source_file,
        target=prepared.target_file,
        source_language=recipe.data.source_language,
        target_language=recipe.data.target_language,
        truncate_source=recipe.data.truncate_source,
        search=recipe.search,
        scoring=recipe.scoring,
    )
