"""The benchmark of translation: its scores, its comparisons, and a rehearsal from text to results."""

import importlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from litetransformer import recipes
from litetransformer.core.errors import InputError
from litetransformer.decode.score import bleu

SMALL = (
    *("model.dim=16", "vocabulary.size=330", "train.updates=2", "train.batch_tokens=512"),
    *("train.schedule.warmup=1", "search.longest=8"),
)
PAIR = ["multi30k-de-en/lite-160", "multi30k-de-en/transformer-120"]


BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture
def comparing(programs):
    return importlib.import_module("comparing")


@pytest.fixture
def translation(programs):
    return importlib.import_module("translation")


def some_sentences(count, seed=1):
    generator = random.Random(seed)
    return [" ".join(generator.choices(list("abcdefgh"), k=generator.randint(6, 14))) for _ in range(count)]


def spoiled(sentences, share, seed=2):
    generator = random.Random(seed)
    return [
        " ".join("x" if generator.random() < share else word for word in line.split()) for line in sentences
    ]


@pytest.mark.parametrize(
    ("words", "name"),
    [(0, "≤10"), (10, "≤10"), (11, "11-20"), (20, "11-20"), (30, "21-30"), (31, "31-40"), (41, ">40")],
)
def test_a_source_is_in_the_bucket_of_its_number_of_words(comparing, words, name):
    assert comparing.bucket(" ".join(["word"] * words)) == name


def test_bleu_by_length_is_that_of_the_bucket_alone(comparing):
    references = some_sentences(40)
    sources = ["short one"] * 20 + ["word " * 25] * 20
    hypotheses = spoiled(references[:20], 0.2) + references[20:]
    found = comparing.by_length(sources, hypotheses, references, language="en")
    short = bleu(hypotheses[:20], [references[:20]]).value
    assert found == {
        "≤10": {"lines": 20, "sacrebleu": round(short, 2)},
        "21-30": {"lines": 20, "sacrebleu": 100.0},
    }


def test_a_real_difference_is_told_from_chance_and_lies_in_its_interval(comparing):
    references = some_sentences(200)
    lite, system = spoiled(references, 0.1), spoiled(references, 0.2, seed=3)
    found = comparing.paired(lite, system, references, language="en", resamples=300)
    ahead = bleu(lite, [references]).value - bleu(system, [references]).value
    assert found["lite_ahead"] == pytest.approx(ahead, abs=0.01)
    assert found["lite_ahead_mean"] == pytest.approx(ahead, abs=1.0)
    low, high = found["lite_ahead_95"]
    assert 0 < low < ahead < high
    assert found["p_value"] < 0.01
    back = comparing.paired(system, lite, references, language="en", resamples=300)
    assert back["lite_ahead_95"] == pytest.approx([-high, -low], abs=0.01)


def test_a_chance_difference_is_not_taken_for_a_real_one(comparing):
    references = some_sentences(200)
    lite, system = spoiled(references, 0.2), spoiled(references, 0.2, seed=3)
    found = comparing.paired(lite, system, references, language="en", resamples=300)
    low, high = found["lite_ahead_95"]
    assert low < 0 < high
    assert found["p_value"] > 0.05
    same = comparing.paired(lite, lite, references, language="en", resamples=20)
    assert (same["lite_ahead"], same["lite_ahead_95"], same["p_value"]) == (0.0, [0.0, 0.0], 1.0)


def test_what_is_resampled_is_the_score_of_the_corpus(comparing, monkeypatch):
    references = some_sentences(50)
    hypotheses = spoiled(references, 0.6)

    class Everything:
        def integers(self, lines, size):
            return list(range(size))

    monkeypatch.setattr(comparing.np.random, "default_rng", lambda _: Everything())
    (value,) = comparing._resampled(hypotheses, references, "en", 1)
    assert value == pytest.approx(bleu(hypotheses, [references]).value)


def test_every_system_is_compared_with_the_lite_transformer_of_its_size(translation):
    for name in translation.SETS:
        pairs = list(translation.twins(name))
        assert len({system for system, _ in pairs}) == len(pairs)
        assert {lite.split("/")[1].split("-")[0] for _, lite in pairs} == {"lite"}
    assert len(list(translation.twins("multi30k-de-en"))) == 12
    assert ("canlaw-en-fr/transformer-256", "canlaw-en-fr/lite-408") in translation.twins("canlaw-en-fr")


def rehearse(translation, texts, folder, *more):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    out, kept = folder / "out.json", folder / "kept"
    translation.main(
        [
            *("multi30k-de-en", "--data", str(texts), "--out", str(out), "--keep-hypotheses", str(kept)),
            *("--systems", "lite-160", PAIR[1], "--seeds", "1", *settings, *more),
        ]
    )
    return json.loads(out.read_text()), kept


def test_from_text_to_scores_and_significance_and_nothing_made_twice(translation, texts, tmp_path):
    (tmp_path / "out.json").write_text(json.dumps({"runs": [], "remarks": "stay"}))
    facts, kept = rehearse(translation, texts, tmp_path)
    assert [run["system"] for run in facts["runs"]] == PAIR
    for run in facts["runs"]:
        assert set(run["scores"]) == {"valid", "test"}
        assert set(run["scores"]["test"]) == {"sacrebleu", "paper"}
        assert set(run["by_length"]) == {"≤10"}
        assert run["by_length"]["≤10"]["lines"] == 20
        file = kept / f"{run['system']}.seed1.{run['recipe_digest']}.test.txt"
        assert len(file.read_bytes().splitlines()) == 20
    (pair,) = facts["significance"]
    assert (pair["system"], pair["lite"], pair["split"], pair["lines"]) == (PAIR[1], PAIR[0], "test", 20)
    assert facts["remarks"] == "stay"
    again, _ = rehearse(translation, texts, tmp_path)
    assert again == facts
    # Without time for more, what there is is compared all the same.
    out = tmp_path / "out.json"
    out.write_text(json.dumps({name: value for name, value in facts.items() if name != "significance"}))
    late, _ = rehearse(translation, texts, tmp_path, "--seeds", "1", "2", "--seconds", "0")
    assert late["significance"] == facts["significance"]


def test_texts_are_prepared_once_and_what_was_cut_short_goes_on(translation, texts, tmp_path, monkeypatch):
    prepare, stop, made = translation.prepare, translation.load, []

    def prepared(recipe, folder):
        made.append((folder / "prepared.json").exists())
        return prepare(recipe, folder)

    def killed(*_, **__):
        raise InputError("cut short before it was scored")

    monkeypatch.setattr(translation, "prepare", prepared)
    monkeypatch.setattr(translation, "load", killed)
    folders = ["--prepared", str(tmp_path / "prepared"), "--runs", str(tmp_path / "runs")]
    facts, _ = rehearse(translation, texts, tmp_path, *folders)
    assert [run["failed"] for run in facts["runs"]] == ["cut short before it was scored"] * 2
    assert made == [False, True]
    assert len(list((tmp_path / "prepared").glob("*/prepared.json"))) == 1
    monkeypatch.setattr(translation, "load", stop)
    facts, _ = rehearse(translation, texts, tmp_path, *folders)
    assert all("failed" not in run for run in facts["runs"])
    for log in tmp_path.glob("runs/*/log.jsonl"):
        events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        assert "resume" in events
        assert events.count("train") <= 1


def test_a_folder_that_was_copied_in_part_does_not_count_as_prepared(
    translation, texts, tmp_path, monkeypatch
):
    copy = shutil.copytree

    def killed(*places, **options):
        copy(*places, **options)
        raise InputError("killed while it copied")

    folders = ["--prepared", str(tmp_path / "prepared"), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(shutil, "copytree", killed)
    facts, _ = rehearse(translation, texts, tmp_path, *folders)
    assert [run["failed"] for run in facts["runs"]] == ["killed while it copied"] * 2
    for folder in (tmp_path / "runs").iterdir():
        shutil.rmtree(folder / "data")
    monkeypatch.setattr(shutil, "copytree", copy)
    facts, _ = rehearse(translation, texts, tmp_path, *folders)
    assert all("failed" not in run for run in facts["runs"])


def test_a_comparison_of_changed_recipes_is_left_out(translation, texts, tmp_path):
    facts = {
        "runs": [{"system": name, "seed": 1, "recipe_digest": f"of {name}"} for name in PAIR],
        "significance": [
            {"system": PAIR[1], "lite": PAIR[0], "split": "test", "recipe_digests": [f"of {PAIR[1]}", lite]}
            for lite in (f"of {PAIR[0]}", "changed")
        ],
    }
    where = {"name": "multi30k-de-en", "seed": 1, "data": texts, "hypotheses": tmp_path}
    assert translation.significance(facts, **where)["significance"] == facts["significance"][:1]


def test_a_run_that_fails_is_noted_and_made_again(translation, tmp_path):
    trainings, made = sys.modules["trainings"], []

    def fail(job):
        made.append(job.system)
        raise InputError("the loss is not finite")

    def measure(job):
        made.append(job.system)
        return {"scores": {"test": {"sacrebleu": 1.0}}}

    def runs(function, *more):
        options = trainings.parser("", PAIR, str(tmp_path / "out.json"))
        options = options.parse_args(["--data", str(tmp_path), "--seeds", "1", *more])
        trainings.run(options, function, what="", data="", program="")
        return json.loads((tmp_path / "out.json").read_text())["runs"]

    assert [run["failed"] for run in runs(fail)] == ["the loss is not finite"] * 2
    assert [run.get("failed") for run in runs(measure)] == [None, None]
    runs(fail)
    assert made == PAIR * 2
    runs(measure, "--again")
    assert made == PAIR * 3


def test_several_calls_add_to_one_file_at_a_time(translation, tmp_path):
    trainings, out = sys.modules["trainings"], tmp_path / "out.json"

    def run(measure, systems, *more, finish=None):
        options = trainings.parser("", tuple(systems), str(out))
        options = options.parse_args(["--data", str(tmp_path), "--seeds", "1", *more])
        trainings.run(options, measure, what="", data="", program="", finish=finish)

    def measure(job):
        return {"scores": {}}

    def meanwhile(job):
        run(measure, [PAIR[1]])
        return measure(job)

    run(meanwhile, [PAIR[0]], "--compare-later", finish=lambda facts: {"pairs": len(facts["runs"])})
    facts = json.loads(out.read_text())
    assert [run["system"] for run in facts["runs"]] == PAIR
    assert all(system in facts["command"] for system in PAIR)
    assert "pairs" not in facts
    run(measure, PAIR, "--seconds", "0", finish=lambda facts: {"pairs": len(facts["runs"])})
    assert json.loads(out.read_text())["pairs"] == 2


ADDING = """
import sys, trainings
from pathlib import Path
folder, name = Path(sys.argv[1]), sys.argv[2]
options = trainings.parser("", (), str(folder / "out.json"))
systems = [f"multi30k-de-en/{name}"]
words = ["--data", str(folder), "--seeds", *map(str, range(40)), "--systems", *systems]
measure = lambda job: {"scores": {}}
trainings.run(options.parse_args(words), measure, what="", data="", program="")
"""


def test_calls_side_by_side_lose_no_run(programs, tmp_path):
    words = [sys.executable, "-c", ADDING, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    names = ("lite-160", "transformer-120")
    started = [subprocess.Popen([*words, name], env=environment, stdout=subprocess.DEVNULL) for name in names]
    assert [process.wait(60) for process in started] == [0, 0]
    assert len(json.loads((tmp_path / "out.json").read_text())["runs"]) == 80


def test_a_failure_takes_the_place_of_no_good_run(translation, tmp_path):
    trainings, out = sys.modules["trainings"], tmp_path / "out.json"

    def fail(job):
        raise InputError("another run is writing here")

    for measure in (lambda job: {"scores": {"test": {}}}, fail):
        options = trainings.parser("", PAIR[:1], str(out))
        options = options.parse_args(["--data", str(tmp_path), "--seeds", "1", "--again"])
        trainings.run(options, measure, what="", data="", program="")
        (run,) = json.loads(out.read_text())["runs"]
        assert run["scores"] == {"test": {}}


def test_processes_of_a_speedrun_that_tokenise_import_no_torch(programs):
    words = "import speedrun, sys; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    assert subprocess.run([sys.executable, "-c", words], env=environment, check=False).returncode == 0


def test_an_unknown_size_is_refused_with_those_there_are(translation, texts, capsys):
    with pytest.raises(SystemExit):
        translation.main(["multi30k-de-en", "--data", str(texts), "--sizes", "54"])
    assert "no 54; there are 54M, 119M, 210M" in capsys.readouterr().err


def test_speeds_are_measured_in_turns(translation, tmp_path):
    out = tmp_path / "out.json"
    cpu = importlib.import_module("cpu_training")
    sizes = ["--widths", "16", "--vocabularies", "50", "--tokens", "64", "--turns", "2", "--seconds", "0.01"]
    assert cpu.main(["--out", str(out), *sizes]) == 0
    (row,) = json.loads(out.read_text())["rows"]
    assert list(row["tokens_a_second"]) == ["at once", "in chunks"]
    assert {len(rates) for rates in row["tokens_a_second"].values()} == {2}


@pytest.mark.slow
def test_a_speedrun_takes_the_time_of_two_whole_runs(translation, texts, tmp_path):
    speedrun, out = importlib.import_module("speedrun"), tmp_path / "speedrun.json"
    settings = [part for setting in SMALL for part in ("--set", setting)]
    speedrun.main([PAIR[0], "--data", str(texts), "--reach", "101", "--out", str(out), *settings])
    (row,) = json.loads(out.read_text())["rows"]
    assert [run["start"] for run in row["starts"]] == ["cold", "warm"]
    for run in row["starts"]:
        assert set(run["scores"]) == {"valid", "test"}
        assert run["seconds_in_all"] == pytest.approx(sum(run["seconds_by_phase"].values()), abs=0.1)
        assert set(run["seconds_by_phase"]) == {"importing", "preparing", "training", "validating"}
        assert {"learning the vocabulary", "train", "valid"} <= set(run["seconds_of_preparing"])
        assert sum(run["seconds_of_preparing"].values()) <= run["seconds_by_phase"]["preparing"] + 0.1
        assert not run["reached"]


def test_summaries_are_checked_against_the_first_sentences():
    summarization = importlib.import_module("summarization")
    text = "One . Two ? Three ! Four ."
    assert summarization.lead(text, 1) == "One ."
    assert summarization.lead(text, 3) == "One . Two ? Three !"
    assert summarization.lead("no end", 3) == "no end"
    for described in summarization.SETS.values():
        assert set(described.systems) <= set(recipes.names())


@pytest.mark.slow
def test_several_processes_make_the_updates_of_one(programs, tmp_path):
    many = importlib.import_module("many_gpus")
    path = tmp_path / "many.json"
    options = ["--small", "--ranks", "1", "2", "--repeats", "2", "--updates", "1", "--out", str(path)]
    assert many.main(options) == 0
    one, two = json.loads(path.read_text())["rows"]
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["losses"] == pytest.approx(two["losses"], rel=1e-5)
    # Three updates at a rate that warms up: they differ, so the weights do change.
    assert len(set(two["losses"])) == 3
    assert two["losses_apart"] < 1e-5
    assert two["batch_a_rank_tokens_a_second"] > 0


def test_what_several_processes_do_is_beside_what_one_does(programs, tmp_path, monkeypatch):
    many = importlib.import_module("many_gpus")

    def started(given, ranks):
        seconds = {"same_batch_seconds": [8.0 / ranks], "batch_a_rank_seconds": [8.0]}
        row = {"recipe": "one", "tokens": 16, "losses": [2.0 + ranks / 8], **seconds}
        return {"machine": {}, "torch": "", "rows": [row]}

    monkeypatch.setattr(many, "started", started)
    assert many.main(["--ranks", "4", "2", "--out", str(tmp_path / "many.json")]) == 0
    rows = json.loads((tmp_path / "many.json").read_text())["rows"]
    assert [row["ranks"] for row in rows] == [1, 2, 4]
    for way in ("same_batch", "batch_a_rank"):
        assert [row[f"{way}_times_one"] for row in rows] == [1.0, 2.0, 4.0]
    assert [row["losses_apart"] for row in rows] == pytest.approx([0.0, 1 / 17, 3 / 17])


def test_training_speed_of_some_recipes_is_measured_again_on_the_same_machine_alone(
    programs, tmp_path, monkeypatch, capsys
):
    program, path, found = importlib.import_module("training_speed"), tmp_path / "speed.json", []

    def run(*more):
        found.clear()
        monkeypatch.setattr(sys, "argv", ["training_speed.py", "--out", str(path), *more])
        assert program.main() == 0
        return json.loads(path.read_text())["rows"]

    def measure(case, *others):
        found.append((case.recipe, case.tokens))
        return {"recipe": case.recipe, "tokens": case.tokens, "run": len(found)}

    monkeypatch.setattr(program, "measure", measure)
    monkeypatch.setattr(program, "line", str)
    every, cases = run(), list(found)
    assert sorted((row["recipe"], row["tokens"]) for row in every) == sorted(cases)
    recipe = cases[-1][0]
    again = run("--recipes", recipe)
    assert found == [case for case in cases if case[0] == recipe]
    assert [row for row in again if row["recipe"] != recipe] == [
        row for row in every if row["recipe"] != recipe
    ]
    assert len(again) == len(every)
    with pytest.raises(SystemExit):
        run("--recipes", "none/such")
    assert "no case of none/such" in capsys.readouterr().err
    monkeypatch.setattr(program, "machine", lambda kind: "another")
    with pytest.raises(SystemExit):
        run("--recipes", recipe)
    assert "another machine or PyTorch" in capsys.readouterr().err
    assert not found
