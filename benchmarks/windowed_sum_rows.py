"""What `windowed_sum.py --variants` has measured, which adds up in one file.

A row is what one call measured of a case in one direction, beside one copy: it has its own `date`, `hardware`
and `torch`, and `form`, the kind of kernels that "triton" stood for. A new one takes the place of what the
file has of the same implementations, case and direction on the same hardware and PyTorch; all else stays.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from litetransformer.tables.windowed_sum import CASE, CHOSEN

Row = dict[str, Any]
PLACE = ("hardware", "torch")


def age(rows: Iterable[Row], case: Mapping[str, Any], forms: Mapping[str, str], names: Iterable[str]) -> str:
    """When the oldest was measured of what is wanted of a case, or "" where something is missing.

    `case` has the hardware and PyTorch, too; `forms` is today's choice by direction. What "triton" was when
    it was another kind of kernels counts as missing.
    """
    here = [row for row in rows if all(row[name] == value for name, value in case.items())]
    dates = []
    for direction, form in forms.items():
        mine = [row for row in here if row["direction"] == direction]
        for name in names:
            some = [row for row in mine if name in row["implementations"]]
            dates.append(
                max((row["date"] for row in some if name != CHOSEN or row["form"] == form), default="")
            )
    return min(dates)


def added(rows: Iterable[Row], new: Row, names: Iterable[str]) -> list[Row]:
    """`rows` with a new one, and without what they have of `names` in its place.

    `names` are what was to be measured: what turned out wrong is in no row any more.
    """
    replaced, found = set(names), [new] if new["implementations"] else []
    for row in rows:
        left = row["implementations"]
        if all(row[name] == new[name] for name in (*CASE, "direction", *PLACE)):
            left = {name: value for name, value in left.items() if name not in replaced}
        if left:
            found.append(row | {"implementations": left})
    return sorted(found, key=_order)


def _order(row: Row) -> tuple[Any, ...]:
    return (*(row[name] for name in CASE), row["direction"] != "forward", row["date"])


def content(rows: list[Row], command: str) -> dict[str, Any]:
    """The whole file."""
    return {
        "what": "the Triton kernels of the windowed sum and other choices inside them, beside a copy",
        "command": command,
        "machine": ", ".join(sorted({row["hardware"] for row in rows})),
        "date": max(row["date"] for row in rows)[:10],
        "rows": rows,
    }
