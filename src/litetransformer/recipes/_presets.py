"""Presets: recipes for users' own text, by the name of a model and a width."""

import re

from litetransformer import Data, Recipe
from litetransformer.core.errors import InputError, nearest
from litetransformer.recipes._base import base, lite, transformer

PRESETS = ("lite-160", "lite-240", "lite-320", "transformer-128", "transformer-192", "transformer-240")
"""The paper's sizes for IWSLT'14; any other width divisible by 8 will do."""


def preset(name: str, *, source_language: str = "src", target_language: str = "tgt") -> Recipe:
    """The recipe for one's own ten thousand to million sentence pairs: ``lite-D`` or ``transformer-D``.

    D is the width, a multiple of 8; a Transformer's feed-forward layers are 2·D wide. The languages are their
    codes (``de``), for scoring. The texts are still to be named: `with_texts`.

    Raises InputError for any other name, suggesting the nearest.
    """
    if not (found := re.fullmatch(r"(lite|transformer)-([1-9][0-9]{0,3})", name)):
        raise InputError(f"no preset is called {name!r}", remedy=nearest(name, PRESETS))
    kind, width = found[1], int(found[2])
    if width % 8:
        raise InputError(
            f"the width of the preset {name!r} is not divisible by 8",
            remedy=f"choose {kind}-{max(8, round(width / 8) * 8)}",
        )
    return base(
        data=Data(source_language=source_language, target_language=target_language),
        model=lite(width) if kind == "lite" else transformer(width, 2 * width),
    )
