"""Multi30k German-English: Lite Transformer beside the Transformer of equal mult-adds, several seeds.

    python benchmarks/multi30k.py --data FOLDER --out docs/results/multi30k-de-en.json [--seeds 1 2 3]

Trains the recipes as they stand, translates the three test sets with beam 4, and writes each seed's scores.
Results add up: what the file has already is not run again.
"""

import argparse
import datetime
import json
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from litetransformer.core.files import read_json, write_json
from litetransformer.core.override import override
from litetransformer.core.spec import to_json
from litetransformer.data.catalog import resolve
from litetransformer.data.corpus import TextPairs, read_pairs
from litetransformer.decode.score import bleu
from litetransformer.inspect.profile import profile
from litetransformer.recipes import get
from litetransformer.tasks.translation import train_translator
from litetransformer.tasks.translator import load
from litetransformer.train.report import Report

SYSTEMS = ("multi30k-de-en/lite-160", "multi30k-de-en/transformer-120")


def measure(name: str, seed: int, splits: dict[str, TextPairs], device: str, settings: list[str]) -> dict:
    recipe = override(get(name), [*settings, f"train.seed={seed}"])
    data = replace(recipe.data, train=splits["train"], valid=splits["valid"])
    recipe = replace(recipe, data=data)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.perf_counter()
        progress = train_translator(recipe, folder, device=device, report=Report(folder, quiet=True))
        trained = time.perf_counter() - began
        translator = load(folder, device=device)
        costs = profile(translator.model)
        speeds = [
            event["tokens_per_second"]
            for event in map(json.loads, (folder / "log.jsonl").read_text().splitlines())
            if event["event"] == "train" and event["tokens_per_second"]
        ]
        result = {
            "system": name,
            "seed": seed,
            "updates": progress.update,
            "training_seconds": round(trained, 1),
            "target_tokens_per_second_median": statistics.median(speeds) if speeds else None,
            "params": costs.params,
            "params_total": costs.params_total,
            "mult_adds": costs.mult_adds,
            "settings": settings,
            "training": to_json(recipe.train),
            "scores": {},
        }
        for split in [name for name in splits if name != "train"]:
            sources, references = zip(*read_pairs(splits[split]), strict=True)
            began = time.perf_counter()
            found = translator.translate(list(sources), batch_tokens=32768)
            seconds = round(time.perf_counter() - began, 2)
            scores = [
                bleu(found, [list(references)], mode=mode, language="en") for mode in ("sacrebleu", "paper")
            ]
            result["scores"][split] = {
                "sacrebleu": round(scores[0].value, 2),
                "sacrebleu_signature": scores[0].signature,
                "paper": round(scores[1].value, 2),
                "paper_signature": scores[1].signature,
                "decoding_seconds": seconds,
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no run after this long")
    options = parser.parse_args()
    splits = resolve("multi30k-de-en", folder=options.data)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    facts = read_json(options.out) if options.out.is_file() else {}
    runs = facts.get("runs", [])
    began = time.monotonic()
    for seed in options.seeds:
        for name in options.systems:
            key = (name, seed, options.settings)
            if any((run["system"], run["seed"], run["settings"]) == key for run in runs):
                continue
            if time.monotonic() - began > options.seconds:
                print("out of time before", *key)
                continue
            runs.append(measure(name, seed, splits, device, options.settings))
            run = runs[-1]
            print(
                name, "seed", seed, {split: score["sacrebleu"] for split, score in run["scores"].items()},
                f"{run['training_seconds']} s, {run['target_tokens_per_second_median']} tokens/s", flush=True,
            )  # fmt: skip
            write_json(
                options.out,
                {
                    "what": "Multi30k De-En, raw text to BLEU: lite-160 and its equal in mult-adds",
                    "command": "python benchmarks/multi30k.py " + " ".join(sys.argv[1:]),
                    "machine": torch.cuda.get_device_name() if device == "cuda" else platform.processor(),
                    "torch": torch.__version__,
                    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                    "data": "Multi30k task 1: 29,000 / 1,014; tests 2016, 2017, coco 2017",
                    "runs": runs,
                },
            )


if __name__ == "__main__":
    main()
