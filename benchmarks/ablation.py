"""Translation beyond the paper: a set's recipe, the paper's, and ours that is to beat it, changed one by one.

    python benchmarks/ablation.py SET --data FOLDER [--systems base paper plus] [--seeds 1 2 3]
        [--together 3] [--teachers 8] [--keep-hypotheses DIR]

Each row is a recipe and what is set in it: `lite table ablation-SET` has them all, in words that --set takes.
They are trained and scored as benchmarks/translation.py does; --systems names rows. A row that is `distilled`
is trained on what a larger model makes of the sources: that one is trained first, as its recipe stands, and
translates the training text, once for all rows and seeds of a call, and with --prepared of later calls too.
It does so with its recipe's beam, in --teachers processes at a time. With --prepared a call that is cut short
loses no more than the shards that they were at: the next one goes on with the same model.

At the end the mean BLEU over the test sets of each row's first seed is compared with that of `base` and of
`paper` by paired bootstrap resampling: those that this call made, and those of earlier calls in DIR.
"""

import fcntl
import functools
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from comparing import Draws, draws
from jobs import Job
from teaching import translations, usual_processes
from trainings import parser, run_folder, timed
from translation import SETS, made, measure, place

from litetransformer import recipes
from litetransformer.core.files import sweep_partial, write_atomically
from litetransformer.data.catalog import resolve
from litetransformer.data.corpus import TextPairs, read_lines, read_pairs
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.translation import train_translator
from litetransformer.train.report import Report

AGAINST = ("base", "paper")
"""The rows that all others are compared with."""


def measure_row(job: Job, *, keep: Path | None, hypotheses: Path, teachers: int | None) -> dict[str, Any]:
    """One row of one seed, taught first where it has a teacher."""
    if not job.teacher:
        return measure(job, keep=keep, hypotheses=hypotheses)
    train, seconds = timed(lambda: taught(job, teachers or usual_processes(job.device)))
    # Where another run had it made, that is what waiting for it took.
    return {"teaching_seconds": seconds, **measure(job, keep=keep, hypotheses=hypotheses, train=train)}


def taught(job: Job, teachers: int) -> TextPairs:
    """The training text with what the job's teacher makes of its sources for targets; made if need be."""
    teacher = job.taught_by()
    assert job.prepared is not None
    folder = job.prepared / f"taught-{job.system.partition('/')[0]}-{teacher.digest()}"
    folder.mkdir(parents=True, exist_ok=True)
    pairs = TextPairs(source=str(folder / "train.source"), target=str(folder / "train.target"))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The target is written last.
        if not (folder / "train.target").is_file():
            _teach(teacher, folder, teachers)
        shutil.rmtree(folder / "shards", ignore_errors=True)
    return pairs


def _teach(teacher: Job, folder: Path, teachers: int) -> None:
    sweep_partial(folder)
    splits = resolve(teacher.system.partition("/")[0], folder=teacher.data)
    model, shards = folder / "model", folder / "shards"
    if not model.is_dir():
        # What a model wrote that is not there any more.
        shutil.rmtree(shards, ignore_errors=True)
        _train(teacher, splits, model)
    sources = [source for source, _ in read_pairs(splits["train"])]
    found = translations(sources, model, shards, device=teacher.device, processes=teachers)
    for name, lines in (("source", sources), ("target", found)):
        write_atomically(folder / f"train.{name}", "".join(f"{line}\n" for line in lines).encode())


def _train(teacher: Job, splits: dict[str, TextPairs], model: Path) -> None:
    """Train the teacher, and leave it in the folder `model`, which is there when it is whole."""
    recipe = teacher.recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=splits["train"], valid=splits["valid"]))
    making = model.with_name("model.partial")
    shutil.rmtree(making, ignore_errors=True)
    with run_folder(teacher, None, functools.partial(prepare, recipe)) as run:
        train_translator(recipe, run, device=teacher.device, report=Report(run, quiet=True))
        shutil.copytree(run, making, ignore=shutil.ignore_patterns("checkpoints", "data"))
    making.rename(model)
    if teacher.device == "cuda":
        # The processes that translate share the GPU's memory with this one.
        torch.cuda.empty_cache()


def significance(
    facts: dict[str, Any], *, name: str, seed: int, data: Path, hypotheses: Path
) -> dict[str, Any]:
    """The comparisons that can be made here, and those that were made before and still hold."""
    runs = {run["row"]: run for run in facts["runs"] if run["seed"] == seed and not run.get("failed")}
    digests = {row: run["recipe_digest"] for row, run in runs.items()}
    splits = resolve(name, folder=data)
    tests = {split: pairs for split, pairs in splits.items() if split.startswith("test")}

    @functools.cache
    def drawn(row: str) -> Draws | None:
        run = runs[row]
        files = [place(hypotheses, run["system"], seed, digests[row], split) for split in tests]
        if not all(file.is_file() for file in files):
            return None
        found = [
            (list(read_lines(file)), [target for _, target in read_pairs(pairs)])
            for file, pairs in zip(files, tests.values(), strict=True)
        ]
        return draws(found, language=recipes.get(run["system"]).data.target_language)

    made = {
        (pair["row"], pair["against"]): pair
        for pair in facts.get("significance", ())
        if pair["recipe_digests"] == [digests.get(pair["row"]), digests.get(pair["against"])]
    }
    for row, against in _compared(runs):
        if (ours := drawn(row)) is not None and (theirs := drawn(against)) is not None:
            made[row, against] = {
                "row": row,
                "against": against,
                "tests": list(tests),
                "seed": seed,
                "recipe_digests": [digests[row], digests[against]],
                **ours.ahead_of(theirs),
            }
    return {"significance": [made[one] for one in sorted(made)]}


def _compared(runs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for against in AGAINST:
        if against in runs:
            yield from ((row, against) for row in runs if row != against)


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__.splitlines()[0], (), "")
    options.add_argument("name", choices=SETS, metavar="SET", help=", ".join(SETS))
    options.add_argument("--keep-hypotheses", type=Path, help="folder to leave all translations in")
    options.add_argument("--teachers", type=int, help="processes that translate a training text at a time")
    chosen = options.parse_args(arguments)
    if chosen.teachers is not None and chosen.teachers < 1:
        options.error("--teachers: must be 1 or more")
    name, rows = chosen.name, recipes.ablation(chosen.name)
    if unknown := set(chosen.systems) - set(rows):
        options.error(f"--systems: no {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    chosen.usual_systems = list(rows)
    chosen.systems = chosen.systems or list(rows)
    made(
        chosen,
        name,
        functools.partial(measure_row, teachers=chosen.teachers),
        significance,
        out=f"ablation-{name}",
        what="recipes changed one by one",
        program=Path(__file__).name,
        rows=rows,
    )


if __name__ == "__main__":
    sys.exit(main())
