"""How everything that goes wrong becomes one line and an exit status."""

import re
import signal
from pathlib import Path
from typing import Literal, get_origin

from cyclopts import Argument, Parameter, Token
from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from litetransformer.cli.stopping import Stopped
from litetransformer.core.errors import InputError, nearest

FLAGS = ["--help", "--version", "--debug"]
FAILED, MISUSED = 1, 2
ARGUMENTS = ("TEXT", "SENTENCE", "RECIPE")
"""Arguments that are no file; whoever is wrong about one, or about an option, wrote a wrong command line."""
KINDS = {int: "a whole number", float: "a number"}
RANGES = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def explain(error: BaseException) -> tuple[str, int]:
    """What to say of `error`, in one line, and the exit status that it means."""
    from litetransformer.train.signals import Interrupted

    status = FAILED
    match error:
        case InputError(__cause__=OSError() as cause) if (file := _file_in_the_way(cause)) is not None:
            line = str(InputError("is a file, not a folder", path=file, remedy="name a folder"))
        case InputError():
            line, status = str(error), _status(error)
        case CycloptsError():
            line, status = str(_misuse(error)), MISUSED
        case Interrupted():
            line, status = str(error), 128 + error.number
        case KeyboardInterrupt():
            line, status = "stopped by SIGINT", 128 + signal.SIGINT
        case Stopped():
            line, status = "stopped by SIGTERM", 128 + signal.SIGTERM
        case OSError():
            line = str(InputError(error.strerror or str(error), path=error.filename))
        case ValueError():
            line = str(error)
        case _ if _out_of_memory(error):
            line = (
                "out of memory; lower train.batch_tokens (training) or --batch-tokens (translate, summarize, "
                "generate, perplexity)"
            )
        case _:
            line = f"{type(error).__name__}: {error}; this is a fault of litetransformer, --debug shows where"
    # Whatever a library wrote, it is one line, and free of terminal codes.
    return str(InputError(" ".join(part.strip() for part in line.splitlines()))), status


def _status(error: InputError) -> int:
    """The status of a wrong command line where an option or argument is at fault; else of wrong input."""
    place = error.path or ""
    return MISUSED if place.startswith("--") or place in ARGUMENTS else FAILED


def _file_in_the_way(error: OSError) -> Path | None:
    """The file that stands where a folder is needed, if that is what `error` is about."""
    if not isinstance(error, FileExistsError | NotADirectoryError) or not isinstance(error.filename, str):
        return None
    path = Path(error.filename)
    return next((place for place in (path, *path.parents) if place.is_file()), None)


def _out_of_memory(error: BaseException) -> bool:
    # PyTorch says so by a class of its own on the GPU, and by a plain RuntimeError on the CPU.
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and of_torch)


def _misuse(error: CycloptsError) -> InputError:
    """What is wrong with a command line, in the words of this project."""
    help_of = f"`{' '.join(('lite', *(error.command_chain or ())))} --help`"
    match error:
        case UnknownCommandError() if error.unused_tokens:
            given = error.unused_tokens[0]
            if given.startswith("-"):
                return _no_option(given, FLAGS)
            verbs = [name for name in error.app or () if not name.startswith("-")]
            return InputError("no such verb", path=given, remedy=nearest(given, verbs))
        case UnknownOptionError():
            names = [
                name for argument in error.argument_collection if argument.parse for name in argument.names
            ]
            return _no_option(error.token.keyword or error.token.value, names)
        case ValidationError(__cause__=NoOptionError() as cause) if error.app is not None:
            collection = error.app.assemble_argument_collection(default_parameter=Parameter(negative=()))
            return _no_option(str(cause), [name for argument in collection for name in argument.names])
        case UnusedCliTokensError() if error.unused_tokens:
            remedy = f"{help_of} says what it takes"
            return InputError("is one argument too many", path=error.unused_tokens[0], remedy=remedy)
        case RepeatArgumentError():
            return InputError("is given twice", path=error.token.keyword, remedy="give it once")
        case MissingArgumentError() if error.argument is not None:
            remedy = f"{help_of} says what it is for"
            return InputError("needs a value", path=error.argument.name, remedy=remedy)
        case CoercionError() if error.token is not None:
            return _wrong_kind(error.token, error.target_type, _place(error.argument, error.token))
        case ValidationError() if error.argument is not None:
            return _refused(error.argument, error.exception_message)
    return InputError(str(error).rstrip("."), remedy=f"see {help_of}")


class NoOptionError(ValueError):
    """What looks like an option stands where a file is named; holds what was given."""


def _no_option(given: str, names: list[str]) -> InputError:
    given = given.partition("=")[0]
    known = [name for name in names if name.startswith("--")]
    return InputError("no such option", path=given, remedy=nearest(given, known))


def _place(argument: Argument | None, token: Token) -> str | None:
    return token.keyword or (argument.name if argument is not None else None)


def _wrong_kind(token: Token, kind: object, place: str | None) -> InputError:
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in kind.__args__]  # type: ignore[attr-defined]
        remedy = nearest(token.value, choices)
        return InputError(f"{token.value!r} is not a choice", path=place, remedy=remedy)
    if kind is bool:
        return InputError("takes no value", path=place, remedy="give it alone, or leave it out")
    named = KINDS.get(kind, "what it takes")  # type: ignore[call-overload]
    return InputError(f"{token.value!r} is not {named}", path=place, remedy=f"give {named}")


def _refused(argument: Argument, why: str) -> InputError:
    """What a validator says: of a number that it is out of range, or its own sentence and remedy."""
    given = argument.tokens[0]
    if found := re.fullmatch(r"Must be ([<>]=?) (.+?)\.?", why):
        range_ = "a finite number" if found[2] == "inf" else f"{RANGES[found[1]]} {found[2]}"
        what, remedy = f"{given.value} is out of range", f"give {range_}"
    else:
        what, _, remedy = why.partition("; ")
    return InputError(what, path=_place(argument, given), remedy=remedy)
