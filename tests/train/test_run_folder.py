"""A folder is one run's: what was started there goes on, and nothing else slips in."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.core.files import only_writer, read_json, with_checksum, write_json
from litetransformer.core.override import override
from litetransformer.data.corpus import TextPairs
from litetransformer.models.tensors import load_tensors
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.run import read_recipe
from litetransformer.tasks.translation import train_translator
from litetransformer.tasks.translator import load
from litetransformer.train.report import Report


def train(recipe, folder, **options):
    return train_translator(recipe, folder, report=Report(folder, quiet=True), **options)


def weights(folder):
    return load_tensors(folder / "model.safetensors")[0]


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """A recipe and the folder of its finished run: read only."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = words(folder / "texts")
    train(recipe, folder / "run")
    return recipe, folder / "run"


@pytest.fixture
def run(trained, tmp_path):
    """The recipe and a copy of its run."""
    return trained[0], Path(shutil.copytree(trained[1], tmp_path / "run"))


def test_a_run_from_before_a_setting_existed_goes_on_as_it_is(run):
    recipe, folder = run
    saved = read_json(folder / "recipe.json")
    newer = ("consistency", "ema_decay")
    assert [saved["train"].pop(name) for name in newer] == [0.0, 0.0]
    saved.pop("sha256")
    write_json(folder / "recipe.json", with_checksum(saved))
    assert read_recipe(folder) == recipe
    before = weights(folder)
    train(recipe, folder)
    assert all(torch.equal(weights(folder)[name], tensor) for name, tensor in before.items())


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("log.jsonl", "cost.json")
    }


def test_a_run_leaves_a_model_to_load_and_nothing_half_done(trained):
    _, folder = trained
    assert load(folder).translate(["rot"])[0] is not None
    assert not [path for path in folder.rglob("*") if path.name.startswith(".partial-")]


def test_the_same_recipe_gives_the_same_model(trained, tmp_path):
    recipe, folder = trained
    train(recipe, tmp_path, workers=2)
    ours, theirs = content(tmp_path), content(folder)
    assert ours.keys() == theirs.keys()
    # The state holds the seconds that the run took.
    assert [name for name in ours if ours[name] != theirs[name] and "state-" not in name] == []


def test_a_second_run_in_the_folder_is_refused_and_changes_nothing(run):
    recipe, folder = run
    before = content(folder)
    with only_writer(folder), pytest.raises(InputError, match="another run is writing here; wait for it"):
        train(recipe, folder)
    assert content(folder) == before


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("train.schedule.peak=0.02", "train.schedule.peak"),
        ("train.seed=7", "train.seed"),
        ("train.accumulate=2", "train.accumulate"),
        ("model.dropout=0.5", "model.dropout"),
        ("model.encoder.0.mix.convolution.taps=5", "model.encoder"),
        ("vocabulary.size=310", "vocabulary.size"),
        ("data.longest_ratio=2.0", "data.longest_ratio"),
    ],
)
def test_a_changed_recipe_is_refused_naming_the_field(run, setting, field):
    recipe, folder = run
    before = content(folder)
    with pytest.raises(InputError, match=r"started with another .*--accept-changes") as caught:
        train(override(recipe, [setting]), folder)
    assert caught.value.field == field
    assert content(folder) == before


def test_a_changed_recipe_is_accepted_with_the_flag(run):
    recipe, folder = run
    changed = override(recipe, ["train.schedule.peak=0.02", "train.updates=14"])
    assert train(changed, folder, accept_changes=True).update == 14
    assert read_recipe(folder) == changed


def test_more_updates_need_no_flag(run):
    recipe, folder = run
    assert train(override(recipe, ["train.updates=14"]), folder).update == 14


@pytest.mark.parametrize("setting", ["search.beam=2", "search.length_penalty=0.6", "search.longest=9"])
def test_another_search_needs_no_flag_and_becomes_the_model_s(run, setting):
    recipe, folder = run
    before, changed = weights(folder), override(recipe, [setting])
    assert train(changed, folder).update == recipe.train.updates
    assert read_recipe(folder) == changed
    assert load(folder).search == changed.search != recipe.search
    assert all(torch.equal(weights(folder)[name], tensor) for name, tensor in before.items())


def test_a_preparation_that_is_refused_leaves_the_run_as_it_was(run):
    recipe, folder = run
    before = content(folder)
    with pytest.raises(InputError, match="prepared with another vocabulary; choose another folder") as caught:
        train(override(recipe, ["vocabulary.size=310"]), folder, accept_changes=True)
    assert (caught.value.field, caught.value.path) == ("vocabulary", str(folder / "prepared.json"))
    assert content(folder) == before
    train(recipe, folder)


def test_a_start_that_failed_leaves_the_folder_free(words, tmp_path):
    recipe = words(tmp_path / "texts")
    with pytest.raises(InputError, match="too small for a vocabulary"):
        train(override(recipe, ["vocabulary.size=5000"]), tmp_path / "run")
    assert train(override(recipe, ["train.updates=1"]), tmp_path / "run").update == 1


def test_texts_may_move_but_not_change(run, tmp_path):
    recipe, folder = run
    shutil.copytree(Path(recipe.data.train.source).parent, tmp_path / "moved")

    def moved(pairs):
        sides = {
            side: str(tmp_path / "moved" / Path(getattr(pairs, side)).name) for side in ("source", "target")
        }
        return replace(pairs, **sides)

    recipe = replace(
        recipe, data=replace(recipe.data, train=moved(recipe.data.train), valid=moved(recipe.data.valid))
    )
    train(recipe, folder)
    with Path(recipe.data.train.target).open("a") as text:
        text.write("more\n")
    with pytest.raises(InputError, match="prepared with another training text; choose another folder"):
        train(recipe, folder)


def test_sides_and_fields_that_change_places_are_another_text(words, tmp_path):
    rows = [json.dumps({"de": "rot alt", "en": "red old", "n": str(number)}) for number in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    pairs = TextPairs(source=str(tmp_path / "a.jsonl"), source_field="de", target_field="en")
    recipe = words(tmp_path / "texts")
    recipe = replace(
        recipe,
        vocabulary=replace(recipe.vocabulary, size=275),
        data=replace(recipe.data, train=pairs, valid=pairs),
    )
    prepare(recipe, tmp_path / "run")
    prepare(recipe, tmp_path / "run")
    turned = replace(pairs, source_field="en", target_field="de")
    with pytest.raises(InputError, match="prepared with another training text"):
        prepare(replace(recipe, data=replace(recipe.data, train=turned)), tmp_path / "run")


PREPARED = ["tokenizer.model", "data/valid.jsonl", "data/train/index.json", "data/valid/index.json"]
PREPARED += [
    f"data/{split}/{side}.{kind}"
    for split, side, kind in (("train", "source", "bin"), ("valid", "target", "offsets"))
]


@pytest.mark.parametrize("file", PREPARED)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damaged_preparations_are_found_and_made_again_as_the_error_says(run, file, harm):
    recipe, folder = run
    path, before = folder / file, content(folder)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.unlink()
    if harm != "remove":
        path.write_bytes(damaged if harm == "flip" else damaged[:-3])
    with pytest.raises(InputError) as caught:
        train(recipe, folder)
    assert Path(caught.value.path) in (path, path.parent)
    assert caught.value.remedy == f"remove {folder / 'prepared.json'} to prepare again"
    (folder / "prepared.json").unlink()
    train(recipe, folder)
    after = content(folder)
    assert [name for name in before if before[name] != after[name] and "state-" not in name] == []


@pytest.mark.parametrize("file", ["prepared.json", "recipe.json"])
def test_a_changed_record_of_the_run_is_found(run, file):
    recipe, folder = run
    text = (folder / file).read_text()
    for changed in (text.replace("32", "33", 1), text.replace("300", "301", 1), "{}", "[]"):
        (folder / file).write_text(changed)
        with pytest.raises(InputError) as caught:
            train(recipe, folder)
        assert caught.value.path == str(folder / file)


def test_a_preparation_that_was_cut_short_is_done_again(run):
    recipe, folder = run
    before = read_json(folder / "prepared.json")
    (folder / "prepared.json").unlink()
    (folder / "data" / "train" / "index.json").unlink()
    (folder / "data" / "train" / "source.bin").write_bytes(b"half")
    for place in (folder, folder / "data", folder / "data" / "train", folder / "checkpoints"):
        (place / ".partial-x").write_bytes(b"half")
    train(recipe, folder)
    assert read_json(folder / "prepared.json") == before
    assert not [path for path in folder.rglob("*") if path.name.startswith(".partial-")]


def test_missing_texts_are_named(words, tmp_path):
    recipe = words(tmp_path / "texts")
    Path(recipe.data.valid.target).unlink()
    with pytest.raises(InputError, match=r"valid.en: no such file"):
        train(recipe, tmp_path / "run")
    with pytest.raises(InputError, match="no text to train on"):
        train(replace(recipe, data=replace(recipe.data, train=None)), tmp_path / "run")
    with pytest.raises(InputError, match="no training run here; name a folder"):
        read_recipe(tmp_path)


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import safetensors.torch, sentencepiece, torch._dynamo
from litetransformer.tasks.run import read_recipe
from litetransformer.tasks.translation import train_translator
from litetransformer.train.report import Report
torch.set_num_threads(1)
folder, generator = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
recipe = read_recipe(folder.parent / "whole")
for _ in range(int(sys.argv[3])):
    child = os.fork()
    if not child:
        train_translator(recipe, folder, report=Report(folder, quiet=True))
        os._exit(0)
    time.sleep(generator.uniform(0.02, 0.3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_the_run_ends_the_same(words, tmp_path, seed):
    """The process imports once and forks a child for each kill, so that kills hit work and not imports."""
    recipe = override(
        words(tmp_path / "texts", rows=200), ["train.updates=300", "train.save_every=2", "train.keep=average"]
    )
    train(recipe, tmp_path / "whole")
    killer = [sys.executable, "-c", KILLER, str(tmp_path / "killed"), str(seed), "10"]
    subprocess.run(killer, check=True, timeout=120)
    log = (tmp_path / "killed" / "log.jsonl").read_text()
    assert log.count('"resume"') >= 3
    assert '"end"' not in log
    train(recipe, tmp_path / "killed")
    whole, killed = content(tmp_path / "whole"), content(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    assert [name for name in whole if whole[name] != killed[name] and "state-" not in name] == []
    for name in (name for name in whole if "state-" in name):
        first, second = (load_tensors(tmp_path / run / name)[0] for run in ("whole", "killed"))
        assert all(torch.equal(first[key], second[key]) for key in first)
