"""Do the branches specialise? How far and how widely each head of trained models looks, over a test set.

    python benchmarks/specialisation.py --model lite=runs/160 transformer=runs/128 \
        --source test.de --target test.en --data "Multi30k De-En, test 2016" \
        --out docs/results/specialisation-multi30k.json

Models read the sources and write the references, each in its own tokens. A language model takes --source
alone, a line a text. Nothing is reported unless the tests of the statistics pass.
"""

import argparse
import datetime
import shlex
import subprocess
import sys
import time
from pathlib import Path

import torch
from machines import machine

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, write_json
from litetransformer.data.corpus import aligned, read_lines
from litetransformer.inspect.specialisation import NEAR, specialisation, text_specialisation
from litetransformer.tasks.load import load
from litetransformer.tasks.text_model import TextModel

TESTS = [
    Path(__file__).parents[1] / "tests/inspect" / f"test_{name}.py" for name in ("mixing", "specialisation")
]
RECIPE = "recipe.json"


def measure(folder: Path, rows: list[tuple[str, ...]], device: str, longest: int, batch_tokens: int) -> dict:
    """The statistics of the model in `folder` on the lines that are no longer than `longest` tokens."""
    found = load(folder, device=device)
    of_text = isinstance(found, TextModel)
    if len(rows[0]) != (1 if of_text else 2):
        what = "reads --source alone" if of_text else "needs --target too"
        raise InputError(f"a model of its kind {what}", path=folder)
    tokenizers = [found.tokenizer] if of_text else [found.source, found.target]
    encoded = [
        [tokenizer.encode(text) for tokenizer, text in zip(tokenizers, row, strict=True)] for row in rows
    ]
    kept = [row for row in encoded if max(map(len, row)) <= longest]
    began = time.perf_counter()
    if of_text:
        measured = text_specialisation(found.model, [row[0] for row in kept], batch_tokens=batch_tokens)
    else:
        measured = specialisation(found.model, kept, batch_tokens=batch_tokens)
    return {
        "lines": len(rows),
        "left_out_as_too_long": len(rows) - len(kept),
        "seconds": round(time.perf_counter() - began, 1),
        **measured.to_json(),
    }


def command(options: argparse.Namespace) -> str:
    """The command line, with names in place of this machine's folders."""
    models = " ".join(f"{model.partition('=')[0]}=FOLDER" for model in options.models)
    target = " --target FILE" if options.target else ""
    data = shlex.quote(options.data)
    return (
        f"python benchmarks/specialisation.py --model {models} --source FILE{target} --data {data} "
        f"--out docs/results/{options.out.name}"
    )


def show(name: str, result: dict) -> None:
    columns = ("relative_entropy", "distance", *(f"within_{near}" for near in NEAR))
    print(f"\n{name}: {result['sentences']} sentences, {result['seconds']} s")
    print(f"{'':24}", *(f"{column:>18}" for column in columns))
    for part, facts in result["parts"].items():
        cells = (f"{facts[column]['mean']:.3f} ({facts['even'][column]:.3f})" for column in columns)
        print(f"{part:24}", *(f"{cell:>18}" for cell in cells))
    print("in brackets: rows that look everywhere alike", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", nargs="+", required=True, metavar="NAME=FOLDER", dest="models")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--data", required=True, help="what the texts are, in words")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--longest", type=int, default=256, help="leave out lines of more tokens")
    parser.add_argument("--batch-tokens", type=int, default=2048)
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], check=True)
    files = {path: read_lines(path) for path in (options.source, options.target) if path is not None}
    rows = [tuple(row) for row in aligned(files)]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results = {}
    for model in options.models:
        name, _, folder = model.partition("=")
        recipe = Path(folder) / RECIPE
        results[name] = {
            "seed": read_json(recipe)["train"]["seed"] if recipe.is_file() else None,
            **measure(Path(folder), rows, device, options.longest, options.batch_tokens),
        }
        show(name, results[name])
        write_json(
            options.out,
            {
                "what": "Do the branches specialise? Entropy, distance and diagonal mass of every head",
                "command": command(options),
                "machine": machine(device),
                "torch": torch.__version__,
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "data": options.data,
                "models": results,
            },
        )


if __name__ == "__main__":
    main()
