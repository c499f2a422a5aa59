"""``lite quickstart``: from nothing to translations."""

import math
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import OUTPUT, Json, Threads, use_threads
from litetransformer.cli.output import json_line, write_text


def quickstart(
    *,
    source: Annotated[
        Path | None,
        Parameter(help="your own text: .txt of one side, or both in one .tsv, .jsonl or .parquet"),
    ] = None,
    target: Annotated[Path | None, Parameter(help="its translations, where --source holds one side")] = None,
    minutes: Annotated[
        float, Parameter(validator=Number(gt=0, lt=math.inf), help="about how long it may take")
    ] = 4.0,
    threads: Threads = None,
    out: Annotated[Path, Parameter(group=OUTPUT, help="folder for texts and models")] = Path("quickstart"),
    json: Json = False,
) -> None:
    """Train a first small model and translate with it.

    Beside the Lite Transformer, a plain Transformer of the same cost learns the
    same, and both are scored on sentences that neither has seen. Without texts
    of your own, German and English sentences are generated; nothing is fetched.
    The same command again goes on with a run that was stopped.

      lite quickstart
      lite quickstart --source letters.de --target letters.en --out letters
      lite translate --model quickstart/lite 'Gestern war ich im Garten.'

    Prints what it does, how the translations of three sentences get better, a
    table of both models, and the command that translates with the first. With
    --json, that goes to stderr, and an object with the models' folders, BLEU,
    costs and seconds to stdout.
    """
    use_threads(threads)
    from litetransformer.tasks.quickstart import quickstart as run

    echo = _to_stderr if json else write_text
    result = run(out, source=source, target=target, minutes=minutes, threads=threads, echo=echo)
    if json:
        write_text(json_line(result.to_json()))


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)
