"""Lite Transformer: small models that translate, summarize and write, with long-short range attention.

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
    from litetransformer.decode.rouge import rouge
    from litetransformer.decode.score import bleu, chrf
    from litetransformer.inspect.profile import profile
    from litetransformer.models.language_spec import LanguageModelSpec
    from litetransformer.models.presets import evolved, lightconv, lite, lite_lm, transformer, transformer_lm
    from litetransformer.models.spec import (
        Attention,
        CrossAttention,
        DecoderLayer,
        DynamicConv,
        EncoderLayer,
        EvolvedDecoderCell,
        EvolvedEncoderCell,
        FeedForward,
        LightConv,
        LongShort,
        Seq2SeqSpec,
    )
    from litetransformer.tasks.language_modeling import train_language_model
    from litetransformer.tasks.load import load
    from litetransformer.tasks.recipe import Data, Expect, LanguageRecipe, Recipe, TextData, Vocabulary
    from litetransformer.tasks.summarization import train_summarizer
    from litetransformer.tasks.summarizer import Summarizer
    from litetransformer.tasks.text_model import TextModel
    from litetransformer.tasks.translation import train_translator
    from litetransformer.tasks.translator import Translator
    from litetransformer.train.optimizer import Adam, Muon, Nesterov
    from litetransformer.train.recipe import Training
    from litetransformer.train.schedule import Cosine, InverseSqrt

    __version__: str

_HOMES = {
    "core.errors": ("InputError",),
    "data.corpus": ("TextPairs",),
    "decode.options": ("SamplingOptions", "SearchOptions"),
    "decode.rouge": ("rouge",),
    "decode.score": ("bleu", "chrf"),
    "inspect.profile": ("profile",),
    "models.language_spec": ("LanguageModelSpec",),
    "models.presets": ("evolved", "lightconv", "lite", "lite_lm", "transformer", "transformer_lm"),
    "models.spec": (
        "Attention",
        "CrossAttention",
        "DecoderLayer",
        "DynamicConv",
        "EncoderLayer",
        "EvolvedDecoderCell",
        "EvolvedEncoderCell",
        "FeedForward",
        "LightConv",
        "LongShort",
        "Seq2SeqSpec",
    ),
    "tasks.language_modeling": ("train_language_model",),
    "tasks.load": ("load",),
    "tasks.recipe": ("Data", "Expect", "LanguageRecipe", "Recipe", "TextData", "Vocabulary"),
    "tasks.summarization": ("train_summarizer",),
    "tasks.summarizer": ("Summarizer",),
    "tasks.text_model": ("TextModel",),
    "tasks.translation": ("train_translator",),
    "tasks.translator": ("Translator",),
    "train.optimizer": ("Adam", "Muon", "Nesterov"),
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
    "EvolvedDecoderCell",
    "EvolvedEncoderCell",
    "Expect",
    "FeedForward",
    "InputError",
    "InverseSqrt",
    "LanguageModelSpec",
    "LanguageRecipe",
    "LightConv",
    "LongShort",
    "Muon",
    "Nesterov",
    "Recipe",
    "SamplingOptions",
    "SearchOptions",
    "Seq2SeqSpec",
    "Summarizer",
    "TextData",
    "TextModel",
    "TextPairs",
    "Training",
    "Translator",
    "Vocabulary",
    "__version__",
    "bleu",
    "chrf",
    "evolved",
    "lightconv",
    "lite",
    "lite_lm",
    "load",
    "profile",
    "rouge",
    "train_language_model",
    "train_summarizer",
    "train_translator",
    "transformer",
    "transformer_lm",
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
