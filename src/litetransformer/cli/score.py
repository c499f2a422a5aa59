"""``lite score``: how good translations and summaries are."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from litetransformer.cli.options import Device, Json, Language, Threads, device_for, use_threads
from litetransformer.cli.output import json_line, write_text
from litetransformer.cli.writing import refuse_idle
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.decode.score import Comparison, Score


def score(
    *,
    hypothesis: Annotated[Path | None, Parameter(help="what was written, a line each, as plain text")] = None,
    reference: Annotated[
        tuple[Path, ...],
        Parameter(
            consume_multiple=True,
            required=True,
            help="what it should be; several files, or a .jsonl of lists",
        ),
    ] = (),
    model: Annotated[Path | None, Parameter(help="in place of --hypothesis, a model to write with")] = None,
    source: Annotated[Path | None, Parameter(help="with --model, the text to translate or summarize")] = None,
    mode: Annotated[
        Literal["sacrebleu", "paper", "paper-cased", "paper-compound", "rouge"] | None,
        Parameter(help="what is counted; see above [default: sacrebleu; rouge if --model summarizes]"),
    ] = None,
    language: Annotated[
        Language | None, Parameter(help="of what was written [default: the model's, or en]")
    ] = None,
    baseline: Annotated[Path | None, Parameter(help="what another system wrote, to compare with")] = None,
    device: Device | None = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Score translations with BLEU and chrF, or summaries with ROUGE.

    For example:

      lite score --hypothesis news.out --reference news.en
      lite score --hypothesis news.out --reference a.en b.en --baseline old.out
      lite score --model runs/160 --source test.de --reference test.en
      lite score --mode rouge --hypothesis news.out --reference news.jsonl

    --mode sacrebleu scores plain text: the number to publish, with the signature
    that says how it was computed. The other modes repeat the paper's evaluation
    on Moses tokens and compare with the paper only: paper is lowercase (IWSLT),
    paper-cased is not (WMT En-Fr), paper-compound also splits compounds at their
    hyphens (WMT En-De).

    --mode rouge (extra eval) is the F1 of ROUGE-1, -2, -L and -Lsum, the mean
    over lines, each with the best of its references. A line of a .jsonl with
    references is a list of texts; the lists may differ in length.

    Prints a line for each score: name, value, signature. With --baseline, also
    both BLEU scores with 95% intervals and the probability of such a difference
    between equal systems (paired bootstrap). With --json, an object with
    `scores` and `comparison`.
    """
    from litetransformer.data.references import references_in
    from litetransformer.tasks.translation import score_texts

    if (hypothesis is None) == (model is None):
        raise InputError("one of these is needed", path="--hypothesis or --model", remedy="give exactly one")
    if (source is None) != (model is None):
        raise InputError("--model and --source belong together", path="--source", remedy="give both or none")
    if model is None:
        refuse_idle({"device": device, "threads": threads}, "without --model")
    if baseline is not None and mode not in (None, "sacrebleu"):
        raise InputError("compares by sacreBLEU only", path="--baseline", remedy="leave out --mode")
    texts = [path for path in (hypothesis or source, baseline, *reference) if path is not None]
    lines = _aligned(texts)
    hypotheses = lines[texts[0]]
    references = [column for path in reference for column in references_in(lines[path], path)]
    if model is not None:
        use_threads(threads)
        from litetransformer.tasks.load import load_writer

        writer = load_writer(model, device=device_for(device or "auto"))
        assert writer.card is not None
        language = language or writer.card.target_language
        if mode is None and baseline is None and writer.card.task == "summarization":
            mode = "rouge"
        hypotheses = writer.best(hypotheses)
    language = language or "en"
    scores = score_texts(hypotheses, references, mode=mode or "sacrebleu", language=language)
    comparison = None
    if baseline is not None:
        from litetransformer.decode.score import compare

        comparison = compare(hypotheses, lines[baseline], references, language=language)
    if json:
        write_text(json_line(_as_json(scores, comparison)))
        return
    for one in scores:
        write_text(str(one))
    if comparison is not None:
        write_text(_difference(comparison))


def _aligned(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """The lines of each file; InputError naming two whose numbers of lines differ."""
    from litetransformer.data.corpus import aligned, read_lines

    # One file may be given for two things.
    files = {path: read_lines(path) for path in paths}
    rows = list(aligned(files))
    if not rows:
        raise InputError("holds no lines", path=paths[0])
    return dict(zip(files, (list(column) for column in zip(*rows, strict=True)), strict=True))


def _as_json(scores: Sequence["Score"], comparison: "Comparison | None") -> dict[str, object]:
    return {
        "scores": [dataclasses.asdict(one) for one in scores],
        "comparison": None if comparison is None else dataclasses.asdict(comparison),
    }


def _difference(found: "Comparison") -> str:
    def interval(value: float, bounds: tuple[float, float]) -> str:
        return f"{value:.2f} [{bounds[0]:.2f}, {bounds[1]:.2f}]"

    return (
        f"{found.name} {interval(found.system, found.system_interval)}, baseline "
        f"{interval(found.baseline, found.baseline_interval)}, p = {found.p_value:.4f} ({found.signature})"
    )
