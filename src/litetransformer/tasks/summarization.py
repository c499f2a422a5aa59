"""From a recipe to a summarizer."""

from pathlib import Path
from typing import Unpack

from litetransformer.core.errors import InputError
from litetransformer.tasks.recipe import Recipe
from litetransformer.tasks.run import Options
from litetransformer.tasks.translation import train_translator
from litetransformer.train.snapshot import Progress


def train_summarizer(recipe: Recipe, folder: Path, **options: Unpack[Options]) -> Progress:
    """Train the summarizer of `recipe` in `folder`, or go on with the run that is there.

    Everything else is as in `train_translator`: a summary is written as a translation is, of a document that
    is cut to ``data.truncate_source`` tokens.

    Raises InputError for a recipe of another task.
    """
    if recipe.task != "summarization":
        raise InputError(
            f"a recipe for {recipe.task}", field="task", remedy="give the recipe task='summarization'"
        )
    return train_translator(recipe, folder, **options)
