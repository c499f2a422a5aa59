"""``lite perplexity``: how well a language model predicts text."""

from itertools import chain
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import MACHINE, Device, Json, Threads, device_for, use_threads
from litetransformer.cli.output import json_line, write_table, write_text
from litetransformer.cli.writing import InputFile, groups_of


def perplexity(
    input: Annotated[InputFile, Parameter(help="file to predict, .gz and .xz too; - is stdin")],
    *,
    model: Annotated[Path, Parameter(help="folder of the model")],
    window: Annotated[
        int | None,
        Parameter(validator=Number(gte=1), help="tokens that the model sees at once [default: its own]"),
    ] = None,
    context: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=0), help="tokens seen before each predicted one [default: the model's own]"
        ),
    ] = None,
    batch_tokens: Annotated[
        int,
        Parameter(
            group=MACHINE,
            validator=Number(gte=1),
            help="tokens predicted at once; lower it when memory runs out",
        ),
    ] = 4096,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure how well a language model predicts a text.

    The text is one stream, a line's end being one more word. A window slides
    over it: each token is predicted once, with at least --context tokens before
    it, as far as there are. More context is slower and predicts better.

      lite perplexity --model runs/lm test.txt
      lite perplexity --model runs/lm --context 0 --json - < test.txt

    Prints the perplexity of a token, and, to compare models with different
    tokenizers, of a word and in bits a character; and the numbers of lines,
    words, tokens and unknown words. With --json, an object with per_token,
    per_word, bits_per_token, bits_per_character, nats and these numbers.
    """
    groups = groups_of(input)
    use_threads(threads)
    from litetransformer.tasks.text_model import load

    loaded = load(model, device=device_for(device))
    found = loaded.perplexity(
        chain.from_iterable(groups), window=window, context=context, batch_tokens=batch_tokens
    )
    facts = found.to_json()
    if json:
        write_text(json_line(facts))
        return
    names = {
        "per_token": "perplexity of a token",
        "per_word": "perplexity of a word",
        "bits_per_token": "bits a token",
        "bits_per_character": "bits a character",
    }
    counts = {name: f"{facts[name]:,}" for name in ("lines", "words", "tokens", "unknown")}
    scores = {shown: "∞" if facts[key] is None else f"{facts[key]:,.3f}" for key, shown in names.items()}
    write_table(["what", "value"], [[name, value] for name, value in (scores | counts).items()])
