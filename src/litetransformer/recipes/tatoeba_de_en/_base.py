"""What the recipes for Tatoeba share: short sentences, and enough of them for less dropout."""

from dataclasses import replace
from functools import partial

from litetransformer import Data
from litetransformer.recipes import _base as little
from litetransformer.recipes._base import lite, transformer

__all__ = ["base", "lite", "transformer"]

base = partial(
    little.base,
    data=Data(name="tatoeba-de-en", source_language="de", target_language="en"),
    train=replace(
        little.TRAINING, updates=20_000, longest=128, validate_every=0, patience=0, keep="average", average=10
    ),
)
