"""Quality over bytes: the points of compression that were measured, as curves, and as a chart of them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json
from litetransformer.inspect.figures import new_figure, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {
    "single precision": "single precision",
    "int8": "affine int8",
    "grid": "k-means",
    "rates": "entropy-constrained",
    "pruned": "pruned, entropy-constrained",
    "tuned": "fine-tuned",
    "tuned-pruned": "pruned, fine-tuned",
    "target": "made to a size",
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points of one kind and one share of zeros, measured on equally many lines: (bytes, score), rising."""

    file: str
    model: str
    data: str
    name: str
    zeros: float
    lines: int
    metric: str
    points: tuple[tuple[int, float], ...]

    def to_json(self) -> dict[str, Any]:
        """The curve as JSON types."""
        return asdict(self)


def curves(results: Path | None) -> list[Curve]:
    """The curves of the files in `results` that have ``points``; others hold measurements of other kinds.

    Raises InputError for a folder that is not there and a file that is no JSON.
    """
    if results is None:
        return []
    if not results.is_dir():
        raise InputError("no such folder", path=results, remedy="name one with result files, or leave it out")
    found: dict[tuple[Any, ...], list[tuple[int, float]]] = {}
    for path in sorted(results.glob("*.json")):
        facts = read_json(path)
        listed = facts.get("points") if isinstance(facts, dict) else None
        for point in listed if isinstance(listed, list) else ():
            metric = next((name for name in ("BLEU", "ROUGE-L") if _is_number(point.get(name))), None)
            if metric is None or not _is_number(point.get("bytes")) or point.get("kind") not in KINDS:
                continue
            zeros = float((point.get("plan") or {}).get("sparsity", 0.0))
            made = (path.stem, str(facts.get("model", "")), str(facts.get("data", "")))
            key = (*made, point["kind"], zeros, int(point.get("lines", 0)), metric)
            found.setdefault(key, []).append((int(point["bytes"]), float(point[metric])))
    return [
        Curve(
            **dict(zip(("file", "model", "data"), key, strict=False)),
            name=KINDS[key[3]],
            zeros=key[4],
            lines=key[5],
            metric=key[6],
            points=tuple(sorted(points)),
        )
        for key, points in found.items()
    ]


def compression_figure(found: Sequence[Curve]) -> "Figure":
    """A panel for each file and number of lines: the score over the file's bytes, a line for each curve."""
    panels = list(dict.fromkeys((curve.file, curve.lines) for curve in found)) or [("", 0)]
    across, down = min(2, len(panels)), -(-len(panels) // 2)
    figure = new_figure(9.6, 3.6 * down)
    for number, (file, lines) in enumerate(panels, 1):
        axes = figure.add_subplot(down, across, number)
        own = [curve for curve in found if (curve.file, curve.lines) == (file, lines)]
        for curve in own:
            zeros = f", {curve.zeros:.0%} zeros" if curve.zeros else ""
            axes.plot(
                [size / 1e6 for size, _ in curve.points],
                [score for _, score in curve.points],
                "o-",
                markersize=3.5,
                linewidth=0.9,
                label=curve.name + zeros,
            )
        title = f"{own[0].model}\n{own[0].data}, {lines:,} lines" if own else "not run"
        write_text(axes, 0, 1.02, title, size=9, transform=axes.transAxes)
        axes.set(xscale="log", xlabel="the file in MB (10⁶ bytes)", ylabel=own[0].metric if own else "BLEU")
        most = max((size for curve in own for size, _ in curve.points), default=0) / 1e6
        ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256) if tick <= max(16, 2 * most)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(linewidth=0.3)
        if own:
            axes.legend(fontsize=6.5, frameon=False, loc="lower right")
    figure.subplots_adjust(
        left=0.06, right=0.985, top=1 - 0.09 / down, bottom=0.14 / down, wspace=0.2, hspace=0.35
    )
    return figure


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
