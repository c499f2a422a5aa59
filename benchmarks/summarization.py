"""Summaries: Lite Transformer beside Transformers of equal and of 2.5 times the mult-adds, several seeds.

    python benchmarks/summarization.py [SET] --data FOLDER [--seeds 1 2 3] [--together 3]

SET is aeslc (e-mails to subjects) or cnndm39k (articles to highlights). FOLDER holds each split's texts, a
line each: {train,valid,test}.body and .subject, or .article400 and .abstract; and for aeslc
{valid,test}.refs.jsonl, each line a list of references. Trains the recipes as they stand, summarizes with
their search, and writes each seed's ROUGE, against the one summary and, for aeslc, against all references.
As a check, each run also scores the first sentence of the e-mails, or the first three of the articles.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jobs import Job
from trainings import parser, run, run_folder, timed, trained

from litetransformer.data.corpus import TextPairs, read_lines
from litetransformer.data.references import references_in
from litetransformer.decode.rouge import rouge
from litetransformer.inspect.profile import profile
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.summarization import train_summarizer
from litetransformer.tasks.summarizer import load
from litetransformer.train.report import Report


@dataclass(frozen=True)
class Set:
    """What a set is called here: its systems, the endings of its files, and its lengths in tokens.

    `lead` is the number of sentences that are as good as a summary, `lead_key` what their scores are called.
    """

    what: str
    data: str
    systems: tuple[str, ...]
    sides: tuple[str, str]
    lengths: tuple[int, int]
    lead: int
    lead_key: str
    several_references: bool = False


SETS = {
    "aeslc": Set(
        what="AESLC, e-mail body to subject, ROUGE F1: lite-160, its equal in mult-adds and one of 2.5 times "
        "that",
        data="AESLC, complete: 14,436 / 1,960 / 1,906; four references each in valid and test",
        systems=("aeslc/lite-160", "aeslc/transformer-120", "aeslc/transformer-168"),
        sides=("body", "subject"),
        lengths=(150, 8),
        lead=1,
        lead_key="first_sentence",
        several_references=True,
    ),
    "cnndm39k": Set(
        what="a 39k subset of CNN/DailyMail, article to highlights, ROUGE F1: lite-240 and a Transformer of "
        "2.5 times its mult-adds",
        data="39k subset of CNN/DailyMail, not a random one: 39,160 / 4,368 / 4,490 of 287k / 13k / 11k, the "
        "first 400 words of each article",
        systems=("cnndm39k/lite-240", "cnndm39k/transformer-256"),
        sides=("article400", "abstract"),
        lengths=(454, 58),
        lead=3,
        lead_key="first_three_sentences",
    ),
}


def measure(job: Job, keep: Path | None = None) -> dict:
    described = SETS[job.system.partition("/")[0]]
    body, summary = described.sides
    source_tokens, target_tokens = described.lengths
    train, valid = (
        TextPairs(source=str(job.data / f"{split}.{body}"), target=str(job.data / f"{split}.{summary}"))
        for split in ("train", "valid")
    )
    recipe = job.recipe()
    recipe = replace(recipe, data=replace(recipe.data, train=train, valid=valid))
    with run_folder(job, keep, partial(prepare, recipe)) as folder:
        report = Report(folder, quiet=True)
        progress, seconds = timed(lambda: train_summarizer(recipe, folder, device=job.device, report=report))
        summarizer = load(folder, device=job.device)
        costs = profile(summarizer.model, source_tokens=source_tokens, target_tokens=target_tokens)
        result = {
            **trained(folder, progress, seconds, costs),
            "mult_adds_at": {"source_tokens": source_tokens, "target_tokens": target_tokens},
            described.lead_key: {},
            "signatures": {},
        }
        for split in ("valid", "test"):
            bodies = list(read_lines(job.data / f"{split}.{body}"))
            leads = [lead(text, described.lead) for text in bodies]
            summarize = partial(summarizer.summarize, bodies, batch_tokens=262_144)
            summaries, result["decoding_seconds"] = timed(summarize)
            for name, references in references_of(job.data, split, described).items():
                result["scores"][name], result["signatures"][name] = scored(summaries, references)
                result[described.lead_key][name], _ = scored(leads, references)
    return result


def references_of(data: Path, split: str, described: Set) -> dict[str, list[list[str | None]]]:
    """The summaries of a split and, where there are more, all that people wrote for it."""
    files = {split: f"{split}.{described.sides[1]}"}
    if described.several_references:
        files[f"{split}, all references"] = f"{split}.refs.jsonl"
    return {name: references_in(list(read_lines(data / file)), Path(file)) for name, file in files.items()}


def scored(summaries: Sequence[str], references: Sequence[Sequence[str | None]]) -> tuple[dict, str]:
    """ROUGE-1, -2 and -L, and how they were computed."""
    found = rouge(summaries, references)[:3]
    values = {
        key: round(score.value, 2) for key, score in zip(("rouge1", "rouge2", "rougeL"), found, strict=True)
    }
    return values, found[0].signature


def lead(text: str, sentences: int) -> str:
    """The first sentences of a text."""
    return " ".join(re.split(r"(?<=[.!?])\s+", text, maxsplit=sentences)[:sentences])


def main() -> None:
    options = parser(__doc__.splitlines()[0], (), "")
    options.add_argument(
        "name", choices=SETS, nargs="?", default="aeslc", metavar="SET", help=", ".join(SETS)
    )
    chosen = options.parse_args()
    described = SETS[chosen.name]
    chosen.usual_systems = list(described.systems)
    chosen.systems = chosen.systems or chosen.usual_systems
    if chosen.out == Path():
        chosen.out = Path(f"docs/results/{chosen.name}.json")
    source_tokens, target_tokens = described.lengths
    run(
        chosen,
        partial(measure, keep=chosen.keep),
        what=f"{described.what}, at {source_tokens} and {target_tokens} tokens",
        data=described.data,
        program=f"{Path(__file__).name} {chosen.name}",
    )


if __name__ == "__main__":
    sys.exit(main())
