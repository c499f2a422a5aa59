"""Recipes: one row of the paper, or one benchmark of this project, a file.

A recipe's name is its set and its model, ``iwslt14-de-en/lite-160``; its file is
``iwslt14_de_en/lite_160.py``. The file's docstring says what to run and what to expect, its body how the
recipe differs from the ``_base.py`` beside it. Models of one set that are compared at equal mult-adds stand
together in a `Family`, ``family`` in the ``_base.py``; so do those that are trained in ways of their own.
"""

import functools
import importlib
import inspect
import pkgutil
from types import ModuleType

from litetransformer import LanguageRecipe, Recipe
from litetransformer.core.errors import InputError, nearest
from litetransformer.recipes._ablation import Row, rows
from litetransformer.recipes._family import Family
from litetransformer.recipes._presets import LANGUAGE_PRESETS, PRESETS, preset

__all__ = [
    "LANGUAGE_PRESETS",
    "PRESETS",
    "Family",
    "Row",
    "ablation",
    "docstring",
    "families",
    "get",
    "names",
    "preset",
]


def names() -> list[str]:
    """The names of all recipes, sorted."""
    files = (
        f"{group}/{row.name}".replace("_", "-")
        for group in _groups()
        for row in pkgutil.iter_modules([f"{path}/{group}" for path in __path__])
        if not row.name.startswith("_")
    )
    rows = (f"{home}/{model}" for home, family in families().items() for model in family.recipes)
    return sorted([*files, *rows])


@functools.cache
def families() -> dict[str, Family]:
    """The families by the name of their set."""
    found = {}
    for group in _groups():
        family = getattr(importlib.import_module(f"{__name__}.{group}._base"), "family", None)
        if isinstance(family, Family):
            found[group.replace("_", "-")] = family
    return found


def ablation(home: str) -> dict[str, Row]:
    """The rows of the ablation of the set `home` by name; none where it has none."""
    family = families().get(home)
    return {} if family is None else rows(home, family)


def get(name: str) -> Recipe | LanguageRecipe:
    """The recipe called `name`; InputError, suggesting the nearest, if there is none."""
    _check(name)
    home, _, model = name.partition("/")
    family = families().get(home)
    recipe = family.recipes[model] if family and model in family.recipes else _module(name).recipe
    assert isinstance(recipe, Recipe | LanguageRecipe)
    return recipe


def docstring(name: str) -> str:
    """What the recipe called `name` says of itself: its row, the command, what to expect, what was seen."""
    _check(name)
    home, _, model = name.partition("/")
    family = families().get(home)
    text = family.docstring(name) if family and model in family.recipes else _module(name).__doc__
    return inspect.cleandoc(text or "")


def _groups() -> list[str]:
    return [group.name for group in pkgutil.iter_modules(__path__) if group.ispkg]


def _check(name: str) -> None:
    if name not in (known := names()):
        raise InputError(f"no recipe is called {name!r}", remedy=nearest(name, known))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.replace('/', '.').replace('-', '_')}")
