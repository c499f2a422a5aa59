"""Language models: Lite models beside Transformers of equal mult-adds, by perplexity, several seeds.

    python benchmarks/language_models.py kyotowiki --data FOLDER [--seeds 1 2 3] [--together 3]
    python benchmarks/language_models.py ptb --data FOLDER

FOLDER holds the text of train, valid and test: train.txt, or NAME.train.txt, and so on. Trains the recipes of
the set as they stand, and measures valid and test with the recipe's window and context, and the test also in
windows without more context. Perplexity is that of a token, ``word_perplexity`` that of a word.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jobs import Job
from trainings import parser, run, run_folder, timed, trained

from litetransformer.data.corpus import read_lines
from litetransformer.inspect.profile import profile
from litetransformer.tasks.language_modeling import train_language_model
from litetransformer.tasks.perplexity import Perplexity
from litetransformer.tasks.prepare_text import prepare_text, texts_in, with_text
from litetransformer.tasks.text_model import load
from litetransformer.train.report import Report

SETS = {
    "kyotowiki": "the English side of Wikipedia's Kyoto articles, raw text: 9.8M words, 20 and 22 thousand "
    "to validate and test",
    "ptb": "Penn Treebank as language models are compared on it: 888 thousand words of ten thousand kinds, "
    "70 thousand to validate, 79 thousand to test",
    "wikitext103": "WikiText-103, 103M words of 268 thousand kinds",
}
MODELS = {"wikitext103": ("lite-896", "transformer-512")}
TWINS = ("lite-320", "transformer-184", "lite-224", "transformer-128")


def measure(job: Job, keep: Path | None = None) -> dict:
    texts = texts_in(job.data)
    recipe = with_text(job.recipe(), texts["train"], texts["valid"])
    with run_folder(job, keep, partial(prepare_text, recipe)) as folder:
        report = Report(folder, quiet=True)
        progress, seconds = timed(
            lambda: train_language_model(recipe, folder, device=job.device, report=report)
        )
        model = load(folder, device=job.device)
        costs = profile(model.model)
        result = {
            **trained(folder, progress, seconds, costs),
            "vocabulary": model.tokenizer.size,
            "window": model.window,
            "context": model.context,
            "counts": {},
        }
        measured: dict[str, Callable[[], Perplexity]] = {
            split: partial(model.perplexity, list(read_lines(texts[split])), batch_tokens=16_384)
            for split in ("valid", "test")
        }
        measured["test, no context"] = partial(measured["test"], context=0)
        for name, perplexity in measured.items():
            value, taken = timed(perplexity)
            result["scores"][name] = scored(value)
            result["counts"][name] = {"tokens": value.tokens, **vars(value.counts), "seconds": taken}
    return result


def scored(found: Perplexity) -> dict[str, float]:
    return {
        "perplexity": round(found.per_token, 3),
        "word_perplexity": round(found.per_word, 3),
        "bits_per_token": round(found.bits_per_token, 4),
        "bits_per_character": round(found.bits_per_character, 4),
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0], (), "")
    options.add_argument("name", choices=SETS, metavar="SET", help=", ".join(SETS))
    chosen = options.parse_args()
    name = chosen.name
    chosen.systems = chosen.systems or [f"{name}/{model}" for model in MODELS.get(name, TWINS)]
    if chosen.out == Path():
        chosen.out = Path(f"docs/results/{name}.json")
    run(
        chosen,
        partial(measure, keep=chosen.keep),
        what=f"{name}, from text to perplexity: Lite language models and their equals in mult-adds",
        data=SETS[name],
        program=f"{Path(__file__).name} {name}",
    )


if __name__ == "__main__":
    sys.exit(main())
