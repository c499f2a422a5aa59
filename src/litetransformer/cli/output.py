"""What the verbs write to stdout: bytes that are exactly the text, JSON, and tables."""

import json
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

from litetransformer.core.errors import InputError


def stdout() -> BinaryIO:
    """The process's stdout for bytes: text must leave with its own line ends, not the platform's."""
    if sys.stdout is None:
        raise InputError("closed", path="<stdout>", remedy="leave it open, or name a file with --out")
    return sys.stdout.buffer


def write(content: bytes) -> None:
    """Write `content` to stdout, and pass it on at once; InputError where there is no room."""
    file = stdout()
    try:
        file.write(content)
        file.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(error.strerror or str(error), path="<stdout>") from error


def write_text(text: str) -> None:
    """Write `text` and a line end to stdout."""
    write(f"{text}\n".encode())


def json_line(value: Any) -> str:
    """`value` as JSON on one line; a spec's ``to_json`` or plain data."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write aligned columns to stdout, the first to the left and the rest, being numbers, to the right.

    On a terminal the header is set off; in a pipe each row stays one line, however long.
    """
    from rich.console import Console
    from rich.table import Table

    stdout()
    on_terminal = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
    for number, column in enumerate(columns):
        numeric = number > 0 and all(_is_number(row[number]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=not on_terminal)
    for row in rows:
        table.add_row(*row)
    console = Console(width=None if on_terminal else 1000, highlight=False, markup=False, emoji=False)
    if on_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        write_text(line.rstrip())


def millions(count: float) -> str:
    """A count as the paper prints it, ``2.78M``; in full where that would leave no digits: ``12,345``."""
    return f"{count:,.0f}" if count < 1e5 else f"{count / 1e6:,.2f}M"


def _is_number(cell: str) -> bool:
    return not cell.strip(" -–") or cell.replace(",", "").replace(".", "").rstrip("M").lstrip("-").isdigit()
