"""Language modelling from a recipe to a model: data and training put together."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import torch

from litetransformer.data.text_batching import TextPlan
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.model import Model
from litetransformer.tasks.model_folder import LanguageCard
from litetransformer.tasks.prepare_text import PreparedText, prepare_text
from litetransformer.tasks.recipe import LanguageRecipe
from litetransformer.tasks.run import Options, train_run
from litetransformer.tasks.text_model import TextModel
from litetransformer.train.snapshot import Progress
from litetransformer.train.validation import validation_loss


def train_language_model(recipe: LanguageRecipe, folder: Path, **options: Unpack[Options]) -> Progress:
    """Train the model of `recipe` in `folder`, or go on with the run that is there; leaves a model to `load`.

    The options and what is raised are as for `train_translator`.
    """
    return train_run(
        recipe, folder, prepare=prepare_text, card=_card, plan=_plan, evaluate=evaluate, **options
    )


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


def _plan(recipe: LanguageRecipe, prepared: PreparedText, **order: Any) -> TextPlan:
    return TextPlan(prepared.train, length=recipe.block, **order)


def _card(recipe: LanguageRecipe, prepared: PreparedText) -> LanguageCard:
    return LanguageCard(
        model=recipe.model,
        tokenizer=prepared.file,
        window=recipe.window or recipe.block,
        context=recipe.context,
    )
