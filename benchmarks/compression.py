"""Quality over bytes: a trained model pruned, quantized and packed in many ways, each measured.

    python benchmarks/compression.py --model runs/160 --source test.de --target test.en \
        --valid-source valid.de --valid-target valid.en --data "Multi30k De-En, test 2016" \
        --points grid rates --lines 300 --out docs/results/compression-multi30k.json

`grid` is k-means at 2 to 8 bits with 0 to 80% of zeros, `int8` affine int8, `rates` the entropy-constrained
codebooks of `lite compress`, `pruned` those after pruning; none of them is fine-tuned. `tuned` and
`tuned-pruned` are, by --updates (and as many more for the pruning) on --train-source and --train-target.
Points that the file has already are not measured again. Nothing is reported unless the tests of compression
pass.
"""

import argparse
import datetime
import json
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
from trainings import machine

from litetransformer.compress import pack, size
from litetransformer.compress.prune import Curve, Masks, allocate, sweep
from litetransformer.compress.quantize import affine
from litetransformer.core.files import read_json, write_json
from litetransformer.core.spec import to_json
from litetransformer.models.tensors import put_weights
from litetransformer.tasks.compression import SWEEP_LINES, compress, large_tensors, quantized
from litetransformer.tasks.compression_record import Plan
from litetransformer.tasks.load import load_writer
from litetransformer.tasks.model_folder import CARD
from litetransformer.tasks.yardstick import Quality, Texts, Yardstick, read_texts

TESTS = Path(__file__).parents[1] / "tests/compress"
RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)


def points(kinds: list[str], updates: int, peak: float) -> Iterator[dict[str, Any]]:
    """What to measure: a kind, a plan, and for `int8` that all tensors are affine."""
    kmeans = Plan(rate=0.0, table_rate=0.0)
    grid = [(bits, zeros) for zeros in (0.0, 0.2, 0.4) for bits in (8, 7, 6, 5, 4, 3, 2)]
    grid += [(bits, zeros) for zeros in (0.6, 0.8) for bits in (8, 4, 2)]
    plans = {
        "grid": [replace(kmeans, bits=bits, table_bits=bits, sparsity=zeros) for bits, zeros in grid],
        "int8": [replace(kmeans, bits=8, table_bits=8)],
        "rates": [Plan(rate=rate, table_rate=rate / 4) for rate in RATES],
        "pruned": [
            Plan(rate=rate, table_rate=rate / 4, sparsity=zeros)
            for zeros in (0.2, 0.3)
            for rate in (0.01, 0.02, 0.05)
        ],
        "tuned": [Plan(rate=rate, table_rate=rate / 4, updates=updates, peak=peak) for rate in (0.12, 0.2)],
        "tuned-pruned": [Plan(rate=0.05, table_rate=0.0125, sparsity=0.4, updates=2 * updates, peak=peak)],
    }
    for kind in kinds:
        for plan in plans[kind]:
            yield {"kind": kind, "plan": to_json(plan)}


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
        self.valid = read_texts(options.valid_source, options.valid_target)
        whole = read_texts(options.source, options.target)
        self.texts = whole.first(options.lines or len(whole.source))
        self.yardstick = Yardstick(self.writer, self.texts)
        self.curves: dict[str, Curve] = {}

    def single_precision(self) -> dict[str, Any]:
        put_weights(self.network, self.own)
        found = size.single_precision(self.own, self.tables)
        return self._facts(found, self.yardstick.quality())

    def point(self, point: dict[str, Any]) -> dict[str, Any]:
        plan = Plan(**{name: value for name, value in point["plan"].items() if name != "type"})
        put_weights(self.network, self.own)
        if point["kind"].startswith("tuned"):
            return self._tuned(plan)
        if plan.sparsity:
            large = {name: self.own[name] for name in large_tensors(self.own)}
            share = plan.sparsity * self._count(self.own) / self._count(large)
            Masks.of(large, allocate(self.swept(), large, share)).apply(self.parameters)
        tensors = quantized(self.parameters, self.tables, plan)
        if point["kind"] == "int8":
            tensors = {name: affine(tensor) for name, tensor in self.parameters.items()}
        put_weights(self.network, {name: tensor.dequantize() for name, tensor in tensors.items()})
        card = self.writer.card
        names = [CARD, *dict.fromkeys(file.file for file in card.tokenizers())]
        files = {name: (self.options.model / name).read_bytes() for name in names}
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.lite"
            path.write_bytes(content := pack.to_bytes(files, tensors))
            found = size.in_file(pack.Pack(path), self.tables, total=len(content))
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

    def _tuned(self, plan: Plan) -> dict[str, Any]:
        train = Texts(*_sides(self.options.train_source, self.options.train_target))
        curves = self.swept() if plan.sparsity else None
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "model.lite"
            done = compress(
                self.options.model,
                path,
                plan,
                texts=self.valid.first(100),
                train=train,
                curves=curves,
                device=self.device,
                tell=lambda what: print(what, flush=True),
            )
            with Yardstick(load_writer(path, device=self.device), self.texts) as yardstick:
                return self._facts(done.file, yardstick.quality())

    def _facts(self, found: size.Size, quality: Quality) -> dict[str, Any]:
        return {
            "bytes": found.total,
            "bytes_without_tables": found.without_tables,
            "loss": quality.loss,
            quality.metric: quality.score,
        }

    @staticmethod
    def _count(weights: dict[str, torch.Tensor]) -> int:
        return sum(tensor.numel() for tensor in weights.values())


def _sides(source: Path, target: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = read_texts(source, target)
    return found.source, found.target


def command(options: argparse.Namespace) -> str:
    """The command line, with names in place of this machine's folders."""
    kinds, lines = " ".join(options.points), f" --lines {options.lines}" if options.lines else ""
    is_tuned = any(kind.startswith("tuned") for kind in options.points)
    tuned = " --train-source FILE --train-target FILE" if is_tuned else ""
    updates = f" --updates {options.updates} --peak {options.peak:g}" if is_tuned else ""
    return (
        "python benchmarks/compression.py --model FOLDER --source FILE --target FILE --valid-source FILE "
        f"--valid-target FILE{tuned} --data {shlex.quote(options.data)} --points {kinds}{lines}{updates} "
        f"--out docs/results/{options.out.name}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    for name in ("source", "target", "valid-source", "valid-target"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--train-source", type=Path)
    parser.add_argument("--train-target", type=Path)
    parser.add_argument("--data", required=True, help="what the texts are, in words")
    parser.add_argument("--name", default="lite-160", help="what the model is called")
    parser.add_argument("--points", nargs="+", default=["grid", "int8", "rates", "pruned"])
    parser.add_argument("--lines", type=int, default=0, help="measure on the first lines only; 0: on all")
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--peak", type=float, default=Plan.peak, help="highest rate of fine-tuning")
    parser.add_argument("--curves", type=Path, help="file that keeps the sweep from call to call")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", TESTS], check=True)
    work = Measuring(options)
    facts: dict[str, Any] = read_json(options.out) if options.out.is_file() else {}
    measured: list[dict[str, Any]] = facts.get("points", [])
    wanted = [
        {"kind": "single precision", "plan": None},
        *points(options.points, options.updates, options.peak),
    ]
    for point in wanted:
        key = {**point, "lines": len(work.texts.source)}
        if any(all(have[name] == value for name, value in key.items()) for have in measured):
            continue
        began = time.perf_counter()
        found = work.single_precision() if point["plan"] is None else work.point(point)
        measured.append(
            {
                **key,
                **found,
                "seconds": round(time.perf_counter() - began, 1),
                "command": command(options),
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            }
        )
        print(json.dumps(measured[-1] | {"command": ""}), flush=True)
        write_json(
            options.out,
            {
                "what": "Quality over bytes of a compressed model",
                "model": options.name,
                "machine": machine(work.device),
                "torch": torch.__version__,
                "data": options.data,
                "points": measured,
            },
        )


if __name__ == "__main__":
    main()
