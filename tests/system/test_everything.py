"""The program that makes what the results lack: what it lists, what it runs, and how it is stopped."""

import contextlib
import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from litetransformer import recipes

PAIR = ["translation multi30k-de-en lite-160 seed 1", "translation multi30k-de-en transformer-120 seed 1"]
SETTINGS = (
    *("model.dim=16", "vocabulary.size=330", "train.batch_tokens=512", "train.schedule.warmup=1"),
    "search.longest=8",
)


@pytest.fixture
def everything(programs):
    return importlib.import_module("everything")


@pytest.fixture
def place(texts, tmp_path):
    """A folder of sets, with a small one in the place of Multi30k."""
    shutil.copytree(texts, tmp_path / "sets/multi30k")
    return tmp_path


def words_of(place, *more, updates=2):
    words = ["--data", place / "sets", "--results", place / "results", "--runs", place / "runs", *more]
    for setting in (*SETTINGS, f"train.updates={updates}"):
        words += ["--set", setting]
    return list(map(str, words))


def test_every_recipe_of_a_comparison_is_made_and_what_is_worth_most_first(everything):
    tasks = everything.tasks()
    assert len(set(tasks)) == len(tasks)
    assert {task.name for task in tasks[:6]} == {"plus"}
    named = {(task.program, task.asked) for task in tasks}
    for home, family in recipes.families().items():
        assert {("ablation", row) for row in recipes.ablation(home)} <= named
        smallest = next(iter(family.sizes))
        for size in everything.SIZES.get(home, family.sizes):
            for model in family.sizes[size]:
                seeds = {task.seed for task in tasks if task.asked == f"{home}/{model}"}
                assert seeds == ({1, 2, 3} if size == smallest else {1})
    for home in (*everything.LANGUAGE_MODELS, *everything.SUMMARIES):
        own = {name for name in recipes.names() if name.startswith(f"{home}/")}
        assert own <= {asked for _, asked in named}


def test_only_what_is_lacking_and_asked_for_is_listed(everything, place, capsys):
    assert everything.main(words_of(place, "--list", "--only", *PAIR)) == 0
    assert capsys.readouterr().out.splitlines() == sorted(PAIR, reverse=True)
    assert everything.main(words_of(place, "--list", "--only", "ablation multi30k-en-fr *")) == 0
    assert set(map(str, everything.tasks())) > set(capsys.readouterr().out.splitlines())
    for wrong, why in (
        (("--together", "0"), "must be 1 or more"),
        (("--only", "no such"), "matches no line"),
    ):
        with pytest.raises(SystemExit):
            everything.main(words_of(place, *wrong))
        assert why in capsys.readouterr().err


def test_a_training_is_told_how_many_others_there_are(everything, tmp_path, monkeypatch):
    told = []

    def started(words, log):
        told.append(words[words.index("--beside") + 1])
        return subprocess.Popen(["true"], stdin=subprocess.PIPE)

    monkeypatch.setattr(everything, "_started", started)
    monkeypatch.setattr(everything, "_lacks", lambda *_: False)
    given = SimpleNamespace(together=2, beside=3, seconds=60.0, settings=[])
    given.runs = given.results = given.data = tmp_path
    everything.make(everything.tasks()[:2], given, [])
    given.beside = 0
    everything.make(everything.tasks()[:1], given, [])
    assert told == ["4", "4", "0"]


@pytest.mark.slow
def test_trainings_are_made_side_by_side_and_compared_at_the_end(everything, place, capsys):
    assert everything.main(words_of(place, "--together", "2", "--only", *PAIR)) == 0
    assert "2 trainings, 2 at a time" in capsys.readouterr().out
    facts = json.loads((place / "results/multi30k-de-en.json").read_text())
    assert [run["system"].partition("/")[2] for run in facts["runs"]] == ["lite-160", "transformer-120"]
    assert {run["trainings_at_a_time"] for run in facts["runs"]} == {2}
    assert {pair["split"] for pair in facts["significance"]} == {"test"}
    assert everything.main(words_of(place, "--only", *PAIR)) == 0
    assert "0 trainings" in capsys.readouterr().out


@pytest.mark.slow
def test_trainings_that_fail_are_named_and_the_next_call_makes_them(everything, place, capsys, monkeypatch):
    command = everything.command
    # The one notes that there is too little text, the other ends at once.
    damage = {"lite-160": ["--set", "vocabulary.size=9"], "transformer-120": ["--no-such-option"]}
    words = words_of(place, "--together", "1", "--seconds", "300", "--only", *PAIR)
    monkeypatch.setattr(everything, "command", lambda task, *of: [*command(task, *of), *damage[task.name]])
    assert everything.main(words) == 1
    told = capsys.readouterr().out
    assert told.count("failed, see") == 2
    assert "2 failed, 0 left; the same command goes on" in told
    monkeypatch.undo()
    assert everything.main(words) == 0
    facts = json.loads((place / "results/multi30k-de-en.json").read_text())
    assert not [run for run in facts["runs"] if run.get("failed")]


@pytest.mark.slow
def test_out_of_time_trainings_save_and_the_next_call_goes_on(everything, place, capsys, monkeypatch):
    words = words_of(place, "--together", "2", "--seconds", "900", "--only", *PAIR, updates=100_000)
    for event in ('"train"', '"resume"'):

        def happened(event=event):
            logs = list((place / "runs/runs").glob("*/log.jsonl"))
            return len(logs) == 2 and all(event in log.read_text() for log in logs)

        # Time is up when both have come so far, however long that takes.
        monkeypatch.setattr(everything.time, "monotonic", lambda happened=happened: 1000.0 * happened())
        assert everything.main(words) == 0
        assert "0 failed, 2 left" in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_made_before_a_stop_is_compared_by_the_next_call(everything, place, monkeypatch):
    def stopped(tasks, given):
        raise KeyboardInterrupt

    words = words_of(place, "--together", "2", "--only", *PAIR)
    with monkeypatch.context() as patch:
        patch.setattr(everything, "compare", stopped)
        with pytest.raises(KeyboardInterrupt):
            everything.main(words)
    path, calls = place / "results/multi30k-de-en.json", []
    assert "significance" not in json.loads(path.read_text())
    assert everything.main(words) == 0
    assert json.loads(path.read_text())["significance"]
    monkeypatch.setattr(everything.subprocess, "run", lambda *_, **__: calls.append(1))
    assert everything.main(words) == 0
    assert not calls


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_however_it_ends_all_trainings_save_and_end(place, number):
    program = Path(__file__).parents[2] / "benchmarks/everything.py"
    words = words_of(place, "--together", "2", "--only", *PAIR, updates=100_000)
    process = subprocess.Popen([sys.executable, program, *words], stdout=subprocess.DEVNULL)
    runs = place / "runs/runs"
    try:
        wait(lambda: len(list(runs.glob("*/log.jsonl"))) == 2)
    except AssertionError:
        process.kill()
        raise
    process.send_signal(number)
    assert process.wait(60) == (-number if number == signal.SIGKILL else 128 + number)
    wait(lambda: not started_with(str(place)))
    assert len(list(runs.glob("*/checkpoints/*"))) >= 2


def test_signals_end_it_but_for_those_that_its_caller_ignores(everything):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with everything._stopped_by_signals() as came:
            for number in (signal.SIGHUP, signal.SIGTERM):
                signal.raise_signal(number)
            assert came == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def wait(done, seconds=240):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def started_with(word):
    """The processes that have `word` in their command."""
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit() and word.encode() in (path / "cmdline").read_bytes():
                found.append(path.name)
    return found
