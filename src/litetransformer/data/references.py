"""What texts should be: one reference a line, or several as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import parse_json


def references_in(lines: Sequence[str], path: Path) -> list[list[str | None]]:
    """The references that the lines of a file hold, as lists with a place for each line.

    A line is a reference, which makes one list. In a ``.jsonl`` it is a list of references, and there are as
    many lists as the longest line has; None stands where a line has fewer.

    Raises InputError naming the line of `path` that is no list of texts, or an empty one.
    """
    if ".jsonl" not in path.suffixes:
        return [list(lines)]
    rows = [_references(line, path, number) for number, line in enumerate(lines, 1)]
    longest = max(map(len, rows), default=0)
    return [[row[place] if place < len(row) else None for row in rows] for place in range(longest)]


def _references(line: str, path: Path, number: int) -> list[str]:
    try:
        found: Any = parse_json(line)
    except InputError as error:
        raise InputError(error.what, path=path, line=number, remedy=error.remedy) from error
    except ValueError as error:
        raise InputError(str(error), path=path, line=number) from error
    if not isinstance(found, list) or not found or not all(isinstance(text, str) for text in found):
        remedy = 'write each line as ["one reference", "another"]'
        raise InputError("not a list of references", path=path, line=number, remedy=remedy)
    return found
