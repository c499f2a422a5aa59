"""Quality over bytes: a trained model pruned, quantized, fine-tuned and packed in many ways, each measured.

    python benchmarks/compression.py --model runs/160 --source test.de --target test.en \
        --data "Multi30k De-En, test 2016" --name multi30k --against runs/transformer \
        --targets 18.2x 30x 1.5MB --updates 2000 --seconds 500

`targets` are files that are fine-tuned to a size: 1.5MB in all, or 18.2x smaller than the weights of
--against, both without input tables, as the paper counts. --against is a folder, a recipe, or a number of
parameters without tables. `grid` is k-means at 2 to 8 bits with 0 to 90% of zeros, `int8` affine int8,
`rates` the entropy-constrained codebooks of `lite compress`, `pruned` those after pruning; none of them is
fine-tuned. `tuned` and `tuned-pruned` are, by --updates (and as many more for the pruning). --rates are those
of `rates` and `tuned`, --table-rate goes with these and with targets like 18.2x. Without --train-source and
--valid-source, the texts are those that the run's folder still has.

The results file is written after every point. Points that it has already are not measured again, and none is
begun after --seconds. Several calls may write different points of one file at a time. Nothing is reported
unless the tests of compression pass.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from machines import machine

from litetransformer import recipes
from litetransformer.compress import pack, size
from litetransformer.compress.prune import Curve, Masks, allocate, sweep
from litetransformer.compress.quantize import affine
from litetransformer.core.files import read_json, sha256_of_file, write_json
from litetransformer.core.spec import to_json
from litetransformer.models.tensors import put_weights
from litetransformer.tables.paper import count
from litetransformer.tasks.compression import SWEEP_LINES, compress, large_tensors
from litetransformer.tasks.compression_record import Plan
from litetransformer.tasks.compression_tensors import Quantizer, quantized
from litetransformer.tasks.load import load_writer
from litetransformer.tasks.model_folder import CARD, WEIGHTS
from litetransformer.tasks.yardstick import Quality, Texts, Yardstick, own_texts, read_texts

ROOT = Path(__file__).parents[1]
TESTS, RESULTS = ROOT / "tests/compress", ROOT / "docs/results"
KINDS = ("targets", "int8", "rates", "pruned", "tuned", "tuned-pruned", "grid")
RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
TUNED_RATES = (0.12, 0.2)

GRID_ZEROS = (0.0, 0.5, 0.3, 0.6, 0.2, 0.4, 0.7, 0.9, 0.8, 0.1)
GRID_BITS = (4, 8, 2, 6, 3, 5, 7)
SCORED_ZEROS = (0.0, 0.3, 0.6, 0.9)
"""Of the grid, what else is measured by its loss alone: a search takes longer than all of the rest."""


def points(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What to measure: a kind, and a plan or a target."""
    updates, peak = options.updates, options.peak
    kmeans = Plan(rate=0.0, table_rate=0.0)

    def at(rate: float, **others: Any) -> Plan:
        table_rate = rate / 4 if options.table_rate is None else options.table_rate
        return Plan(rate=rate, table_rate=table_rate, **others)

    grid = [(bits, zeros) for zeros in GRID_ZEROS for bits in GRID_BITS]
    plans = {
        "grid": [replace(kmeans, bits=bits, table_bits=bits, sparsity=zeros) for bits, zeros in grid],
        "int8": [replace(kmeans, bits=8, table_bits=8)],
        "rates": [at(rate) for rate in options.rates or RATES],
        "pruned": [
            Plan(rate=rate, table_rate=rate / 4, sparsity=zeros)
            for zeros in (0.2, 0.3)
            for rate in (0.01, 0.02, 0.05)
        ],
        "tuned": [at(rate, updates=updates, peak=peak) for rate in options.rates or TUNED_RATES],
        "tuned-pruned": [Plan(rate=0.05, table_rate=0.0125, sparsity=0.4, updates=2 * updates, peak=peak)],
    }
    yield {"kind": "single precision", "plan": None}
    for kind in options.points:
        if kind == "targets":
            usual = options.table_rate in (None, Plan().table_rate)
            of_tables = {} if usual else {"table_rate": options.table_rate}
            for target in options.targets:
                yield {"kind": "target", "target": target, "updates": updates, "peak": peak, **of_tables}
        else:
            for plan in plans[kind]:
                yield {"kind": kind, "plan": to_json(plan)}


def against(name: str) -> dict[str, Any]:
    """The single-precision bytes of what is compared with; None for those that a number does not tell."""
    if Path(name).is_dir():
        network = load_writer(Path(name)).model
        assert isinstance(network, torch.nn.Module)
        weights = dict(network.named_parameters())
        found = size.single_precision(weights, size.table_names(network))
        return {
            "name": Path(name).name,
            "bytes": found.total,
            "bytes_without_tables": found.without_tables,
        }
    if "/" in name:
        profile = count(recipes.get(name))
        return {"name": name, "bytes": 4 * profile.params_total, "bytes_without_tables": 4 * profile.params}
    number = int(float(name.upper().removesuffix("M")) * (1e6 if name.upper().endswith("M") else 1))
    return {"name": f"{number:,} parameters", "bytes": None, "bytes_without_tables": 4 * number}


def times_smaller(point: dict[str, Any], other: dict[str, Any] | None) -> dict[str, float]:
    """The paper's ratio, weights without tables, and that of everything, where both are known."""
    keys = {"paper": "bytes_without_tables", "all": "bytes"}
    return {name: other[key] / point[key] for name, key in keys.items() if other and other[key]}


class Measuring:
    """The model of a folder, changed and measured again and again."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.writer = load_writer(options.model, device=self.device)
        self.network: Any = self.writer.model
        self.parameters = dict(self.network.named_parameters())
        self.own = {name: tensor.detach().clone() for name, tensor in self.parameters.items()}
        self.tables = size.table_names(self.network)
        valid = options.valid_source and read_texts(options.valid_source, options.valid_target)
        valid = valid or own_texts(options.model)
        if valid is None:
            raise SystemExit("error: --valid-source: missing; name the text to sweep and to choose with")
        self.valid: Texts = valid
        self.against = against(options.against) if options.against else None
        whole = read_texts(options.source, options.target)
        self.texts = whole.first(options.lines or len(whole.source))
        self.yardstick = Yardstick(self.writer, self.texts)
        self.curves: dict[str, Curve] = {}
        self.quantizer = Quantizer(self.own, self.tables)

    def close(self) -> None:
        """Remove the texts that were made ready."""
        self.yardstick.__exit__()

    def single_precision(self) -> dict[str, Any]:
        put_weights(self.network, self.own)
        found = size.single_precision(self.own, self.tables)
        return self._facts(found, self.yardstick.quality())

    def point(self, point: dict[str, Any]) -> dict[str, Any]:
        if point["kind"] == "target":
            plan = Plan(**{name: point[name] for name in ("updates", "peak", "table_rate") if name in point})
            return self._tuned(plan, **self._goal(point["target"]))
        plan = Plan(**{name: value for name, value in point["plan"].items() if name != "type"})
        put_weights(self.network, self.own)
        if point["kind"].startswith("tuned"):
            return self._tuned(plan)
        is_scored = point["kind"] != "grid" or plan.sparsity in SCORED_ZEROS
        if plan.sparsity:
            large = {name: self.own[name] for name in large_tensors(self.own)}
            share = plan.sparsity * self._count(self.own) / self._count(large)
            Masks.of(large, allocate(self.swept(), large, share)).apply(self.parameters)
        tensors: dict[str, pack.Packable]
        if point["kind"] == "int8":
            tensors = {name: affine(tensor) for name, tensor in self.parameters.items()}
        elif plan.sparsity:
            tensors = quantized(self.parameters, self.tables, plan)
        else:
            tensors = self.quantizer(plan)
        put_weights(self.network, {name: tensor.dequantize() for name, tensor in tensors.items()})
        card = self.writer.card
        names = [CARD, *dict.fromkeys(file.file for file in card.tokenizers())]
        files = {name: (self.options.model / name).read_bytes() for name in names}
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.lite"
            path.write_bytes(content := pack.to_bytes(files, tensors))
            found = size.in_file(pack.Pack(path), self.tables, total=len(content))
        if not is_scored:
            return self._facts(found, Quality(loss=self.yardstick.loss()))
        return self._facts(found, self.yardstick.quality())

    def swept(self) -> dict[str, Curve]:
        """The sweep of the model, on validation text; made once, and kept in --curves for other calls."""
        place = self.options.curves
        if not self.curves and place is not None and place.is_file():
            self.curves = {
                name: Curve(
                    weights=facts["weights"],
                    sparsity=tuple(facts["sparsity"]),
                    loss=tuple(facts["loss"]),
                )
                for name, facts in read_json(place).items()
            }
        if not self.curves:
            put_weights(self.network, self.own)
            with Yardstick(self.writer, self.valid.first(SWEEP_LINES)) as few:
                large = {name: self.parameters[name] for name in large_tensors(self.parameters)}
                self.curves = sweep(large, few.loss)
            if place is not None:
                write_json(place, {name: vars(curve) for name, curve in self.curves.items()})
        return self.curves

    def _goal(self, target: str) -> dict[str, int]:
        """The bytes that a target means, as `compress` takes them."""
        if not target.endswith("x"):
            return {"target_size": int(float(target.upper().removesuffix("MB")) * 1e6)}
        if self.against is None:
            raise SystemExit(f"error: --targets: {target} of what?; name it with --against")
        return {"target_layers": int(self.against["bytes_without_tables"] / float(target[:-1]))}

    def _tuned(self, plan: Plan, **goal: int) -> dict[str, Any]:
        source, target = self.options.train_source, self.options.train_target
        curves = self.swept() if plan.sparsity else None
        keep = self.options.keep
        with tempfile.TemporaryDirectory() as place:
            name = "-".join(map(str, goal.values())) or f"{plan.rate:g}-{plan.sparsity:g}"
            if not goal:
                name += f"-{plan.table_rate:g}-{plan.updates}"
            path = (keep or Path(place)) / f"{self.options.name}-{name}.lite"
            done = compress(
                self.options.model,
                path,
                plan,
                texts=self.valid.first(500),
                train=None if source is None else read_texts(source, target),
                curves=curves,
                scored=False,
                device=self.device,
                tell=lambda what: print(what, flush=True),
                **goal,
            )
            with Yardstick(load_writer(path, device=self.device), self.texts) as yardstick:
                facts = self._facts(done.file, yardstick.quality())
        return {**facts, "plan": to_json(done.record.plan)}

    def _facts(self, found: size.Size, quality: Quality) -> dict[str, Any]:
        facts = {
            "bytes": found.total,
            "bytes_without_tables": found.without_tables,
            "loss": quality.loss,
        }
        if self.against:
            facts["times_smaller"] = times_smaller(facts, self.against)
        return {**facts, quality.metric: quality.score} if quality.metric else facts

    @staticmethod
    def _count(weights: dict[str, torch.Tensor]) -> int:
        return sum(tensor.numel() for tensor in weights.values())


def command(options: argparse.Namespace) -> str:
    """The command line, with names in place of this machine's folders."""
    kinds, lines = " ".join(options.points), f" --lines {options.lines}" if options.lines else ""
    tuned = ""
    if any(kind.startswith("t") for kind in options.points):
        tuned = f" --updates {options.updates} --peak {options.peak:g}"
        tuned += " --train-source FILE --train-target FILE" if options.train_source else ""
    tuned += f" --rates {' '.join(f'{rate:g}' for rate in options.rates)}" if options.rates else ""
    tuned += "" if options.table_rate is None else f" --table-rate {options.table_rate:g}"
    if "targets" in options.points:
        tuned += f" --targets {' '.join(options.targets)}"
    valid = " --valid-source FILE --valid-target FILE" if options.valid_source else ""
    other = options.against or ""
    other = f" --against {'FOLDER' if Path(other).is_dir() else other}" if other else ""
    return (
        f"python benchmarks/compression.py --model FOLDER --source FILE --target FILE{valid}{other} "
        f"--data {shlex.quote(options.data)} --points {kinds}{lines}{tuned} --name {options.name}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--target", type=Path, help="a language model has none")
    for name in ("valid-source", "valid-target", "train-source", "train-target"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--data", required=True, help="what the texts are, in words")
    parser.add_argument("--name", required=True, help="what the results are called")
    parser.add_argument("--recipe", default="", help="the model's recipe; tables name it")
    parser.add_argument(
        "--points", nargs="+", choices=KINDS, default=["targets", "int8", "rates", "pruned", "grid"]
    )
    parser.add_argument("--targets", nargs="*", default=[], help="sizes to fine-tune to: 1.5MB 18.2x")
    parser.add_argument("--rates", type=float, nargs="+", help="of the points `rates` and `tuned`")
    parser.add_argument(
        "--table-rate", type=float, help="of input tables [default: a quarter of a rate; of targets 0.005]"
    )
    parser.add_argument("--against", help="folder, recipe or parameters (44M) that sizes are compared with")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no point after these")
    parser.add_argument("--lines", type=int, default=0, help="measure on the first lines only; 0: on all")
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--peak", type=float, default=Plan.peak, help="highest rate of fine-tuning")
    parser.add_argument("--curves", type=Path, help="file that keeps the sweep from call to call")
    parser.add_argument("--keep", type=Path, help="folder that keeps the fine-tuned files")
    parser.add_argument("--out", type=Path, help="[default: docs/results/compression-NAME.json]")
    parser.add_argument("--untested", action="store_true", help="the tests of compression passed just now")
    options = parser.parse_args()
    refuse_what_nothing_takes(parser, options)
    options.out = options.out or RESULTS / f"compression-{options.name}.json"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    if not options.untested:
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", TESTS], check=True)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Measuring(options)) as work:
        measure(work, options, began)


def refuse_what_nothing_takes(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with an error where rates are given that the points don't have."""
    kinds = set(options.points)
    if options.rates and not kinds & {"rates", "tuned"}:
        parser.error("--rates: only the points rates and tuned take them; name one, or leave them out")
    if options.table_rate is not None:
        if not kinds & {"rates", "tuned", "targets"}:
            parser.error("--table-rate: only the points rates, tuned and targets take it; leave it out")
        if "targets" in kinds and not all(target.endswith("x") for target in options.targets):
            parser.error("--table-rate: of a target in bytes it follows from the rate; leave it out")


def measure(work: Measuring, options: argparse.Namespace, began: float) -> None:
    """Measure every point that the results file does not have, while there is time."""
    weights = sha256_of_file(options.model / WEIGHTS)
    if _content(options.out).get("weights", weights) != weights:
        raise SystemExit(f"error: --out: {options.out} is of another model; name another file")
    for point in points(options):
        key = {**point, "lines": len(work.texts.source)}
        if _has(_content(options.out), key):
            continue
        if time.perf_counter() - began > options.seconds:
            print(f"{options.seconds:g} seconds are over; call again for the rest", flush=True)
            return
        start = time.perf_counter()
        found = work.single_precision() if point["kind"] == "single precision" else work.point(point)
        measured = {
            **key,
            **found,
            "seconds": round(time.perf_counter() - start, 1),
            "command": command(options),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        print(json.dumps(measured | {"command": ""}), flush=True)
        about = {
            "what": "Quality over bytes of a compressed model",
            "model": options.recipe or _content(options.out).get("model") or options.name,
            "machine": machine(work.device),
            "torch": torch.__version__,
            "data": options.data,
            "weights": weights,
            **({"against": work.against} if work.against else {}),
        }
        with _alone(options.out.parent):
            facts = _content(options.out)
            if not _has(facts, key):
                write_json(options.out, {**facts, **about, "points": [*facts.get("points", ()), measured]})


def _content(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _has(facts: dict[str, Any], key: dict[str, Any]) -> bool:
    """Whether a results file has the point that `key` describes."""
    points = facts.get("points", ())
    return any(all(point.get(name) == value for name, value in key.items()) for point in points)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Other calls wait here while one reads and writes again what is in `folder`."""
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


if __name__ == "__main__":
    main()
