"""``lite plot``: the paper's figures, drawn again from formulas and from what was measured here."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from litetransformer.cli.options import OUTPUT, Json
from litetransformer.cli.output import json_line, write_text
from litetransformer.core.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    name: Annotated[str, Parameter(help="claim, computation, tradeoff or compression")],
    /,
    *,
    out: Annotated[
        Path | None, Parameter(group=OUTPUT, help="file to write; it ends in .png or .svg")
    ] = None,
    results: Annotated[
        Path | None,
        Parameter(help="folder of measurements [default: those of this project]"),
    ] = None,
    json: Json = False,
) -> None:
    """Draw a figure of the paper.

    claim: how far Lite Transformer is ahead of the Transformer at equal mult-adds,
    as the paper states it and as measured here.
    computation: the share of feed-forward, attention and convolution in the
    mult-adds, over sentences of 10 to 1000 tokens, for the base Transformer, the
    flattened one and Lite Transformer.
    tradeoff: quality against mult-adds, the paper's points and those measured
    here (`runs` in the files of --results); "not run" where there are none.
    compression: quality over the bytes of a compressed model, as measured here
    (`points` in those files).

      lite plot computation --out computation.svg
      lite plot tradeoff --out tradeoff.png --results docs/results

    It takes the extra `plot`; the same numbers give the same bytes. Prints nothing
    but, with --json, the numbers that the figure shows.
    """
    if name not in FIGURES:
        raise InputError("no such figure", path=name, remedy=nearest(name, FIGURES))
    if out is None and not json:
        raise InputError("nothing to do", path="--out", remedy="name a file, or print numbers with --json")
    if out is not None and out.is_dir():
        raise InputError("is a folder", path=out, remedy="name a file")
    if results is not None and name == "computation":
        raise InputError("changes nothing here", path="--results", remedy="leave it out")
    if out is not None:
        from litetransformer.inspect.figures import check_format

        check_format(out)
    shown, draw = FIGURES[name](results)
    if out is not None:
        from litetransformer.inspect.figures import save

        save(out, draw)
    if json:
        write_text(json_line(shown))


def _computation(_results: Path | None) -> tuple[Any, Callable[[], "Figure"]]:
    from litetransformer.inspect.charts import computation_figure
    from litetransformer.inspect.computation import computation

    found = computation()
    return found, lambda: computation_figure(found)


def _tradeoff(results: Path | None) -> tuple[Any, Callable[[], "Figure"]]:
    from litetransformer.inspect.charts import tradeoff_figure
    from litetransformer.inspect.tradeoff import tradeoff

    panels = tradeoff(_folder(results))
    if results is not None and not any(panel.measured for panel in panels):
        raise _no_results(results, "runs")
    return [panel.to_json() for panel in panels], lambda: tradeoff_figure(panels)


def _claim(results: Path | None) -> tuple[Any, Callable[[], "Figure"]]:
    from litetransformer.inspect.claim import claim_figure, pairs
    from litetransformer.inspect.tradeoff import tradeoff

    found = pairs(tradeoff(_folder(results)))
    if results is not None and all(pair.whose == "paper" for pair in found):
        raise _no_results(results, "runs")
    return [pair.to_json() for pair in found], lambda: claim_figure(found)


def _compression(results: Path | None) -> tuple[Any, Callable[[], "Figure"]]:
    from litetransformer.inspect.smaller import compression_figure, curves

    found = curves(_folder(results))
    if results is not None and not found:
        raise _no_results(results, "points")
    return [curve.to_json() for curve in found], lambda: compression_figure(found)


def _folder(given: Path | None) -> Path | None:
    """The folder of measurements, which is that of ``lite table`` where none is given."""
    from litetransformer.tables.results import results_folder

    return given or results_folder()


def _no_results(folder: Path, key: str) -> InputError:
    return InputError(
        "holds no results for this figure", path=folder, remedy=f"name one whose files have `{key}`"
    )


FIGURES: dict[str, Callable[[Path | None], tuple[Any, Callable[[], "Figure"]]]] = {
    "claim": _claim,
    "computation": _computation,
    "tradeoff": _tradeoff,
    "compression": _compression,
}
