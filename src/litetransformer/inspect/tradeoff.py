"""Quality against mult-adds: the paper's points, and those measured here."""

import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json


@dataclass(frozen=True, kw_only=True)
class Point:
    """A system's score and its mult-adds, in millions, at the paper's lengths.

    `system` is a family (``lite``, ``transformer`` …), `label` the one system. Measured points are means of
    `seeds` runs, with the lowest and the highest of them and the `settings` that differ from the recipe's.
    """

    system: str
    label: str
    mult_adds: float
    score: float
    lowest: float | None = None
    highest: float | None = None
    seeds: int = 0
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One data set: what is scored there, what the paper states and what was measured here."""

    name: str
    title: str
    metric: str
    key: str
    falling: bool = False
    paper: tuple[Point, ...] = ()
    measured: tuple[Point, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The panel as JSON types; `measured` is ``"not run"`` where nothing was."""
        facts = asdict(self)
        return {**facts, "measured": facts["measured"] or "not run"}


def _rows(system: str, *points: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(
        Point(system=system, label=system, mult_adds=mult_adds, score=score) for mult_adds, score in points
    )


PAPER = (
    Panel(
        name="iwslt14-de-en",
        title="IWSLT'14 De-En",
        metric="BLEU, tokenised, lowercase",
        key="paper",
        paper=(
            *_rows("transformer", (63, 27.8), (139, 31.3), (215, 32.7)),
            *_rows("lightconv", (52, 28.5), (115, 31.6), (204, 32.9)),
            *_rows("lite", (54, 30.9), (119, 32.9), (209, 33.6)),
        ),
    ),
    Panel(
        name="wmt16-en-de",
        title="WMT En-De",
        metric="BLEU, tokenised, compounds split",
        key="paper",
        paper=(
            *_rows("transformer", (87, 21.3), (338, 25.1), (527, 26.1)),
            *_rows("evolved", (94, 22.0)),
            *_rows("lite", (90, 22.5), (360, 25.6), (527, 26.5)),
        ),
    ),
    Panel(
        name="wmt14-en-fr",
        title="WMT'14 En-Fr",
        metric="BLEU, tokenised",
        key="paper",
        paper=(
            *_rows("transformer", (87, 33.6), (338, 37.6), (527, 38.4)),
            *_rows("lite", (90, 35.3), (360, 39.1), (527, 39.6)),
        ),
    ),
    Panel(
        name="wikitext103",
        title="WikiText-103",
        metric="test perplexity",
        key="perplexity",
        falling=True,
        paper=(
            *_rows("transformer", (293, 32.3), (455, 28.4), (1154, 24.0), (2583, 22.0)),
            *_rows("lite", (244, 27.3), (378, 25.2), (582, 23.7), (1148, 22.2)),
        ),
    ),
    Panel(
        name="cnndm",
        title="CNN/DailyMail",
        metric="ROUGE-L",
        key="rougeL",
        paper=(*_rows("transformer", (2000, 38.3)), *_rows("lite", (800, 38.3))),
    ),
)
"""The paper's figure and tables as points (PAPER §5)."""


OWN = (
    Panel(
        name="kyotowiki",
        title="Kyoto wiki",
        metric="a word's perplexity",
        key="word_perplexity",
        falling=True,
    ),
    Panel(name="ptb", title="Penn Treebank", metric="test perplexity", key="perplexity", falling=True),
    Panel(name="aeslc", title="AESLC, e-mail to subject", metric="ROUGE-L", key="rougeL"),
    Panel(name="cnndm39k", title="CNN/DailyMail, 39k subset", metric="ROUGE-L", key="rougeL"),
)
"""Sets of this project's own that are not scored by BLEU."""


def tradeoff(results: Path | None) -> list[Panel]:
    """The paper's panels with what the files in `results` hold, then panels of the other sets there.

    A JSON file counts where it has ``runs``, each with a ``system`` (``SET/NAME``), ``mult_adds`` and
    ``scores.test``. Others are passed over: the folder holds measurements of other kinds too, and the rows of
    ablations, which are no systems of their own. So are files called ``trial-…``: settings that were tried.

    Raises InputError for a file that is no JSON.
    """
    runs = [] if results is None else list(_runs(results))
    panels = [_with_measured(panel, runs) for panel in PAPER]
    known = {panel.name for panel in PAPER}
    own = {panel.name: panel for panel in OWN}
    for name in sorted({run["system"].split("/")[0] for run in runs} - known):
        panel = own.get(name) or Panel(name=name, title=_title(name), metric="BLEU", key="sacrebleu")
        if (panel := _with_measured(panel, runs)).measured:
            panels.append(panel)
    return panels


def _title(name: str) -> str:
    """A set of translations as it is called in a figure: ``multi30k-de-en`` is Multi30k De-En."""
    first, *parts = name.split("-")
    languages = "-".join(part.capitalize() for part in parts[-2:])
    return " ".join([first.capitalize(), *parts[:-2], languages]).strip()


def _runs(folder: Path) -> Iterator[dict[str, Any]]:
    if not folder.is_dir():
        raise InputError("no such folder", path=folder, remedy="name one with result files, or leave it out")
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith("trial-"):
            continue
        facts = read_json(path)
        listed = facts.get("runs") if isinstance(facts, dict) else None
        for run in listed if isinstance(listed, list) else ():
            named = isinstance(run, dict) and "row" not in run and isinstance(run.get("system"), str)
            if named and "/" in run["system"]:
                yield run


def _with_measured(panel: Panel, runs: Iterable[dict[str, Any]]) -> Panel:
    # Runs of other settings are another system's.
    found: dict[tuple[str, float, tuple[str, ...]], list[float]] = {}
    for run in runs:
        name, _, label = run["system"].partition("/")
        test = run["scores"].get("test") if isinstance(run.get("scores"), dict) else None
        score = _number(test.get(panel.key)) if isinstance(test, dict) else None
        mult_adds = _number(run.get("mult_adds"))
        if name == panel.name and score is not None and mult_adds is not None:
            settings = tuple(map(str, run.get("settings") or ()))
            found.setdefault((label, mult_adds / 1e6, settings), []).append(score)
    measured = tuple(
        Point(
            system=label.split("-")[0],
            label=label,
            mult_adds=round(mult_adds, 3),
            score=round(statistics.fmean(scores), 3),
            lowest=min(scores),
            highest=max(scores),
            seeds=len(scores),
            settings=settings,
        )
        for (label, mult_adds, settings), scores in found.items()
    )
    facts = {key: getattr(panel, key) for key in ("name", "title", "metric", "key", "falling", "paper")}
    return Panel(**facts, measured=measured)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
