"""What compression made of a trained model: quality over bytes, measured by benchmarks/compression.py."""

from typing import Any

from litetransformer.inspect.smaller import KINDS
from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table

PREFIX = "compression-"
FILE = f"{PREFIX}multi30k"
TITLES = {FILE: "A Lite Transformer of width 160, Multi30k De-En, in ever fewer bytes"}


def compressed_names() -> list[str]:
    """The tables of compressed models: one for each results file, and the first whether it was run or not."""
    return sorted({FILE, *(name for name in results() if name.startswith(PREFIX))})


def compressed(name: str = FILE) -> Table:
    """The points that were measured on the whole test set, from the largest file to the smallest."""
    points = [point for point in points_of(name) if "BLEU" in point]
    most = max((point["lines"] for point in points), default=0)
    chosen = sorted((point for point in points if point["lines"] == most), key=lambda point: -point["bytes"])
    first = chosen[0] if chosen else {}
    rows = []
    for point in chosen:
        plan = point["plan"] or {}
        rows.append(
            (
                KINDS[point["kind"]],
                f"{plan['rate']:g}" if plan.get("rate") else NOT_STATED,
                f"{plan.get('sparsity', 0.0):.0%}",
                f"{plan['updates']:,}" if plan.get("updates") else NOT_STATED,
                f"{point['bytes'] / 1e6:.2f}",
                f"{first['bytes'] / point['bytes']:.1f}×",
                f"{point['bytes_without_tables'] / 1e6:.2f}",
                f"{first['bytes_without_tables'] / point['bytes_without_tables']:.1f}×",
                f"{point['loss']:.3f}",
                f"{point['BLEU']:.2f}",
            )
        )
    content = results().get(name, {})
    made = [str(content[key]) for key in ("data", "machine") if key in content]
    lines = f"{most:,} lines"
    return Table(
        title=TITLES.get(name, f"{content.get('model')}, {content.get('data')}, in ever fewer bytes"),
        columns=(
            *("codes", "rate", "zeros", "updates", "MB: all", "smaller", "MB: without tables"),
            *("smaller, without tables", "bits a token", "BLEU"),
        ),
        rows=tuple(rows),
        notes=(
            "All: the file with its tokenizer; of single precision, the weights alone. 1 MB is 10⁶ bytes.",
            f"{' · '.join([*made, lines])}. One seed." if made else f"{NOT_RUN}.",
        ),
    )


def compression_grid() -> Table:
    """BLEU and size for each number of bits and share of zeros, k-means without fine-tuning.

    Of the model that has most of them measured.
    """
    name, points = max(((name, _grid(name)) for name in compressed_names()), key=lambda one: len(one[1]))
    zeros = sorted({point["plan"]["sparsity"] for point in points})
    found = {(point["plan"]["bits"], point["plan"]["sparsity"]): point for point in points}
    rows = [
        (str(bits), *(_cell(found.get((bits, share))) for share in zeros))
        for bits in sorted({bits for bits, _ in found}, reverse=True)
    ]
    note = f"{NOT_RUN}."
    if points:
        data = results()[name].get("data")
        note = f"{data}, the first {points[0]['lines']:,} lines; bits a token where none was translated."
    return Table(
        title="BLEU and size of the file over bits and zeros, k-means codebooks, not fine-tuned",
        columns=("bits", *(f"{share:.0%} zeros" for share in zeros)),
        rows=tuple(rows),
        notes=(note,),
    )


def _grid(name: str) -> list[dict[str, Any]]:
    return [point for point in points_of(name) if point["kind"] == "grid"]


def _cell(point: dict[str, Any] | None) -> str:
    if point is None:
        return NOT_STATED
    worth = f"{point['BLEU']:.1f}" if "BLEU" in point else f"{point['loss']:.2f} bits"
    return f"{worth} at {point['bytes'] / 1e6:.2f} MB"


def points_of(name: str) -> list[dict[str, Any]]:
    """What the results file `name` says of each way of compression; nothing where there is no such file."""
    points: list[dict[str, Any]] = results().get(name, {}).get("points", [])
    return points
