"""A training text translated in shards: the same lines, done once, by processes that end with the caller."""

import importlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import litetransformer as lt
from litetransformer.core.errors import InputError
from litetransformer.core.files import TEMPORARY_PREFIX, read_json, write_json
from litetransformer.data.corpus import read_lines

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture
def teaching(programs, monkeypatch):
    """The module, with shards of a few lines."""
    found = importlib.import_module("teaching")
    monkeypatch.setattr(found, "SHARD", 400)
    return found


@pytest.fixture
def sources(texts):
    """Lines of all lengths, some of them twice, and blank ones."""
    lines = list(read_lines(texts / "train.de"))[:40]
    return [*lines[:20], "", *lines, "  ", lines[3]]


def test_lines_are_those_of_one_process_in_their_order_each_translated_once(
    teaching, sources, model_folder, tmp_path, capsys
):
    found = teaching.translations(sources, model_folder, tmp_path / "a", device="cpu", processes=2)
    assert found == lt.load(model_folder).translate(sources)
    shards = [read_json(path) for path in (tmp_path / "a").glob("*.source")]
    assert len(shards) > 2
    assert sorted(text for texts in shards for text in texts) == sorted(set(sources))
    # Sentences of about equal length are together: the shards' lengths don't overlap.
    ranges = sorted((min(map(len, texts)), max(map(len, texts))) for texts in shards)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in told] == [
        f"taught: shard {count} of {len(shards)}" for count in range(1, len(shards) + 1)
    ]
    assert told[-1].endswith(", 0 s left")


def test_a_later_call_makes_what_lacks_and_nothing_else(teaching, sources, model_folder, tmp_path, capsys):
    first = teaching.translations(sources, model_folder, tmp_path, device="cpu", processes=1)
    lost, *kept = sorted(tmp_path.glob("*.target"))
    lost.unlink()
    for path in kept:
        write_json(path, [f"{text}!" for text in read_json(path)])
    # What a call that was killed leaves: half a shard, and a shard that it had begun.
    (tmp_path / f"{TEMPORARY_PREFIX}0").write_text("[")
    lost.with_suffix(".taken").touch()
    capsys.readouterr()
    again = teaching.translations(sources, model_folder, tmp_path, device="cpu", processes=2)
    own = set(read_json(lost.with_suffix(".source")))
    assert again == [
        text if source in own else f"{text}!" for source, text in zip(sources, first, strict=True)
    ]
    assert capsys.readouterr().out.count("\n") == 1
    assert not list(tmp_path.glob(f"{TEMPORARY_PREFIX}*"))
    # With all there, no process starts: there is no model to load.
    assert teaching.translations(sources, tmp_path / "none", tmp_path, device="cpu", processes=2) == again
    # Of a text that has changed, the lines of a changed shard are new.
    changed = [source.replace("Hund", "Katze") for source in sources]
    fresh = teaching.translations(changed, model_folder, tmp_path, device="cpu", processes=2)
    assert [one.removesuffix("!") for one in fresh] == lt.load(model_folder).translate(changed)


def test_processes_that_fail_are_an_error_and_what_others_made_stays(
    teaching, sources, model_folder, tmp_path
):
    with pytest.raises(InputError, match=r"shards lack: of 2 processes that translated, 2 failed; run it"):
        teaching.translations(sources, tmp_path / "none", tmp_path / "a", device="cpu", processes=2)
    found = teaching.translations(sources, model_folder, tmp_path / "a", device="cpu", processes=1)
    assert found == lt.load(model_folder).translate(sources)


def test_on_a_gpu_half_of_the_cores_teach_and_on_a_cpu_one_process(teaching, monkeypatch):
    for cores, expected in ((1, 1), (2, 1), (12, 6), (64, 8)):
        monkeypatch.setattr(teaching, "usable_cores", lambda cores=cores: cores)
        assert teaching.usual_processes("cuda") == expected
        assert teaching.usual_processes("cpu") == 1


CALLER = """
import argparse, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import teaching, trainings
teaching.SHARD = 400

def measure(model):
    # A line of many words takes longer than the test waits.
    sources = Path(sys.argv[3]).read_text().splitlines()[:40]
    words = " ".join(sources)
    long = [" ".join([words] * 20 + [str(number)]) for number in range(100)]
    shards = Path(sys.argv[4])
    found = teaching.translations([*long, *sources], Path(model), shards, device="cpu", processes=2)
    return {"scores": {}}

if __name__ == "__main__":
    with trainings._finished([sys.argv[2]], measure, int(sys.argv[5])) as finished:
        finished(1e6)
"""


@pytest.mark.parametrize(
    ("together", "number"),
    [
        pytest.param(1, signal.SIGTERM, id="alone"),
        pytest.param(2, signal.SIGTERM, id="in a pool", marks=pytest.mark.slow),
        pytest.param(2, signal.SIGKILL, id="in a pool, killed", marks=pytest.mark.slow),
    ],
)
def test_no_process_outlives_a_caller_that_is_ended(model_folder, texts, tmp_path, together, number):
    program, shards = tmp_path / "caller.py", tmp_path / "shards"
    program.write_text(CALLER)
    arguments = [BENCHMARKS, model_folder, texts / "train.de", shards, together]
    caller = subprocess.Popen(
        [sys.executable, program, *map(str, arguments)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        assert reached(lambda: any(shards.glob("*.taken")))
        assert len(of_session(caller.pid)) >= 3
        os.kill(caller.pid, number)
        caller.wait(timeout=60)
        assert reached(lambda: not of_session(caller.pid))
    finally:
        if of_session(caller.pid):
            os.killpg(caller.pid, signal.SIGKILL)
    for path in shards.glob("*.target"):
        assert len(read_json(path)) == len(read_json(path.with_suffix(".source")))


def reached(state):
    """Whether `state` comes to be true in a minute and a half."""
    until = time.monotonic() + 90
    while not (found := state()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def of_session(session):
    """The processes of a session that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything; state, parent, group and session follow.
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own) == session and state != "Z":
            found.append(path)
    return found
