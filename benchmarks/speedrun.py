"""The time from raw text to a trained model of a given quality, all included, on one machine.

    python benchmarks/speedrun.py SET/MODEL --data FOLDER --reach BLEU [--set FIELD=VALUE …]
        [--out docs/results/speedrun.json]

Two runs, each a process of its own: `cold`, with an empty folder for compiled kernels, and `warm`, with those
that the first left. The clock runs from the start of the process, imports and all, to the end of the last
validation: the tokenizer is learned, texts are tokenised, kernels compiled, the model trained, saved and
loaded, and the validation text translated with the recipe's search. A run counts if its validation BLEU is at
least that of `--reach`, which is to be what the paper's own recipe comes to at its full budget (state it by
`--reference`).
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainings import Job, machine

from litetransformer.core.files import read_json, write_json


def part(given: argparse.Namespace) -> dict[str, Any]:
    """One run, inside its process: scores and seconds by phase."""
    import torch

    from litetransformer.data.catalog import resolve
    from litetransformer.data.corpus import read_pairs
    from litetransformer.decode.score import bleu
    from litetransformer.tasks.prepare import prepare
    from litetransformer.tasks.translation import train_translator
    from litetransformer.tasks.translator import load
    from litetransformer.train.report import Report

    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = {"importing": time.time() - given.began}
    splits = resolve(given.recipe.partition("/")[0], folder=given.data)
    recipe = Job(given.recipe, given.seed, tuple(given.settings), given.data, device).recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=splits["train"], valid=splits["valid"]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.time()
        prepare(recipe, folder)
        seconds["preparing"], began = time.time() - began, time.time()
        progress = train_translator(recipe, folder, device=device, report=Report(folder, quiet=True))
        seconds["training"], began = time.time() - began, time.time()
        translator = load(folder, device=device)
        scores = {}
        for split in ("valid", *(name for name in splits if name.startswith("test"))):
            sources, references = map(list, zip(*read_pairs(splits[split]), strict=True))
            found = translator.translate(sources, batch_tokens=65_536)
            score = bleu(found, [references], mode="sacrebleu", language=recipe.data.target_language)
            scores[split] = round(score.value, 2)
            # The tests are for the reader; the clock has stopped.
            seconds.setdefault("validating", time.time() - began)
        events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    first = next((event["time"] for event in events if event["event"] == "train"), None)
    return {
        "scores": scores,
        "seconds_by_phase": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_to_first_line_of_the_log": None if first is None else round(first - given.began, 2),
        "seconds_in_all": round(sum(seconds.values()), 2),
        "updates": progress.update,
        "tokens": progress.tokens,
        "machine": machine(device),
        "torch": torch.__version__,
    }


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("recipe", metavar="SET/MODEL")
    options.add_argument("--data", type=Path, required=True, help="folder of the set")
    options.add_argument("--reach", type=float, default=0.0, help="validation BLEU that a run must have")
    options.add_argument("--reference", default="", help="where that BLEU comes from")
    options.add_argument("--set", dest="settings", action="append", default=[], help="change a field")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, default=Path("docs/results/speedrun.json"))
    options.add_argument("--began", type=float, help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.began is not None:
        print(json.dumps(part(given)))
        return 0
    runs = []
    with tempfile.TemporaryDirectory() as kernels:
        for start in ("cold", "warm"):
            own = [given.recipe, "--data", given.data, "--seed", given.seed]
            own += [word for setting in given.settings for word in ("--set", setting)]
            done = subprocess.run(
                [sys.executable, __file__, *map(str, own), "--began", str(time.time())],
                env=os.environ | {"TRITON_CACHE_DIR": kernels},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            run = {"start": start, **json.loads(done.stdout.splitlines()[-1])}
            run["reached"] = run["scores"]["valid"] >= given.reach
            runs.append(run)
            print(f"{start}: {run['seconds_in_all']:.0f} s to {run['scores']}", flush=True)
    facts = read_json(given.out) if given.out.is_file() else {}
    row = {
        "recipe": given.recipe,
        "settings": given.settings,
        "seed": given.seed,
        "reach": given.reach,
        "reference": given.reference,
        "starts": runs,
    }
    settings = "".join(f" --set {setting}" for setting in given.settings)
    facts = {
        "what": "seconds from raw text to a translation model of the quality of the paper's own recipe",
        "command": f"python benchmarks/speedrun.py SET/MODEL --data FOLDER --reach {given.reach}{settings}",
        "machine": runs[0]["machine"],
        "torch": runs[0]["torch"],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rows": [old for old in facts.get("rows", []) if old["recipe"] != given.recipe] + [row],
    }
    write_json(given.out, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
