"""What the verbs share that write a text for each line: options of the search, lines in and lines out."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.cli.errors import NoOptionError
from litetransformer.cli.lines import lines_as_they_come, lines_of_file
from litetransformer.cli.options import MACHINE, OUTPUT
from litetransformer.cli.output import write
from litetransformer.core.errors import InputError
from litetransformer.core.spec import Spec

if TYPE_CHECKING:
    from litetransformer.tasks.text_to_text import Output

T = TypeVar("T")
S = TypeVar("S", bound=Spec)

SEARCH = Group("Search", sort_key=1)
SAMPLING = Group("Sampling", sort_key=2)
STDIN = Path("-")
OPTIONS = {"samples": "--n-best"}
"""Options that are not called as the field that they set."""


def _no_option(_type: object, path: Path | None) -> None:
    # What lets a lone hyphen through lets every word through that begins with one.
    if str(path).startswith("-") and path != STDIN:
        raise NoOptionError(str(path))


InputFile = Annotated[Path, Parameter(name="--input", allow_leading_hyphen=True, validator=_no_option)]
OutputFile = Annotated[
    Path | None,
    Parameter(name="--out", group=OUTPUT, help="file to write, which appears once it is complete"),
]
JsonLines = Annotated[bool, Parameter(group=OUTPUT, help="print one JSON object a line")]
Beam = Annotated[int | None, Parameter(group=SEARCH, help="hypotheses kept; 1 is greedy search")]
LengthPenalty = Annotated[
    float | None, Parameter(group=SEARCH, help="scores are divided by length to this power")
]
Shortest = Annotated[int | None, Parameter(group=SEARCH, help="fewest tokens of what is written")]
Longest = Annotated[int | None, Parameter(group=SEARCH, help="most tokens of what is written")]
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
    int | None,
    Parameter(
        group=MACHINE,
        validator=Number(gte=1),
        help="source tokens searched at once, times the beam; lower it when memory runs out "
        "[default: 4096, on a GPU 4096 for each free GiB]",
    ),
]


def groups_of(path: Path | None) -> Iterator[list[str]]:
    """The lines of a file, or of stdin as they come, in groups."""
    return lines_as_they_come(0) if path in (None, STDIN) else lines_of_file(path)


def with_options(options: S, given: Mapping[str, Any]) -> S:
    """`options` with what was given on the command line, by field; None was not.

    Raises InputError naming the option for a value that it can't have.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return replace(options, **chosen)
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        name = what.partition("=")[0]
        raise InputError(
            what, path=_option(name if name in chosen else next(iter(chosen))), remedy=remedy
        ) from error


def refuse_idle(given: Mapping[str, Any], beside: str, remedy: str = "leave one out") -> None:
    """Raise InputError for the first option, by field, that was given: it changes nothing `beside` this."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise InputError(f"changes nothing {beside}", path=_option(name), remedy=remedy)


def _option(field: str) -> str:
    """How the option for a field is written."""
    return OPTIONS.get(field, f"--{field.replace('_', '-')}")


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
