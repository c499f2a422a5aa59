"""Trainings whose results add up in one file: what the benchmarks of `docs/results/` share.

A run that the file has already, of the same recipe, is not made again; that of a changed recipe replaces it.
Several calls may add to one file at a time. One that fails is noted with what went wrong, and made again by
the next call. With `--runs FOLDER` what is cut short goes on there. Texts are prepared once for all runs that
read the same tokens; with `--prepared FOLDER` for all calls, too.
Several trainings of small models share a GPU best under NVIDIA's MPS, which is started if it is there.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jobs import Job, called, lacking
from machines import end_with_input, machine, shared_gpu

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, write_json
from litetransformer.inspect.profile import Profile
from litetransformer.recipes import Row
from litetransformer.tasks.record import RECORD
from litetransformer.train.snapshot import Progress

WRITTEN = ("what", "command", "machine", "torch", "date", "data", "runs")
"""What `run` writes; whatever else a file holds stays in it."""


def parser(description: str, systems: tuple[str, ...], out: str) -> argparse.ArgumentParser:
    """The options of every such benchmark."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--data", type=Path, required=True, help="folder of the set")
    options.add_argument("--out", type=Path, default=Path(out))
    options.add_argument("--systems", nargs="+", default=list(systems))
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument(
        "--set", dest="settings", action="append", default=[], help="change a recipe's field"
    )
    options.add_argument("--together", type=int, default=1, help="trainings at a time")
    options.add_argument("--beside", type=int, default=0, help="other trainings at a time, to be noted")
    options.add_argument("--of-caller", action="store_true", help="end, and save, when the input is closed")
    options.add_argument("--seconds", type=float, default=float("inf"), help="wait no longer for results")
    options.add_argument("--again", action="store_true", help="make runs that the file has already, too")
    options.add_argument("--keep", type=Path, help="folder to leave the models of the first seed in")
    options.add_argument("--prepared", type=Path, help="folder of prepared texts, for later calls too")
    options.add_argument("--runs", type=Path, help="folder of the runs, in which a later call goes on")
    options.add_argument(
        "--compare-later", action="store_true", help="leave comparisons to a call with --seconds 0"
    )
    options.set_defaults(usual_systems=list(systems))
    return options


def run(
    options: argparse.Namespace,
    measure: Callable[[Job], dict[str, Any]],
    *,
    what: str,
    data: str,
    program: str,
    rows: Mapping[str, Row] | None = None,
    finish: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """Make the runs that `options.out` lacks and write it anew after each of them.

    With `rows`, `options.systems` are names of rows. At the end `finish` is given what the file holds, and
    what it gives is added.
    """
    if options.of_caller:
        end_with_input()
    with tempfile.TemporaryDirectory() as temporary:
        options.prepared = options.prepared or Path(temporary)
        _make(options, measure, what=what, data=data, program=program, rows=rows or {})
    if finish is not None and not options.compare_later and options.out.is_file():
        with _only_writer(options.out):
            facts = read_json(options.out)
            write_json(options.out, facts | finish(facts))


def _make(
    options: argparse.Namespace,
    measure: Callable[[Job], dict[str, Any]],
    *,
    what: str,
    data: str,
    program: str,
    rows: Mapping[str, Row],
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    asked = (options.out, options.systems, options.seeds, options.settings, rows)
    jobs = [
        replace(job, data=options.data, device=device, prepared=options.prepared, runs=options.runs)
        for job in lacking(*asked, again=options.again)
    ]
    began = time.monotonic()
    with shared_gpu(options.together, device), _finished(jobs, measure, options.together) as finished:
        for _ in jobs:
            left = options.seconds - (time.monotonic() - began)
            try:
                index, result = finished(left)
            except multiprocessing.TimeoutError:
                print("out of time; the rest is left for another call", flush=True)
                return
            job = jobs[index]
            result = {
                "system": job.system,
                **{key: value for key in ("row", "teacher") if (value := getattr(job, key))},
                "seed": job.seed,
                "settings": list(job.settings),
                "recipe_digest": job.digest(),
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "machine": machine(device),
                "torch": torch.__version__,
                "trainings_at_a_time": options.together + options.beside,
                **result,
            }
            told = result.get("failed") or json.dumps(result["scores"])
            print(job.name, "seed", job.seed, told, flush=True)
            _add(result, options, what=what, data=data, program=program)


def _add(result: dict[str, Any], options: argparse.Namespace, *, what: str, data: str, program: str) -> None:
    """Write a run into the file, in the place of an earlier one; others may have written there meanwhile.

    One that failed takes the place of none that has scores.
    """
    with _only_writer(options.out):
        facts = read_json(options.out) if options.out.is_file() else {}
        runs = facts.get("runs", [])
        good = {called(run) for run in runs if not run.get("failed")}
        if not (result.get("failed") and called(result) in good):
            runs = [run for run in runs if called(run) != called(result)] + [result]
        runs.sort(key=lambda run: (run["system"], *called(run)))
        written = {
            "what": what,
            "command": f"python benchmarks/{program} {_arguments(options, runs)}",
            "machine": result["machine"],
            "torch": result["torch"],
            "date": result["date"],
            "data": data,
            "runs": runs,
        }
        write_json(options.out, written | {key: value for key, value in facts.items() if key not in WRITTEN})


@contextlib.contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Wait until no other program of this kind writes in the folder of `path`, and let none begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # The folder itself: a file beside the results would be packaged with them.
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _arguments(options: argparse.Namespace, runs: list[dict[str, Any]]) -> str:
    """What makes all of `runs` again, those of earlier calls included."""
    seeds = sorted({run["seed"] for run in runs})
    systems = list(dict.fromkeys(called(run)[0] for run in runs))
    words = ["--data FOLDER", f"--out docs/results/{options.out.name}", "--seeds", *map(str, seeds)]
    if set(systems) != set(options.usual_systems):
        words += ["--systems", *systems]
    return " ".join([*words, *(f"--set {setting}" for setting in options.settings)])


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What `function` gives, and the seconds it took."""
    began = time.perf_counter()
    value = function()
    return value, round(time.perf_counter() - began, 2)


@contextlib.contextmanager
def run_folder(job: Job, keep: Path | None, prepare: Callable[[Path], object]) -> Iterator[Path]:
    """A folder for one training, prepared; of the first seed, the model is left under `keep`.

    `prepare` is what a folder is prepared by, and returns at once where that was done.
    """
    name = "-".join([*job.system.split("/"), *([job.row] if job.row else [])])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if job.runs is None else job.runs / f"{name}-{job.seed}-{job.digest()}"
        if job.prepared is not None and not (folder / RECORD).exists():
            place = job.prepared / job.preparation()
            place.mkdir(parents=True, exist_ok=True)
            with place.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                prepare(place)
            shutil.copytree(place, folder, ignore=shutil.ignore_patterns(RECORD), dirs_exist_ok=True)
            # Last, since it says that the rest is there.
            shutil.copyfile(place / RECORD, folder / RECORD)
        yield folder
        if keep is not None and job.seed == 1:
            unneeded = shutil.ignore_patterns("checkpoints", "data")
            shutil.copytree(folder, keep / name, ignore=unneeded, dirs_exist_ok=True)


def trained(folder: Path, progress: Progress, seconds: float, costs: Profile) -> dict[str, Any]:
    """What is told of every training: how long, how fast, of what size."""
    events = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    told = (event["tokens_per_second"] for event in events if event["event"] == "train")
    speeds = [speed for speed in told if speed]
    return {
        "updates": progress.update,
        "training_seconds": seconds,
        "tokens_per_second_median": statistics.median(speeds) if speeds else None,
        "params": costs.params,
        "params_total": costs.params_total,
        "mult_adds": costs.mult_adds,
        "mult_adds_total": costs.mult_adds_total,
        "scores": {},
    }


@contextlib.contextmanager
def _finished(
    jobs: list[Job], measure: Callable[[Job], dict[str, Any]], together: int
) -> Iterator[Callable[[float], tuple[int, dict[str, Any]]]]:
    """A function that waits for the next finished job, at most so many seconds."""
    if together == 1:
        order = iter(enumerate(jobs))

        def one(left: float) -> tuple[int, dict[str, Any]]:
            if left <= 0:
                raise multiprocessing.TimeoutError
            index, job = next(order)
            return index, _tried(measure, job)

        yield one
        return
    with multiprocessing.get_context("spawn").Pool(together, _start_worker) as pool:
        waiting = pool.imap_unordered(_Indexed(measure), list(enumerate(jobs)))
        yield lambda left: waiting.next(timeout=max(0.1, min(left, 1e6)))
        pool.terminate()


class _Indexed:
    def __init__(self, measure: Callable[[Job], dict[str, Any]]) -> None:
        self.measure = measure

    def __call__(self, numbered: tuple[int, Job]) -> tuple[int, dict[str, Any]]:
        index, job = numbered
        return index, _tried(self.measure, job)


def _tried(measure: Callable[[Job], dict[str, Any]], job: Job) -> dict[str, Any]:
    """What `measure` gives, or what went wrong: the other runs go on."""
    try:
        return measure(job)
    except InputError as error:
        return {"failed": str(error), "scores": {}}


def _start_worker() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A training would outlive a killed parent, and keep its locks, until it is done.
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)
