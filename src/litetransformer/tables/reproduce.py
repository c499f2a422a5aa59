"""Every row of the results with the command that makes it again and what that took."""

import shlex
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, Table

NOT_RECORDED = "not recorded"
_OF_A_RUN = ("--seeds", "--systems", "--set", "--together")
"""Options of a program's command that say which runs to make; each row has its own."""


def reproduce() -> Table:
    """A row for each system of a results file, or for each command that measured something else."""
    rows = [(f"{name}.json", *row) for name, content in results().items() for row in _rows(content)]
    return Table(
        title="Every result, its command and what it took",
        columns=("docs/results/", "row", "command", "machine", "took", "date"),
        rows=tuple(rows),
        notes=() if rows else (f"{NOT_RUN}.",),
    )


def _rows(content: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    if content.get("runs"):
        for group in _groups(content["runs"], lambda run: (_called(run), str(run.get("settings")))):
            yield _trainings(content, group)
    elif content.get("points"):
        for group in _groups(content["points"], lambda point: point.get("command")):
            kinds = ", ".join(dict.fromkeys(str(point.get("kind", "")) for point in group))
            row = f"{kinds}: {len(group)} point{'s' * (len(group) > 1)}"
            yield _measurement(content, row, group[0].get("command"), group)
    else:
        yield _measurement(content, str(content.get("what", "")), None, [content])


def _trainings(content: dict[str, Any], runs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    seconds = [run["training_seconds"] for run in runs if "training_seconds" in run]
    took = NOT_RECORDED
    if seconds:
        took = f"{statistics.median(seconds):,.0f} s"
        took = f"{len(seconds)} × {took}" if len(seconds) > 1 else took
        together = max(run.get("trainings_at_a_time", 1) for run in runs)
        took += f", up to {together} at a time" if together > 1 else ""
    settings = runs[0].get("settings") or []
    return (
        " ".join([*_called(runs[0]), *map(str, settings)]),
        _code(_command(content, runs)),
        _either(run.get("machine", content.get("machine")) for run in runs),
        took,
        _either(run.get("date", content.get("date")) for run in runs),
    )


def _called(run: dict[str, Any]) -> tuple[str, ...]:
    """The system, and the row where it is one of several trainings of one: the last is what to ask for."""
    return (run["system"], run["row"]) if "row" in run else (run["system"],)


def _command(content: dict[str, Any], runs: Sequence[dict[str, Any]]) -> str | None:
    """The command for these runs alone."""
    if "command" in runs[0] or "command" not in content:
        return runs[0].get("command")
    words, skipping = [], False
    for word in shlex.split(content["command"]):
        if word.startswith("--"):
            skipping = word in _OF_A_RUN
        if not skipping:
            words.append(word)
    words += ["--seeds", *(str(run["seed"]) for run in runs if "seed" in run), "--systems"]
    words.append(_called(runs[0])[-1])
    for setting in runs[0].get("settings") or []:
        words += ["--set", str(setting)]
    return shlex.join(words)


def _measurement(
    content: dict[str, Any], row: str, command: str | None, parts: Sequence[dict[str, Any]]
) -> tuple[str, ...]:
    seconds = sum(_seconds(part) for part in parts)
    return (
        row,
        _code(command or content.get("command")),
        str(content.get("machine", NOT_RECORDED)),
        f"{seconds:,.0f} s" if seconds else NOT_RECORDED,
        _either(part.get("date", content.get("date")) for part in parts),
    )


def _seconds(value: Any) -> float:
    """All that is recorded under `seconds` anywhere in `value`, added up."""
    if isinstance(value, list):
        return sum(map(_seconds, value))
    if not isinstance(value, dict):
        return 0.0
    return sum(
        float(item) if key == "seconds" and isinstance(item, int | float) else _seconds(item)
        for key, item in value.items()
        if key != "training"
    )


def _groups(items: Iterable[dict[str, Any]], key: Any) -> list[list[dict[str, Any]]]:
    """The items with equal keys together, in the order in which they first come."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def _either(values: Iterable[Any]) -> str:
    """The different values, or that there are none."""
    return ", ".join(sorted({str(value) for value in values if value is not None})) or NOT_RECORDED


def _code(command: str | None) -> str:
    return NOT_RECORDED if command is None else f"`{command}`"
