"""The paper's two charts, by matplotlib: where the computation goes, and what quality costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from litetransformer.inspect.computation import COMPONENTS, PAPER_LENGTH
from litetransformer.inspect.figures import COLOURS, new_figure, write_text
from litetransformer.inspect.tradeoff import Panel, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYSTEMS = {
    "transformer": ("#8a8f98", "Transformer"),
    "flattened": ("#2f855a", "flattened Transformer"),
    "lightconv": ("#c05621", "LightConv"),
    "evolved": ("#6b46c1", "Evolved Transformer"),
    "lite": ("#2b6cb0", "Lite Transformer"),
}


def computation_figure(found: dict[str, Any]) -> "Figure":
    """The share of each component over the sentence's length: the encoder above, the whole model below."""
    models = found["models"]
    figure = new_figure(9.6, 5.6)
    grid = figure.subplots(2, len(models), sharex=True, sharey=True)
    for column, (name, shares) in enumerate(models.items()):
        for row, part in enumerate(("encoder", "whole")):
            axes, own = grid[row][column], shares[part]
            present = [one for one in COMPONENTS if max(own[one]) > 0.002]
            axes.stackplot(
                found["lengths"],
                *([100 * share for share in own[one]] for one in present),
                colors=[COLOURS[one] for one in present],
                labels=[one.replace("_", "-") for one in present],
                linewidth=0,
            )
            place, below = found["lengths"].index(PAPER_LENGTH), 0.0
            axes.axvline(PAPER_LENGTH, color="black", linewidth=0.6, linestyle=":")
            for one in present:
                share = 100 * own[one][place]
                if share > 4:
                    axes.text(
                        PAPER_LENGTH * 1.08, below + share / 2, f"{share:.1f}%", color="white", va="center"
                    )
                below += share
            axes.set(xscale="log", xlim=(10, 1000), ylim=(0, 100), title=f"{name}, {part}")
            axes.set_xticks([10, 30, 100, 300, 1000], ["10", "30", "100", "300", "1000"])
            axes.minorticks_off()
    grid[1][1].set_xlabel("tokens (source and target alike); the dotted line is the paper's 30")
    for row in range(2):
        grid[row][0].set_ylabel("% of mult-adds")
    handles, names = grid[1][-1].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(names), frameon=False)
    figure.subplots_adjust(left=0.06, right=0.985, top=0.95, bottom=0.15, hspace=0.2, wspace=0.14)
    return figure


def tradeoff_figure(panels: Sequence[Panel]) -> "Figure":
    """Quality against mult-adds, a line a system: the paper's points hollow, those measured here filled."""
    columns = 3
    rows = -(-len(panels) // columns)
    figure = new_figure(9.6, 3.0 * rows + 0.6)
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        for system in dict.fromkeys(point.system for point in panel.paper):
            own = [point for point in panel.paper if point.system == system]
            _points(axes, own, "o-", markerfacecolor="white")
        for system, settings in dict.fromkeys((point.system, point.settings) for point in panel.measured):
            own = [point for point in panel.measured if (point.system, point.settings) == (system, settings)]
            own.sort(key=lambda point: point.mult_adds)
            _points(axes, own, "D-", label=", ".join([_look(system)[1], *settings]) if settings else None)
            for point in own:
                if point.seeds > 1:
                    span = ([point.score - (point.lowest or 0)], [(point.highest or 0) - point.score])
                    colour = _look(point.system)[0]
                    axes.errorbar([point.mult_adds], [point.score], yerr=span, color=colour, capsize=2)
        if not panel.measured:
            axes.plot([], [], " ", label="measured here: not run")
        widest = max(point.mult_adds for point in (*panel.paper, *panel.measured))
        axes.set(xlim=(0, 1.12 * widest), xlabel="mult-adds (M)", ylabel=panel.metric)
        write_text(axes, 0, 1.02, panel.title, size=9, transform=axes.transAxes)
        if panel.falling:
            axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.grid(linewidth=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=6.5, frameon=False, loc="lower right" if panel.paper else "best")
    _key(figure, panels)
    figure.subplots_adjust(
        left=0.06, right=0.985, top=1 - 0.3 / (3 * rows), bottom=1.0 / (3 * rows), hspace=0.38, wspace=0.26
    )
    return figure


def _points(axes: "Axes", points: Sequence[Point], form: str, **options: Any) -> None:
    axes.plot(
        [point.mult_adds for point in points],
        [point.score for point in points],
        form,
        color=_look(points[0].system)[0],
        markersize=4.5,
        linewidth=0.9,
        **options,
    )


def _key(figure: "Figure", panels: Sequence[Panel]) -> None:
    """What colours and forms mean, once for all panels: in a panel it would stand over points."""
    from matplotlib.lines import Line2D

    points = [point for panel in panels for point in (*panel.paper, *panel.measured)]
    shown = [system for system in SYSTEMS if any(point.system == system for point in points)]
    shown += sorted({point.system for point in points} - set(SYSTEMS))
    lines = [Line2D([], [], color=colour, label=name) for colour, name in map(_look, shown)]
    kinds: dict[str, dict[str, Any]] = {"the paper": {"marker": "o", "markerfacecolor": "white"}}
    if any(panel.measured for panel in panels):
        kinds["measured here"] = {"marker": "D"}
    form: dict[str, Any] = {"color": "black", "linestyle": "", "markersize": 4.5}
    lines += [Line2D([], [], label=name, **form, **kind) for name, kind in kinds.items()]
    if any(point.seeds > 1 for point in points):
        form = {"color": "black", "marker": "|", "markersize": 9, "linestyle": ""}
        lines.append(Line2D([], [], label="lowest to highest of several seeds", **form))
    figure.legend(handles=lines, loc="lower center", ncols=4, fontsize=8, frameon=False)


def _look(system: str) -> tuple[str, str]:
    """The colour and the name of a system."""
    return SYSTEMS.get(system, ("black", system))
