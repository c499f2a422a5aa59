"""The trainings of docs/results/ that are not there yet: all of them, in order, several at a time.

    python benchmarks/everything.py --data FOLDER [--only PATTERN …] [--list]
        [--together 9] [--seconds 1200] [--runs runs/everything]

FOLDER has the sets as they are unpacked: multi30k, tatoeba_deen and techdocs_deen, canlaw_enfr, aeslc, cnndm,
lm/ptb and lm/kyotowiki_en. What stands first in the list is worth most: recipes beyond the paper beside the
paper's own; the smallest systems at equal mult-adds; language models and summaries; larger systems; further
seeds; and the rest of the ablations. `--only` takes patterns of a line of `--list`: 'ablation multi30k-*'.

Each training is a call of the program that its line names, so that its results are what that program alone
would write. They share a GPU under NVIDIA's MPS. Stopped by --seconds, Ctrl-C or SIGTERM, or left alone by
this program's end, they save, and the next call goes on in the same --runs. At the end translations that were
not compared yet are, those of earlier calls included.
"""

import argparse
import contextlib
import fnmatch
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jobs import lacking
from machines import shared_gpu
from translation import SIZES

from litetransformer import recipes

HERE = Path(__file__).parent
PLACES = {
    "multi30k-de-en": "multi30k",
    "multi30k-en-de": "multi30k",
    "multi30k-en-fr": "multi30k",
    "aeslc": "aeslc",
    "cnndm39k": "cnndm",
    "ptb": "lm/ptb",
    "kyotowiki": "lm/kyotowiki_en",
}
"""The folder of each set that has one to itself."""
LANGUAGE_MODELS = ("ptb", "kyotowiki")
SUMMARIES = ("aeslc", "cnndm39k")
SEEDS = (1, 2, 3)
ENDING_SECONDS = 20.0
"""How long a training may take to save when it is stopped."""


@dataclass(frozen=True)
class Task:
    """One training: the program that makes it, the set, the row or model, and the seed."""

    program: str
    home: str
    name: str
    seed: int = 1

    def __str__(self) -> str:
        return f"{self.program} {self.home} {self.name} seed {self.seed}"

    @property
    def results(self) -> str:
        """The file that the training is noted in."""
        return f"ablation-{self.home}.json" if self.program == "ablation" else f"{self.home}.json"

    @property
    def asked(self) -> str:
        """What the program calls it."""
        return self.name if self.program == "ablation" else f"{self.home}/{self.name}"


def tasks() -> list[Task]:
    """All of them, what is worth most first."""
    families = recipes.families()
    beyond = [
        Task("ablation", home, row) for row in ("plus", "paper", "paper-transformer") for home in families
    ]
    compared = [
        (number, Task("translation", home, model))
        for home, family in families.items()
        for number, size in enumerate(SIZES.get(home, family.sizes))
        for model in family.sizes[size]
    ]
    first = [task for number, task in compared if number == 0]
    larger = [task for number, task in sorted(compared, key=lambda one: one[0]) if number]
    others = [
        Task(program, home, name.removeprefix(f"{home}/"))
        for program, homes in (("language_models", LANGUAGE_MODELS), ("summarization", SUMMARIES))
        for home in homes
        for name in recipes.names()
        if name.startswith(f"{home}/")
    ]
    short = (first, [task for task in others if task.home == "ptb"], beyond)
    again = [replace(task, seed=seed) for some in short for seed in SEEDS[1:] for task in some]
    rest = [Task("ablation", home, row) for home in families for row in recipes.ablation(home)]
    return list(dict.fromkeys([*beyond, *first, *others, *larger, *again, *rest]))


def command(task: Task, given: argparse.Namespace, beside: int) -> list[str]:
    """The words that make `task` while `beside` others are made, and leave its comparison to later."""
    return [
        *_program(task, given),
        *("--seeds", str(task.seed), "--systems", task.asked, "--beside", str(beside), "--of-caller"),
        *("--prepared", str(given.runs / "prepared"), "--runs", str(given.runs / "runs"), "--compare-later"),
    ]


def _program(task: Task, given: argparse.Namespace) -> list[str]:
    words = [sys.executable, str(HERE / f"{task.program}.py"), task.home]
    words += ["--data", str(given.data / PLACES.get(task.home, ""))]
    words += ["--out", str(given.results / task.results)]
    if task.program in ("ablation", "translation"):
        words += ["--keep-hypotheses", str(given.runs / "hypotheses")]
    return words + [word for setting in given.settings for word in ("--set", setting)]


def chosen(given: argparse.Namespace) -> list[Task]:
    """The tasks that were asked for, whether their results are there or not."""
    return [
        task
        for task in tasks()
        if not given.only or any(fnmatch.fnmatch(str(task), one) for one in given.only)
    ]


def _lacks(task: Task, given: argparse.Namespace) -> bool:
    rows = recipes.ablation(task.home) if task.program == "ablation" else {}
    file = given.results / task.results
    return bool(lacking(file, [task.asked], [task.seed], given.settings, rows))


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[list[int]]:
    """A list that holds the signals to end that have come, but for those that the caller ignores (nohup)."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def make(waiting: Sequence[Task], given: argparse.Namespace, came: Sequence[int]) -> tuple[int, int]:
    """Run tasks, `given.together` at a time, until one of `came` has come; how many failed, and are left."""
    logs = given.runs / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    left, failed = list(waiting), 0
    running: dict[subprocess.Popen[bytes], tuple[Task, float]] = {}
    began = time.monotonic()
    try:
        while (left or running) and not came and time.monotonic() - began < given.seconds:
            while left and len(running) < given.together:
                beside = min(given.together, len(left) + len(running)) - 1 + given.beside
                task = left.pop(0)
                running[_started(command(task, given, beside), logs / _file(task))] = (task, time.monotonic())
            time.sleep(0.2)
            for process in [process for process in running if process.poll() is not None]:
                task, started = running.pop(process)
                _closed(process)
                # A program may note what went wrong, and end well.
                broken = process.returncode != 0 or _lacks(task, given)
                failed += broken
                told = f"failed, see {logs / _file(task)}" if broken else "done"
                seconds = time.monotonic() - started
                print(f"{task}: {told}, {seconds:.0f} s; {len(left) + len(running)} left", flush=True)
    finally:
        _end(list(running))
    return failed, len(left) + len(running)


def _file(task: Task) -> str:
    return f"{str(task).replace(' ', '-')}.log"


def _started(words: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        # A session of its own: Ctrl-C is for this program, which tells the others. They watch their input,
        # which closes when this program ends, however that comes.
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True)


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.terminate()
    last = time.monotonic() + ENDING_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, last - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _closed(process)


def _closed(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()


def compare(tasks: Sequence[Task], given: argparse.Namespace) -> bool:
    """Compare what has translations newer than its last comparison; whether all ended well."""
    good = True
    for task in {(task.program, task.home): task for task in tasks}.values():
        written = list((given.runs / "hypotheses" / task.home).glob("*.txt"))
        stamp = given.runs / "compared" / task.results
        last = stamp.stat().st_mtime if stamp.is_file() else 0.0
        if not (given.results / task.results).is_file() or all(
            file.stat().st_mtime < last for file in written
        ):
            continue
        words = [*_program(task, given), "--seconds", "0", "--seeds", "1", "--systems", task.asked]
        began = time.time()
        if subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode:
            print(f"{task.program} {task.home}: not compared", flush=True)
            good = False
            continue
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()
        os.utime(stamp, (began, began))
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True, help="folder of the sets")
    options.add_argument("--only", nargs="+", help="patterns of lines of --list")
    options.add_argument("--list", action="store_true", help="print what is lacking, and make nothing")
    options.add_argument("--together", type=int, default=9, help="trainings at a time")
    options.add_argument("--beside", type=int, default=0, help="other trainings at a time, to be noted")
    options.add_argument("--seconds", type=float, default=float("inf"), help="stop then, and save")
    options.add_argument("--runs", type=Path, default=Path("runs/everything"), help="folder to go on in")
    options.add_argument("--results", type=Path, default=Path("docs/results"), help="folder of the results")
    options.add_argument(
        "--set", dest="settings", action="append", default=[], help="change a recipe's field"
    )
    given = options.parse_args(arguments)
    if given.together < 1:
        options.error("--together: must be 1 or more")
    if not (asked := chosen(given)):
        options.error("--only: matches no line of --list")
    waiting = [task for task in asked if _lacks(task, given)]
    if given.list:
        for task in waiting:
            print(task)
        return 0
    print(f"{len(waiting)} trainings, {given.together} at a time", flush=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with _stopped_by_signals() as came, shared_gpu(given.together, device):
        failed, left = make(waiting, given, came)
    if failed or left:
        print(f"{failed} failed, {left} left; the same command goes on", flush=True)
    if came:
        return 128 + came[0]
    return 0 if compare(asked, given) and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
