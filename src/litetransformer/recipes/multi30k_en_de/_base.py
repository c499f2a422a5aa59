"""Multi30k the other way round; all else is as in German to English."""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes.multi30k_de_en import _base as de_en
from litetransformer.recipes.multi30k_de_en._base import LAPTOP, lite, transformer

__all__ = ["LAPTOP", "base", "family", "lite", "transformer"]

base = partial(de_en.base, data=Data(name="multi30k-en-de", source_language="en", target_language="de"))
family = replace(de_en.family, title="Multi30k En-De", base=base)
