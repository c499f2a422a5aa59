"""Recipes: one row of the paper, or one benchmark of this project, a file.

A recipe's name is its set and its model, ``iwslt14-de-en/lite-160``; its file is
``iwslt14_de_en/lite_160.py``. The file's docstring says what to run and what to expect, its body how the
recipe differs from the ``_base.py`` beside it.
"""

import importlib
import inspect
import pkgutil
from types import ModuleType

from litetransformer import LanguageRecipe, Recipe
from litetransformer.core.errors import InputError, nearest
from litetransformer.recipes._presets import LANGUAGE_PRESETS, PRESETS, preset

__all__ = ["LANGUAGE_PRESETS", "PRESETS", "docstring", "get", "names", "preset"]


def names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(
        f"{group.name}/{row.name}".replace("_", "-")
        for group in pkgutil.iter_modules(__path__)
        if group.ispkg
        for row in pkgutil.iter_modules([f"{path}/{group.name}" for path in __path__])
        if not row.name.startswith("_")
    )


def get(name: str) -> Recipe | LanguageRecipe:
    """The recipe called `name`; InputError, suggesting the nearest, if there is none."""
    recipe = _module(name).recipe
    assert isinstance(recipe, Recipe | LanguageRecipe)
    return recipe


def docstring(name: str) -> str:
    """What the recipe called `name` says of itself: its row, the command, what to expect, what was seen."""
    return inspect.cleandoc(_module(name).__doc__ or "")


def _module(name: str) -> ModuleType:
    if name not in (known := names()):
        raise InputError(f"no recipe is called {name!r}", remedy=nearest(name, known))
    return importlib.import_module(f"{__name__}.{name.replace('/', '.').replace('-', '_')}")
