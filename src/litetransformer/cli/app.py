"""The verbs of ``lite``, and what surrounds each of them: signals, pipes, and a line for what goes wrong."""

import contextlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence

import cyclopts

from litetransformer.cli.errors import explain
from litetransformer.cli.stopping import Stopped, stopped_by_signals

CLOSED_PIPE = 128 + signal.SIGPIPE
FORMER = {
    "--output": "--out",
    "--min-length": "--shortest",
    "--max-length": "--longest",
    "--samples": "--n-best",
}
"""Names that options had in some verbs, which are understood in all."""

HELP = """\
Small, fast models that translate, summarize and write: the Lite Transformer.

A first model, from nothing to translations in minutes:

  lite quickstart --out first
  echo 'Gestern hat Anna in Berlin eine rote Lampe gekauft.' |
      lite translate --model first/lite

A row of the paper:

  lite recipes
  lite train iwslt14-de-en/lite-160 --out runs/160 --download

Your own texts, a sentence a line:

  lite train --preset lite-160 --out runs/own --from de --to en
      --source train.de --target train.en
      --valid-source valid.de --valid-target valid.en

`lite VERB --help` says what a verb does, takes and prints."""

EPILOGUE = """\
--debug, with any verb, shows where in the program an error came from.

What goes wrong is one line on stderr: error: FILE[:LINE][:FIELD]: what; remedy
The exit status is then 1, or 2 where an option, an argument or the verb is wrong
and not what it names, 130 after Ctrl-C, 143 after SIGTERM, and 141, silently,
when the reader of a pipe has gone."""


def _version() -> str:
    from litetransformer import __version__

    return __version__


app = cyclopts.App(
    name="lite",
    help=HELP,
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version=_version,
    # Without --no-… twins, and with defaults only where they say something.
    default_parameter=cyclopts.Parameter(
        negative=(), show_default=lambda value: None if value in (False, ()) else value
    ),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
VERBS = {
    "quickstart": "quickstart:quickstart",
    "recipes": "recipes:recipes",
    "show": "recipes:show",
    "prepare": "train:prepare",
    "train": "train:train",
    "translate": "translate:translate",
    "summarize": "summarize:summarize",
    "generate": "generate:generate",
    "perplexity": "perplexity:perplexity",
    "score": "score:score",
    "compress": "compress:compress",
    "verify": "compress:verify",
    "profile": "profile:profile",
    "attend": "attend:attend",
    "plot": "plot:plot",
    "cost": "cost:cost",
    "table": "table:table",
}
"""Each verb's module and function; only the one that is asked for is imported."""
for _order, (_verb, _place) in enumerate(VERBS.items()):
    app.command(f"litetransformer.cli.{_place}", name=_verb, sort_key=_order, help_epilogue="")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of ``lite`` with `arguments`, or with those of the process."""
    arguments, debug = _read(sys.argv[1:] if arguments is None else arguments)
    try:
        with _quiet_libraries(debug), stopped_by_signals():
            if not arguments or arguments[0].startswith("-"):
                # The list of verbs shows the first line of each one's own text.
                for verb in VERBS:
                    app[verb]
            app(arguments, exit_on_error=False, print_error=False, help_on_error=False, verbose=False)
            if sys.stdout is not None:
                sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # Rich, which prints the help, turns the one into the other.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        _forget_stdout()
        return CLOSED_PIPE
    except (Exception, KeyboardInterrupt, Stopped) as error:
        if debug:
            traceback.print_exc()
        line, status = explain(error)
        if sys.stderr is not None:
            print(f"error: {line}", file=sys.stderr)
        return status
    return 0


def _read(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """`arguments` with options by the names they have now, and apart ``--debug``, which goes with every verb.

    What follows ``--`` is text.
    """
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != "--debug"]
    named = [argument.partition("=") for argument in options]
    renamed = ["".join((FORMER.get(name, name), *value)) for name, *value in named]
    return [*renamed, *arguments[end:]], len(options) < end


@contextlib.contextmanager
def _quiet_libraries(debug: bool) -> Iterator[None]:
    """Keep what libraries have to say to programmers off the user's terminal."""
    if debug:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _forget_stdout() -> None:
    """Discard what is still buffered: written at exit, it would complain about the closed pipe."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
