"""A run's ledger adds up over its resumes, says how its energy is known, and never ends a training."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch

from litetransformer.core.devices import CPU_CORE_WATTS
from litetransformer.core.errors import InputError
from litetransformer.core.override import override
from litetransformer.models.tensors import load_tensors
from litetransformer.tasks import translation
from litetransformer.tasks.translation import train_translator
from litetransformer.train import cost, power
from litetransformer.train.cost import Ledger, Meter, read_ledger
from litetransformer.train.power import Nvml, Rapl, Stated, power_of
from litetransformer.train.report import Report
from litetransformer.train.signals import Interrupted

CPU, GPU = [torch.device("cpu")], [torch.device("cuda", 0)]
H100 = "NVIDIA H100 80GB HBM3"


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cost, "time", clock)
    monkeypatch.setattr(power, "time", clock)
    return clock


class Driver:
    """An NVML of two GPUs that take 300 and 400 W, with and without energy counters."""

    class NVMLError(Exception):
        pass

    def __init__(self, clock, *, counters=True):
        self.clock, self.counters, self.start, self.broken, self.open = clock, counters, clock.now, None, 0

    def nvmlInit(self):
        self.check()
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return {"GPU-first": 300, "GPU-second": 400}[uuid]

    def nvmlDeviceGetTotalEnergyConsumption(self, watts):
        self.check()
        if not self.counters:
            raise self.NVMLError("Not Supported")
        return 5_000_000 + int(1000 * watts * (self.clock.now - self.start))

    def nvmlDeviceGetPowerUsage(self, watts):
        self.check()
        return 1000 * watts

    def check(self):
        if self.broken:
            raise self.broken


@pytest.fixture
def driver(clock, monkeypatch):
    driver = Driver(clock)
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    uuids = {0: "first", 1: "second"}
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=uuids[device.index])
    )
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: H100)
    return driver


@pytest.fixture
def no_rapl(monkeypatch, tmp_path):
    monkeypatch.setattr(Rapl.__init__, "__defaults__", (tmp_path / "no-such-folder",))


def meter(folder, devices=CPU):
    told = []
    return Meter(folder, devices, warn=told.append), told


def test_time_and_energy_add_up_over_the_processes_of_a_run(tmp_path, clock, no_rapl):
    watts = power.cores_used() * CPU_CORE_WATTS
    for hours in (1, 2):
        kept, told = meter(tmp_path)
        with kept:
            clock.now += 3600 * hours
        assert told == []
    first, second = read_ledger(tmp_path).segments
    assert (first.seconds, second.seconds) == (3600, 7200)
    assert second.kwh == pytest.approx(2 * watts / 1000)
    assert second.device_hours == 2 * second.count == 2 * power.cores_used()
    assert (second.kind, second.energy_source) == ("cpu", "stated power")
    assert second.note.startswith("not measured (no energy counter of a processor in ")
    assert second.device


def test_each_save_replaces_the_segment_and_what_came_later_is_lost_with_the_process(tmp_path, clock):
    kept, _ = meter(tmp_path)
    kept.__enter__()
    assert not (tmp_path / "cost.json").exists()
    for total in (10, 25):
        clock.now = 1000 + total
        kept.save()
        (segment,) = read_ledger(tmp_path).segments
        assert segment.seconds == total
    clock.now += 99
    # Here the process is killed; another one goes on.
    after, _ = meter(tmp_path)
    with after:
        clock.now += 5
    assert [segment.seconds for segment in read_ledger(tmp_path).segments] == [25, 5]


def test_the_time_until_an_exception_counts(tmp_path, clock):
    kept, _ = meter(tmp_path)
    with contextlib.suppress(MemoryError), kept:
        clock.now += 7
        raise MemoryError
    assert read_ledger(tmp_path).segments[0].seconds == 7


def test_gpus_are_measured_by_their_counters(tmp_path, clock, driver):
    kept, told = meter(tmp_path, [torch.device("cuda", 0), torch.device("cuda", 1)])
    with kept:
        clock.now += 1800
    (segment,) = read_ledger(tmp_path).segments
    assert (segment.device, segment.kind, segment.count, segment.seconds) == (H100, "gpu", 2, 1800)
    assert (segment.kwh, segment.energy_source, segment.device_hours) == (0.35, "nvml", 1.0)
    assert "own counters" in segment.note
    assert (told, driver.open) == ([], 0)


def test_without_counters_power_is_sampled(clock, driver):
    driver.counters = False
    measured = power_of(GPU)
    assert (measured.source, measured.period) == ("nvml", 1.0)
    for _ in range(10):
        clock.now += 1
        used = measured.joules()
    assert used == pytest.approx(3000)
    assert "sampled every second" in measured.note


def test_a_source_that_must_be_asked_often_is_asked_meanwhile(tmp_path, driver, monkeypatch):
    driver.counters = False
    asked, enough = [], threading.Event()
    joules = Nvml.joules

    def ask(self):
        asked.append(self)
        if len(asked) == 5:
            enough.set()
        return joules(self)

    monkeypatch.setattr(Nvml, "joules", ask)
    monkeypatch.setattr(power, "SAMPLE_SECONDS", 1e-3)
    kept, told = meter(tmp_path, GPU)
    with kept:
        assert enough.wait(10)
    assert (read_ledger(tmp_path).segments[0].energy_source, told) == ("nvml", [])


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        (Driver.NVMLError("Driver Not Loaded"), "Driver Not Loaded"),
        (OSError("libnvidia-ml.so.1"), "libnvidia-ml.so.1"),
        (None, "NVML needs the extra 'cost': pip install 'litetransformer[cost]'"),
    ],
)
def test_without_nvml_the_stated_power_is_taken_and_said(tmp_path, clock, driver, monkeypatch, broken, note):
    driver.broken = broken
    if broken is None:
        monkeypatch.setitem(sys.modules, "pynvml", None)
    kept, told = meter(tmp_path, GPU)
    with kept:
        clock.now += 3600
    (segment,) = read_ledger(tmp_path).segments
    assert (segment.kwh, segment.energy_source) == (0.7, "stated power")
    assert segment.note.startswith(f"not measured ({note}); 1 × 700 W of H100 SXM, ")
    assert told == []


def test_a_slice_of_a_gpu_is_not_given_the_energy_of_the_whole(driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100-SXM4-40GB MIG 1g.5gb")
    found = power_of(GPU)
    assert (found.source, found.joules(), driver.open) == ("stated power", None, 0)


def test_of_an_unknown_gpu_no_energy_is_stated(tmp_path, clock, driver, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Nova 9")
    driver.broken = driver.NVMLError("no")
    kept, _ = meter(tmp_path, GPU)
    with kept:
        clock.now += 60
    (segment,) = read_ledger(tmp_path).segments
    assert (segment.kwh, segment.device, segment.seconds) == (None, "Nova 9", 60)
    assert "no stated power is known of Nova 9" in segment.note


@pytest.mark.parametrize("harm", ["raises", "goes back"])
def test_where_measuring_ends_midway_another_segment_takes_the_stated_power(tmp_path, clock, driver, harm):
    kept, told = meter(tmp_path, GPU)
    with kept:
        clock.now += 3600
        kept.save()
        if harm == "raises":
            driver.broken = driver.NVMLError("GPU is lost")
        else:
            driver.start = clock.now + 7200
        clock.now += 1800
        kept.save()
        clock.now += 1800
    measured, stated = read_ledger(tmp_path).segments
    assert (measured.seconds, measured.kwh, measured.energy_source) == (3600, 0.3, "nvml")
    assert (stated.seconds, stated.kwh, stated.energy_source) == (3600, 0.7, "stated power")
    (warning,) = told
    assert warning.startswith("energy is no longer measured (")


def rapl(folder, *, name="package-0", zone="intel-rapl:0", counter=900, largest=999):
    (folder / zone).mkdir(parents=True)
    for file, content in (("name", name), ("energy_uj", counter), ("max_energy_range_uj", largest)):
        (folder / zone / file).write_text(f"{content}\n")
    return folder / zone / "energy_uj"


def test_a_processor_is_measured_by_its_packages_counters_which_go_round(tmp_path):
    first, second = rapl(tmp_path), rapl(tmp_path, name="package-1", zone="intel-rapl:1", counter=0)
    rapl(tmp_path, name="core", zone="intel-rapl:0:0")
    rapl(tmp_path, name="psys", zone="intel-rapl:2")
    measured = Rapl(tmp_path)
    first.write_text("950")
    assert measured.joules() == pytest.approx(50e-6)
    first.write_text("20")
    second.write_text("400")
    assert measured.joules() == pytest.approx(50e-6 + 70e-6 + 400e-6)
    assert measured.source == "rapl"


def test_a_processor_whose_counters_may_not_be_read_has_its_stated_power(tmp_path, monkeypatch, clock):
    rapl(tmp_path).unlink()
    monkeypatch.setattr(Rapl.__init__, "__defaults__", (tmp_path,))
    found = power_of(CPU)
    clock.now += 2
    assert isinstance(found, Stated)
    assert found.joules() == 2 * CPU_CORE_WATTS * power.cores_used()


@pytest.mark.parametrize(
    "harm", [lambda text: text[:-20], lambda text: text.replace("7.0", "1.0"), lambda text: ""]
)
def test_a_damaged_ledger_is_named_set_aside_and_the_new_one_says_that_it_is_incomplete(
    tmp_path, clock, harm
):
    kept, _ = meter(tmp_path)
    with kept:
        clock.now += 7
    path = tmp_path / "cost.json"
    damaged = harm(path.read_text())
    path.write_text(damaged)
    with pytest.raises(InputError) as caught:
        read_ledger(tmp_path)
    assert caught.value.path == str(path)
    kept, told = meter(tmp_path)
    with kept:
        clock.now += 3
    ledger = read_ledger(tmp_path)
    assert (ledger.incomplete, [segment.seconds for segment in ledger.segments]) == (True, [3])
    assert told[0].startswith(f"{path}:")
    assert "kept as cost.json.damaged" in told[0]
    assert (tmp_path / "cost.json.damaged").read_text() == damaged


def test_a_run_that_trained_before_there_were_ledgers_is_incomplete(tmp_path, clock):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "state-000000100.safetensors").touch()
    for _ in range(2):
        with meter(tmp_path)[0]:
            clock.now += 1
    assert read_ledger(tmp_path).incomplete


def test_a_full_disk_leaves_the_last_ledger_and_is_told_once(tmp_path, clock, monkeypatch):
    kept, told = meter(tmp_path)
    with kept:
        clock.now += 1
        kept.save()
        before = (tmp_path / "cost.json").read_bytes()

        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        for _ in range(3):
            clock.now += 1
            kept.save()
    assert (tmp_path / "cost.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]
    (warning,) = told
    assert "could not be saved" in warning
    assert "no room left on the disk" in warning


def test_a_meter_that_cannot_begin_or_warn_lets_the_run_go_on(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(cost, "power_of", broken)
    kept = Meter(tmp_path, CPU, warn=broken)
    with kept:
        kept.save()
    assert not list(tmp_path.iterdir())


def train(recipe, folder):
    return train_translator(recipe, folder, report=Report(folder, quiet=True))


def weights(folder):
    return load_tensors(folder / "model.safetensors")[0]


def test_every_training_keeps_a_ledger_and_a_resumed_one_goes_on_with_it(words, tmp_path, monkeypatch):
    recipe, folder = words(tmp_path / "texts"), tmp_path / "run"
    validate = translation.evaluate

    def stop(*arguments, **options):
        signal.raise_signal(signal.SIGTERM)
        return validate(*arguments, **options)

    monkeypatch.setattr(translation, "evaluate", stop)
    with pytest.raises(Interrupted):
        train(recipe, folder)
    monkeypatch.undo()
    assert len(read_ledger(folder).segments) == 1
    train(recipe, folder)
    ledger = read_ledger(folder)
    assert (len(ledger.segments), ledger.incomplete) == (2, False)
    assert all(segment.seconds > 0 and segment.kind == "cpu" for segment in ledger.segments)
    assert set(json.loads((folder / "cost.json").read_text())) == {
        *("type", "segments", "incomplete", "sha256"),
    }


def test_metering_changes_no_weight_and_its_failures_do_not_either(words, tmp_path, monkeypatch):
    recipe = override(words(tmp_path / "texts"), ["train.updates=6"])
    train(recipe, tmp_path / "metered")

    def broken(*_):
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(Stated, "joules", broken)
    monkeypatch.setattr(Rapl, "joules", broken)
    train(recipe, tmp_path / "broken")
    first, second = weights(tmp_path / "metered"), weights(tmp_path / "broken")
    assert all(torch.equal(first[name], second[name]) for name in first)
    log = [json.loads(line) for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["event"] == "end" or log[-2]["event"] == "end"


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from litetransformer.train.cost import Meter, read_ledger
folder, generator = Path(sys.argv[1]), random.Random(1)
before = 0.0
for _ in range(40):
    child = os.fork()
    if not child:
        with Meter(folder, [torch.device("cpu")]) as meter:
            while True:
                meter.save()
    time.sleep(generator.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if (folder / "cost.json").exists():
        total = sum(segment.seconds for segment in read_ledger(folder).segments)
        assert total >= before, (total, before)
        before = total
assert before > 0
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_ledger_is_good_and_forgets_nothing_that_was_saved(tmp_path):
    subprocess.run([sys.executable, "-c", KILLER, str(tmp_path)], check=True, timeout=120)
    assert not read_ledger(tmp_path).incomplete


def test_a_ledger_is_found_or_its_folder_named(tmp_path):
    with pytest.raises(InputError, match=r"no record of what training cost here; name a folder of `lite tra"):
        read_ledger(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_ledger(tmp_path / "nowhere")
    assert Ledger().segments == ()
