"""Updates as training makes them beside eager PyTorch with band matrices: target tokens a second, and memory.

    python benchmarks/training_speed.py [--recipes RECIPE …] [--out docs/results/training-speed.json]
        [--repeats 5]

Both ways run in one process, in turns, on the same batches without padding, in bf16 with fp32 weights. The
eager way is that of the authors' code where it has no kernel: a band matrix for each convolution, all logits
at once, each operation launched by itself. `--compiled` adds what PyTorch's compiler and CUDA graphs make of
the eager way, which takes minutes to begin with.

The floor is what memory alone would take: the activations that backward needs, written and read once and
their gradients too, at the speed of a copy in the same process.
"""

import argparse
import contextlib
import datetime
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from machines import machine
from torch import Tensor

from litetransformer.core.files import read_json, write_json
from litetransformer.core.tokens import EOS
from litetransformer.data.batching import TrainingBatch
from litetransformer.models.model import Model
from litetransformer.ops.attention import attention
from litetransformer.ops.cross_entropy import cross_entropy
from litetransformer.ops.dispatch import Op, use
from litetransformer.ops.embedding import embedding
from litetransformer.ops.gate import gate
from litetransformer.ops.layer_norm import layer_norm
from litetransformer.ops.linear import linear
from litetransformer.ops.residual import residual
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum import windowed_sum
from litetransformer.recipes import get
from litetransformer.train.step import Step

EAGER: list[tuple[Op, str]] = [
    *((op, "reference") for op in (attention, cross_entropy, embedding, gate, layer_norm, linear, residual)),
    (windowed_softmax_sum, "separate"),
    (windowed_sum, "band"),
]
BUDGET = 50_000 * 4_096
"""Target tokens that the paper's IWSLT'14 models are trained for."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Updates of so many target tokens, in rows of `length`."""

    recipe: str
    tokens: int
    vocabulary: int
    length: int = 32


CASES = [
    *(Case(recipe="iwslt14-de-en/lite-160", tokens=n, vocabulary=8192) for n in (4096, 16384, 32768, 65536)),
    Case(recipe="wmt14-en-fr/lite-200", tokens=16384, vocabulary=40000),
    Case(recipe="wmt14-en-fr/lite-496", tokens=16384, vocabulary=40000),
]
SMALL = [Case(recipe="iwslt14-de-en/lite-160", tokens=64, vocabulary=50, length=8)]


class Plain(Step):
    """Updates by launches one at a time."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.recorder = self.working = None

    def _run(self, work: Callable[..., None], inputs: tuple[Tensor, ...]) -> None:
        work(*(tensor.to(self.device, non_blocking=True) for tensor in inputs))


class Recorded(Step):
    """Updates by CUDA graphs, with weights cast at each use: what the compiler's code is recorded in."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.working = None


def batch_of(source: Tensor, target: Tensor, others: int = 0) -> TrainingBatch:
    """Rows without padding, each target its own, shifted; `others` are tokens that other processes have."""
    inputs = torch.cat([torch.full_like(target[:, :1], EOS), target[:, :-1]], 1)
    return TrainingBatch((source, inputs, target), target.numel(), others)


def batches(case: Case, device: torch.device) -> list[TrainingBatch]:
    """Batches of random tokens."""
    found = []
    for _ in range(4):
        source, target = torch.randint(EOS + 1, case.vocabulary, (2, case.tokens // case.length, case.length))
        batch = batch_of(source, target)
        found.append(batch.pinned() if device.type == "cuda" else batch)
    return found


@contextlib.contextmanager
def eager() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for op, name in EAGER:
            stack.enter_context(use(op, name))
        yield


def kept_bytes(model: Model, batch: TrainingBatch, device: torch.device) -> int:
    """Bytes of what a batch leaves in memory for its backward pass, weights apart."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def see(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor),
        torch.autocast(device.type, torch.bfloat16, cache_enabled=False),
    ):
        model.train()
        loss = model.loss(*batch.to(device).tensors, smoothing=0.1)
    del loss
    return sum(kept.values())


def copy_speed(device: torch.device, size: int) -> float:
    """Bytes read and written a second by a large copy."""
    source = torch.empty(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found = []
    for _ in range(10):
        began = time.perf_counter()
        target.copy_(source)
        synchronise(device)
        found.append(2 * size / (time.perf_counter() - began))
    return statistics.median(found)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(case: Case, device: torch.device, repeats: int, updates: int, compiled: bool) -> dict[str, Any]:
    recipe = get(case.recipe)
    training = replace(recipe.train, precision="bf16", accumulate=1)
    given = batches(case, device)
    ways: dict[str, type[Step]] = {"eager": Plain, "recorded and fused": Step}
    if compiled:
        ways["compiled and recorded"] = Recorded
    row: dict[str, Any] = {**asdict(case), "updates": updates, "ways": {}}
    steps, seconds = {}, {}
    for way, kind in ways.items():
        torch.manual_seed(0)
        model = recipe.model.build(case.vocabulary, case.vocabulary).to(device)
        if way == "compiled and recorded":
            model.loss = torch.compile(model.loss, dynamic=False)
        before = torch.cuda.memory_allocated() if device.type == "cuda" else 0
        step = kind(model, training.optimizer.build(model), training, device)
        began = time.perf_counter()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with contextlib.nullcontext() if kind is Step else eager():
            for number in range(6):
                step([given[number % 4]], number + 1)
        synchronise(device)
        row["ways"][way] = {"start_seconds": time.perf_counter() - began}
        if device.type == "cuda":
            row["ways"][way]["peak_bytes"] = torch.cuda.max_memory_allocated() - before
        steps[way], seconds[way] = step, []
    for turn in range(repeats):
        for way, step in steps.items():
            with contextlib.nullcontext() if type(step) is Step else eager():
                began = time.perf_counter()
                for number in range(updates):
                    step([given[number % 4]], turn * updates + number + 10)
                synchronise(device)
                seconds[way].append((time.perf_counter() - began) / updates)
    kept = kept_bytes(recipe.model.build(case.vocabulary, case.vocabulary).to(device), given[0], device)
    row["copy_bytes_a_second"] = copy_speed(device, 1 << (30 if device.type == "cuda" else 20))
    row["kept_bytes_a_token"] = kept / case.tokens
    row["floor_seconds"] = 4 * kept / row["copy_bytes_a_second"]
    for way, found in row["ways"].items():
        rates = [case.tokens / each for each in seconds[way]]
        found["tokens_a_second"], found["lowest"], found["highest"] = (
            statistics.median(rates),
            min(rates),
            max(rates),
        )
        found["share_of_floor"] = row["floor_seconds"] * found["tokens_a_second"] / case.tokens
        found["times_eager"] = found["tokens_a_second"] / (case.tokens / statistics.median(seconds["eager"]))
    if case.recipe.startswith("iwslt14"):
        rate = row["ways"]["recorded and fused"]["tokens_a_second"]
        row["paper_budget_seconds"] = BUDGET / rate
    return row


def line(row: dict[str, Any]) -> str:
    """One case for the eye."""
    text = f"{row['recipe']:24} {row['tokens']:6} tokens an update"
    for way, found in row["ways"].items():
        text += f" · {way} {found['tokens_a_second'] / 1e6:.2f}M/s (×{found['times_eager']:.1f}, "
        text += f"{found['share_of_floor']:.0%} of the floor, {found.get('peak_bytes', 0) / 2**30:.1f} GiB, "
        text += f"start {found['start_seconds']:.0f} s)"
    if "paper_budget_seconds" in row:
        text += f" · the paper's budget in {row['paper_budget_seconds']:.0f} s"
    return text


def _case(row: dict[str, Any]) -> tuple[str, int]:
    return row["recipe"], row["tokens"]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path("docs/results/training-speed.json"))
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--updates", type=int, default=20, help="updates in each turn")
    options.add_argument("--compiled", action="store_true", help="the compiler's way too; minutes to begin")
    options.add_argument("--recipes", nargs="+", help="only these; the rows of others stay as they are")
    options.add_argument("--small", action="store_true", help="a tiny case, to try the program")
    given = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cases = SMALL if given.small else CASES
    if unknown := set(given.recipes or ()) - {case.recipe for case in cases}:
        options.error(f"--recipes: no case of {', '.join(sorted(unknown))}")
    made_on = {"machine": machine(device.type), "torch": torch.__version__}
    rows = []
    if given.recipes and given.out.is_file():
        before = read_json(given.out)
        if any(before[name] != value for name, value in made_on.items()):
            options.error(f"--recipes: the other rows of {given.out} are of another machine or PyTorch")
        rows = before["rows"]
    for case in cases:
        if given.recipes and case.recipe not in given.recipes:
            continue
        row = measure(case, device, given.repeats, given.updates, given.compiled)
        print(line(row), flush=True)
        rows = [old for old in rows if _case(old) != _case(row)] + [row]
        rows.sort(key=_case)
        result = {
            "what": "target tokens a second of training, beside eager PyTorch with band matrices",
            "command": f"python benchmarks/training_speed.py --out docs/results/{given.out.name}"
            + " --compiled" * given.compiled,
            **made_on,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "data": "random tokens, rows without padding",
            "rows": rows,
        }
        write_json(given.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
