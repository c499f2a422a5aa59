"""Preparing goes on where it was stopped, to the same bytes, and tells how it goes."""

import io
import json
import random
import re
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

import litetransformer as lt
from litetransformer.cli import main
from litetransformer.cli.progress import PreparingProgress, clock_time
from litetransformer.core.override import override
from litetransformer.core.spec import from_json, to_json
from litetransformer.data import store, tokenise
from litetransformer.data.corpus import TextPairs
from litetransformer.models.presets import lite_lm
from litetransformer.tasks import prepare as pairs_module
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.prepare_text import prepare_text
from litetransformer.tasks.recipe import Data, LanguageRecipe, Recipe, TextData, Vocabulary
from litetransformer.tasks.run import write_recipe

WORDS = "rot blau alt neu groß klein Haus Baum Straße Hund Katze geht sieht liegt"


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(tokenise, "CHUNK", 50)
    monkeypatch.setattr(store, "SHARD_TOKENS", 1000)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder, generator = tmp_path_factory.mktemp("texts"), random.Random(0)
    for name, rows in (("train.de", 900), ("train.en", 900), ("valid.de", 40), ("valid.en", 40)):
        lines = (
            " ".join(generator.choices(WORDS.split(" "), k=generator.randint(1, 9))) for _ in range(rows)
        )
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


TRAIN = lt.Training(updates=1, batch_tokens=512, schedule=lt.InverseSqrt(peak=1e-3, warmup=1))


def pairs_of(texts):
    """A recipe for pairs of texts."""
    train, valid = (
        TextPairs(source=str(texts / f"{split}.de"), target=str(texts / f"{split}.en"))
        for split in ("train", "valid")
    )
    data = Data(train=train, valid=valid)
    return Recipe(model=lt.lite(8), data=data, vocabulary=Vocabulary(size=300), train=TRAIN)


DRAWN = Vocabulary(size=300, dropout=0.2, draws=3)


@pytest.fixture(params=["pairs", "drawn", "text"])
def preparing(request, texts):
    """What prepares a folder."""
    if request.param == "pairs":
        return partial(prepare, pairs_of(texts))
    if request.param == "drawn":
        return partial(prepare, replace(pairs_of(texts), vocabulary=DRAWN))
    data = TextData(train=str(texts / "train.de"), valid=str(texts / "valid.de"))
    vocabulary = Vocabulary(kind="words", size=100)
    recipe = LanguageRecipe(model=lite_lm(8), data=data, vocabulary=vocabulary, train=TRAIN)
    return partial(prepare_text, recipe)


def bytes_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


class Told:
    """Keeps what it is told, and raises `KeyboardInterrupt` at one of the calls."""

    def __init__(self, stop=None):
        self.stop, self.calls = stop, []

    def __call__(self, part, rows, total):
        self.calls.append((part, rows, total))
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt

    def parts(self):
        return list(dict.fromkeys(part for part, _, _ in self.calls))

    def rows(self, part):
        return [rows for name, rows, _ in self.calls if name == part and rows]


def test_stopped_anywhere_it_goes_on_to_the_same_bytes(preparing, tmp_path):
    told = Told()
    preparing(tmp_path / "whole", progress=told)
    whole = bytes_of(tmp_path / "whole")
    assert {name for name in whole if name.startswith("data/train/")} >= {"data/train/index.json"}
    assert any("-00001.bin" in name for name in whole)
    for stop in range(1, len(told.calls), 5):
        with pytest.raises(KeyboardInterrupt):
            preparing(tmp_path / "stopped", progress=Told(stop))
        assert not (tmp_path / "stopped" / "prepared.json").exists()
        again = Told()
        preparing(tmp_path / "stopped", progress=again)
        assert bytes_of(tmp_path / "stopped") == whole
        for path in sorted((tmp_path / "stopped").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_what_was_finished_is_not_made_again(preparing, tmp_path, monkeypatch):
    told = Told()
    preparing(tmp_path / "whole", progress=told)
    part = next(number for number, call in enumerate(told.calls) if call[0] == "valid")
    with pytest.raises(KeyboardInterrupt):
        preparing(tmp_path / "stopped", progress=Told(part + 1))
    monkeypatch.setattr(pairs_module, "learn_tokenizer", None)
    monkeypatch.setattr("litetransformer.tasks.prepare_text.learn_tokenizer", None)
    again = Told()
    preparing(tmp_path / "stopped", progress=again)
    assert again.parts() == [
        "checksums of the texts",
        "vocabulary: kept as it was learned before",
        "train: kept as it was finished before",
        "valid",
        "",
    ]
    assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "whole")
    kept = Told()
    preparing(tmp_path / "stopped", progress=kept)
    assert kept.parts() == ["checksums of the texts", "checking what is prepared already", ""]


def test_a_tokenizer_or_store_that_was_damaged_meanwhile_is_made_again(preparing, tmp_path):
    told = Told()
    preparing(tmp_path / "whole", progress=told)
    part = next(number for number, call in enumerate(told.calls) if call[0] == "valid")
    for name in ("tokenizer", "data/train/"):
        folder = tmp_path / name.strip("/").replace("/", "-")
        with pytest.raises(KeyboardInterrupt):
            preparing(folder, progress=Told(part + 1))
        path = next(folder / file for file in bytes_of(folder) if file.startswith(name))
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        preparing(folder)
        assert bytes_of(folder) == bytes_of(tmp_path / "whole")


def test_other_texts_do_not_go_on_with_what_is_unfinished(preparing, tmp_path, texts):
    fresh = Told()
    preparing(tmp_path / "fresh", progress=fresh)
    with pytest.raises(KeyboardInterrupt):
        preparing(tmp_path / "stopped", progress=Told(len(fresh.calls) - 3))
    line = (texts / "train.de").read_text()
    try:
        (texts / "train.de").write_text(line.replace("rot", "grün"))
        told = Told()
        preparing(tmp_path / "stopped", progress=told)
        assert not any("kept" in part for part in told.parts())
        preparing(tmp_path / "other")
        assert bytes_of(tmp_path / "stopped") == bytes_of(tmp_path / "other")
    finally:
        (texts / "train.de").write_text(line)


def test_progress_knows_how_many_rows_there_will_be(preparing, tmp_path, request):
    rows, told = 2700 if "drawn" in request.node.name else 900, Told()
    preparing(tmp_path, progress=told)
    assert told.parts() == [
        "checksums of the texts",
        "reading text for the vocabulary",
        "learning the vocabulary",
        "train",
        "valid",
        "",
    ]
    assert {total for part, _, total in told.calls if part == "train"} == {rows}
    assert sum(told.rows("train")) == rows
    assert sum(told.rows("valid")) == 40
    assert told.calls[-1] == ("", 0, None)


def rows_of(prepared, split):
    found = getattr(prepared, split)
    return [(found.source(row).tolist(), found.target(row).tolist()) for row in range(len(found))]


@pytest.mark.parametrize("joint", [True, False])
def test_segmentations_are_drawn_for_training_alone_after_the_usual_one(texts, tmp_path, joint):
    recipe = replace(pairs_of(texts), model=lt.lite(8, tied="decoder"))
    drawing = replace(recipe, vocabulary=replace(DRAWN, joint=joint))
    usual = prepare(
        replace(recipe, vocabulary=replace(DRAWN, joint=joint, dropout=0.0, draws=1)), tmp_path / "usual"
    )
    drawn = prepare(drawing, tmp_path / "drawn")
    assert (drawn.source.digest, drawn.target.digest) == (usual.source.digest, usual.target.digest)
    assert rows_of(drawn, "valid") == rows_of(usual, "valid")
    assert drawn.valid_pairs == usual.valid_pairs
    one, all_three = rows_of(usual, "train"), rows_of(drawn, "train")
    assert (len(one), len(all_three)) == (900, 2700)
    assert all_three[:900] == one
    assert all_three[900:1800] != one != all_three[1800:] != all_three[900:1800]
    for place, side in ((0, drawn.source), (1, drawn.target)):
        said = [side.decode(row[place]) for row in all_three]
        assert said == 3 * said[:900]
        assert sum(len(row[place]) for row in all_three) > 3.2 * sum(len(row[place]) for row in one)
    two = prepare(drawing, tmp_path / "two", workers=2)
    assert two.digest == drawn.digest
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "drawn")
    with pytest.raises(lt.InputError, match="vocabulary: prepared with another vocabulary"):
        prepare(recipe, tmp_path / "drawn")


def test_without_draws_a_preparation_is_written_down_as_before_there_were_any(texts, tmp_path):
    recipe = pairs_of(texts)
    prepare(recipe, tmp_path)
    inputs = json.loads((tmp_path / "prepared.json").read_text())["inputs"]
    assert inputs["vocabulary"] == {
        "type": "Vocabulary",
        "kind": "sentencepiece",
        "size": 300,
        "joint": True,
        "lowercase": False,
    }
    assert set(inputs) == {
        *("train", "valid", "vocabulary", "longest", "longest_ratio", "truncate_source", "languages")
    }
    older = to_json(recipe)
    assert (older["vocabulary"].pop("dropout"), older["vocabulary"].pop("draws")) == (0.0, 1)
    assert from_json(older, Recipe) == recipe
    data = TextData(train=str(texts / "train.de"), valid=str(texts / "valid.de"))
    text = LanguageRecipe(model=lite_lm(8), data=data, vocabulary=recipe.vocabulary, train=TRAIN)
    prepare_text(text, tmp_path / "text")
    there = json.loads((tmp_path / "text" / "prepared.json").read_text())
    assert there["inputs"]["vocabulary"] == inputs["vocabulary"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["dropout=1", "draws=2"], "dropout=1.0 must be in [0, 1); 0 leaves no merge out"),
        (["dropout=-0.1", "draws=2"], "dropout=-0.1 must be in [0, 1)"),
        (["draws=0"], "draws=0 must be at least 1"),
        (["dropout=0.1"], "dropout=0.1 changes nothing with draws=1, the usual segmentation; raise draws"),
        (["draws=8"], "draws=8 would only repeat the text with dropout=0; raise dropout"),
        (["dropout=0.1", "draws=8", "kind=moses"], "dropout=0.1 does not go with kind='moses'"),
        (["dropout=0.1", "draws=8", "kind=words"], "dropout=0.1 does not go with kind='words'"),
        (["dropout=much"], "'much' is not a number"),
        (["draws=1.5"], "1.5 is not a whole number"),
    ],
)
def test_draws_that_cannot_be_are_refused_before_any_work(texts, settings, message):
    with pytest.raises(lt.InputError) as raised:
        override(pairs_of(texts), [f"vocabulary.{setting}" for setting in settings])
    assert message in str(raised.value)
    assert raised.value.field.startswith("vocabulary")


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def shown(terminal, quiet=False):
    screen, now = Screen(terminal), [0.0]
    tell = PreparingProgress(quiet=quiet, stream=screen, clock=lambda: now[0])
    tell("learning", 0, None)
    tell("train", 0, 1000)
    for _ in range(10):
        now[0] += 10
        tell("train", 100, 1000)
    tell("", 0, None)
    return screen.getvalue()


def test_in_a_pipe_a_part_is_a_line_and_then_one_now_and_then():
    assert shown(terminal=False).splitlines() == [
        "preparing: learning",
        "preparing: train",
        "preparing: train · 300 of 1,000 rows · 10 rows/s · 1:10 left",
        "preparing: train · 600 of 1,000 rows · 10 rows/s · 0:40 left",
        "preparing: train · 900 of 1,000 rows · 10 rows/s · 0:10 left",
    ]


def test_on_a_terminal_a_part_is_one_line_that_changes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    first, second, rest = shown(terminal=True).split("\n")
    assert (first, rest) == ("\rpreparing: learning", "")
    states = [state.rstrip() for state in second.split("\r")[1:]]
    assert states[0] == "preparing: train"
    assert states[4] == "preparing: train · 400 of 1,000 rows · 10 rows/s · 1:00 left"[:59]
    assert states[-1] == "preparing: train · 1,000 of 1,000 rows · 10 rows/s"
    # What is longer is written over to its end, and nothing wraps.
    pieces = second.split("\r")[1:]
    assert all(len(piece) >= len(before.rstrip()) for before, piece in pairwise(pieces))
    assert max(map(len, pieces)) <= 59


def test_rows_that_were_ready_say_nothing_about_the_speed():
    screen, now = Screen(False), [0.0]
    tell = PreparingProgress(quiet=False, stream=screen, clock=lambda: now[0])
    tell("train", 0, 1000)
    tell("train", 500, 1000)
    now[0] = 50.0
    tell("train", 100, 1000)
    assert "600 of 1,000 rows · 2 rows/s · 3:20 left" in screen.getvalue()
    assert shown(terminal=True, quiet=True) == ""
    assert (clock_time(59.6), clock_time(3723)) == ("1:00", "1:02:03")


def test_training_tells_how_preparing_goes_and_what_is_kept(texts, tmp_path, capfd):
    files = [
        part
        for side, name in (("source", "train.de"), ("target", "train.en"))
        for part in (f"--{side}", str(texts / name), f"--valid-{side}", str(texts / f"valid.{name[-2:]}"))
    ]
    train = [
        "train",
        "--preset",
        "lite-16",
        *files,
        "--set",
        "vocabulary.size=300",
        "--set",
        "train.updates=1",
    ]
    train += ["--set", "model.dropout=0.1", "--out", str(tmp_path)]
    assert main(train) == 0
    told = re.findall("preparing: .*", capfd.readouterr().err)
    assert [line.removeprefix("preparing: ") for line in told] == [
        "checksums of the texts",
        "reading text for the vocabulary",
        "learning the vocabulary",
        "train",
        "valid",
    ]
    assert main([*train, "--set", "train.updates=2"]) == 0
    assert "preparing: checking what is prepared already\n" in capfd.readouterr().err


KILLED = """
import os, signal, sys
from pathlib import Path
from litetransformer.data import store, tokenise
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.run import read_recipe

tokenise.CHUNK = 50
store.SHARD_TOKENS = 1000

def tell(part, rows, total):
    tell.rows += rows
    if part == "train" and tell.rows >= 500:
        os.kill(os.getpid(), signal.SIGKILL)

tell.rows = 0
prepare(read_recipe(Path(sys.argv[1])), Path(sys.argv[2]), progress=tell)
"""


def test_killed_it_leaves_nothing_that_looks_complete_and_goes_on(texts, tmp_path):
    recipe = pairs_of(texts)
    (tmp_path / "recipe").mkdir()
    write_recipe(tmp_path / "recipe", recipe)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "recipe"), str(tmp_path / "killed")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "prepared.json").exists()
    with pytest.raises(lt.InputError, match="no prepared data here"):
        store.TokenStore(tmp_path / "killed" / "data" / "train")
    told = Told()
    prepare(recipe, tmp_path / "killed", progress=told)
    assert told.rows("train")[0] > 50
    prepare(recipe, tmp_path / "whole")
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")
