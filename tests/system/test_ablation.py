"""Ablations: rows that change one thing, trained from text to results, in a table that can be repeated."""

import hashlib
import importlib
import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from litetransformer import recipes, tables
from litetransformer.core.errors import InputError
from litetransformer.core.override import override
from litetransformer.core.spec import to_json
from litetransformer.data.store import TokenStore
from litetransformer.decode.score import bleu
from litetransformer.inspect.tradeoff import tradeoff
from litetransformer.tables import results

HOME = "multi30k-de-en"
SMALL = (
    *("model.dim=16", "vocabulary.size=330", "train.updates=2", "train.batch_tokens=512"),
    *("train.validate_every=0", "train.schedule.warmup=1", "search.longest=8"),
)


pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture
def ablation(programs):
    return importlib.import_module("ablation")


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """A results folder of the test's own."""
    monkeypatch.setattr(results, "_PLACES", (tmp_path,))
    results.results.cache_clear()
    yield tmp_path
    results.results.cache_clear()


def flat(value, name=""):
    """The leaves of a recipe's JSON by dotted name."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: leaf for part, inner in items for key, leaf in flat(inner, f"{name}.{part}").items()}
    return {name.removeprefix("."): value}


@pytest.mark.parametrize("home", recipes.families())
def test_each_row_changes_what_its_settings_say_and_costs_no_more_mult_adds(home):
    rows = recipes.ablation(home)
    made = {name: override(recipes.get(row.recipe), row.settings) for name, row in rows.items()}
    # No two rows are one training.
    assert len({json.dumps([to_json(made[name]), row.teacher]) for name, row in rows.items()}) == len(rows)
    for name, row in rows.items():
        start, changed = flat(to_json(recipes.get(row.recipe))), flat(to_json(made[name]))
        fields = {key for key in start | changed if start.get(key) != changed.get(key)}
        said = tuple(setting.partition("=")[0] for setting in row.settings)
        assert all(any(key.startswith(one) for one in said) for key in fields), name
        assert all(any(key.startswith(one) for key in fields) for one in said), name
    names = {name: row.recipe.removeprefix(f"{home}/") for name, row in rows.items()}
    family = recipes.families()[home]
    assert (names["paper"], names["paper-transformer"], names["plus"]) == tuple(family.variants)
    assert family.twin(names["plus"]) == names["base"]
    assert family.size(names["paper-transformer"]) == family.size(names["base"])
    taught = {name: row.teacher for name, row in rows.items() if row.teacher}
    assert set(taught) == ({"distilled", "plus-distilled"} if family.teacher else set())
    assert set(taught.values()) <= set(recipes.names())


def test_a_set_without_a_family_has_no_ablation():
    assert recipes.ablation("iwslt14-de-en") == {}
    assert recipes.ablation("no such set") == {}


def rehearse(ablation, texts, folder, *more, systems=("base", "paper", "plus")):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    out, kept = folder / f"ablation-{HOME}.json", folder / "kept"
    ablation.main(
        [
            *(HOME, "--data", str(texts), "--out", str(out), "--keep-hypotheses", str(kept)),
            *("--systems", *systems, "--seeds", "1", *settings, *more),
        ]
    )
    return json.loads(out.read_text())


def test_from_text_to_scores_comparisons_and_a_table_and_nothing_made_twice(ablation, texts, own_results):
    facts = rehearse(ablation, texts, own_results)
    runs = {run["row"]: run for run in facts["runs"]}
    assert list(runs) == ["base", "paper", "plus"]
    assert all(run.get("failed") is None for run in runs.values())
    assert runs["plus"]["system"] == f"{HOME}/lite-160-plus"
    compared = [(pair["row"], pair["against"]) for pair in facts["significance"]]
    assert compared == [("base", "paper"), ("paper", "base"), ("plus", "base"), ("plus", "paper")]
    assert all(pair["tests"] == ["test"] for pair in facts["significance"])
    assert rehearse(ablation, texts, own_results) == facts
    # Another row joins them, of the same recipe.
    joined = rehearse(ablation, texts, own_results, systems=("consistency-1",))
    assert [run["row"] for run in joined["runs"]] == ["base", "consistency-1", "paper", "plus"]
    assert "--seeds 1 --systems base consistency-1 paper plus" in joined["command"]
    assert ("consistency-1", "paper") in [(pair["row"], pair["against"]) for pair in joined["significance"]]

    results.results.cache_clear()
    table = tables.table(f"ablation-{HOME}")
    (row,) = [dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0] == "plus"]
    assert row["recipe and what is set"] == "lite-160-plus"
    assert row["test 2016"].endswith("(1 seed)")
    assert (row["test 2017"], row["mean"]) == ("not run", "not run")
    commands = {row[1].split()[1]: row[2] for row in tables.table("reproduce").rows}
    assert f"benchmarks/ablation.py {HOME} --data FOLDER" in commands["consistency-1"]
    assert "--seeds 1 --systems consistency-1 --set train.consistency=1" in commands["consistency-1"]
    # A row is no system of its own in the figure of them.
    assert HOME not in {panel.name for panel in tradeoff(own_results)}


@pytest.mark.slow
def test_a_student_learns_from_what_its_teacher_writes(ablation, texts, tmp_path, monkeypatch):
    made, train = [], ablation.train_translator

    def trained(recipe, folder, **options):
        made.append(recipe.data.train.target)
        return train(recipe, folder, **options)

    monkeypatch.setattr(ablation, "train_translator", trained)
    folders = ["--prepared", str(tmp_path / "prepared"), "--runs", str(tmp_path / "runs")]
    facts = rehearse(ablation, texts, tmp_path, *folders, systems=("base", "distilled", "plus-distilled"))
    assert [run.get("failed") for run in facts["runs"]] == [None] * 3
    assert len({run["recipe_digest"] for run in facts["runs"]}) == 3
    # One teacher for both, trained on the set's own text.
    assert made == [str(texts / "train.en")]
    (target,) = (tmp_path / "prepared").glob("taught-*/train.target")
    source = target.with_name("train.source").read_bytes()
    assert source == (texts / "train.de").read_bytes()
    assert target.read_bytes().count(b"\n") == source.count(b"\n")
    run = next(run for run in facts["runs"] if run["row"] == "distilled")
    assert (run["system"], run["teacher"]) == (f"{HOME}/lite-160", f"{HOME}/lite-320")
    # Both students read what it wrote, the row without a teacher and the teacher itself the set's own text.
    records = [path.read_bytes() for path in sorted((tmp_path / "runs").glob("*/prepared.json"))]
    assert [records.count(one) for one in records] == [2, 2, 2, 2]

    # A call that was cut short after the teacher's training goes on from there.
    def again():
        target.unlink()
        (target.parent / "shards").mkdir()
        (target.parent / "shards" / "begun.source").write_text("[]")
        wanted = ["--again", "--teachers", "2"]
        rehearse(ablation, texts, tmp_path, *folders, *wanted, systems=("distilled",))
        assert not (target.parent / "shards").exists()
        return target.read_bytes()

    wrote = target.read_bytes()
    assert again() == wrote
    assert len(made) == 1
    # One that was cut short while the teacher was saved has none.
    (target.parent / "model").rename(target.parent / "model.partial")
    assert again() == wrote
    assert len(made) == 2


def test_a_row_with_subword_dropout_trains_on_all_draws_and_scores(ablation, texts, tmp_path):
    folders = ["--prepared", str(tmp_path / "prepared"), "--runs", str(tmp_path / "runs")]
    names = ("base", "subword-dropout-0.1", "plus-subword-dropout-0.1")
    facts = rehearse(ablation, texts, tmp_path, *folders, systems=names)
    runs = {run["row"]: run for run in facts["runs"]}
    assert set(runs) == set(names)
    assert all(run.get("failed") is None and run["scores"]["test"]["sacrebleu"] >= 0 for run in runs.values())
    # Both rows read the same draws, and what is validated with is as it was.
    found = [TokenStore(place) for place in (tmp_path / "prepared").glob("*/data/train")]
    usual, drawn = sorted(found, key=len)
    assert len(drawn) > 7 * len(usual)
    valid = [(store.folder.parent / "valid" / "source.bin").read_bytes() for store in (usual, drawn)]
    assert valid[0] == valid[1]


def test_settings_that_came_later_change_no_name_of_recipes_that_leave_them_alone():
    jobs = importlib.import_module("jobs")

    def job(*settings):
        return jobs.Job(f"{HOME}/lite-160", 1, settings, Path("data"), "cpu")

    def named(plain):
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]

    older = to_json(replace(job().recipe(), expect=None))
    for part, names in (("train", ("consistency", "ema_decay")), ("vocabulary", ("dropout", "draws"))):
        for name in names:
            del older[part][name]
    assert job().digest() == named(older)
    tokens = [older["data"], older["vocabulary"], older["train"]["longest"], None]
    assert job().preparation() == f"{HOME}-{named(tokens)}"
    drawn = [job("vocabulary.dropout=0.1", f"vocabulary.draws={draws}") for draws in (2, 3)]
    assert len({one.digest() for one in (job(), *drawn)}) == 3
    assert len({one.preparation() for one in (job(), *drawn)}) == 3


def test_an_unknown_row_is_refused_with_those_there_are(ablation, texts, capsys):
    with pytest.raises(SystemExit):
        ablation.main([HOME, "--data", str(texts), "--systems", "lite-160"])
    assert "no lite-160; there are base, consistency-0.5" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ablation.main([HOME, "--data", str(texts), "--teachers", "0"])
    assert "--teachers: must be 1 or more" in capsys.readouterr().err


def test_what_is_ahead_in_the_mean_of_the_tests_is_told_from_chance(ablation):
    words = np.random.default_rng(1).choice(list("abcdefgh"), size=(100, 10))
    references = [" ".join(row) for row in words]

    def spoiled(share, seed):
        lost = np.random.default_rng(seed).random(words.shape) < share
        return [" ".join(row) for row in np.where(lost, "x", words)]

    def both(share, seed):
        return [(spoiled(share, seed), references), (spoiled(share, seed + 1), references)]

    good, bad = (ablation.draws(both(share, 5), language="en", resamples=200) for share in (0.1, 0.25))
    expected = np.mean([bleu(found, [references]).value for found, _ in both(0.1, 5)])
    assert good.measured == pytest.approx(expected)
    found = good.ahead_of(bad)
    low, high = found["ahead_95"]
    assert 0 < low < found["ahead"] < high
    assert found["p_value"] < 0.01
    assert good.ahead_of(good) == {"ahead": 0.0, "ahead_95": [0.0, 0.0], "p_value": 1.0}
    again = ablation.draws(both(0.1, 50), language="en", resamples=200).ahead_of(good)
    assert again["p_value"] > 0.02
    assert again["ahead_95"][0] < again["ahead"] < again["ahead_95"][1]
    # Two sets of one size lose different lines.
    twice = ablation.draws([both(0.1, 5)[0]] * 2, language="en", resamples=50).drawn
    once = ablation.draws([both(0.1, 5)[0]], language="en", resamples=50).drawn
    assert not np.allclose(twice, once)


def scored(row, seed, test, **more):
    splits = {"valid": test + 1, "test": test, "test_2017_flickr": test - 3, "test_2017_mscoco": test - 6}
    scores = {split: {"sacrebleu": score} for split, score in splits.items()}
    return {"system": f"{HOME}/lite-160", "row": row, "seed": seed, "scores": scores, "settings": [], **more}


def write(folder, **content):
    (folder / f"ablation-{HOME}.json").write_text(json.dumps(content))
    results.results.cache_clear()


def test_a_table_has_the_mean_of_the_tests_and_what_is_ahead(own_results):
    pair = {"row": "plus", "against": "paper", "ahead": 1.84, "ahead_95": [0.96, 2.71], "p_value": 0.001}
    runs = [
        *(scored("plus", seed, 40.0 + seed) for seed in (1, 2)),
        scored("paper", 1, 38.0),
        scored("paper", 2, 0.0, failed="the loss is not finite", scores={}),
    ]
    runs += [scored(row, 1, 30.0) for row in ("base", "vocabulary-4000", "distilled")]
    write(own_results, machine="a machine", runs=runs, significance=[pair])
    table = tables.table(f"ablation-{HOME}")
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == ["base", "vocabulary-4000", "paper", "plus", "distilled"]
    assert rows["plus"]["valid"] == "42.5 ± 0.7 (2 seeds)"
    assert rows["plus"]["mean"] == "38.5 ± 0.7 (2 seeds)"
    assert rows["paper"]["mean"] == "35.0 (1 seed), 1 failed"
    assert rows["plus"]["ahead of paper"] == "+1.8 (+1.0 to +2.7), p = 0.001"
    assert rows["paper"]["ahead of paper"] == rows["base"]["ahead of base"] == "–"
    assert rows["distilled"]["recipe and what is set"] == "lite-160, targets: lite-320's"
    assert rows["vocabulary-4000"]["all params"] < rows["base"]["all params"] == "2.99M"
    assert rows["base"]["ahead of paper"] == "not run"
    _, others, *notes = table.notes
    assert others.startswith("Not run: consistency-0.5 (lite-160, train.consistency=0.5); ")
    assert "updates-twice (lite-160, train.updates=7000, " in others
    assert all((f" {name} (" in others) != (name in rows) for name in recipes.ablation(HOME))
    assert tuple(notes) == ("a machine.", "paper, seed 2, failed: the loss is not finite.")


def test_without_results_an_ablation_claims_nothing(own_results):
    for home in recipes.families():
        table = tables.table(f"ablation-{home}")
        assert not table.rows
        assert table.notes[-2].startswith("Not run: base (")
        assert table.notes[-1] == "not run."
    assert "mean" not in tables.table("ablation-canlaw-en-fr").columns


def test_a_speedrun_is_for_the_quality_of_the_papers_recipe(own_results, capsys):
    speedrun = importlib.import_module("speedrun")
    assert set(speedrun.DEFAULT) <= set(recipes.names())
    given = Namespace(reach=None, reference=None, results=own_results)
    for recipe in (f"{HOME}/lite-160", f"{HOME}/lite-160-plus"):
        with pytest.raises(InputError, match=f"no validation BLEU of {HOME}/lite-160-paper; run benchmarks"):
            speedrun.reach(given, recipe)
    runs = [scored("paper", seed, 0.0, scores={"valid": {"sacrebleu": 40.0 + seed}}) for seed in (1, 2)]
    others = [
        scored("plus", 1, 0.0, scores={"valid": {"sacrebleu": 50.0}}),
        scored("paper", 3, 0.0, scores={"valid": {"sacrebleu": 1.0}}, settings=["train.updates=2"]),
    ]
    write(own_results, runs=[*runs, *others])
    assert speedrun.reach(given, f"{HOME}/lite-160") == (41.5, f"{HOME}/lite-160-paper, 2 seeds")
    given.reference = f"{HOME}/lite-160-plus"
    assert speedrun.reach(given, f"{HOME}/lite-160")[0] == 50.0
    given.reach = 30.0
    assert speedrun.reach(given, f"{HOME}/lite-160")[0] == 30.0
    with pytest.raises(SystemExit):
        speedrun.main(["--data", str(own_results), "--results", str(own_results)])
    assert "--systems paper, or give --reach" in capsys.readouterr().err
