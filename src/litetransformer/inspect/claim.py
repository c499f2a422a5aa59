"""The paper's claim, Lite beside the Transformer at equal mult-adds: the paper's numbers and those here."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from litetransformer.inspect.figures import new_figure, write_text
from litetransformer.inspect.tradeoff import Panel, Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EQUAL = 1.25
"""Mult-adds count as equal up to this factor: the paper's own rows differ by as much as 1.22."""
_COLOURS = (
    *("#8a8f98", "#c05621", "#6b46c1", "#2b6cb0", "#2f855a", "#b7791f", "#97266d", "#1a202c"),
    *("#319795", "#d53f8c"),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A Lite Transformer and the Transformer that is nearest to it in mult-adds, on one set."""

    whose: Literal["paper", "measured here"]
    title: str
    metric: str
    falling: bool
    transformer: Point
    lite: Point

    @property
    def ahead(self) -> float:
        """By how much Lite is better; below 0, it is worse."""
        difference = self.lite.score - self.transformer.score
        return -difference if self.falling else difference

    @property
    def ahead_in_per_cent(self) -> float:
        """The same as a share of the Transformer's score."""
        return 100 * self.ahead / self.transformer.score

    def to_json(self) -> dict[str, Any]:
        """The pair as JSON types."""
        return {**asdict(self), "ahead": round(self.ahead, 3)}


def pairs(panels: Sequence[Panel]) -> list[Pair]:
    """All pairs of equal mult-adds, the paper's first; of measured points, only equally trained ones."""
    return [*_pairs(panels, "paper"), *_pairs(panels, "measured here")]


def _pairs(panels: Sequence[Panel], whose: Literal["paper", "measured here"]) -> Iterator[Pair]:
    for panel in panels:
        points = panel.paper if whose == "paper" else panel.measured
        ours = (point for point in points if point.system == "lite")
        for lite in sorted(ours, key=lambda point: point.mult_adds):
            equal = [
                point
                for point in points
                if point.system == "transformer"
                and point.settings == lite.settings
                and _factor(point, lite) <= EQUAL
            ]
            if equal:
                yield Pair(
                    whose=whose,
                    title=panel.title,
                    metric=panel.metric,
                    falling=panel.falling,
                    transformer=min(equal, key=lambda point: _factor(point, lite)),
                    lite=lite,
                )


def _factor(one: Point, other: Point) -> float:
    return math.exp(abs(math.log(one.mult_adds / other.mult_adds)))


def claim_figure(found: Sequence[Pair]) -> "Figure":
    """How far Lite is ahead at equal mult-adds: the paper's pairs hollow, those measured here filled.

    Translation on the left, in BLEU; language models on the right, in per cent of a Transformer's perplexity.
    """
    figure = new_figure(9.6, 4.3)
    panels = {
        "Translation": ("BLEU ahead", [pair for pair in found if pair.metric.startswith("BLEU")]),
        "Language models": ("% lower perplexity", [pair for pair in found if pair.falling]),
    }
    for number, (title, (label, own)) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, 2, number)
        sets = dict.fromkeys((pair.whose, pair.title) for pair in own)
        for place, (whose, name) in enumerate(sets):
            points = [pair for pair in own if (pair.whose, pair.title) == (whose, name)]
            colour = _COLOURS[place % len(_COLOURS)]
            form: dict[str, Any] = {"marker": "D", "markersize": 5.5}
            if whose == "paper":
                form = {"marker": "o", "markersize": 4.5, "markerfacecolor": "white"}
            axes.plot(
                [pair.lite.mult_adds for pair in points],
                [pair.ahead_in_per_cent if pair.falling else pair.ahead for pair in points],
                color=colour,
                linewidth=0.8,
                linestyle="--" if whose == "paper" else "-",
                label=f"{name}: {whose}",
                **form,
            )
        if all(pair.whose == "paper" for pair in own):
            axes.plot([], [], " ", label="measured here: not run")
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set(xscale="log", xlabel="mult-adds of the Lite Transformer (M)", ylabel=label)
        ticks = [50, 100, 200, 500, 1000]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        write_text(axes, 0, 1.03, title, size=9, transform=axes.transAxes)
        axes.margins(x=0.08, y=0.12)
        axes.grid(linewidth=0.3)
        if own:
            # Below, since points may be anywhere.
            axes.legend(fontsize=6.5, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    figure.subplots_adjust(left=0.06, right=0.985, top=0.93, bottom=0.33, wspace=0.16)
    return figure
