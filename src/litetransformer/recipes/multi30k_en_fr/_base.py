"""Multi30k into French; all else is as in German to English."""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes.multi30k_de_en import _base as de_en

base = partial(de_en.base, data=Data(name="multi30k-en-fr", source_language="en", target_language="fr"))
family = replace(de_en.family, title="Multi30k En-Fr", base=base)
