"""Every implementation of the windowed sum beside a copy of as many bytes, forward and backward.

    python benchmarks/windowed_sum.py [--out docs/results/windowed-sum.json] [--repeats 20]
    python benchmarks/windowed_sum.py --variants [--out docs/results/windowed-sum-kernels.json] [--limit 90]

The yardstick is what must move: `x` and the taps read once and the sum written once; backward, the upstream,
`x` and the taps read and their gradients written. A copy of that many bytes is timed beside each case, over
as many sets of buffers: together they are larger than the GPU's cache. On a GPU the calls are recorded and
replayed, so launches cost what they cost in training. Nothing is reported unless every implementation first
agrees with the reference in float64, outputs and gradients.

With `--variants` it is the Triton kernels alone, those that are chosen and other choices inside them. These
results add up: the file is written after every case, what it lacks is measured first and then what is oldest,
and what a call doesn't come to stays in it (`windowed_sum_rows.py`).
"""

import argparse
import contextlib
import datetime
import importlib
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from windowed_sum_cases import CASES, SMALL, VARIED, Case
from windowed_sum_rows import added, age, content

from litetransformer.core.files import read_json, write_json
from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_softmax_sum import reference as softmax_reference
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum import reference, windowed_sum
from litetransformer.tables.windowed_sum import CHOSEN

RESULTS = Path("docs/results")
CACHE = 256 << 20
"""Bytes of buffers that no cache holds."""
TOLERANCES = {"float32": 1e-5, "bfloat16": 2e-2}

VARIANTS = {
    "bands": {"triton_forms.FORCED": "bands"},
    "square": {"triton_forms.FORCED": "square"},
    "short": {"triton_forms.FORCED": "short", "triton_short_ops.SHARES": 2},
    "across": {"triton_forms.FORCED": "across"},
    "twice-room": {"triton_forms.FORCED": "square", "triton_square_ops.ROOM": 2.0},
    "half-warps": {"triton_square_ops.WARPS": 0.5, "triton_square_ops.ROOM": 0.5},
    "8-shares": {"triton_short_ops.SHARES": 8},
}
"""Other choices inside the Triton kernels: the modules' constants and their other values."""


@contextlib.contextmanager
def chosen(name: str) -> Iterator[None]:
    """Inside the block, `triton/VARIANT` runs with that variant's constants."""
    _, _, variant = name.partition("/")
    before = []
    for place, value in VARIANTS.get(variant, {}).items():
        module, _, constant = place.partition(".")
        owner = importlib.import_module(f"litetransformer.ops.windowed_sum.{module}")
        before.append((owner, constant, getattr(owner, constant)))
        setattr(owner, constant, value)
    try:
        yield
    finally:
        for owner, constant, value in before:
            setattr(owner, constant, value)


def conv1d(x: Tensor, weights: Tensor, left: int) -> Tensor:
    """What a user of PyTorch would write: a depthwise F.conv1d over (B, C, T)."""
    channels, taps = x.shape[2], weights.shape[1]
    kernel = weights.repeat_interleave(channels // len(weights), 0)[:, None].to(x.dtype)
    padded = F.pad(x.transpose(1, 2), (left, taps - 1 - left))
    return F.conv1d(padded, kernel, groups=channels).transpose(1, 2)


def asked(variants: str) -> list[str]:
    """The names of today's choice and of these variants."""
    return [CHOSEN, *(f"{CHOSEN}/{variant}" for variant in variants.split())]


def implementations(case: Case, device: str, variants: str | None) -> dict[str, Callable[..., Tensor]]:
    """Those that can run this case, or these variants, under autocast where that is what bf16 means."""
    (x, weights), _ = case.inputs(device, 1)

    op = windowed_softmax_sum if case.softmax else windowed_sum

    def forced(name: str) -> Callable[..., Tensor]:
        def run(*inputs: Tensor | float) -> Tensor:
            mixed = torch.autocast(device, torch.bfloat16, enabled=case.dtype == "bfloat16")
            with use(op, name.partition("/")[0]), mixed:
                return op(*inputs)

        return run

    found = {
        name: forced(name)
        for name, why_not in op.why_not.items()
        if why_not(x, weights, *case.options(device)) is None
    }
    if variants is not None:
        return {name: forced(name) for name in asked(variants) if CHOSEN in found}
    return found if case.dynamic or case.softmax else {**found, "conv1d": conv1d}


def disagreement(case: Case, run: Callable[..., Tensor], device: str, tokens: int) -> float:
    """The largest relative distance of output and gradients from the reference in float64, causal."""
    inputs, upstream = case.inputs(device, tokens)
    exact = tuple(tensor.detach().double().requires_grad_() for tensor in inputs)
    options, definition, worst = case.options(device), softmax_reference if case.softmax else reference, 0.0
    pairs = []
    for function, given, above in ((run, inputs, upstream), (definition, exact, upstream.double())):
        out = function(*given, *options)
        pairs.append((out, *torch.autograd.grad(out, given, above.to(out.dtype))))
    for found, expected in zip(*pairs, strict=True):
        distance = float((found.double() - expected).detach().norm() / expected.detach().norm())
        worst = max(worst, float("inf") if math.isnan(distance) else distance)
    return worst


def timings(work: list[Callable[[], object]], device: str, repeats: int) -> list[float]:
    """Seconds of one of `work`, which differ only in their buffers, once for each repeat."""
    if device == "cpu":
        work[0]()
        found = []
        for _ in range(repeats):
            begin = time.perf_counter()
            for one in work:
                one()
            found.append((time.perf_counter() - begin) / len(work))
        return found
    for one in work:
        one()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        for one in work:
            one()
    graph.replay()
    found = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        found.append(begin.elapsed_time(end) / 1000 / len(work))
    return found


def summary(seconds: list[float]) -> dict[str, float]:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return {"median_seconds": middle, "quartile_1": low, "quartile_3": high}


def measure(
    case: Case, device: str, repeats: int, implementations: dict[str, Callable[..., Tensor]]
) -> list[dict]:
    (x, weights), _ = case.inputs(device, case.tokens)
    options, moved = case.options(device), case.bytes(x, weights)
    sets = max(2, -(-CACHE // moved["forward"])) if device == "cuda" else 2
    data = [case.inputs(device, case.tokens) for _ in range(sets)]
    rows = []
    for direction in ("forward", "backward"):
        size = moved[direction] // 2
        buffers = [torch.empty(2, size, dtype=torch.uint8, device=device) for _ in range(sets)]
        copying = [lambda pair=pair: pair[0].copy_(pair[1]) for pair in buffers]
        copy = summary(timings(copying, device, repeats))
        row = {**asdict(case), "direction": direction, "bytes": moved[direction], "copy": copy}
        row["implementations"] = {}
        del buffers, copying
        for name, run in implementations.items():
            if direction == "forward":
                inputs = [tuple(tensor.detach() for tensor in given) for given, _ in data]
                work = [lambda given=given, run=run: run(*given, *options) for given in inputs]
            else:
                work = []
                for given, upstream in data:
                    out = run(*given, *options)
                    above = upstream.to(out.dtype)
                    work.append(
                        lambda out=out, given=given, above=above: torch.autograd.grad(
                            out, given, above, retain_graph=True
                        )
                    )
            try:
                with chosen(name):
                    found = summary(timings(work, device, repeats))
            except torch.OutOfMemoryError:
                found = None
            if found is not None:
                found["of_copy"] = copy["median_seconds"] / found["median_seconds"]
            row["implementations"][name] = found
            del work
        rows.append(row)
    return rows


def line(row: dict) -> str:
    """One case and direction for the eye: each implementation's share of the copy's bandwidth."""
    speed = row["bytes"] / row["copy"]["median_seconds"] / 1e9
    form = "per position" if row["dynamic"] else "static"
    if row["softmax"]:
        form += ", softmax"
    what = f"{row['tokens']:6} × {row['channels']:3} T {row['length']:3} K {row['taps']:2} {form:12} "
    what += f"{row['dtype']:8} {row['direction']:8} copy {speed:5.0f} GB/s "
    shares = []
    for name, found in row["implementations"].items():
        if found is None:
            shares.append(f"{name} out of memory")
            continue
        spread = (found["quartile_3"] - found["quartile_1"]) / found["median_seconds"]
        shares.append(f"{name} {found['of_copy']:.0%} (±{spread / 2:.0%})")
    return what + " · ".join(shares)


def right(
    case: Case, device: str, variants: str | None
) -> tuple[dict[str, Callable[..., Tensor]], list[str]]:
    """The implementations that agree with the reference, and what is to be said of the others."""
    found, wrong = implementations(case, device, variants), []
    # Variants are checked at the size that is measured, for which they are compiled anyway.
    tokens = 2 * case.length if variants is None else case.tokens
    for name, run in list(found.items()):
        with chosen(name):
            distance = disagreement(case, run, device, tokens)
        if not distance < TOLERANCES[case.dtype]:
            wrong.append(f"{name} is {distance:.1e} away from the reference: {case}")
            print(wrong[-1], file=sys.stderr, flush=True)
            del found[name]
    return found, wrong


def whole(cases: list[Case], device: str, repeats: int, out: Path | None) -> int:
    """Measure every implementation in every case; the exit status."""
    agreeing = {case: right(case, device, None) for case in cases}
    if any(wrong for _, wrong in agreeing.values()):
        print("nothing is reported while an implementation is wrong", file=sys.stderr)
        return 1
    rows = []
    for case, (found, _) in agreeing.items():
        rows += measure(case, device, repeats, found)
        print(*(line(row) for row in rows[-2:]), sep="\n", flush=True)
    if out is not None:
        result = {
            "what": "the windowed sum beside a copy of as many bytes",
            "program": Path(__file__).name,
            "date": now(),
            **made_on(device),
            "cuda": torch.version.cuda,
            "repeats": repeats,
            "rows": rows,
        }
        write_json(out, result)
    return 0


def adding_up(
    cases: list[tuple[Case, str]], device: str, repeats: int, limit: float | None, out: Path | None
) -> int:
    """Measure cases and their variants until the limit, and add each to the file; the exit status."""
    begin, wrong, here = time.perf_counter(), [], made_on(device)
    rows = read_json(out)["rows"] if out is not None and out.is_file() else []
    if any("form" not in row for row in rows):
        print(f"error: {out}: its rows are not of --variants; give another --out", file=sys.stderr)
        return 2
    ages = {case: age(rows, asdict(case) | here, case.forms(), asked(names)) for case, names in cases}
    for case, variants in sorted(cases, key=lambda one: ages[one[0]]):
        if limit is not None and time.perf_counter() - begin > limit:
            print(f"not measured within {limit:g} s: {case}", flush=True)
            continue
        found, errors = right(case, device, variants)
        wrong += errors
        for row in measure(case, device, repeats, found):
            print(line(row), flush=True)
            new = row | {"form": case.forms()[row["direction"]], "date": now(), "repeats": repeats, **here}
            rows = added(rows, new, asked(variants))
        if out is not None and rows:
            write_json(out, content(rows, f"python benchmarks/{Path(__file__).name} --variants"))
    return 1 if wrong else 0


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def made_on(device: str) -> dict[str, str]:
    """What a measurement depends on beside the program."""
    hardware = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "CPU"
    return {"hardware": hardware, "torch": torch.__version__}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, help="the results; of --small there are none without it")
    options.add_argument("--repeats", type=int, default=20)
    options.add_argument("--small", action="store_true", help="tiny cases, to try the program")
    options.add_argument(
        "--variants", action="store_true", help="the Triton kernels alone, with choices inside them"
    )
    options.add_argument(
        "--limit", type=float, help="of --variants: seconds after which no further case is begun"
    )
    given = options.parse_args()
    if given.limit is not None and not given.variants:
        options.error("--limit: without --variants nothing is reported before the end")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False
    if device == "cuda":
        # Backward runs on the stream of its forward, and a recording needs one of its own.
        torch.cuda.set_stream(torch.cuda.Stream())
    out = given.out
    if out is None and not given.small:
        out = RESULTS / ("windowed-sum-kernels.json" if given.variants else "windowed-sum.json")
    if given.variants:
        cases = [(case, "bands short square across") for case in SMALL] if given.small else VARIED
        return adding_up(cases, device, given.repeats, given.limit, out)
    return whole(SMALL if given.small else CASES, device, given.repeats, out)


if __name__ == "__main__":
    sys.exit(main())
