"""AESLC, e-mails to subjects: Lite Transformer beside Transformers of equal and of 2.5 times the mult-adds.

    python benchmarks/summarization.py --data FOLDER [--seeds 1 2 3] [--together 3]

FOLDER holds {train,valid,test}.body and .subject, a line each, and {valid,test}.refs.jsonl, each line a list
of references. Trains the recipes as they stand, summarizes with their search, and writes each seed's ROUGE,
against the subject alone and against all references. As a check, each run also scores the first sentences of
the e-mails.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from trainings import Job, parser, run, run_folder, timed, trained

from litetransformer.data.corpus import TextPairs, read_lines
from litetransformer.data.references import references_in
from litetransformer.decode.rouge import rouge
from litetransformer.inspect.profile import profile
from litetransformer.tasks.summarization import train_summarizer
from litetransformer.tasks.summarizer import load
from litetransformer.train.report import Report

SYSTEMS = ("aeslc/lite-160", "aeslc/transformer-120", "aeslc/transformer-168")
SOURCE_TOKENS, TARGET_TOKENS = 150, 8


def measure(job: Job, keep: Path | None = None) -> dict:
    train, valid = (
        TextPairs(source=str(job.data / f"{split}.body"), target=str(job.data / f"{split}.subject"))
        for split in ("train", "valid")
    )
    recipe = job.recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=train, valid=valid))
    with run_folder(job, keep) as folder:
        report = Report(folder, quiet=True)
        progress, seconds = timed(lambda: train_summarizer(recipe, folder, device=job.device, report=report))
        summarizer = load(folder, device=job.device)
        costs = profile(summarizer.model, source_tokens=SOURCE_TOKENS, target_tokens=TARGET_TOKENS)
        result = {
            **trained(folder, progress, seconds, costs),
            "mult_adds_at": {"source_tokens": SOURCE_TOKENS, "target_tokens": TARGET_TOKENS},
            "first_sentence": {},
            "signatures": {},
        }
        for split in ("valid", "test"):
            bodies = list(read_lines(job.data / f"{split}.body"))
            summarize = partial(summarizer.summarize, bodies, batch_tokens=262_144)
            summaries, result["decoding_seconds"] = timed(summarize)
            for name, references in references_of(job.data, split).items():
                result["scores"][name], result["signatures"][name] = scored(summaries, references)
                result["first_sentence"][name], _ = scored(list(map(first_sentence, bodies)), references)
    return result


def references_of(data: Path, split: str) -> dict[str, list[list[str | None]]]:
    """The subjects of a split, and all that people wrote for it, the subjects among them."""
    files = {split: f"{split}.subject", f"{split}, all references": f"{split}.refs.jsonl"}
    return {name: references_in(list(read_lines(data / file)), Path(file)) for name, file in files.items()}


def scored(summaries: Sequence[str], references: Sequence[Sequence[str | None]]) -> tuple[dict, str]:
    """ROUGE-1, -2 and -L, and how they were computed."""
    found = rouge(summaries, references)[:3]
    values = {
        key: round(score.value, 2) for key, score in zip(("rouge1", "rouge2", "rougeL"), found, strict=True)
    }
    return values, found[0].signature


def first_sentence(body: str) -> str:
    return re.split(r"(?<=[.!?])\s+", body, maxsplit=1)[0]


def main() -> None:
    options = parser(__doc__.splitlines()[0], SYSTEMS, "docs/results/aeslc.json").parse_args()
    run(
        options,
        partial(measure, keep=options.keep),
        what="AESLC, e-mail body to subject, ROUGE F1: lite-160, its equal in mult-adds at "
        f"{SOURCE_TOKENS} and {TARGET_TOKENS} tokens, and one of 2.5 times that",
        data="AESLC, complete: 14,436 / 1,960 / 1,906; four references each in valid and test",
        program=Path(__file__).name,
    )


if __name__ == "__main__":
    sys.exit(main())
