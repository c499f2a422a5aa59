"""A table as a value, and the forms that it is shown in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NOT_RUN = "not run"
NOT_STATED = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A title, a heading for each column, rows of text, and what must be said beside them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The table as JSON types, each row an object."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}

    def markdown(self) -> str:
        """The table as Markdown, its notes below."""
        lines = [_line(self.columns), _line(["---"] * len(self.columns)), *map(_line, self.rows)]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


def stated(value: float | None, form: str = ".1f", unit: str = "") -> str:
    """A published number, or a dash where none is."""
    return NOT_STATED if value is None else f"{value:{form}}{unit}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"
