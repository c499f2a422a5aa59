"""Presets: recipes for users' own text, by the name of a model and a width."""

import re
from collections.abc import Callable

from litetransformer import Data, LanguageModelSpec, LanguageRecipe, Recipe, Seq2SeqSpec
from litetransformer.core.errors import InputError, nearest
from litetransformer.recipes import _language as language
from litetransformer.recipes._base import READ, base, evolved, lightconv, lite, summaries, transformer

PRESETS = (
    *("lite-160", "lite-240", "lite-320", "transformer-128", "transformer-192", "transformer-240"),
    *("lightconv-128", "lightconv-192", "lightconv-256", "dynamicconv-128", "flattened-136", "evolved-96"),
)
"""The paper's sizes for IWSLT'14 and others near them; any width divisible by 8 will do."""

MODELS: dict[str, Callable[[int], Seq2SeqSpec]] = {
    "lite": lite,
    "transformer": lambda width: transformer(width, 2 * width),
    "flattened": lambda width: transformer(width, width),
    "lightconv": lambda width: lightconv(width, 2 * width),
    "dynamicconv": lambda width: lightconv(width, 2 * width, dynamic=True),
    "evolved": evolved,
}

SUMMARY_PRESETS = ("summary-lite-160", "summary-lite-256", "summary-transformer-128")
"""Summarizers: a preset for translation with ``summary-`` before its name."""

LANGUAGE_PRESETS = ("lm-lite-256", "lm-lite-320", "lm-transformer-184", "lm-transformer-256")
"""Language models of any width divisible by 8; lm-transformer-184 costs what lm-lite-320 costs."""

LANGUAGE_MODELS: dict[str, Callable[[int], LanguageModelSpec]] = {
    "lm-lite": language.lite,
    "lm-transformer": lambda width: language.transformer(width, 4 * width),
}


def preset(
    name: str, *, source_language: str | None = None, target_language: str | None = None
) -> Recipe | LanguageRecipe:
    """The recipe for one's own ten thousand to million sentence pairs: ``lite-D``, or a baseline of its.

    The baselines are ``transformer-D``, ``lightconv-D`` and ``dynamicconv-D``, with feed-forward layers 2·D
    wide, ``flattened-D`` and ``evolved-D``. D is the width, a multiple of 8. The languages are their codes
    (``de``), for scoring. ``summary-lite-D``, ``summary-transformer-D`` … summarize ten thousand to a million
    documents, in English unless told otherwise. ``lm-lite-D`` and ``lm-transformer-D`` are language models,
    for a million words and more. The texts are still to be named: `with_texts`, `with_text`.

    Raises InputError for any other name, suggesting the nearest.
    """
    kinds = [*MODELS, *(f"summary-{kind}" for kind in MODELS), *LANGUAGE_MODELS]
    if not (found := re.fullmatch(rf"({'|'.join(kinds)})-([1-9][0-9]{{0,3}})", name)):
        known = PRESETS + SUMMARY_PRESETS + LANGUAGE_PRESETS
        raise InputError(f"no preset is called {name!r}", remedy=nearest(name, known))
    kind, width = found[1], int(found[2])
    if width % 8:
        raise InputError(
            f"the width of the preset {name!r} is not divisible by 8",
            remedy=f"choose {kind}-{max(8, round(width / 8) * 8)}",
        )
    if kind in LANGUAGE_MODELS:
        return language.base(model=LANGUAGE_MODELS[kind](width))
    if kind.startswith("summary-"):
        return summaries(
            data=Data(
                source_language=source_language or "en",
                target_language=target_language or "en",
                truncate_source=READ,
            ),
            model=MODELS[kind.removeprefix("summary-")](width),
        )
    return base(
        data=Data(source_language=source_language or "src", target_language=target_language or "tgt"),
        model=MODELS[kind](width),
    )
