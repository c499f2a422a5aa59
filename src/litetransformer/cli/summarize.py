"""``lite summarize``: documents in, summaries out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from litetransformer.cli.options import Device, Threads, device_for, use_threads
from litetransformer.cli.output import json_line
from litetransformer.cli.writing import (
    STDIN,
    BatchTokens,
    Beam,
    InputFile,
    JsonLines,
    LengthPenalty,
    Longest,
    NoRepeatNgram,
    OutputFile,
    Shortest,
    as_json,
    check_output,
    groups_of,
    with_options,
    write_answers,
)

if TYPE_CHECKING:
    from litetransformer.tasks.text_to_text import Output


def summarize(
    input: Annotated[InputFile, Parameter(help="file to summarize; .gz and .xz too; - is stdin")] = STDIN,
    *,
    model: Path,
    out: OutputFile = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    shortest: Shortest = None,
    longest: Longest = None,
    no_repeat_ngram: NoRepeatNgram = None,
    json: JsonLines = False,
    batch_tokens: BatchTokens = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Summarize documents, a line each, with the model in a folder.

    N lines in are N lines out, in order. Each summary leaves as soon as its line
    has come, so a terminal or another program can wait for it. Only a line feed
    ends a document. Of a long one, no more is read than the model was trained
    to read. Unless told otherwise, search is the model's own.

      lite summarize --model runs/mail mails.txt > subjects.txt
      lite summarize --model runs/news --shortest 20 --longest 60 < news.txt
      lite summarize --model runs/news news.txt --json --out news.jsonl

    Prints the summaries, a line each. With --json, a line is an object with
    `source` and `summaries`, a list of one object with `text` and `score`, the
    log-probability divided by length^LENGTH_PENALTY.

    Parameters
    ----------
    model
        folder of the model
    """
    check_output(out, input)
    search = {
        "beam": beam,
        "length_penalty": length_penalty,
        "shortest": shortest,
        "longest": longest,
        "no_repeat_ngram": no_repeat_ngram,
        "n_best": 1,
    }
    use_threads(threads)
    from litetransformer.tasks.summarizer import load

    summarizer = load(model, device=device_for(device))
    summarizer.search = with_options(summarizer.search, search)

    def answer(lines: Sequence[str], _before: int) -> list[list["Output"]]:
        return summarizer.summaries(lines, batch_tokens=batch_tokens)

    def shown(_number: int, document: str, summaries: list["Output"]) -> list[str]:
        return [json_line(as_json(document, "summaries", summaries))] if json else [summaries[0].text]

    write_answers(groups_of(input), answer, shown, out)
