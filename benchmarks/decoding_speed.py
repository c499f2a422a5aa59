"""Translating a file with beam 4: lines a second and, if a reference is there, BLEU.

    python benchmarks/decoding_speed.py --model FOLDER --source FILE [--target FILE] [--batch-tokens N]

The first translation of a few lines, which loads and warms up, is timed apart.
"""

import argparse
import datetime
import statistics
import sys
import time
from pathlib import Path

import torch
from machines import machine

from litetransformer.core.files import write_json
from litetransformer.data.corpus import read_lines
from litetransformer.decode.score import bleu
from litetransformer.tasks.text_to_text import tokens_at_once
from litetransformer.tasks.translator import load


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--source", type=Path, required=True)
    options.add_argument("--target", type=Path)
    options.add_argument("--data", default="", help="what the text is, for the results")
    options.add_argument("--batch-tokens", type=int, help="tokens at once, not the usual number")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--out", type=Path, default=Path("docs/results/decoding-speed.json"))
    given = options.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    lines = list(read_lines(given.source))
    translator = load(given.model, device=device)
    began = time.perf_counter()
    translator.translate(lines[:64], batch_tokens=given.batch_tokens)
    first, seconds = time.perf_counter() - began, []
    for _ in range(given.repeats):
        began = time.perf_counter()
        found = translator.translate(lines, batch_tokens=given.batch_tokens)
        seconds.append(time.perf_counter() - began)
    result = {
        "what": "translating a file with beam 4",
        "command": "python benchmarks/decoding_speed.py --model FOLDER --source FILE --target FILE",
        "machine": machine(device),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": given.data or given.source.name,
        "model": given.model.name,
        "lines": len(lines),
        "batch_tokens": given.batch_tokens or tokens_at_once(translator.device),
        "first_seconds": first,
        "seconds": seconds,
        "words_out": sum(len(line.split()) for line in found),
    }
    if given.target is not None:
        references = list(read_lines(given.target))
        result["bleu"] = round(bleu(found, [references], mode="sacrebleu", language="en").value, 2)
    write_json(given.out, result)
    print(f"{len(lines)} lines in {statistics.median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
