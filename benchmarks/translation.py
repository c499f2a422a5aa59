"""Translation: the systems of a set beside the Lite Transformers of equal mult-adds, several seeds.

    python benchmarks/translation.py SET --data FOLDER [--sizes 54M] [--systems lite-160 transformer-120]
        [--seeds 1 2 3] [--together 6] [--keep-hypotheses DIR]

Trains the recipes as they stand, translates all but the training text with their search, and writes each
seed's scores; of the first test set also BLEU by the length of the source. At the end each system's
translations by its first seed are compared with those of the Lite Transformer of its size, by paired
bootstrap resampling: those that this call made, and those of earlier calls that are in DIR.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from comparing import by_length, paired
from jobs import Job
from trainings import parser, run, run_folder, timed, trained

from litetransformer import recipes
from litetransformer.data.catalog import resolve
from litetransformer.data.corpus import TextPairs, read_lines, read_pairs
from litetransformer.decode.score import bleu
from litetransformer.inspect.profile import profile
from litetransformer.tasks.prepare import prepare
from litetransformer.tasks.translation import train_translator
from litetransformer.tasks.translator import load
from litetransformer.train.report import Report

_MULTI30K = "Multi30k task 1: 29,000 / 1,014; tests 2016, 2017, coco 2017"
_DOCUMENTS = (
    "everyday sentences of Tatoeba and technical documents: 156,832 and 64,056 / 1,418 and 1,452; "
    "tests of each: 1,467 and 1,124"
)
SETS = {
    "multi30k-de-en": _MULTI30K,
    "multi30k-en-de": _MULTI30K,
    "multi30k-en-fr": _MULTI30K,
    "tatoeba-techdocs-de-en": _DOCUMENTS,
    "tatoeba-techdocs-en-de": _DOCUMENTS,
    "canlaw-en-fr": "Canadian statutes and regulations, split by document: 433,175 / 3,000 / 3,000; "
    "14% of the test's lines have half their runs of eight words in the training text",
}
SIZES = {"canlaw-en-fr": ("90M", "360M")}
"""The sizes that are compared unless told, where they aren't all."""

DECODING_TOKENS = 65_536


def measure(
    job: Job, *, keep: Path | None, hypotheses: Path, train: TextPairs | None = None
) -> dict[str, Any]:
    """One run from text to scores; `train` is what to train on in place of the set's own text."""
    splits = resolve(job.system.partition("/")[0], folder=job.data)
    splits |= {} if train is None else {"train": train}
    recipe = job.recipe()
    language = recipe.data.target_language
    modes = {"sacrebleu": "sacrebleu", "paper": "paper"}
    if recipe.scoring != "sacrebleu":
        modes["paper"] = recipe.scoring
    recipe = replace(recipe, data=replace(recipe.data, train=splits["train"], valid=splits["valid"]))
    with run_folder(job, keep, partial(prepare, recipe)) as folder:
        report = Report(folder, quiet=True)
        progress, seconds = timed(lambda: train_translator(recipe, folder, device=job.device, report=report))
        translator = load(folder, device=job.device)
        result = trained(folder, progress, seconds, profile(translator.model))
        result["translating_seconds"] = {}
        for split in [name for name in splits if name != "train"]:
            sources, references = map(list, zip(*read_pairs(splits[split]), strict=True))
            translate = partial(translator.translate, sources, batch_tokens=DECODING_TOKENS)
            written, result["translating_seconds"][split] = timed(translate)
            path = place(hypotheses, job.system, job.seed, job.digest(), split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes("".join(f"{line}\n" for line in written).encode())
            scores = {
                name: bleu(written, [references], mode=mode, language=language)
                for name, mode in modes.items()
            }
            result["scores"][split] = {name: round(score.value, 2) for name, score in scores.items()}
            result["signatures"] = {name: score.signature for name, score in scores.items()}
            if split == "test":
                result["by_length"] = by_length(sources, written, references, language=language)
    return result


def place(folder: Path, system: str, seed: int, digest: str, split: str) -> Path:
    """The file of what a run wrote for a split; a changed recipe's is another one."""
    return folder / f"{system}.seed{seed}.{digest}.{split}.txt"


def significance(
    facts: dict[str, Any], *, name: str, seed: int, data: Path, hypotheses: Path
) -> dict[str, Any]:
    """The comparisons with Lite that can be made here, and those that were made before and still hold."""
    digests = {run["system"]: run["recipe_digest"] for run in facts["runs"] if run["seed"] == seed}
    language = recipes.get(f"{name}/{next(iter(recipes.families()[name].recipes))}").data.target_language
    splits = resolve(name, folder=data)
    made = {
        key(pair): pair
        for pair in facts.get("significance", ())
        if pair["recipe_digests"] == [digests.get(pair[side]) for side in ("system", "lite")]
    }
    for system, lite in twins(name):
        for split in [split for split in splits if split.startswith("test")]:
            files = [place(hypotheses, one, seed, digests.get(one, ""), split) for one in (lite, system)]
            if all(file.is_file() for file in files):
                ours, theirs = (list(read_lines(file)) for file in files)
                references = [target for _, target in read_pairs(splits[split])]
                pair = {
                    "system": system,
                    "lite": lite,
                    "split": split,
                    "seed": seed,
                    "recipe_digests": [digests[system], digests[lite]],
                    **paired(ours, theirs, references, language=language),
                }
                made[key(pair)] = pair
    return {"significance": [made[one] for one in sorted(made)]}


def key(pair: dict[str, Any]) -> tuple[str, str]:
    return pair["system"], pair["split"]


def twins(name: str) -> Iterator[tuple[str, str]]:
    """Each system of a set, and the Lite Transformer of its size."""
    for models in recipes.families()[name].sizes.values():
        for lite in [model for model in models if model.startswith("lite-")]:
            yield from ((f"{name}/{model}", f"{name}/{lite}") for model in models if model != lite)


def made(
    chosen: argparse.Namespace,
    name: str,
    measure: Callable[..., dict[str, Any]],
    significance: Callable[..., dict[str, Any]],
    *,
    out: str,
    what: str,
    program: str,
    **others: Any,
) -> None:
    """Make the runs that were chosen on a set; `others` goes to `trainings.run`."""
    if chosen.out == Path():
        chosen.out = Path(f"docs/results/{out}.json")
    # Put together once, where it has to be, and not by each training.
    chosen.data = Path(resolve(name, folder=chosen.data)["train"].source).parent
    with tempfile.TemporaryDirectory() as temporary:
        hypotheses = chosen.keep_hypotheses or Path(temporary)
        run(
            chosen,
            partial(measure, keep=chosen.keep, hypotheses=hypotheses),
            what=f"{recipes.families()[name].title}, raw text to BLEU: {what}",
            data=SETS[name],
            program=f"{program} {name}",
            finish=partial(
                significance, name=name, seed=chosen.seeds[0], data=chosen.data, hypotheses=hypotheses
            ),
            **others,
        )


def main(arguments: list[str] | None = None) -> None:
    options = parser(__doc__.splitlines()[0], (), "")
    options.add_argument("name", choices=SETS, metavar="SET", help=", ".join(SETS))
    options.add_argument("--sizes", nargs="+", help="the systems of these sizes")
    options.add_argument("--keep-hypotheses", type=Path, help="folder to leave all translations in")
    chosen = options.parse_args(arguments)
    name, sizes = chosen.name, recipes.families()[chosen.name].sizes
    if unknown := set(chosen.sizes or ()) - set(sizes):
        options.error(f"--sizes: no {', '.join(sorted(unknown))}; there are {', '.join(sizes)}")
    usual, wanted = (
        [f"{name}/{model}" for size in some for model in sizes[size]]
        for some in (SIZES.get(name, sizes), chosen.sizes or ())
    )
    named = [model if "/" in model else f"{name}/{model}" for model in chosen.systems]
    chosen.systems = [*wanted, *named] or usual
    chosen.usual_systems = usual
    made(
        chosen,
        name,
        measure,
        significance,
        out=name,
        what="systems of equal mult-adds",
        program=Path(__file__).name,
    )


if __name__ == "__main__":
    sys.exit(main())
