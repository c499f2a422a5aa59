"""Language modelling from a recipe to a model: data and training put together."""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import torch

from litetransformer.data.text_batching import TextPlan
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.model import Model
from litetransformer.tasks.model_folder import CARD, LanguageCard, save_model, write_card
from litetransformer.tasks.prepare_text import PreparedText, prepare_text
from litetransformer.tasks.recipe import LanguageRecipe
from litetransformer.tasks.record import Progress as Preparation
from litetransformer.tasks.record import silent
from litetransformer.tasks.run import CHECKPOINTS, open_run, write_recipe
from litetransformer.tasks.text_model import TextModel
from litetransformer.train.cost import Meter
from litetransformer.train.distributed import ALONE, Ranks
from litetransformer.train.loop import train
from litetransformer.train.report import Report
from litetransformer.train.snapshot import Progress
from litetransformer.train.validation import validation_loss


def train_language_model(
    recipe: LanguageRecipe,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    workers: int = 1,
    accept_changes: bool = False,
    report: Report | None = None,
    ranks: Ranks = ALONE,
    watch: Callable[[TextModel], None] | None = None,
    progress: Preparation = silent,
) -> Progress:
    """Train the model of `recipe` in `folder`, or go on with the run that is there; leaves a model to `load`.

    `watch`, `progress`, `accept_changes` and what is raised are as for `train_translator`.
    """
    device = torch.device(device)
    report = report or Report(folder)
    with open_run(folder, recipe, accept_changes=accept_changes, ranks=ranks):
        prepared = ranks.ahead(lambda: prepare_text(recipe, folder, workers=workers, progress=progress))
        ranks.agree("prepared data", int(prepared.digest[:15], 16))
        if ranks.first:
            write_recipe(folder, recipe)
        torch.manual_seed(recipe.train.seed)
        model = recipe.model.build(prepared.tokenizer.size)
        card = LanguageCard(
            model=recipe.model,
            tokenizer=prepared.file,
            window=recipe.window or recipe.block,
            context=recipe.context,
        )
        plan = TextPlan(
            prepared.train,
            length=recipe.block,
            budget=recipe.train.batch_tokens,
            seed=recipe.train.seed,
            fixed=device.type == "cuda",
            rank=ranks.rank,
            world=ranks.world,
        )
        trained = train(
            model,
            plan,
            recipe.train,
            folder / CHECKPOINTS,
            evaluate=functools.partial(
                evaluate, prepared=prepared, recipe=recipe, device=device, card=card, watch=watch
            ),
            publish=lambda weights, _scores: save_model(folder, card, weights),
            report=report,
            device=device,
            meter=Meter(folder, ranks.devices(device), machines=ranks.machines, warn=report.warn),
            ranks=ranks,
        )
        if (folder / CARD).is_file():
            # Window and context may change without better weights.
            write_card(folder, card)
    return trained


def evaluate(
    model: Model,
    *,
    prepared: PreparedText,
    recipe: LanguageRecipe,
    device: torch.device,
    card: LanguageCard | None = None,
    watch: Callable[[TextModel], None] | None = None,
) -> dict[str, float]:
    """The validation loss (bits a token, no smoothing) and its perplexity, in blocks without more context."""
    assert isinstance(model, LanguageModel)
    model.eval()
    plan = TextPlan(prepared.valid, length=recipe.block, budget=recipe.train.batch_tokens)
    loss = validation_loss(model, plan, device)
    if watch is not None:
        window = recipe.window or recipe.block
        watch(
            TextModel(
                model,
                prepared.tokenizer,
                window=window,
                context=recipe.context,
                device=device,
                card=card,
            )
        )
    model.train()
    # Past this many bits a token, no float holds the perplexity.
    return {"loss": loss, "perplexity": 2.0**loss if loss < 1000 else math.inf}
