"""The models that come with the package are found by their languages, translate, and are what they say."""

import re
from pathlib import Path

import pytest

from litetransformer.cli import main
from litetransformer.compress.pack import Pack
from litetransformer.core.errors import InputError
from litetransformer.tasks import shipped
from litetransformer.tasks.compression import compress
from litetransformer.tasks.compression_record import Plan, read_record
from litetransformer.tasks.model_folder import read_card
from litetransformer.tasks.shipped import file_of, shipped_model
from litetransformer.tasks.translator import load
from litetransformer.tasks.yardstick import read_texts

LARGEST = 3_000_000
SENTENCES = {
    ("de", "en"): {"Guten Morgen, wie geht es dir?": "morning", "Ich habe kein Geld.": "money"},
    ("en", "de"): {"Good morning, how are you?": "Morgen", "I have no money.": "Geld"},
}


@pytest.fixture(scope="session")
def folder(model_folder, texts, tmp_path_factory):
    """A folder in which one of the two models is: a small one, German to English. Read only."""
    folder = tmp_path_factory.mktemp("shipped")
    valid = read_texts(texts / "valid.de", texts / "valid.en")
    compress(model_folder, file_of("de", "en", folder=folder), Plan(), texts=valid)
    return folder


@pytest.fixture
def run(folder, monkeypatch, capfd):
    """The command with the models of `folder`: its exit status, stdout and stderr."""
    monkeypatch.setattr(shipped, "FOLDER", folder)

    def run(*arguments):
        status = main(list(map(str, arguments)))
        out, err = capfd.readouterr()
        return status, out, err

    return run


@pytest.mark.parametrize("languages", [("--to", "en"), ("--from", "de"), ("--from", "de", "--to", "en")])
def test_a_language_is_enough_to_translate(run, folder, languages):
    expected = run("translate", "--model", folder / "de-en.lite", "Hund und Katze.", "Haus.")
    assert run("translate", *languages, "Hund und Katze.", "Haus.") == expected
    assert (expected[0], expected[1].count("\n"), expected[2]) == (0, 2, "")


def test_options_and_files_are_those_of_every_model(run, folder, texts):
    options = ("--input", texts / "test.de", "--beam", "2", "--scores")
    found = run("translate", "--to", "en", *options)
    assert found == run("translate", "--model", folder / "de-en.lite", *options)
    assert found[1].count(" ||| ") == 40


WRONG = {
    "unknown": (
        ("--to", "fr"),
        "--to: no model to fr comes with litetransformer, only from de to en, en to de; train one, `lite "
        "train --preset lite-160 --from LANGUAGE --to fr --source FILE …`, and name it with --model",
    ),
    "unknown pair": (("--from", "fr", "--to", "en"), "--to: no model from fr to en comes with "),
    "unknown source": (("--from", "fr"), "--from: no model from fr comes with "),
    "the same": (("--from", "en", "--to", "en"), "--to: no model from en to en comes with "),
    "nothing named": (
        (),
        "--model: no model is named; name a model, or give --to en or --to de for one that comes with ",
    ),
    "to beside a model": (("--model", "x", "--to", "en"), "--to: is given beside --model, which has its own"),
    "from beside a model": (("--model", "x", "--from", "de"), "--from: is given beside --model"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_model_fits_is_one_line_that_says_what_does(run, fails, name):
    options, said = WRONG[name]
    fails(run("translate", *options, "Hallo."), f"error: {said}")


def test_a_file_that_an_install_lacks_is_named(run, folder):
    what = "this install lacks the model from en to de that comes with litetransformer"
    remedy = "install the package again, or name another model with --model"
    found = run("translate", "--to", "de", "Dog.")
    assert found == (1, "", f"error: {folder / 'en-de.lite'}: {what}; {remedy}\n")


def test_of_several_source_languages_one_must_be_named(folder):
    pairs = [("de", "en"), ("fr", "en"), ("en", "de")]
    with pytest.raises(InputError, match="--from: more than one model fits; choose from de to en, fr to en"):
        shipped_model(target="en", pairs=pairs, folder=folder)
    with pytest.raises(InputError, match="--to: more than one model fits"):
        shipped_model("en", pairs=[*pairs, ("en", "fr")], folder=folder)
    assert shipped_model("de", "en", pairs=pairs, folder=folder) == folder / "de-en.lite"


def test_the_default_folder_is_a_part_of_the_package():
    assert shipped.FOLDER.parent == Path(shipped.__file__).parents[1]
    assert (shipped.FOLDER / "CARD.md").is_file()


@pytest.mark.parametrize("pair", shipped.PAIRS, ids="-".join)
def test_a_shipped_model_translates_and_is_small_whole_and_measured(pair):
    path = file_of(*pair)
    if not path.is_file():
        pytest.skip(f"{path.name} is not here: the model that ships has not been put in yet")
    assert path.stat().st_size <= LARGEST
    assert Pack(path).dequantized()
    card, record = read_card(path), read_record(path)
    assert (card.source_language, card.target_language) == pair
    assert record.after.score > 0
    for source, word in SENTENCES[pair].items():
        assert re.search(rf"\b{word}\b", load(path).translate([source])[0])
