"""Two ranks make the updates that one makes, go on where they ended, and end together."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist

from litetransformer.core.errors import InputError
from litetransformer.core.files import only_writer, write_json
from litetransformer.core.override import override
from litetransformer.core.spec import to_json
from litetransformer.data.batching import BatchPlan
from litetransformer.data.text_batching import TextPlan
from litetransformer.models.tensors import load_tensors
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.run import read_recipe
from litetransformer.tasks.translation import train_translator
from litetransformer.train import loop, pulse
from litetransformer.train.cost import Meter, read_ledger
from litetransformer.train.distributed import ALONE, Ranks, joined, launched
from litetransformer.train.pulse import Pulse
from litetransformer.train.report import Report
from litetransformer.train.snapshot import Saving
from litetransformer.train.step import Step

STILL = ["model.dropout=0.0", "train.schedule.peak=0.005"]
PROGRAM = """
import sys
from pathlib import Path
import torch
from litetransformer.core.files import read_json
from litetransformer.core.spec import from_json
from litetransformer.tasks.recipe import AnyRecipe
from litetransformer.tasks.translation import train_translator
from litetransformer.train import loop
from litetransformer.train.distributed import joined
from litetransformer.train.report import Report
torch.set_num_threads(1)
loop.LOG_EVERY = 1
with joined() as ranks:
    for folder, recipe in (argument.split("=") for argument in sys.argv[1:]):
        recipe = from_json(read_json(Path(recipe)), AnyRecipe)
        report = Report(Path(folder), quiet=True)
        train_translator(recipe, Path(folder), report=report, ranks=ranks)
"""
"""Trains in FOLDER=RECIPE … one after the other."""
COMMAND = """
import os, sys
from pathlib import Path
from litetransformer.cli import main
Path(sys.argv[1], os.environ["RANK"]).write_text(str(os.getpid()))
raise SystemExit(main(sys.argv[2:]))
"""
"""The command line; says first, in a folder, which process each rank is."""


def torchrun(program, *arguments, options=(), ranks=2):
    """The command that runs `program` in several processes."""
    folder = Path(arguments[0].partition("=")[0]).parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "program.py").write_text(program)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    return [*launch, *options, str(folder / "program.py"), *arguments]


def run(command):
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)


def recipe_file(recipe, path):
    write_json(path, to_json(recipe))
    return str(path)


def events(folder, kind):
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry for entry in log if entry["event"] == kind]


def losses(folder):
    return {entry["update"]: entry["loss"] for entry in events(folder, "train")}


def state(folder):
    return load_tensors(max(folder.glob("checkpoints/state-*")))


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def recipe(words, tmp_path_factory):
    """Twelve updates of two batches each, with dropout, over several epochs."""
    recipe = words(tmp_path_factory.mktemp("texts"), rows=40)
    return override(recipe, ["train.accumulate=2", "train.validate_every=4", "train.updates=12"])


@pytest.fixture(scope="module")
def two(recipe, tmp_path_factory):
    """What two ranks have trained: without dropout, with it, and with it in two goes. Read only."""
    folder = tmp_path_factory.mktemp("two")
    still = recipe_file(override(recipe, STILL), folder / "still.json")
    whole = recipe_file(recipe, folder / "whole.json")
    part = recipe_file(override(recipe, ["train.updates=7"]), folder / "part.json")
    runs = [f"still={still}", f"whole={whole}", f"again={part}", f"again={whole}"]
    done = run(torchrun(PROGRAM, *(f"{folder}/{each}" for each in runs)))
    assert done.returncode == 0, done.stderr
    return folder


def train(recipe, folder):
    return train_translator(recipe, folder, report=Report(folder, quiet=True))


def test_two_ranks_make_the_updates_of_one(two, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    train(override(recipe, STILL), tmp_path)
    assert losses(two / "still") == pytest.approx(losses(tmp_path), rel=1e-6, abs=1e-6)
    assert len(losses(tmp_path)) == 12
    for kind in ("train", "valid"):
        ours, theirs = events(tmp_path, kind), events(two / "still", kind)
        assert [entry.get("tokens") for entry in ours] == [entry.get("tokens") for entry in theirs]
        assert [entry["loss"] for entry in ours] == pytest.approx([entry["loss"] for entry in theirs], 1e-5)
    (ours, _), (theirs, _) = state(tmp_path), state(two / "still")
    for name in (name for name in ours if not name.endswith("key.bias")):
        # The gradient of a key's bias is zero but for rounding, which Adam magnifies to full steps.
        torch.testing.assert_close(theirs[name], ours[name], rtol=1e-3, atol=1e-5, msg=name)


class Counted(Ranks):
    """A rank of several that meets no other: what it would add up is only kept."""

    def add_up(self, tensor):
        self.kept = tensor.clone()


@pytest.mark.parametrize("world", [2, 3, 5])
def test_the_gradients_of_all_ranks_add_up_to_that_of_one(recipe, tmp_path, world):
    store = prepare(recipe, tmp_path).train
    training = override(recipe, ["train.clip=0.0"]).train

    def gradient(ranks):
        torch.manual_seed(1)
        model = override(recipe, STILL).model.build(300, 300)
        step = Step(model, torch.optim.SGD(model.parameters(), lr=0.0), training, torch.device("cpu"), ranks)
        plan = BatchPlan(store, budget=128, seed=1, rank=ranks.rank, world=ranks.world)
        kept = []
        step.optimizer.step = lambda: kept.append(step.added.clone())
        step([plan.load(batch) for batch in plan.epoch(0)[:2]], 1)
        if ranks.world > 1:
            return ranks.kept
        return torch.cat([kept[0][:-1], step.loss.float()[None]])

    parts = [gradient(Counted(rank, world)) for rank in range(world)]
    expected = gradient(ALONE)
    torch.testing.assert_close(sum(parts), expected, rtol=1e-5, atol=1e-6)


def test_two_ranks_go_on_as_if_they_had_not_stopped(two):
    assert [entry["update"] for entry in events(two / "again", "resume")] == [7]
    assert losses(two / "again") == losses(two / "whole")
    assert events(two / "whole", "valid")[-1]["loss"] == events(two / "again", "valid")[-1]["loss"]
    assert same(state(two / "again")[0], state(two / "whole")[0])
    model = [load_tensors(two / name / "model.safetensors")[0] for name in ("again", "whole")]
    assert same(*model)


def test_only_the_first_rank_writes(two):
    assert len(events(two / "whole", "end")) == 1
    assert [entry["update"] for entry in events(two / "whole", "train")] == [*range(1, 13)]
    assert (two / "whole" / "cost.json").is_file()
    assert not [path for path in two.rglob("*") if path.name.startswith(".partial-")]


@pytest.fixture
def halves(two, recipe, tmp_path):
    """Seven updates of two ranks, without dropout, and the recipe of all twelve."""
    still = override(recipe, STILL)
    part = recipe_file(override(still, ["train.updates=7"]), tmp_path / "part.json")
    done = run(torchrun(PROGRAM, f"{tmp_path / 'run'}={part}"))
    assert done.returncode == 0, done.stderr
    return still, tmp_path / "run"


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_began_and_two_with_what_one_began(
    halves, two, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    still, folder = halves
    train(override(still, ["train.updates=9"]), folder)
    whole = recipe_file(still, tmp_path / "whole.json")
    done = run(torchrun(PROGRAM, f"{folder}={whole}"))
    assert done.returncode == 0, done.stderr
    assert [entry["update"] for entry in events(folder, "resume")] == [7, 9]
    ours, theirs = losses(folder), losses(two / "still")
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert state(folder)[1]["progress"]["tokens"] == state(two / "still")[1]["progress"]["tokens"]


def started(recipe, folder, *options, updates=400):
    """The command line for two processes, and where they write their ids; a save every 3 updates."""
    places = folder.with_name(f"{folder.name}-{updates}-ranks")
    places.mkdir(parents=True)
    data = recipe.data
    texts = ["--source", data.train.source, "--target", data.train.target]
    texts += ["--valid-source", data.valid.source, "--valid-target", data.valid.target]
    settings = ["vocabulary.size=300", "train.batch_tokens=128", "train.longest=32", "train.save_every=3"]
    settings += [f"train.updates={updates}", "train.validate_every=50"]
    command = ["train", "--preset", "lite-160", *texts, "--out", str(folder), "--device", "cpu", "--quiet"]
    command += [part for setting in settings for part in ("--set", setting)]
    return torchrun(COMMAND, str(places), *command, options=options), places


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def saved(folder):
    return sorted(folder.glob("checkpoints/state-*"))


def gone(pids):
    """Wait until none of these processes is left; on a machine that is not busy, half a minute at most."""
    until = time.monotonic() + 120
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < until, f"{left} are still there"
        time.sleep(0.05)


def pid_of(places, rank):
    return int((places / str(rank)).read_text())


@contextlib.contextmanager
def launched_by(command):
    """torchrun at work with `command`; nothing of it is left after the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            # Its processes miss it, and end.
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_one_rank_ends_all_and_the_run_can_go_on(recipe, tmp_path, rank):
    command, places = started(recipe, tmp_path / "run")
    with launched_by(command) as process:
        wait_for(lambda: saved(tmp_path / "run"), process)
        pids = [pid_of(places, each) for each in (0, 1)]
        os.kill(pids[rank], signal.SIGTERM)
        gone(pids)
        _, errors = process.communicate()
    assert process.returncode != 0
    assert errors.count("error: stopped by SIGTERM; the same command goes on from here") == 1
    facts = state(tmp_path / "run")[1]["progress"]
    assert 0 < facts["update"] < 400
    resumed, _ = started(recipe, tmp_path / "run", updates=facts["update"] + 3)
    assert run(resumed).returncode == 0
    assert [entry["update"] for entry in events(tmp_path / "run", "resume")] == [facts["update"]]
    assert events(tmp_path / "run", "end")[0]["update"] == facts["update"] + 3


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_all_and_a_restart_ends_the_same(recipe, tmp_path, rank):
    command, places = started(recipe, tmp_path / "run", "--max-restarts=1", updates=40)
    with launched_by(command) as process:
        wait_for(lambda: saved(tmp_path / "run"), process)
        pids = [pid_of(places, each) for each in (0, 1)]
        os.kill(pids[rank], signal.SIGKILL)
        gone(pids)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    resumed = [entry["update"] for entry in events(tmp_path / "run", "resume")]
    assert len(resumed) == 1
    assert resumed[0] % 3 == 0
    assert events(tmp_path / "run", "end")[0]["update"] == 40
    whole, _ = started(recipe, tmp_path / "whole", updates=40)
    assert run(whole).returncode == 0
    assert same(state(tmp_path / "run")[0], state(tmp_path / "whole")[0])
    assert not list(tmp_path.glob("run/**/.partial-*"))


@pytest.mark.slow
def test_without_restarts_a_rank_that_is_killed_ends_all(recipe, tmp_path):
    command, places = started(recipe, tmp_path / "run")
    with launched_by(command) as process:
        wait_for(lambda: saved(tmp_path / "run"), process)
        pids = [pid_of(places, each) for each in (0, 1)]
        os.kill(pids[1], signal.SIGKILL)
        gone(pids)
        process.communicate()
    assert process.returncode != 0
    assert state(tmp_path / "run")[1]["progress"]["update"] % 3 == 0


@pytest.mark.slow
def test_a_second_run_in_the_folder_is_refused(recipe, tmp_path):
    command, _ = started(recipe, tmp_path / "run")
    with only_writer(tmp_path / "run"):
        done = run(command)
    assert done.returncode != 0
    refused = f"error: {tmp_path / 'run'}: another run is writing here; wait for it, or choose another folder"
    assert done.stderr.count(refused) == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_process_on_its_own_joins_nobody(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    assert not launched()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launched()
    monkeypatch.delenv("LOCAL_RANK")
    assert not launched()
    with joined() as ranks:
        assert ranks is ALONE
        assert not dist.is_initialized()
    assert (ranks.ahead(lambda: 1), ranks.by_first(lambda: 2), ranks.heard(3)) == (1, 2, 3)
    assert ranks.device("any") == "any"


def test_each_rank_knows_how_many_tokens_all_have(recipe, tmp_path):
    store = prepare(recipe, tmp_path).train
    whole = BatchPlan(store, budget=128)
    for rank in range(3):
        part = BatchPlan(store, budget=128, rank=rank, world=3)
        for batch in part.in_order():
            assert part.load(batch).all_tokens == whole.load(batch).tokens


def test_each_rank_knows_how_much_running_text_all_have():
    text = SimpleNamespace(sides={"text": SimpleNamespace(tokens=np.arange(3, 53))})
    whole = TextPlan(text, length=8, budget=32)
    for rank in range(3):
        part = TextPlan(text, length=8, budget=32, rank=rank, world=3)
        for batch in part.epoch(0):
            assert part.load(batch).all_tokens == whole.load(batch).tokens


def test_a_rank_that_finds_another_checkpoint_is_told_so():
    class Other(Ranks):
        def _highest(self, numbers):
            return [max(numbers[0], 7), max(numbers[1], -5)]

    with pytest.raises(InputError, match=r"--out: .* do not find the same checkpoint; .* all machines share"):
        Other(1, 2).agree("checkpoint", 5)


def test_more_processes_on_a_machine_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    gpu = torch.device("cuda")
    assert Ranks(5, 8, 1, 4).device(gpu) == torch.device("cuda:1")
    assert chosen == [1]
    with pytest.raises(InputError, match="--nproc-per-node: 4 processes on this machine for 2 GPUs; start 2"):
        Ranks(6, 8, 2, 4).device(gpu)


def test_the_ledger_counts_the_devices_of_all_ranks(tmp_path, monkeypatch):
    ranks, cpu = Ranks(0, 6, 0, 3), torch.device("cpu")
    assert ranks.devices(torch.device("cuda", 0)) == [torch.device("cuda", number) for number in range(3)]
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    with Meter(tmp_path, ranks.devices(cpu), machines=ranks.machines):
        pass
    (segment,) = read_ledger(tmp_path).segments
    assert segment.count == 6
    assert segment.note.startswith("2 times that of one machine; ")


def test_dropout_follows_the_rank_too(toy):
    def change(rank):
        model = toy.build()
        ranks = Ranks(rank=rank)
        step = Step(model, torch.optim.SGD(model.parameters()), toy.training(), torch.device("cpu"), ranks)
        step([toy.batch_of(3)], 3)
        return model.output.weight.detach()

    first, second = change(0), change(1)
    assert torch.equal(second, change(1))
    assert not torch.equal(first, second)


def test_dropout_of_ranks_stays_apart_over_millions_of_updates():
    places = sorted(rank * 0x9E3779B1 % 2**32 for rank in range(1024))
    assert min(second - first for first, second in pairwise([*places, places[0] + 2**32])) > 1_000_000


class Held:
    """A save that waits until it is let go."""

    def __init__(self, error=None):
        self.go, self.error, self.done = threading.Event(), error, False

    def __call__(self):
        self.go.wait(10)
        if self.error:
            raise self.error
        self.done = True


def test_a_save_in_the_background_is_waited_for_by_the_next_and_at_the_end():
    with Saving(background=True) as saving:
        first, second = Held(), Held()
        saving.begin(first)
        assert not first.done
        first.go.set()
        saving.begin(second)
        assert first.done
        second.go.set()
    assert second.done


def test_what_goes_wrong_in_the_background_comes_up_at_the_next_save():
    with Saving(background=True) as saving:
        broken, later = Held(InputError("no room left")), Held()
        broken.go.set()
        saving.begin(broken)
        with pytest.raises(InputError, match="no room left"):
            saving.begin(later)
    assert not later.done


def test_what_goes_wrong_in_the_background_comes_up_at_the_end():
    broken = Held(InputError("no room left"))
    broken.go.set()
    with pytest.raises(InputError, match="no room left"), Saving(background=True) as saving:
        saving.begin(broken)


def test_a_save_that_has_begun_is_ended_though_training_fails():
    held = Held()

    def fail():
        with Saving(background=True) as saving:
            saving.begin(held)
            held.go.set()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert held.done


def test_saved_in_the_background_is_the_state_of_its_moment(toy, tmp_path, monkeypatch):
    training = toy.training(save_every=2, keep="last")
    whole = toy.run(tmp_path / "whole", training)
    monkeypatch.setattr(loop, "Saving", lambda *, background: Saving(background=True))
    save, updated, first = loop.save_snapshot, threading.Event(), tmp_path / "first" / "checkpoints"

    def late(folder, snapshot):
        # Training has gone on from the state by the time that it is written.
        assert updated.wait(10)
        save(first if snapshot.update == 2 else folder, snapshot)

    monkeypatch.setattr(loop, "save_snapshot", late)
    toy.run(tmp_path / "late", training, at_load=lambda count: updated.set() if count == 3 else None)
    monkeypatch.undo()
    again = toy.run(tmp_path / "first", training)
    assert toy.events(again.log, "resume")[0]["update"] == 2
    assert toy.same(again.weights, whole.weights)


@pytest.fixture
def quick(monkeypatch):
    """Signs of life every few milliseconds; tells the exits that were asked for."""
    for name, seconds in (("PERIOD", 0.005), ("LOST_AFTER", 0.5), ("GRACE", 0.01)):
        monkeypatch.setattr(pulse, name, seconds)
    exits, asked = [], threading.Event()

    def leave(status):
        exits.append(status)
        asked.set()

    monkeypatch.setattr(pulse.os, "_exit", leave)
    return exits, asked


def test_a_rank_that_gives_no_sign_of_life_any_more_ends_the_others(quick, capsys):
    exits, asked = quick
    store = dist.HashStore()
    with Pulse(store, 0, 2, "gone", "nobody is there"):
        store.add("pulse 1", 1)
        assert asked.wait(20)
    assert exits == [1]
    assert store.check(["gone"])
    assert capsys.readouterr().err == "error: nobody is there\n"


def test_a_rank_that_fails_ends_the_others(quick):
    exits, asked = quick
    store = dist.HashStore()
    with Pulse(store, 0, 2, "gone", ""):
        store.set("gone", "1")
        assert asked.wait(20)
    assert exits == [1]


def test_a_rank_that_has_not_begun_or_has_ended_well_is_not_missed(quick, monkeypatch):
    exits, asked = quick
    monkeypatch.setattr(pulse, "LOST_AFTER", 0.05)
    store = dist.HashStore()
    with Pulse(store, 0, 2, "gone", ""):
        assert not asked.wait(0.2)
        with Pulse(store, 1, 2, "gone", ""):
            pass
        assert not asked.wait(0.2)
    assert exits == []


def test_the_recipe_of_a_run_of_two_ranks_is_kept(two, recipe):
    assert read_recipe(two / "whole") == recipe
