"""Every recipe is complete, says what to expect, and costs what the paper says it costs."""

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import litetransformer
from litetransformer import (
    Attention,
    Cosine,
    DynamicConv,
    InverseSqrt,
    LightConv,
    Recipe,
    recipes,
)
from litetransformer.core.errors import InputError
from litetransformer.core.override import override
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.catalog import CATALOG
from litetransformer.data.corpus import TextPairs
from litetransformer.inspect.profile import Profile, profile
from litetransformer.tasks.model_folder import ModelCard, TokenizerFile
from litetransformer.tasks.prepare import with_texts
from litetransformer.tasks.translation import train_translator

NAMES = recipes.names()
FOLDER = Path(recipes.__file__).parent
FILES = sorted(FOLDER.glob("*/[!_]*.py"))

TAPS = (3, 7, 15, 31, 31, 31) * 2

# (recipe, parameters and mult-adds in millions, BLEU), as printed.
PUBLISHED = [
    ("iwslt14-de-en/lite-160", 2.8, 54, 30.9),
    ("iwslt14-de-en/lite-240", 5.4, 119, 32.9),
    ("iwslt14-de-en/lite-320", 8.9, 209, 33.6),
    ("iwslt14-de-en/transformer-128", 2.8, 63, 27.8),
    ("iwslt14-de-en/transformer-192", 5.7, 139, 31.3),
    ("iwslt14-de-en/transformer-240", 8.5, 215, 32.7),
    ("wmt16-en-de/lite-200", 2.9, 90, 22.5),
    ("wmt16-en-de/lite-408", 11.7, 360, 25.6),
    ("wmt16-en-de/lite-496", 17.3, 527, 26.5),
    ("wmt16-en-de/transformer-128", 2.8, 87, 21.3),
    ("wmt16-en-de/transformer-256", 11.1, 338, 25.1),
    ("wmt16-en-de/transformer-320", 17.3, 527, 26.1),
    ("wmt16-en-de/transformer-512", 44.1, None, None),
    ("wmt14-en-fr/lite-200", 2.9, 90, 35.3),
    ("wmt14-en-fr/lite-408", 11.7, 360, 39.1),
    ("wmt14-en-fr/lite-496", 17.3, 527, 39.6),
    ("wmt14-en-fr/transformer-128", 2.8, 87, 33.6),
    ("wmt14-en-fr/transformer-256", 11.1, 338, 37.6),
    ("wmt14-en-fr/transformer-320", 17.3, 527, 38.4),
    ("wmt14-en-fr/transformer-512", 44.1, None, 39.9),
]


def counted(recipe: Recipe) -> Profile:
    with torch.device("meta"):
        return profile(recipe.model.build(*recipe.vocabularies()))


@pytest.mark.parametrize(
    ("name", "params", "mult_adds", "bleu"), PUBLISHED, ids=[row[0] for row in PUBLISHED]
)
def test_every_published_row_has_a_recipe_that_expects_its_figures(name, params, mult_adds, bleu):
    expect = recipes.get(name).expect
    assert expect is not None
    assert (expect.params, expect.mult_adds, expect.bleu) == (params, mult_adds, bleu)
    assert expect.source


def test_only_rows_of_the_paper_expect_its_figures():
    assert {name for name in NAMES if recipes.get(name).expect} == {row[0] for row in PUBLISHED}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_builds_and_costs_what_it_expects(name):
    recipe = recipes.get(name)
    found, expect = counted(recipe), recipe.expect
    assert found.params > 0
    if expect is not None:
        assert round(found.params / 1e6, 1) == expect.params
        if expect.mult_adds is not None:
            assert abs(found.mult_adds / 1e6 - expect.mult_adds) <= max(0.5, 0.005 * expect.mult_adds)


@pytest.mark.parametrize(
    ("width", "params", "total"), [(160, 2.775, 5.25), (240, 5.429, 9.14), (320, 8.928, 13.88)]
)
def test_iwslt_is_counted_with_the_papers_vocabularies_before_there_is_data(width, params, total):
    recipe = recipes.get(f"iwslt14-de-en/lite-{width}")
    assert recipe.vocabularies() == (8848, 6632)
    found = counted(recipe)
    assert found.params / 1e6 == pytest.approx(params, abs=5e-4)
    assert found.params_total / 1e6 == pytest.approx(total, abs=5e-3)


@pytest.mark.parametrize("data", ["multi30k-de-en", "multi30k-en-de"])
def test_the_twin_transformer_costs_what_lite_160_costs(data):
    lite, twin = (counted(recipes.get(f"{data}/{model}")) for model in ("lite-160", "transformer-120"))
    assert twin.mult_adds == pytest.approx(lite.mult_adds, rel=1e-3)
    assert twin.params == pytest.approx(lite.params, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_json(name):
    recipe = recipes.get(name)
    assert from_json(json.loads(json.dumps(to_json(recipe))), Recipe) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_names_a_catalogued_set_in_its_direction(name):
    data = recipes.get(name).data
    assert data.name == name.split("/")[0]
    assert CATALOG[data.name].sides == (data.source_language, data.target_language)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_folder_takes_what_a_recipe_says(name):
    recipe = recipes.get(name)
    file = TokenizerFile(file="a.model", sha256="0" * 64, size=8)
    card = ModelCard(
        model=recipe.model, source=file, target=file, search=recipe.search, scoring=recipe.scoring
    )
    assert from_json(to_json(card), ModelCard) == card


def test_names_are_the_files():
    assert sorted(f"{path.parent.name}/{path.stem}".replace("_", "-") for path in FILES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_docstring_has_the_command_what_to_expect_and_what_was_measured(name):
    text = recipes.docstring(name)
    lines = text.splitlines()
    assert lines[0].endswith(".")
    assert any(line.strip().startswith(f"lite train {name} --out runs/") for line in lines)
    assert any(line.startswith("Measured: ") for line in lines)
    expected = next(line for line in lines if line.startswith("Expected: "))
    if (expect := recipes.get(name).expect) is not None:
        figures = {"M parameters": expect.params, "M mult-adds": expect.mult_adds, " BLEU": expect.bleu}
        stated = [f"{figure:g}{unit}" for unit, figure in figures.items() if figure is not None]
        assert expected.startswith(f"Expected: {', '.join(stated)};")


def test_recipes_use_public_names_only():
    for path in FOLDER.glob("*/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "litetransformer":
                assert {alias.name for alias in node.names} <= set(litetransformer.__all__), path
            elif isinstance(node, ast.ImportFrom):
                module = str(node.module)
                assert module in ("dataclasses", "functools") or module.startswith(
                    "litetransformer.recipes"
                ), path


def test_reading_all_recipes_imports_no_torch():
    code = (
        "import sys; from litetransformer import recipes\n"
        "for name in recipes.names(): recipes.get(name)\n"
        "recipes.preset('lite-160')\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("iwslt14-de-en/lite-161", "iwslt14-de-en/lite-160"),
        ("iwslt14-de-en-lite-320", "iwslt14-de-en/lite-320"),
        ("wmt16-en-de/transformer", "wmt16-en-de/transformer-"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(wrong, near):
    for function in (recipes.get, recipes.docstring):
        with pytest.raises(InputError, match=f"no recipe is called '{wrong}'; did you mean '{near}"):
            function(wrong)


@pytest.mark.parametrize("name", ["", "../core/files", "iwslt14-de-en/_base", "iwslt14_de_en/lite_160"])
def test_nothing_but_a_recipe_has_a_recipes_name(name):
    with pytest.raises(InputError, match="no recipe is called"):
        recipes.get(name)


def branches(recipe: Recipe):
    """What each mixing layer of a Lite model consists of."""
    return [layer.mix for layer in (*recipe.model.encoder, *recipe.model.decoder)]


def test_iwslt_rows_are_configured_as_in_the_paper():
    for width in (160, 240, 320):
        recipe = recipes.get(f"iwslt14-de-en/lite-{width}")
        assert [mix.attention for mix in branches(recipe)] == [Attention(heads=4, dropout=0.0)] * 12
        assert [mix.convolution for mix in branches(recipe)] == [
            LightConv(heads=4, taps=count, dropout=0.1) for count in TAPS
        ]
        assert {layer.cross.heads for layer in recipe.model.decoder} == {4}
        assert (recipe.model.dropout, recipe.model.tied) == (0.2, "none")
    for name in NAMES:
        if name.startswith("iwslt14"):
            recipe = recipes.get(name)
            training, vocabulary = recipe.train, recipe.vocabulary
            assert training.schedule == InverseSqrt(peak=5e-4, warmup=4000, start=1e-7)
            assert (training.updates, training.batch_tokens, training.accumulate) == (50_000, 4096, 1)
            assert (training.optimizer.weight_decay, training.optimizer.betas) == (1e-4, (0.9, 0.98))
            assert (training.label_smoothing, training.keep, training.average) == (0.1, "average", 10)
            assert (vocabulary.kind, vocabulary.size, vocabulary.joint) == ("moses", 10_000, False)
            assert (recipe.search.beam, recipe.search.length_penalty) == (4, 1.0)
            assert (vocabulary.lowercase, recipe.scoring) == (True, "paper")


@pytest.mark.parametrize(
    ("data", "dropouts", "schedule"),
    [
        (
            "wmt16-en-de",
            {200: (0.04, 0.03, 0.03), 408: (0.08, 0.06, 0.06), 496: (0.1, 0.08, 0.08)},
            Cosine(peak=1e-3, warmup=10_000, period=40_000, start=1e-7, end=1e-7),
        ),
        (
            "wmt14-en-fr",
            {200: (0.04, 0.03, 0.03), 408: (0.08, 0.07, 0.07), 496: (0.1, 0.08, 0.08)},
            Cosine(peak=1e-3, warmup=5_000, period=45_000, start=1e-7, end=1e-7),
        ),
    ],
)
def test_wmt_rows_are_configured_as_in_the_paper(data, dropouts, schedule):
    for width, (dropout, attention, weight) in dropouts.items():
        recipe = recipes.get(f"{data}/lite-{width}")
        assert {mix.attention for mix in branches(recipe)} == {Attention(heads=4, dropout=attention)}
        assert {type(mix.convolution) for mix in branches(recipe)} == {DynamicConv}
        assert {(mix.convolution.glu, mix.convolution.dropout) for mix in branches(recipe)} == {
            (True, weight)
        }
        assert {(layer.cross.heads, layer.cross.dropout) for layer in recipe.model.decoder} == {
            (8, attention)
        }
        assert (recipe.model.dropout, recipe.model.tied) == (dropout, "all")
    for name in NAMES:
        if name.startswith(data):
            training, search = recipes.get(name).train, recipes.get(name).search
            assert training.schedule == schedule
            assert training.batch_tokens * training.accumulate == 4096 * 8 * 16
            assert (training.updates, training.optimizer.weight_decay) == (50_000, 0.0)
            assert (training.keep, training.best_by, training.label_smoothing) == ("best", "loss", 0.1)
            assert (search.beam, search.length_penalty) == (4, 0.6)


@pytest.mark.parametrize("name", [*recipes.PRESETS, "lite-8", "lite-96", "transformer-64", "lite-1024"])
def test_a_preset_builds_at_any_width_divisible_by_8(name):
    recipe = recipes.preset(name, source_language="de", target_language="en")
    assert (recipe.data.source_language, recipe.data.target_language) == ("de", "en")
    assert recipe.model.dim == int(name.split("-")[1])
    assert counted(recipe).params > 0
    assert from_json(to_json(recipe), Recipe) == recipe


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lite-100", "'lite-100' is not divisible by 8; choose lite-96"),
        ("transformer-3", "'transformer-3' is not divisible by 8; choose transformer-8"),
        ("lite160", "no preset is called 'lite160'; did you mean 'lite-160'?"),
        ("lite-0", "no preset is called 'lite-0'"),
        ("lite--8", "no preset is called 'lite--8'"),
        ("big", "one of: lite-160, lite-240"),
    ],
)
def test_a_wrong_preset_says_what_to_choose(name, message):
    with pytest.raises(InputError) as caught:
        recipes.preset(name)
    assert message in str(caught.value)


def test_a_preset_trains_on_a_users_files(tmp_path):
    for split in ("train", "valid"):
        lines = [f"zeile {number} von {split} {number * 7}" for number in range(200)]
        (tmp_path / f"{split}.de").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{split}.en").write_text("\n".join(lines).replace("zeile", "line") + "\n")
    train, valid = (
        TextPairs(source=str(tmp_path / f"{split}.de"), target=str(tmp_path / f"{split}.en"))
        for split in ("train", "valid")
    )
    recipe = with_texts(recipes.preset("lite-8", source_language="de", target_language="en"), train, valid)
    recipe = override(recipe, ["vocabulary.size=300", "train.updates=2", "train.validate_every=1"])
    progress = train_translator(recipe, tmp_path / "run")
    assert progress.update == 2
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_recipes_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.get("iwslt14-de-en/lite-160").scoring = "sacrebleu"
