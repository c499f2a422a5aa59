"""Every implementation of the windowed sum beside a copy of as many bytes, forward and backward.

    python benchmarks/windowed_sum.py [--out docs/results/windowed-sum.json] [--repeats 20] [--variants]

The yardstick is what must move: `x` and the taps read once and the sum written once; backward, the upstream,
`x` and the taps read and their gradients written. A copy of that many bytes is timed beside each case, over
as many sets of buffers: together they are larger than the GPU's cache. On a GPU the calls are recorded and
replayed, so launches cost what they cost in training. Nothing is reported unless every implementation first
agrees with the reference in float64, outputs and gradients.
"""

import argparse
import contextlib
import datetime
import importlib
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_softmax_sum import reference as softmax_reference
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum import reference, windowed_sum

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


@dataclass(frozen=True, kw_only=True)
class Case:
    """One shape; taps of dynamic cases are in the type of `x`, static ones in fp32, as under autocast."""

    tokens: int
    length: int
    channels: int
    taps: int
    dynamic: bool = False
    dtype: str = "bfloat16"
    heads: int = 4
    softmax: bool = False
    """Whether the taps are logits that go through softmax and dropout in the kernel."""

    def inputs(self, device: str, tokens: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Fresh `x` and taps that want gradients, and an upstream."""
        dtype, batch = getattr(torch, self.dtype), max(1, tokens // self.length)
        shape = (batch, self.length, self.channels)
        size = (batch, self.length, self.heads, self.taps) if self.dynamic else (self.heads, self.taps)
        x = torch.randn(shape, device=device, dtype=dtype, requires_grad=True)
        weights = torch.randn(size, device=device).softmax(-1).to(dtype if self.dynamic else torch.float32)
        return (x, weights.requires_grad_()), torch.randn(shape, device=device, dtype=dtype)

    def bytes(self, x: Tensor, weights: Tensor) -> dict[str, int]:
        """What each direction must move."""
        one, taps = x.numel() * x.element_size(), weights.numel() * weights.element_size()
        return {"forward": 2 * one + taps, "backward": 3 * one + 2 * taps}

    def options(self, device: str) -> tuple[int | float | Tensor, ...]:
        """What follows `x` and the taps: the window is causal, a tenth of the taps drops."""
        seed = torch.full((1,), 12345, device=device)
        return (self.taps - 1, 0.1, seed) if self.softmax else (self.taps - 1,)


CASES = [
    *(Case(tokens=n, length=t, channels=80, taps=31) for n, t in ((16384, 32), (65536, 32), (65536, 256))),
    *(Case(tokens=65536, length=256, channels=c, taps=k) for c in (80, 448) for k in (3, 63)),
    *(Case(tokens=n, length=t, channels=80, taps=31, dynamic=True) for n, t in ((16384, 32), (65536, 256))),
    *(Case(tokens=65536, length=256, channels=c, taps=k, dynamic=True) for c in (248, 448) for k in (3, 31)),
    *(Case(tokens=n, length=32, channels=80, taps=k) for n in (16384, 65536) for k in (3, 7, 15)),
    *(Case(tokens=65536, length=256, channels=c, taps=k) for c in (100, 248) for k in (7, 31)),
    Case(tokens=65536, length=256, channels=80, taps=31, dtype="float32"),
    Case(tokens=65536, length=256, channels=80, taps=31, dtype="float32", dynamic=True),
]
WHOLE = [
    *(
        Case(tokens=65536, length=256, channels=c, taps=k)
        for k in (31, 15, 63, 7)
        for c in (80, 100, 248, 448)
    ),
    *(Case(tokens=n, length=32, channels=80, taps=k) for n in (65536, 16384) for k in (31, 15, 7)),
    Case(tokens=16384, length=256, channels=80, taps=31),
    *(Case(tokens=65536, length=t, channels=80, taps=31, softmax=True) for t in (256, 32)),
    *(
        Case(tokens=65536, length=256, channels=c, taps=k, dynamic=True)
        for k in (31, 7)
        for c in (80, 100, 248, 448)
    ),
    *(Case(tokens=n, length=32, channels=80, taps=31, dynamic=True) for n in (65536, 16384)),
    *(Case(tokens=65536, length=256, channels=c, taps=31, dynamic=True, softmax=True) for c in (80, 448)),
    *(Case(tokens=n, length=32, channels=80, taps=31, dynamic=True, softmax=True) for n in (65536, 16384)),
]
"""The whole question in bf16, the most wanted first: how near today's choices come to a copy.

With `OTHERS`, some ninety kernels are compiled, which takes most of the 90 seconds of a first run.
"""
OTHERS = {
    **{Case(tokens=65536, length=256, channels=248, taps=k): "across" for k in (31, 15, 63)},
    **{Case(tokens=65536, length=256, channels=c, taps=7): "8-shares" for c in (80, 100, 248, 448)},
    Case(tokens=65536, length=256, channels=448, taps=31): "twice-room",
    Case(tokens=65536, length=256, channels=448, taps=63): "twice-room",
    Case(tokens=65536, length=256, channels=248, taps=31, dynamic=True): "half-warps",
}
"""Where another choice inside the kernels may be the better one."""
VARIED = [(case, OTHERS.get(case, "")) for case in WHOLE]
SMALL = [
    Case(tokens=128, length=32, channels=16, taps=5, dtype="float32", dynamic=dynamic)
    for dynamic in (False, True)
]
SMALL += [Case(tokens=128, length=64, channels=16, taps=31, dtype="float32", dynamic=True, softmax=True)]


def conv1d(x: Tensor, weights: Tensor, left: int) -> Tensor:
    """What a user of PyTorch would write: a depthwise F.conv1d over (B, C, T)."""
    channels, taps = x.shape[2], weights.shape[1]
    kernel = weights.repeat_interleave(channels // len(weights), 0)[:, None].to(x.dtype)
    padded = F.pad(x.transpose(1, 2), (left, taps - 1 - left))
    return F.conv1d(padded, kernel, groups=channels).transpose(1, 2)


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
        names = ("triton", *(f"triton/{variant}" for variant in variants.split()))
        return {name: forced(name) for name in names if "triton" in found}
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


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=Path, default=Path("docs/results/windowed-sum.json"))
    options.add_argument("--repeats", type=int, default=20)
    options.add_argument("--small", action="store_true", help="two tiny cases, to try the program")
    options.add_argument(
        "--variants", action="store_true", help="the Triton kernels alone, with choices inside them"
    )
    options.add_argument("--limit", type=float, help="seconds after which no further case is begun")
    given = options.parse_args()
    begin = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if given.variants:
        cases = [(case, "bands short square across") for case in SMALL] if given.small else VARIED
    else:
        cases = [(case, None) for case in (SMALL if given.small else CASES)]
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = False
    if device == "cuda":
        # Backward runs on the stream of its forward, and a recording needs one of its own.
        torch.cuda.set_stream(torch.cuda.Stream())
    rows, wrong = [], []
    # Variants are compiled case by case, so what is measured before the limit is worth something.
    for some in [[one] for one in cases] if given.variants else [cases]:
        if given.limit is not None and time.perf_counter() - begin > given.limit:
            print(f"not measured within {given.limit:g} s: {some[0][0]}", flush=True)
            continue
        right = {}
        for case, variants in some:
            right[case] = implementations(case, device, variants)
            for name, run in list(right[case].items()):
                with chosen(name):
                    # Variants are checked at the size that is measured, for which they are compiled anyway.
                    distance = disagreement(
                        case, run, device, 2 * case.length if variants is None else case.tokens
                    )
                if not distance < TOLERANCES[case.dtype]:
                    wrong.append(f"{name} is {distance:.1e} away from the reference: {case}")
                    print(wrong[-1], file=sys.stderr, flush=True)
                    del right[case][name]
        if wrong and not given.variants:
            print("nothing is reported while an implementation is wrong", file=sys.stderr)
            return 1
        for case, found in right.items():
            rows += measure(case, device, given.repeats, found)
            print(*(line(row) for row in rows[-2:]), sep="\n", flush=True)
    result = {
        "what": "the windowed sum beside a copy of as many bytes",
        "program": Path(__file__).name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "repeats": given.repeats,
        "rows": rows,
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
