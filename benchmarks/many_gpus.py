"""Updates by several GPUs of one machine beside those by one: target tokens a second, and the same losses.

    python benchmarks/many_gpus.py [--ranks 2 4] [--out docs/results/many-gpus.json] [--repeats 5]

torchrun starts each number of processes in turn, as a user would. Each makes updates of the same whole batch,
of which the processes have shares, and of a batch that grows with them; tokens are random, rows without
padding. Before that some updates without dropout: their losses are those of one process but for rounding.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from machines import machine
from training_speed import SMALL, Case, batch_of

from litetransformer.core.files import write_json
from litetransformer.core.spec import from_json, to_json
from litetransformer.core.tokens import EOS
from litetransformer.data.batching import TrainingBatch
from litetransformer.recipes import get
from litetransformer.train.distributed import Ranks, joined
from litetransformer.train.step import Step

WARM = 6
"""Updates that record, before any is timed."""
CURVE = 30
"""Updates whose losses are compared."""


CASES = [
    Case(recipe="iwslt14-de-en/lite-160", tokens=65_536, vocabulary=8192),
    Case(recipe="wmt14-en-fr/lite-496", tokens=65_536, vocabulary=40_000),
]
"""Tokens are those of all processes together."""


def batches(case: Case, ranks: Ranks, number: int) -> list[TrainingBatch]:
    """This process's rows of `number` batches, which are the same whole ones for any number of processes."""
    draw, rows = torch.Generator().manual_seed(0), case.tokens // case.length
    found = []
    for _ in range(number):
        pair = torch.randint(EOS + 1, case.vocabulary, (2, rows, case.length), generator=draw)
        source, target = pair[:, ranks.rank :: ranks.world]
        found.append(batch_of(source, target, case.tokens - target.numel()))
    return found


def step_of(case: Case, ranks: Ranks, device: torch.device, *, dropout: bool = True) -> Step:
    recipe = get(case.recipe)
    spec = recipe.model if dropout else from_json(still(to_json(recipe.model)), type(recipe.model))
    training = replace(recipe.train, precision="auto", accumulate=1)
    torch.manual_seed(0)
    model = spec.build(case.vocabulary, case.vocabulary).to(device)
    return Step(model, training.optimizer.build(model), training, device, ranks)


def still(spec: Any) -> Any:
    """A model's description with every dropout at 0: what is dropped differs from process to process."""
    if isinstance(spec, list):
        return [still(part) for part in spec]
    if isinstance(spec, dict):
        return {name: 0.0 if name.endswith("dropout") else still(part) for name, part in spec.items()}
    return spec


def losses(case: Case, ranks: Ranks, device: torch.device, updates: int) -> list[float]:
    """Bits a token of each of the first updates, without dropout of any kind."""
    step, found = step_of(case, ranks, device, dropout=False), []
    for update, batch in enumerate(batches(case, ranks, updates), 1):
        step([batch], update)
        found.append(step.read() / case.tokens)
    return found


def seconds(case: Case, ranks: Ranks, device: torch.device, repeats: int, updates: int) -> list[float]:
    """Seconds of an update, once for each repeat; the processes begin and end each together."""
    step, given = step_of(case, ranks, device), batches(case, ranks, 4)
    if device.type == "cuda":
        given = [batch.pinned() for batch in given]
    for number in range(WARM):
        step([given[number % 4]], number + 1)
    found = []
    for turn in range(repeats):
        step.read()
        ranks.add_up(torch.zeros(1, device=device))
        began = time.perf_counter()
        for number in range(updates):
            step([given[number % 4]], WARM + turn * updates + number + 1)
        step.read()
        found.append((time.perf_counter() - began) / updates)
    return found


def work(given: argparse.Namespace) -> None:
    """What each of the processes does; the first one writes what it found."""
    with joined() as ranks:
        if not torch.cuda.is_available():
            torch.set_num_threads(1)
        device = ranks.device(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        rows = []
        for case in SMALL if given.small else CASES:
            grown = replace(case, tokens=case.tokens * ranks.world)
            row = {
                **asdict(case),
                "losses": losses(case, ranks, device, 3 if given.small else CURVE),
                "same_batch_seconds": seconds(case, ranks, device, given.repeats, given.updates),
                "batch_a_rank_seconds": seconds(grown, ranks, device, given.repeats, given.updates),
            }
            rows.append(row)
        if ranks.first:
            facts = {"machine": machine(device.type), "torch": torch.__version__, "rows": rows}
            write_json(given.worker, facts)


def started(given: argparse.Namespace, ranks: int) -> dict[str, Any]:
    """What so many processes found."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(ranks), __file__, "--worker", str(found)]
        command += ["--repeats", str(given.repeats), "--updates", str(given.updates)]
        subprocess.run([*command, *["--small"] * given.small], check=True)
        facts: dict[str, Any] = json.loads(found.read_text())
        return facts


def summary(case: dict[str, Any], base: dict[str, Any], ranks: int) -> dict[str, Any]:
    """The row of a case by `ranks` processes beside that by one, `base`."""
    same, grown = (statistics.median(case[f"{name}_seconds"]) for name in ("same_batch", "batch_a_rank"))
    first = case["tokens"] / statistics.median(base["same_batch_seconds"])
    apart = [abs(ours - theirs) / theirs for ours, theirs in zip(case["losses"], base["losses"], strict=True)]
    return {
        **case,
        "ranks": ranks,
        "same_batch_tokens_a_second": case["tokens"] / same,
        "same_batch_times_one": case["tokens"] / same / first,
        "batch_a_rank_tokens_a_second": case["tokens"] * ranks / grown,
        "batch_a_rank_times_one": case["tokens"] * ranks / grown / first,
        "losses_apart": max(apart),
    }


def line(row: dict[str, Any]) -> str:
    """One row for the eye."""
    text = f"{row['recipe']:24} ranks: {row['ranks']}"
    for name, tokens in (("same_batch", row["tokens"]), ("batch_a_rank", row["tokens"] * row["ranks"])):
        text += f" · {tokens:,} tokens {row[f'{name}_tokens_a_second'] / 1e6:.2f}M/s"
        text += f" (×{row[f'{name}_times_one']:.2f})"
    return f"{text} · losses within {row['losses_apart']:.1e}"


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--ranks", type=int, nargs="+", help="beside 1; all GPUs unless told")
    options.add_argument("--out", type=Path, default=Path("docs/results/many-gpus.json"))
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--updates", type=int, default=20, help="updates in each turn")
    options.add_argument("--small", action="store_true", help="a tiny case, to try the program")
    options.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args(arguments)
    if given.worker is not None:
        work(given)
        return 0
    numbers = sorted({1, *(given.ranks or [max(1, torch.cuda.device_count())])})
    rows: list[dict[str, Any]] = []
    first: list[dict[str, Any]] = []
    for ranks in numbers:
        facts = started(given, ranks)
        first = first or facts["rows"]
        for case, base in zip(facts["rows"], first, strict=True):
            rows.append(summary(case, base, ranks))
            print(line(rows[-1]), flush=True)
        result = {
            "what": "target tokens a second of training by several GPUs of one machine",
            "command": f"python benchmarks/many_gpus.py --ranks {' '.join(map(str, numbers))}"
            f" --out docs/results/{given.out.name}",
            "machine": facts["machine"],
            "torch": facts["torch"],
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "data": "random tokens, rows without padding",
            "rows": rows,
        }
        write_json(given.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
