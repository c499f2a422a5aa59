"""The names that users import are kept: removing one breaks their programs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import litetransformer

NAMES = {
    *("load", "Translator", "train_translator", "profile", "bleu", "chrf", "InputError", "__version__"),
    *("Summarizer", "train_summarizer", "rouge"),
    *("LanguageRecipe", "TextData", "TextModel", "train_language_model"),
    *("Recipe", "Data", "Vocabulary", "Expect", "TextPairs"),
    *("Training", "InverseSqrt", "Cosine", "Adam", "Muon", "Nesterov", "SearchOptions", "SamplingOptions"),
    *("lite", "transformer", "lightconv", "evolved", "Seq2SeqSpec", "EncoderLayer", "DecoderLayer"),
    *("EvolvedEncoderCell", "EvolvedDecoderCell"),
    *("LanguageModelSpec", "lite_lm", "transformer_lm"),
    *("LongShort", "Attention", "LightConv", "DynamicConv", "FeedForward", "CrossAttention"),
}


def test_public_names_are_exactly_these():
    assert set(litetransformer.__all__) == NAMES
    assert set(dir(litetransformer)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_is_there(name):
    value = getattr(litetransformer, name)
    assert value is not None
    assert getattr(litetransformer, name) is value


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Recipee"):
        _ = litetransformer.Recipee


def test_type_checkers_see_the_names_where_they_are_found():
    tree = ast.parse(Path(litetransformer.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: f"litetransformer.{home}" for name, home in litetransformer._HOME.items()}
    assert {*seen, "__version__"} == NAMES


def test_importing_the_package_and_its_specs_does_not_import_torch():
    program = (
        "import litetransformer as lt, sys; lt.lite(160); lt.TextPairs; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
