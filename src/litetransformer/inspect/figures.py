"""Pictures, by matplotlib (extra ``plot``): equal input gives equal bytes, whatever a user's settings."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from litetransformer.core.errors import InputError, MissingExtraError, nearest
from litetransformer.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from litetransformer.inspect.maps import LayerMaps, Maps

FORMATS = (".png", ".svg")
COLOURS = {
    "feed_forward": "#8a8f98",
    "attention": "#2b6cb0",
    "convolution": "#c05621",
    "cross_attention": "#2f855a",
}
"""One colour for each component, in every figure and on the page."""
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "svg.hashsalt": "litetransformer",
    "svg.fonttype": "path",
}
_LONGEST_LABEL = 14
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_MOST_LABELS = 48


def check_format(path: Path, formats: Sequence[str] = FORMATS) -> str:
    """The ending of `path` in lower case; InputError for one that is not a format, or without the extra."""
    ending = path.suffix.lower()
    if ending not in formats:
        what = f"is of no known format, {ending!r}" if ending else "has no ending that says its format"
        named = f"{path.stem}{formats[0]}, for example" if not ending else nearest(ending, formats)
        raise InputError(what, path=path, remedy=f"end it in {', '.join(formats)}; {named}")
    if ending in FORMATS:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(f"a picture ({ending})", "plot") from error
    return ending


def save(path: Path, draw: Callable[[], "Figure"]) -> None:
    """Write what `draw` draws to `path`, whose ending is the format, in one step."""
    write_atomically(path, render(check_format(path), draw))


def render(ending: str, draw: Callable[[], "Figure"]) -> bytes:
    """The bytes of a figure as PNG or SVG, without dates or versions."""
    file = io.BytesIO()
    metadata = {"Software": None} if ending == ".png" else {"Date": None, "Creator": None}
    with _house_style():
        draw().savefig(file, format=ending[1:], dpi=150, metadata=metadata)
    return file.getvalue()


def maps_figure(maps: "Maps", *, title: str = "") -> "Figure":
    """The attention maps: each part's mean over heads and layers, and beside it every head of every layer.

    A single head has one large map alone. Rows take from columns; every map goes from 0 to its own largest
    weight, which the mean's title states.
    """
    parts = maps.parts()
    single = len(maps.layers) == 1 and len(maps.layers[0].heads) == 1
    side, gap = (4.5 if single else 3.0), 0.35
    # Inches of room for the labels: two titles, and a character's width on the left and turned above.
    rows = {part: maps.axes(layers[0].place) for part, layers in parts.items()}
    left = 0.2 + max(_widest(tokens) for tokens, _ in rows.values())
    above = {part: 0.5 + 0.9 * _widest(tokens) for part, (_, tokens) in rows.items()}
    across = max(len(layers) / max(len(one.heads) for one in layers) for layers in parts.values())
    width = left + side + (0.2 if single else 0.9 + side * max(1.2, min(1.6, across)))
    height = 0.3 + sum(above.values()) + (side + gap) * len(parts)
    figure, y = new_figure(width, height), height - 0.3
    write_text(figure, 0.1 / width, 1 - 0.1 / height, _short(title, int(11 * width)), weight="bold", va="top")
    for part, layers in parts.items():
        y -= above[part] + side
        mean = np.mean([matrix for one in layers for matrix in one.matrix.numpy()], axis=0)
        axes = figure.add_axes((left / width, y / height, side / width, side / height))
        axes.imshow(mean, cmap=_ramp(layers[0].place.kind), vmin=0, interpolation="nearest")
        axes.set_anchor("NW")
        _token_ticks(axes, *rows[part])
        said = f"{part}, {_which(layers)}, 0 to {mean.max():.2f}"
        write_text(figure, left / width, (y + side + above[part] - 0.15) / height, said, va="top")
        if not single:
            x = left + side + 0.7
            _mosaic(
                figure.add_axes((x / width, y / height, (width - x - 0.1) / width, side / height)), layers
            )
        y -= gap
    return figure


def _which(layers: "list[LayerMaps]") -> str:
    heads = [head for one in layers for head in one.heads]
    where = f"layer {layers[0].place.label}" if len(layers) == 1 else f"{len(layers)} layers"
    return f"{where}, " + (f"head {heads[0]}" if len(heads) == 1 else f"mean of {len(heads)} heads")


def _mosaic(axes: "Axes", layers: "list[LayerMaps]") -> None:
    """Every head (down) of every layer (across), each map by its own largest weight."""
    heads = sorted({head for one in layers for head in one.heads})
    height, width = layers[0].matrix.shape[1:]
    gap = max(1, round(max(height, width) / 12))
    canvas = np.full((len(heads) * (height + gap) - gap, len(layers) * (width + gap) - gap), np.nan)
    for column, one in enumerate(layers):
        for head, matrix in zip(one.heads, one.matrix.numpy(), strict=True):
            top, left = heads.index(head) * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = matrix / max(matrix.max(), 1e-12)
    axes.imshow(
        canvas,
        cmap=_ramp(layers[0].place.kind),
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    axes.set_anchor("NW")
    axes.set_xticks(
        [column * (width + gap) + (width - 1) / 2 for column in range(len(layers))],
        [
            f"layer {one.place.label}" + (f"\n{one.place.taps} taps" if one.place.taps else "")
            for one in layers
        ],
    )
    axes.set_yticks(
        [row * (height + gap) + (height - 1) / 2 for row in range(len(heads))],
        [f"head {head}" for head in heads],
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=7)
    axes.spines[:].set_visible(False)


def _token_ticks(axes: "Axes", rows: Sequence[str], columns: Sequence[str]) -> None:
    longest = max(len(rows), len(columns))
    every, size = -(-longest // _MOST_LABELS), max(3.5, min(7.0, 150 / longest))
    for axis, tokens, turn in ((axes.yaxis, rows, 0), (axes.xaxis, columns, 60)):
        shown = range(0, len(tokens), every)
        axis.set_ticks(list(shown))
        labels = axis.set_ticklabels([_short(tokens[place]) for place in shown], fontsize=size, rotation=turn)
        for label in labels:
            label.set_parse_math(False)
            if turn:
                label.set_horizontalalignment("left")
                label.set_rotation_mode("anchor")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)


def write_text(where: Any, x: float, y: float, text: str, **options: Any) -> None:
    """Put `text` on a figure or axes as it is: a dollar sign in it is no formula."""
    where.text(x, y, _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text), **options).set_parse_math(False)


def _short(text: str, longest: int = _LONGEST_LABEL) -> str:
    """`text` as a label; characters that XML can't hold, and so no SVG, are marked."""
    text = _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _widest(tokens: Sequence[str]) -> float:
    """The room for labels of 7 points, in inches."""
    return 0.062 * max(len(_short(token)) for token in tokens)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches."""
    # Without pyplot: no window system, no list of open figures.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white")


def _ramp(kind: str) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    colour = COLOURS.get(kind, "#1a202c")
    return LinearSegmentedColormap.from_list(kind, ["#ffffff", colour, "#10151c"])


@contextlib.contextmanager
def _house_style() -> Iterator[None]:
    """Matplotlib's own defaults and ours; characters that its font lacks are boxes and no warnings."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield
