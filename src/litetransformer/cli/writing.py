"""What the verbs share that write a text for each line: options of the search, lines in and lines out."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.cli.lines import lines_as_they_come, lines_of_file
from litetransformer.cli.options import MACHINE, OUTPUT
from litetransformer.cli.output import write
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.tasks.text_to_text import Output

T = TypeVar("T")

SEARCH = Group("Search", sort_key=1)
SAMPLING = Group("Sampling", sort_key=2)
STDIN = 0

OutputFile = Annotated[
    Path | None, Parameter(group=OUTPUT, help="file to write, which appears once it is complete")
]
JsonLines = Annotated[bool, Parameter(group=OUTPUT, help="print one JSON object a line")]
Beam = Annotated[int | None, Parameter(group=SEARCH, help="hypotheses kept; 1 is greedy search")]
LengthPenalty = Annotated[
    float | None, Parameter(group=SEARCH, help="scores are divided by length to this power")
]
NoRepeatNgram = Annotated[
    int | None, Parameter(group=SEARCH, help="let no N tokens in a row come twice; 0 lets them")
]
Temperature = Annotated[
    float | None, Parameter(group=SAMPLING, help="below 1 bolder, above 1 more varied [default: 1]")
]
TopK = Annotated[int | None, Parameter(group=SAMPLING, help="draw from the K likeliest tokens; 0: from all")]
TopP = Annotated[
    float | None, Parameter(group=SAMPLING, help="draw from the fewest tokens that hold this probability")
]
Seed = Annotated[
    int | None,
    Parameter(group=SAMPLING, validator=Number(gte=0), help="equal seeds draw the same [default: 0]"),
]
BatchTokens = Annotated[
    int,
    Parameter(
        group=MACHINE,
        validator=Number(gte=1),
        help="source tokens searched at once, times the beam; lower it when memory runs out",
    ),
]


def groups_of(path: Path | None) -> Iterator[list[str]]:
    """The lines of a file, or of stdin as they come, in groups."""
    return lines_as_they_come(STDIN) if path is None else lines_of_file(path)


def check_output(output: Path | None, source: Path | None) -> None:
    """Raise InputError where `output` can't be written, or is the file that is read."""
    if output is not None and output.is_dir():
        raise InputError("is a folder", path=output, remedy="name a file")
    if output is not None and source is not None and output.resolve() == source.resolve():
        raise InputError("is the file that is read", path=output, remedy="name another")


def check_text(texts: Sequence[str], name: str) -> None:
    """Raise InputError, naming the option, for a text that is not one line of UTF-8."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError("invalid UTF-8", path=name, remedy="check the terminal's encoding") from error
        if "\n" in text:
            raise InputError("holds a line break", path=name, remedy="give each line apart, or use stdin")


def write_answers(
    groups: Iterable[Sequence[str]],
    answer: Callable[[Sequence[str], int], list[list[T]]],
    shown: Callable[[int, str, list[T]], list[str]],
    output: Path | None,
) -> None:
    """Write what is `shown` of the answers to the lines of every group, each group as soon as it has come.

    `answer` is given a group and the number of lines before it; `shown` a line's number, the line and its
    outputs.
    """
    with _destination(output) as write_out:
        number = 0
        for group in groups:
            lines: list[str] = []
            for source, outputs in zip(group, answer(group, number), strict=True):
                number += 1
                lines += shown(number, source, outputs)
            write_out("".join(f"{line}\n" for line in lines).encode())


def as_json(source: str, name: str, outputs: Sequence["Output"]) -> dict[str, Any]:
    """A line and what was written for it, under `name`."""
    return {
        "source": source,
        name: [{"text": one.text, "score": round(one.score, 6)} for one in outputs],
    }


@contextlib.contextmanager
def _destination(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """What takes the lines: stdout, each at once, or a file that appears when the block ends well."""
    if output is None:
        yield write
        return
    from litetransformer.core.files import atomic_writer

    with atomic_writer(output) as file:
        yield file.write
