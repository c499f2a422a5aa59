"""A training run in its folder: held by one process, and gone on with by the recipe that began it."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar

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
from litetransformer.tasks.model_folder import CARD, AnyCard, save_model, write_card
from litetransformer.tasks.recipe import AnyRecipe
from litetransformer.tasks.record import Progress as Preparation
from litetransformer.tasks.record import silent
from litetransformer.train.cost import Meter
from litetransformer.train.distributed import ALONE, Ranks
from litetransformer.train.loop import TrainingData, train
from litetransformer.train.numbered import numbered_files
from litetransformer.train.report import Report
from litetransformer.train.snapshot import STATE, Progress

RECIPE, CHECKPOINTS = "recipe.json", "checkpoints"
MAY_CHANGE = (
    *("train.updates", "train.patience", "train.save_every", "expect", "search", "window", "context"),
    *(f"data.{split}.{side}" for split in ("train", "valid") for side in ("source", "target")),
)
"""What a resumed run may change without being told so: none of it alters an update that is already made.

Where the texts stand may change, but not what they hold: preparation compares their checksums.
"""
TEXTS = ("data.train", "data.valid")
"""Likewise, where a text is one file and not a spec with fields of its own."""


class Options(TypedDict, total=False):
    """How a recipe of any task is trained, apart from what it says itself.

    `device` is "cpu" unless given, and `workers` tokenise (1). `accept_changes` lets a resumed run change
    what would otherwise be refused. `report` tells and logs, `progress` is told how preparing goes, and
    `watch` is called with the current model at every validation. `ranks` train together.
    """

    device: torch.device | str
    workers: int
    accept_changes: bool
    report: Report | None
    ranks: Ranks
    watch: Callable[[Any], None] | None
    progress: Preparation


class AnyPrepared(Protocol):
    """What every task prepares: a folder with data, for all of which `digest` stands."""

    @property
    def digest(self) -> str: ...


Task = TypeVar("Task", bound=AnyRecipe)
Prepared = TypeVar("Prepared", bound=AnyPrepared)


def train_run(
    recipe: Task,
    folder: Path,
    *,
    prepare: Callable[..., Prepared],
    card: Callable[[Task, Prepared], AnyCard],
    plan: Callable[..., TrainingData],
    evaluate: Callable[..., dict[str, float]],
    device: torch.device | str = "cpu",
    workers: int = 1,
    accept_changes: bool = False,
    report: Report | None = None,
    ranks: Ranks = ALONE,
    watch: Callable[[Any], None] | None = None,
    progress: Preparation = silent,
) -> Progress:
    """Train the model of `recipe` in `folder`, or go on with the run that is there; leaves a model to `load`.

    The task gives `prepare`, the `card` of the model, the `plan` of its batches and how to `evaluate`; see
    `Options` for the rest.

    Raises InputError for wrong input, Interrupted after a signal once the run is saved.
    """
    device = torch.device(device)
    report = report or Report(folder)
    with open_run(folder, recipe, accept_changes=accept_changes, ranks=ranks):
        prepared = ranks.ahead(lambda: prepare(recipe, folder, workers=workers, progress=progress))
        ranks.agree("prepared data", int(prepared.digest[:15], 16))
        if ranks.first:
            write_recipe(folder, recipe)
        torch.manual_seed(recipe.train.seed)
        described = card(recipe, prepared)
        trained = train(
            recipe.model.build(*(file.size for file in described.tokenizers())),
            plan(
                recipe,
                prepared,
                budget=recipe.train.batch_tokens,
                seed=recipe.train.seed,
                fixed=device.type == "cuda",
                rank=ranks.rank,
                world=ranks.world,
            ),
            recipe.train,
            folder / CHECKPOINTS,
            evaluate=functools.partial(
                evaluate, prepared=prepared, recipe=recipe, device=device, card=described, watch=watch
            ),
            publish=lambda weights, _scores: save_model(folder, described, weights),
            report=report,
            device=device,
            meter=Meter(folder, ranks.devices(device), machines=ranks.machines, warn=report.warn),
            ranks=ranks,
        )
        if ranks.first and (folder / CARD).is_file():
            # What alters no update, the search for example, may change without better weights.
            write_card(folder, described)
    return trained


@contextlib.contextmanager
def open_run(
    folder: Path, recipe: AnyRecipe, *, accept_changes: bool = False, ranks: Ranks = ALONE
) -> Iterator[None]:
    """Hold `folder` for a run of `recipe`, without the litter of a killed one; the first of `ranks` does it.

    Raises InputError when another run writes there, when the recipe describes no network, or when the run in
    it was started with another recipe: with `accept_changes` only if its weights don't fit the new one.
    """
    shapes = _shapes(recipe)
    if not ranks.first:
        yield
        return
    with only_writer(folder):
        sweep_partial(folder)
        if (folder / RECIPE).is_file():
            before = read_recipe(folder)
            if not accept_changes:
                _check_unchanged(folder, before, recipe)
            # Preparation refuses another vocabulary itself.
            elif (
                before.vocabulary == recipe.vocabulary
                and numbered_files(folder / CHECKPOINTS, STATE)
                and _shapes(before) != shapes
            ):
                raise InputError(
                    "the run here has weights of another model",
                    path=folder,
                    field="model",
                    remedy="choose another --out",
                )
        yield


def write_recipe(folder: Path, recipe: AnyRecipe) -> None:
    """Write down which recipe the run in `folder` follows from now on."""
    write_json(folder / RECIPE, with_checksum(to_json(recipe)))


def read_recipe(folder: Path) -> AnyRecipe:
    """The recipe of the run in `folder`; InputError where there is none or it is damaged."""
    path = folder / RECIPE
    if not path.is_file():
        raise InputError("no training run here", path=folder, remedy=f"name a folder that has a {RECIPE}")
    return from_json(without_checksum(read_json(path), path), AnyRecipe, path=str(path))  # type: ignore[type-abstract]


def _shapes(recipe: AnyRecipe) -> dict[str, tuple[int, ...]]:
    """The shapes of the weights of the recipe's network, which is not given any memory."""
    try:
        with torch.device("meta"):
            model = recipe.model.build(*recipe.vocabularies())
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(str(error).splitlines()[0], field="model", remedy="see `lite show`") from error
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def _check_unchanged(folder: Path, before: AnyRecipe, recipe: AnyRecipe) -> None:
    differences = _differences(to_json(before), to_json(recipe))
    if changed := [name for name in differences if not _may_change(name)]:
        raise InputError(
            f"the run here was started with another {', '.join(changed)}",
            path=folder,
            field=changed[0],
            remedy="use its own settings, another --out, or --accept-changes to go on with the new ones",
        )


def _may_change(name: str) -> bool:
    return name in TEXTS or any(name == allowed or name.startswith(f"{allowed}.") for allowed in MAY_CHANGE)


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    """The dotted names of the fields in which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(set(old) | set(new))
        dotted = {key: f"{name}.{key}" if name else key for key in keys}
        return [found for key in keys for found in _differences(old.get(key), new.get(key), dotted[key])]
    return [] if old == new else [name]
