"""What this project has measured: the files of `docs/results/`, which an installed package carries along.

Each is written by the program of `benchmarks/` that its ``command`` names. Its ``runs`` are trainings: the
``system`` (a recipe's name), the ``seed``, and ``scores``, a number for each metric of each split.
"""

import functools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litetransformer.core.files import read_json
from litetransformer.tables.table import NOT_RUN

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "results", _PACKAGE.parents[1] / "docs" / "results")
"""In an installed package, and in a clone of the project."""


@dataclass(frozen=True)
class Measured:
    """One score of one system, a value for each seed."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        if not self.values:
            return NOT_RUN
        mean = f"{statistics.mean(self.values):.1f}"
        if len(self.values) == 1:
            return f"{mean} (1 seed)"
        return f"{mean} ± {statistics.stdev(self.values):.1f} ({len(self.values)} seeds)"


def results_folder() -> Path | None:
    """Where the results files are: in an installed package, or in a clone; None where there are none."""
    return next((place for place in _PLACES if place.is_dir()), None)


@functools.cache
def results() -> dict[str, dict[str, Any]]:
    """The content of every results file by its name without the ending; empty where there are none."""
    folder = results_folder()
    return {} if folder is None else {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}


def runs(file: str | None = None) -> Iterator[dict[str, Any]]:
    """The trainings in one results file, or in all of them."""
    for name, content in results().items():
        if file in (None, name):
            yield from content.get("runs", ())


def made(content: dict[str, Any]) -> str:
    """On what machines, when and by which command a results file was made, as a note."""

    def values(key: str) -> list[str]:
        found = (run.get(key, content.get(key)) for run in content.get("runs") or [content])
        return sorted({str(value) for value in found if value is not None})

    machines, dates = values("machine"), values("date")
    facts = [" and ".join(machines), " to ".join([*dates[:1], *dates[1:][-1:]]), content.get("command", "")]
    return f"{' · '.join(fact for fact in facts if fact)}." if any(facts) else f"{NOT_RUN}."


def measured(system: str, split: str, metric: str, *, file: str | None = None) -> Measured:
    """What `system` reached on `split` in each of its runs."""
    found = (
        run["scores"].get(split, {}).get(metric)
        for run in runs(file)
        if run.get("system") == system and "scores" in run
    )
    return Measured(tuple(value for value in found if value is not None))
