"""The time from raw text to a trained model of the quality of the paper's recipe, all included.

    python benchmarks/speedrun.py [SET/MODEL …] --data FOLDER [--reference RECIPE] [--reach BLEU]
        [--set FIELD=VALUE …] [--out docs/results/speedrun.json]

Two runs of each recipe, each a process of its own: `cold`, with an empty folder for compiled kernels, and
`warm`, with those that the first left. The clock runs from the start of the process, imports and all, to the
end of the last validation: the tokenizer is learned, texts are tokenised, kernels compiled, the model
trained, saved and loaded, and the validation text translated with the recipe's search.

A run counts if its validation BLEU is at least that of `--reference` at its full budget: the mean over the
seeds that benchmarks/ablation.py left in docs/results/ for it, which is the set's recipe that is trained as
in the paper unless told otherwise. With `--reach` that BLEU is stated instead.
"""

import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from litetransformer import recipes
from litetransformer.core.cores import usable_cores
from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, write_json
from litetransformer.recipes import Row

DEFAULT = ("tatoeba-techdocs-de-en/lite-160", "canlaw-en-fr/lite-200")
METRIC = "sacrebleu"


def part(given: argparse.Namespace, recipe_name: str) -> dict[str, Any]:
    """One run, inside its process: scores and seconds by phase."""
    # Not above: processes that tokenise begin with what this file imports.
    import torch
    from jobs import Job
    from machines import machine

    from litetransformer.data.catalog import resolve
    from litetransformer.data.corpus import read_pairs
    from litetransformer.decode.score import bleu
    from litetransformer.tasks.prepare import prepare
    from litetransformer.tasks.translation import train_translator
    from litetransformer.tasks.translator import load
    from litetransformer.train.report import Report

    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = {"importing": time.time() - given.began}
    splits = resolve(recipe_name.partition("/")[0], folder=given.data)
    recipe = Job(recipe_name, given.seed, tuple(given.settings), given.data, device).recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=splits["train"], valid=splits["valid"]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.time()
        parts = Parts()
        prepare(recipe, folder, workers=usable_cores(), progress=parts)
        seconds["preparing"], began = time.time() - began, time.time()
        progress = train_translator(recipe, folder, device=device, report=Report(folder, quiet=True))
        seconds["training"], began = time.time() - began, time.time()
        translator = load(folder, device=device)
        scores = {}
        for split in ("valid", *(name for name in splits if name.startswith("test"))):
            sources, references = map(list, zip(*read_pairs(splits[split]), strict=True))
            found = translator.translate(sources, batch_tokens=65_536)
            score = bleu(found, [references], mode=METRIC, language=recipe.data.target_language)
            scores[split] = round(score.value, 2)
            # The tests are for the reader; the clock has stopped.
            seconds.setdefault("validating", time.time() - began)
        events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    first = next((event["time"] for event in events if event["event"] == "train"), None)
    return {
        "scores": scores,
        "seconds_by_phase": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_of_preparing": parts.seconds,
        "seconds_to_first_line_of_the_log": None if first is None else round(first - given.began, 2),
        "seconds_in_all": round(sum(seconds.values()), 2),
        "updates": progress.update,
        "tokens": progress.tokens,
        "machine": machine(device),
        "torch": torch.__version__,
    }


class Parts:
    """The seconds that each part of a preparation took, as it is told of them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._part, self._began = "", time.time()

    def __call__(self, part: str, rows: int, total: int | None) -> None:
        if part != self._part:
            if self._part:
                self.seconds[self._part] = round(time.time() - self._began, 2)
            self._part, self._began = part, time.time()


def quality(reference: str, results: Path) -> tuple[float, str]:
    """The validation BLEU of a recipe as it stands, the mean over its seeds, and where that is from.

    Raises InputError where it wasn't measured.
    """
    home = reference.partition("/")[0]
    path = results / f"ablation-{home}.json"
    named = {name for name, row in recipes.ablation(home).items() if row == Row(recipe=reference)}
    found = [
        run["scores"]["valid"][METRIC]
        for run in (read_json(path)["runs"] if path.is_file() else ())
        if run.get("row") in named and not run.get("settings") and not run.get("failed")
    ]
    if not found:
        raise InputError(
            f"no validation BLEU of {reference}",
            path=path,
            remedy=f"run benchmarks/ablation.py {home} --systems paper, or give --reach",
        )
    return round(statistics.fmean(found), 2), f"{reference}, {len(found)} seeds"


def started(given: argparse.Namespace, recipe: str, reach: float) -> list[dict[str, Any]]:
    """The cold and the warm run of `recipe`."""
    runs = []
    with tempfile.TemporaryDirectory() as kernels:
        for start in ("cold", "warm"):
            own = [recipe, "--data", given.data, "--seed", given.seed]
            own += [word for setting in given.settings for word in ("--set", setting)]
            done = subprocess.run(
                [sys.executable, __file__, *map(str, own), "--began", str(time.time())],
                env=os.environ | {"TRITON_CACHE_DIR": kernels},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            run = {"start": start, **json.loads(done.stdout.splitlines()[-1])}
            run["reached"] = run["scores"]["valid"] >= reach
            runs.append(run)
            print(f"{recipe}, {start}: {run['seconds_in_all']:.0f} s to {run['scores']}", flush=True)
    return runs


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("recipes", nargs="*", default=list(DEFAULT), metavar="SET/MODEL")
    options.add_argument("--data", type=Path, required=True, help="folder of the sets")
    options.add_argument("--reference", help="recipe whose quality counts; SET/MODEL-paper unless told")
    options.add_argument("--reach", type=float, help="validation BLEU that a run must have, in its place")
    options.add_argument("--results", type=Path, default=Path("docs/results"), help="folder of its results")
    options.add_argument("--set", dest="settings", action="append", default=[], help="change a field")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=Path("docs/results/speedrun.json"))
    options.add_argument("--began", type=float, help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.began is not None:
        print(json.dumps(part(given, *given.recipes)))
        return 0
    # What is to be reached is known, of all of them, before the first takes its time.
    try:
        reaching = {recipe: reach(given, recipe) for recipe in given.recipes}
    except InputError as error:
        options.error(str(error))
    for recipe, (score, reference) in reaching.items():
        row = {
            "recipe": recipe,
            "settings": given.settings,
            "seed": given.seed,
            "reach": score,
            "reference": reference,
            "starts": started(given, recipe, score),
        }
        write_row(given, row)
    return 0


def reach(given: argparse.Namespace, recipe: str) -> tuple[float, str]:
    """The validation BLEU that a run of `recipe` must have, and where it comes from."""
    if given.reach is not None:
        return given.reach, given.reference or "--reach"
    home, _, model = recipe.partition("/")
    family = recipes.families().get(home)
    return quality(
        given.reference or f"{home}/{family.twin(model) if family else model}-paper", given.results
    )


def write_row(given: argparse.Namespace, row: dict[str, Any]) -> None:
    facts = read_json(given.out) if given.out.is_file() else {}
    words = ["python", "benchmarks/speedrun.py", *given.recipes, "--data", "FOLDER"]
    words += ["--reference", given.reference] if given.reference else []
    words += [] if given.reach is None else ["--reach", str(given.reach)]
    words += [word for setting in given.settings for word in ("--set", setting)]
    ran = row["starts"][0]
    facts = {
        "what": "seconds from raw text to a translation model of the quality of the paper's own recipe",
        "command": shlex.join(words),
        "machine": ran["machine"],
        "torch": ran["torch"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rows": [old for old in facts.get("rows", []) if old["recipe"] != row["recipe"]] + [row],
    }
    write_json(given.out, facts)


if __name__ == "__main__":
    sys.exit(main())
