"""Multi30k German-English: Lite Transformer beside the Transformer of equal mult-adds, several seeds.

    python benchmarks/multi30k.py --data FOLDER [--seeds 1 2 3] [--together 6]

Trains the recipes as they stand, translates the three test sets with beam 4, and writes each seed's scores.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainings import Job, parser, run, run_folder, timed, trained

from litetransformer.data.catalog import resolve
from litetransformer.data.corpus import read_pairs
from litetransformer.decode.score import bleu
from litetransformer.inspect.profile import profile
from litetransformer.tasks.translation import train_translator
from litetransformer.tasks.translator import load
from litetransformer.train.report import Report

SYSTEMS = ("multi30k-de-en/lite-160", "multi30k-de-en/transformer-120")


def measure(job: Job, keep: Path | None = None) -> dict:
    splits = resolve("multi30k-de-en", folder=job.data)
    recipe = job.recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=splits["train"], valid=splits["valid"]))
    with run_folder(job, keep) as folder:
        report = Report(folder, quiet=True)
        progress, seconds = timed(lambda: train_translator(recipe, folder, device=job.device, report=report))
        translator = load(folder, device=job.device)
        costs = profile(translator.model)
        result = trained(folder, progress, seconds, costs)
        for split in [name for name in splits if name != "train"]:
            sources, references = zip(*read_pairs(splits[split]), strict=True)
            translate = partial(translator.translate, list(sources), batch_tokens=32768)
            hypotheses, result["decoding_seconds"] = timed(translate)
            scores = {
                mode: bleu(hypotheses, [list(references)], mode=mode, language="en")
                for mode in ("sacrebleu", "paper")
            }
            result["scores"][split] = {mode: round(score.value, 2) for mode, score in scores.items()}
            result["signatures"] = {mode: score.signature for mode, score in scores.items()}
    return result


def main() -> None:
    options = parser(__doc__.splitlines()[0], SYSTEMS, "docs/results/multi30k-de-en.json").parse_args()
    run(
        options,
        partial(measure, keep=options.keep),
        what="Multi30k De-En, raw text to BLEU: lite-160 and its equal in mult-adds",
        data="Multi30k task 1: 29,000 / 1,014; tests 2016, 2017, coco 2017",
        program=Path(__file__).name,
    )


if __name__ == "__main__":
    sys.exit(main())
