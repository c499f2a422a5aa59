"""Updates of small models on one thread of a CPU: the vocabulary's loss at once, and in chunks.

    python benchmarks/cpu_training.py [--out docs/results/cpu-training.json] [--turns 6] [--seconds 3]

Both run in one process, in turns, from the same weights and on the same batches.
"""

import argparse
import datetime
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from machines import machine
from training_speed import Case, batches

from litetransformer.core.files import write_json
from litetransformer.core.override import override
from litetransformer.ops.cross_entropy import cross_entropy
from litetransformer.ops.dispatch import use
from litetransformer.recipes import get
from litetransformer.train.step import Step

RECIPE = "multi30k-de-en/lite-64"
WAYS = {"at once": "reference", "in chunks": "chunked"}
CPU = torch.device("cpu")


def measure(width: int, vocabulary: int, tokens: int, turns: int, seconds: float) -> dict[str, Any]:
    """Target tokens a second of each way, a value for each turn."""
    recipe = override(get(RECIPE), [f"model.dim={width}"])
    given = batches(Case(recipe=RECIPE, tokens=tokens, vocabulary=vocabulary), CPU)
    torch.manual_seed(0)
    model = recipe.model.build(vocabulary, vocabulary)
    step, number = Step(model, recipe.train.optimizer.build(model), recipe.train, CPU), 0
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(turns + 1):
        for way, name in WAYS.items():
            with use(cross_entropy, name):
                began, done = time.perf_counter(), 0
                while time.perf_counter() - began < (seconds if turn else 0.1):
                    number += 1
                    step([given[number % 4]], number)
                    done += tokens
                if turn:
                    rates[way].append(round(done / (time.perf_counter() - began), 1))
    medians = {way: statistics.median(found) for way, found in rates.items()}
    return {
        "width": width,
        "vocabulary": vocabulary,
        "tokens": tokens,
        "tokens_a_second": rates,
        "times": medians["in chunks"] / medians["at once"],
    }


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path("docs/results/cpu-training.json"))
    options.add_argument("--turns", type=int, default=6)
    options.add_argument("--seconds", type=float, default=3.0, help="of each way in each turn")
    options.add_argument("--widths", type=int, nargs="+", default=[64, 160])
    options.add_argument("--vocabularies", type=int, nargs="+", default=[1000, 8000])
    options.add_argument("--tokens", type=int, default=2048, help="target tokens an update")
    options.add_argument("--note", default="", help="what else to say about the machine")
    given = options.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    for width in given.widths:
        for vocabulary in given.vocabularies:
            rows.append(measure(width, vocabulary, given.tokens, given.turns, given.seconds))
            print(rows[-1], flush=True)
    write_json(
        given.out,
        {
            "what": "training on one CPU thread, the vocabulary's loss at once and in chunks",
            "command": "python benchmarks/cpu_training.py",
            "machine": f"{machine('cpu')}, {os.cpu_count()} cores",
            "note": given.note,
            "torch": torch.__version__,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "data": "random tokens, rows of 32 without padding",
            "rows": rows,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
