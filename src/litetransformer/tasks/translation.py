"""Translation from a recipe to a scored model: data, training and decoding put together."""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from litetransformer.core.errors import InputError
from litetransformer.core.files import (
    only_writer,
    read_json,
    sweep_partial,
    with_checksum,
    without_checksum,
    write_json,
)
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.batching import BatchPlan
from litetransformer.decode.score import Score, bleu, chrf
from litetransformer.models.model import Model
from litetransformer.tasks.model_folder import ModelCard, save_model
from litetransformer.tasks.prepare import Prepared, prepare
from litetransformer.tasks.recipe import Recipe
from litetransformer.tasks.translator import Translator
from litetransformer.train.loop import train
from litetransformer.train.report import Report
from litetransformer.train.snapshot import Progress

RECIPE = "recipe.json"
MAY_CHANGE = (
    *("train.updates", "train.patience", "train.save_every", "expect"),
    *(f"data.{split}.{side}" for split in ("train", "valid") for side in ("source", "target")),
)
"""What a resumed run may change without being told so: none of it alters an update that is already made.

Where the texts stand may change, but not what they hold: `prepare` compares their checksums.
"""


def train_translator(
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    workers: int = 1,
    accept_changes: bool = False,
    report: Report | None = None,
    watch: Callable[[Translator], None] | None = None,
) -> Progress:
    """Train the model of `recipe` in `folder`, or go on with the run that is there; leaves a model to `load`.

    `watch` is called with the current model at every validation. `accept_changes` lets a resumed run change
    what would otherwise be refused.

    Raises InputError for wrong input, Interrupted after a signal once the run is saved.
    """
    device = torch.device(device)
    report = report or Report(folder)
    with only_writer(folder):
        sweep_partial(folder)
        if not accept_changes:
            _check_unchanged(folder, recipe)
        prepared = prepare(recipe, folder, workers=workers)
        write_json(folder / RECIPE, with_checksum(to_json(recipe)))
        torch.manual_seed(recipe.train.seed)
        model = recipe.model.build(prepared.source.size, prepared.target.size)
        card = _card(recipe, prepared)
        plan = BatchPlan(
            prepared.train,
            budget=recipe.train.batch_tokens,
            seed=recipe.train.seed,
            fixed=device.type == "cuda",
        )
        return train(
            model,
            plan,
            recipe.train,
            folder / "checkpoints",
            evaluate=functools.partial(
                evaluate, prepared=prepared, recipe=recipe, device=device, card=card, watch=watch
            ),
            publish=lambda weights, _scores: save_model(folder, card, weights),
            report=report,
            device=device,
        )


def evaluate(
    model: Model,
    *,
    prepared: Prepared,
    recipe: Recipe,
    device: torch.device,
    card: ModelCard | None = None,
    watch: Callable[[Translator], None] | None = None,
) -> dict[str, float]:
    """The validation loss (bits a token, no smoothing), and BLEU by greedy search where training needs it."""
    model.eval()
    scores = {"loss": validation_loss(model, prepared, recipe, device)}
    translator = Translator(
        model,
        prepared.source,
        prepared.target,
        replace(recipe.search, beam=1, n_best=1),
        device=device,
        card=card,
    )
    if recipe.train.best_by == "bleu":
        sources, references = zip(*prepared.valid_pairs, strict=True)
        found = translator.translate(list(sources), batch_tokens=16384)
        scores["bleu"] = bleu(
            found, [list(references)], mode=recipe.scoring, language=recipe.data.target_language
        ).value
    if watch is not None:
        watch(translator)
    model.train()
    return scores


@torch.no_grad()
def validation_loss(model: Model, prepared: Prepared, recipe: Recipe, device: torch.device) -> float:
    """The cross-entropy of the validation set in bits a token."""
    plan = BatchPlan(prepared.valid, budget=max(recipe.train.batch_tokens, int(prepared.valid.index.longest)))
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for batch in plan.in_order():
        loaded = plan.load(batch).to(device)
        total += model.loss(*loaded.tensors).double().cpu()
        tokens += loaded.tokens
    return float(total) / tokens / math.log(2)


def score_translations(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, mode: str, language: str
) -> list[Score]:
    """BLEU in `mode` and, on plain text, chrF."""
    scores = [bleu(hypotheses, references, mode=mode, language=language)]  # type: ignore[arg-type]
    return [*scores, chrf(hypotheses, references)] if mode == "sacrebleu" else scores


def read_recipe(folder: Path) -> Recipe:
    """The recipe that the run in `folder` was started with."""
    path = folder / RECIPE
    if not path.is_file():
        raise InputError("no training run here", path=folder, remedy=f"name a folder that has a {RECIPE}")
    return from_json(without_checksum(read_json(path), path), Recipe, path=str(path))


def _card(recipe: Recipe, prepared: Prepared) -> ModelCard:
    return ModelCard(
        model=recipe.model,
        source=prepared.source_file,
        target=prepared.target_file,
        source_language=recipe.data.source_language,
        target_language=recipe.data.target_language,
        search=recipe.search,
        scoring=recipe.scoring,
    )


def _check_unchanged(folder: Path, recipe: Recipe) -> None:
    """Raise InputError where the run in `folder` was started with another recipe."""
    if (folder / RECIPE).is_file():
        differences = _differences(to_json(read_recipe(folder)), to_json(recipe))
        if changed := [name for name in differences if not _may_change(name)]:
            raise InputError(
                f"the run here was started with another {', '.join(changed)}",
                path=folder,
                field=changed[0],
                remedy="use its own settings, another --out, or --accept-changes to go on with the new ones",
            )


def _may_change(name: str) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in MAY_CHANGE)


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """The dotted names of the fields in which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        dotted = {key: f"{name}.{key}" if name else key for key in keys}
        return [found for key in keys for found in _differences(old.get(key), new.get(key), dotted[key])]
    return [] if old == new else [name]
