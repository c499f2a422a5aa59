"""Tatoeba and technical documents the other way round, at the smallest size; all else is as in De-En."""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes.tatoeba_techdocs_de_en import _base as de_en

base = partial(
    de_en.base, data=Data(name="tatoeba-techdocs-en-de", source_language="en", target_language="de")
)
family = replace(
    de_en.family,
    title="Tatoeba and technical documents En-De",
    base=base,
    sizes={"54M": de_en.family.sizes["54M"]},
    teacher="",
)
