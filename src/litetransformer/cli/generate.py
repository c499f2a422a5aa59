"""``lite generate``: text that a language model writes."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import MACHINE, OUTPUT, Device, Threads, device_for, use_threads
from litetransformer.cli.output import json_line
from litetransformer.cli.writing import (
    SEARCH,
    JsonLines,
    OutputFile,
    Seed,
    Temperature,
    TopK,
    TopP,
    check_output,
    check_text,
    groups_of,
    refuse_idle,
    with_options,
    write_answers,
)

if TYPE_CHECKING:
    from litetransformer.tasks.text_model import Generated


def generate(
    *,
    model: Annotated[Path, Parameter(help="folder of the model")],
    prompt: Annotated[
        tuple[str, ...], Parameter(help="text to go on from; repeatable. Without it, lines of stdin")
    ] = (),
    tokens: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=1),
            help="most tokens to write, at most the model's window [default: 64, or half of it]",
        ),
    ] = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: Seed = None,
    beam: Annotated[
        int | None,
        Parameter(group=SEARCH, help="in place of drawing, find the likeliest text, this many kept"),
    ] = None,
    n_best: Annotated[
        int, Parameter(validator=Number(gte=1), help="texts for each prompt; with --beam the best ones")
    ] = 1,
    out: OutputFile = None,
    scores: Annotated[bool, Parameter(group=OUTPUT, help="print scores too, in the form above")] = False,
    json: JsonLines = False,
    batch_tokens: Annotated[
        int,
        Parameter(
            group=MACHINE,
            validator=Number(gte=1),
            help="tokens of all windows at once; lower it when memory runs out",
        ),
    ] = 16_384,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Write text that goes on from a prompt, to the end of its line.

    Each line of stdin is a prompt, unless there is --prompt; an empty one is the
    beginning of a line. Its text leaves as soon as its line has come. What is
    drawn for a prompt follows from --seed and the prompt's number alone.

      lite generate --model runs/lm --prompt 'The temple was' --n-best 3
      lite generate --model runs/lm --top-p 0.9 --seed 7 < prompts.txt

    Prints the texts, prompt and all, a line each. With --n-best above 1 or
    --scores:

      PROMPT NUMBER ||| TEXT ||| SCORE

    prompt numbers from 1. A score is the mean log-probability of a token that was
    written. With --json, a line is an object with `prompt` and `texts`, a list of
    objects with `text`, `score`, `tokens` (how many were written) and `finished`
    (false where --tokens ended it).
    """
    check_output(out, None)
    check_text(prompt, "--prompt")
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    if beam is not None:
        refuse_idle({**drawing, "seed": seed}, "with --beam")
    if json:
        refuse_idle({"scores": scores}, "with --json, which has them")
    options: dict[str, Any] = {"tokens": tokens, "batch_tokens": batch_tokens}
    from litetransformer.decode.options import SamplingOptions, SearchOptions

    if beam is not None:
        options["search"] = with_options(SearchOptions(), {"beam": beam, "n_best": n_best})
    else:
        options["sampling"] = with_options(SamplingOptions(), {**drawing, "samples": n_best})
        options["seed"] = seed or 0

    use_threads(threads)
    from litetransformer.tasks.text_model import load

    loaded = load(model, device=device_for(device))

    def answer(prompts: Sequence[str], before: int) -> list[list["Generated"]]:
        return loaded.generate(prompts, first=before, **options)

    def shown(number: int, text: str, found: list["Generated"]) -> list[str]:
        if json:
            return [json_line({"prompt": text, "texts": [_as_json(one) for one in found]})]
        if scores or n_best > 1:
            return [f"{number} ||| {one.text} ||| {one.score:.4f}" for one in found]
        return [found[0].text]

    groups: Iterable[Sequence[str]] = [prompt] if prompt else groups_of(None)
    write_answers(groups, answer, shown, out)


def _as_json(one: "Generated") -> dict[str, Any]:
    return {
        "text": one.text,
        "score": round(one.score, 6),
        "tokens": len(one.tokens),
        "finished": one.finished,
    }
