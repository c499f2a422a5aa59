"""``lite translate``: lines in, translations out."""

from collections.abc import Sequence
from dataclasses import fields, replace
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
    JsonLines,
    LengthPenalty,
    NoRepeatNgram,
    OutputFile,
    Seed,
    Temperature,
    TopK,
    TopP,
    as_json,
    check_output,
    check_text,
    groups_of,
    write_answers,
)
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.decode.options import SamplingOptions
    from litetransformer.tasks.text_to_text import Output
    from litetransformer.tasks.translator import Translator


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
    input: Annotated[Path | None, Parameter(help="file to translate; .gz and .xz too")] = None,
    output: OutputFile = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    n_best: Annotated[
        int, Parameter(group=SEARCH, validator=Number(gte=1), help="translations of each line")
    ] = 1,
    min_length: Annotated[int | None, Parameter(group=SEARCH, help="fewest tokens of a translation")] = None,
    max_length: Annotated[int | None, Parameter(group=SEARCH, help="most tokens of a translation")] = None,
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
    batch_tokens: BatchTokens = 4096,
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

      lite translate --to en 'Guten Morgen, wie geht es dir?'
      lite translate --model runs/160 < news.de > news.en
      lite translate --model runs/160 --input news.de --output news.en --beam 8

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
    check_output(output, input)
    chosen_model = _model(model, from_language, to_language)
    check_text(text, "TEXT")
    check_text([prefix or ""], "--prefix")
    search: dict[str, Any] = {
        "beam": beam,
        "length_penalty": length_penalty,
        "shortest": min_length,
        "longest": max_length,
        "no_repeat_ngram": no_repeat_ngram,
    }
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    _refuse_idle(sample, search, drawing)

    use_threads(threads)
    from litetransformer.tasks.translator import load

    translator = load(chosen_model, device=device_for(device))
    chosen = {name: value for name, value in search.items() if value is not None}
    translator.search = replace(translator.search, **chosen, n_best=1 if sample else n_best)
    sampling = _sampling(translator, n_best, drawing) if sample else None

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

    write_answers([text] if text else groups_of(input), answer, shown, output)


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


def _sampling(translator: "Translator", samples: int, drawing: dict[str, Any]) -> "SamplingOptions":
    """Sampling that keeps to the limits of the model's search."""
    from litetransformer.decode.options import DecodingOptions, SamplingOptions

    limits = {field.name: getattr(translator.search, field.name) for field in fields(DecodingOptions)}
    chosen = {name: value for name, value in drawing.items() if value is not None and name != "seed"}
    return SamplingOptions(**limits, **chosen, samples=samples)


def _refuse_idle(sample: bool, search: dict[str, Any], drawing: dict[str, Any]) -> None:
    """InputError for an option that would change nothing."""
    for name, value in drawing.items():
        if value is not None and not sample:
            raise InputError(
                "changes nothing without --sample", path=f"--{name.replace('_', '-')}", remedy="add --sample"
            )
    for name in ("beam", "length_penalty"):
        if search[name] is not None and sample:
            raise InputError(
                "changes nothing with --sample", path=f"--{name.replace('_', '-')}", remedy="leave one out"
            )
