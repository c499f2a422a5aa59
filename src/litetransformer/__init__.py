"""Lite Transformer: small translation models with long-short range attention.

>>> import litetransformer
>>> translator = litetransformer.load("runs/160")  # doctest: +SKIP
>>> translator.translate(["Guten Morgen."])  # doctest: +SKIP
['Good morning.']

Names are imported when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from litetransformer.core.errors import InputError
    from litetransformer.data.corpus import TextPairs
    from litetransformer.decode.options import SamplingOptions, SearchOptions
    from litetransformer.decode.score import bleu, chrf
    from litetransformer.inspect.profile import profile
    from litetransformer.models.spec import (
        Attention,
        CrossAttention,
        DecoderLayer,
        DynamicConv,
        EncoderLayer,
        FeedForward,
        LightConv,
        LongShort,
        Seq2SeqSpec,
        lite,
        transformer,
    )
    from litetransformer.tasks.recipe import Data, Expect, Recipe, Vocabulary
    from litetransformer.tasks.translation import train_translator
    from litetransformer.tasks.translator import Translator, load
    from litetransformer.train.optimizer import Adam
    from litetransformer.train.recipe import Training
    from litetransformer.train.schedule import Cosine, InverseSqrt

    __version__: str

_HOMES = {
    "core.errors": ("InputError",),
    "data.corpus": ("TextPairs",),
    "decode.options": ("SamplingOptions", "SearchOptions"),
    "decode.score": ("bleu", "chrf"),
    "inspect.profile": ("profile",),
    "models.spec": (
        "Attention",
        "CrossAttention",
        "DecoderLayer",
        "DynamicConv",
        "EncoderLayer",
        "FeedForward",
        "LightConv",
        "LongShort",
        "Seq2SeqSpec",
        "lite",
        "transformer",
    ),
    "tasks.recipe": ("Data", "Expect", "Recipe", "Vocabulary"),
    "tasks.translation": ("train_translator",),
    "tasks.translator": ("Translator", "load"),
    "train.optimizer": ("Adam",),
    "train.recipe": ("Training",),
    "train.schedule": ("Cosine", "InverseSqrt"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Adam",
    "Attention",
    "Cosine",
    "CrossAttention",
    "Data",
    "DecoderLayer",
    "DynamicConv",
    "EncoderLayer",
    "Expect",
    "FeedForward",
    "InputError",
    "InverseSqrt",
    "LightConv",
    "LongShort",
    "Recipe",
    "SamplingOptions",
    "SearchOptions",
    "Seq2SeqSpec",
    "TextPairs",
    "Training",
    "Translator",
    "Vocabulary",
    "__version__",
    "bleu",
    "chrf",
    "lite",
    "load",
    "profile",
    "train_translator",
    "transformer",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("litetransformer")
    elif name in _HOME:
        value = getattr(importlib.import_module(f"litetransformer.{_HOME[name]}"), name)
    else:
        raise AttributeError(f"module 'litetransformer' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
