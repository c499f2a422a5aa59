"""``lite translate``: lines in, translations out."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import OUTPUT, Device, Language, Threads, device_for, use_threads
from litetransformer.cli.output import json_line
from litetransformer.cli.writing import (
    SAMPLING,
    SEARCH,
    BatchTokens,
    Beam,
    InputFile,
    JsonLines,
    LengthPenalty,
    Longest,
    NoRepeatNgram,
    OutputFile,
    Seed,
    Shortest,
    Temperature,
    TopK,
    TopP,
    as_json,
    check_output,
    check_text,
    groups_of,
    refuse_idle,
    with_options,
    write_answers,
)
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.decode.options import SamplingOptions, SearchOptions
    from litetransformer.tasks.text_to_text import Output


def translate(
    *text: str,
    model: Path | None = None,
    from_language: Annotated[
        Language | None,
        Parameter(name="--from", help="language of the lines [default: the only one that suits --to]"),
    ] = None,
    to_language: Annotated[
        Language | None,
        Parameter(name="--to", help="language to translate into, en or de, without --model"),
    ] = None,
    input: Annotated[
        InputFile | None, Parameter(help="file to translate; .gz and .xz too; - is stdin")
    ] = None,
    out: OutputFile = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    n_best: Annotated[
        int, Parameter(group=SEARCH, validator=Number(gte=1), help="translations of each line")
    ] = 1,
    shortest: Shortest = None,
    longest: Longest = None,
    no_repeat_ngram: NoRepeatNgram = None,
    prefix: Annotated[
        str | None, Parameter(group=SEARCH, help="text that every translation begins with")
    ] = None,
    sample: Annotated[bool, Parameter(group=SAMPLING, help="draw translations instead of searching")] = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = None,
    scores: Annotated[bool, Parameter(group=OUTPUT, help="print scores too, in the form above")] = False,
    json: JsonLines = False,
    batch_tokens: BatchTokens = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Translate lines with your own model or a shipped one.

    --to en and --to de take the small German and English models that come with
    the package; no network is needed. --model takes a folder of `lite train`, or
    a file of `lite compress`.

    With TEXT, each is one line. Otherwise lines come from --input or stdin, and
    N lines in are N lines out, in order. Each translation leaves as soon as its
    line has come, so a terminal or another program can wait for it. Only a line
    feed ends a line. Unless told otherwise, search is the model's own.

      lite translate --to en 'Wo ist der Bahnhof?'
      lite translate --model runs/160 < news.de > news.en
      lite translate --model runs/160 --input news.de --out news.en --beam 8

    Prints the translations, a line each. With --n-best above 1 or --scores:

      LINE NUMBER ||| TRANSLATION ||| SCORE

    line numbers from 1, best first. A score is the log-probability divided by
    length^LENGTH_PENALTY. With --json, a line is an object with `source` and
    `translations`, a list of objects with `text` and `score`.

    Parameters
    ----------
    text
        lines to translate
    model
        folder or file of the model
    """
    if text and input is not None:
        raise InputError("is given beside TEXT", path="--input", remedy="give one of them")
    check_output(out, input)
    check_text(text, "TEXT")
    check_text([prefix or ""], "--prefix")
    searching = {"beam": beam, "length_penalty": length_penalty}
    limits = {"shortest": shortest, "longest": longest, "no_repeat_ngram": no_repeat_ngram}
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    if sample:
        refuse_idle(searching, "with --sample")
    else:
        refuse_idle({**drawing, "seed": seed}, "without --sample", "add --sample")
    if json:
        refuse_idle({"scores": scores}, "with --json, which has them")
    chosen_model = _model(model, from_language, to_language)

    use_threads(threads)
    from litetransformer.tasks.translator import load

    translator = load(chosen_model, device=device_for(device))
    best = None if sample else n_best
    translator.search = with_options(translator.search, {**searching, **limits, "n_best": best})
    sampling = _sampling(translator.search, {**drawing, "samples": n_best}) if sample else None

    def answer(lines: Sequence[str], before: int) -> list[list["Output"]]:
        # What is drawn for a line follows from its number in the whole input, not in its group.
        drawn = {"sampling": sampling, "seed": seed or 0, "first": before} if sample else {}
        prefixes = None if prefix is None else [prefix] * len(lines)
        return translator.translations(lines, prefixes=prefixes, batch_tokens=batch_tokens, **drawn)

    def shown(number: int, source: str, translations: list["Output"]) -> list[str]:
        if json:
            return [json_line(as_json(source, "translations", translations))]
        if scores or n_best > 1:
            return [f"{number} ||| {one.text} ||| {one.score:.4f}" for one in translations]
        return [translations[0].text]

    write_answers([text] if text else groups_of(input), answer, shown, out)


def _model(model: Path | None, source: str | None, target: str | None) -> Path:
    """The model to use; InputError unless it is named, or a shipped one's languages are, but not both."""
    from litetransformer.tasks.shipped import shipped_model

    if model is None:
        if source is None and target is None:
            remedy = "name a model, or give --to en or --to de for one that comes with litetransformer"
            raise InputError("no model is named", path="--model", remedy=remedy)
        return shipped_model(source, target)
    for name, language in (("--from", source), ("--to", target)):
        if language is not None:
            what = "is given beside --model, which has its own languages"
            raise InputError(what, path=name, remedy="give one of them")
    return model


def _sampling(search: "SearchOptions", drawing: dict[str, Any]) -> "SamplingOptions":
    """Sampling that keeps to the limits of the model's search."""
    from litetransformer.decode.options import DecodingOptions, SamplingOptions

    limits = {field.name: getattr(search, field.name) for field in fields(DecodingOptions)}
    return with_options(SamplingOptions(**limits), drawing)
