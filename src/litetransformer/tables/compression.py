"""The compression table: the paper's four steps, embedding tables not counted, and what was measured here."""

from collections.abc import Iterator
from typing import Any

from litetransformer import recipes
from litetransformer.inspect.smaller import KINDS
from litetransformer.tables.compressed import PREFIX, points_of
from litetransformer.tables.paper import count
from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table, stated

_FLOAT32, _INT8 = 4, 1
_STEPS: tuple[tuple[str, str, int | None, float, float], ...] = (
    ("Transformer-base", "wmt14-en-fr/transformer-512", _FLOAT32, 176.0, 39.9),
    ("Lite", "wmt14-en-fr/lite-496", _FLOAT32, 69.2, 39.6),
    ("Lite, 8 bits", "wmt14-en-fr/lite-496", _INT8, 17.3, 39.6),
    ("Lite, 8 bits, pruned", "wmt14-en-fr/lite-496", None, 9.7, 39.5),
)
"""A step, its recipe, a weight's bytes (None: it depends on the weights), and the paper's MB and BLEU."""


LOSSES = (0.1, 0.3)
"""The smallest file that loses at most so many BLEU is shown."""


def compression() -> Table:
    """What each step of compression leaves, and the ratio to the Transformer that it starts from."""
    sizes = [None if width is None else _megabytes(name, width) for _, name, width, *_ in _STEPS]
    rows: list[tuple[str, ...]] = [
        (
            *(step, f"{published:g}", stated(computed), NOT_RUN),
            *(f"{_megabytes(_STEPS[0][1], _FLOAT32) / (computed or published):.3g}×", NOT_STATED),
            *(f"{bleu:.1f}", NOT_RUN),
        )
        for (step, _, _, published, bleu), computed in zip(_STEPS, sizes, strict=True)
    ]
    for name in sorted(results()):
        if name.startswith(PREFIX):
            rows += _measured(name)
    return Table(
        title="Compression, embedding tables not counted: WMT'14 En-Fr in the paper, and models trained here",
        columns=(
            *("model", "MB: paper", "MB: computed", "MB: measured here"),
            *("times smaller", "times smaller: whole files", "BLEU: paper", "BLEU: measured here"),
        ),
        rows=tuple(rows),
        notes=(
            "Computed: the parameters as the paper counts them, times their bytes; 1 MB is 10⁶ bytes. "
            "Measured: the sections of the file's layers; BLEU on the whole test set. Times smaller than the "
            "Transformer that stands above; without one, than the model itself in single precision.",
        ),
    )


def _measured(name: str) -> Iterator[tuple[str, ...]]:
    """The rows of a results file: what it compares with, the model, and its files that matter."""
    facts = results()[name]
    found = [point for point in points_of(name) if "BLEU" in point]
    most = max((point["lines"] for point in found), default=0)
    found = [point for point in found if point["lines"] == most]
    first = next((point for point in found if point["kind"] == "single precision"), None)
    if first is None:
        return
    other = facts.get("against") or first
    if other is not first:
        yield _row(other["name"], other, other)
    chosen = [first, *(point for point in found if point["kind"] in ("int8", "target"))]
    for loss in LOSSES:
        good = [point for point in found if point["BLEU"] >= first["BLEU"] - loss]
        chosen.append(min(good, key=lambda point: point["bytes_without_tables"]))
    for number, point in enumerate(chosen):
        if point not in chosen[:number]:
            yield _row(
                f"{facts.get('model', name)}, {name.removeprefix(PREFIX)}: {_what(point)}", point, other
            )


def _what(point: dict[str, Any]) -> str:
    plan = point.get("plan") or {}
    details = [KINDS[point["kind"]]]
    if point["kind"] == "target":
        details.append(point["target"])
    elif plan.get("rate"):
        details.append(f"rate {plan['rate']:g}")
    if plan.get("sparsity"):
        details.append(f"{plan['sparsity']:.0%} zeros")
    return ", ".join(details)


def _row(what: str, point: dict[str, Any], other: dict[str, Any]) -> tuple[str, ...]:
    def times(key: str) -> str:
        return f"{other[key] / point[key]:.3g}×" if other.get(key) and point.get(key) else NOT_STATED

    return (
        *(what, NOT_STATED, NOT_STATED, f"{point['bytes_without_tables'] / 1e6:.2f}"),
        *(times("bytes_without_tables"), times("bytes")),
        *(NOT_STATED, f"{point['BLEU']:.2f}" if "BLEU" in point else NOT_STATED),
    )


def _megabytes(recipe: str, width: int) -> float:
    return count(recipes.get(recipe)).params * width / 1e6
