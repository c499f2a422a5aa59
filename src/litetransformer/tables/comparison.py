"""Systems at equal mult-adds on one set: scores, how far Lite is ahead, and scores by length."""

import statistics
from collections.abc import Sequence
from typing import Any

from litetransformer import recipes
from litetransformer.tables.paper import count
from litetransformer.tables.results import made, measured, results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table

COMPARISON, LENGTHS = "comparison-", "length-"
METRIC = "sacrebleu"

_MULTI30K = {"test 2016": "test", "test 2017": "test_2017_flickr", "coco 2017": "test_2017_mscoco"}
_DOCUMENTS = {"Tatoeba": "test", "documents": "test_techdocs"}
TESTS = {
    "multi30k-de-en": _MULTI30K,
    "multi30k-en-de": _MULTI30K,
    "multi30k-en-fr": _MULTI30K,
    "tatoeba-techdocs-de-en": _DOCUMENTS,
    "tatoeba-techdocs-en-de": _DOCUMENTS,
}
"""The test sets of each set by what they are called in a table; of others, there is but ``test``."""


def comparison_names() -> list[str]:
    """The two tables of each set that has a family of recipes."""
    return [f"{kind}{home}" for home in recipes.families() for kind in (COMPARISON, LENGTHS)]


def comparison(home: str) -> Table:
    """A row for each system, size by size, with the mean and deviation over its seeds, and Lite's lead."""
    family, content = recipes.families()[home], results().get(home, {})
    tests = TESTS.get(home, {"test": "test"})
    pairs = {(pair["system"], pair["split"]): pair for pair in content.get("significance", ())}
    rows = []
    for size, models in family.sizes.items():
        compared = [model for model in models if model.startswith("lite-")]
        for model in models:
            system = f"{home}/{model}"
            counted = count(family.recipes[model])
            against = model not in compared and bool(compared)
            rows.append(
                (
                    *(size, model, f"{counted.mult_adds / 1e6:.1f}M", f"{counted.params_total / 1e6:.2f}M"),
                    *(_scores(content, system, split) for split in tests.values()),
                    *(_lead(pairs.get((system, split)), against) for split in tests.values()),
                )
            )
    return Table(
        title=f"{family.title}, sacreBLEU at equal mult-adds",
        columns=(
            *("size", "model", "mult-adds", "all params", *tests),
            *(f"Lite ahead: {test}" for test in tests),
        ),
        rows=tuple(rows),
        notes=(
            "Lite ahead: by how much in BLEU, first seeds, with what 95% of paired resamples give and the "
            "probability of such a difference by chance.",
            made(content),
            *_failures(content),
        ),
    )


def by_length(home: str) -> Table:
    """The scores of the systems that were run, by the length of the source in words, means over seeds."""
    family, content = recipes.families()[home], results().get(home, {})
    ran = [run for run in content.get("runs", ()) if run.get("by_length")]
    buckets = {name: part["lines"] for run in ran[:1] for name, part in run["by_length"].items()}
    rows = []
    for size, models in family.sizes.items():
        for model in models:
            parts = [run["by_length"] for run in ran if run["system"] == f"{home}/{model}"]
            if parts:
                scores = (statistics.fmean(part[name][METRIC] for part in parts) for name in buckets)
                rows.append((size, model, *(f"{score:.1f}" for score in scores)))
    test = next(iter(TESTS.get(home, {"test": "test"})))
    return Table(
        title=f"{family.title}, sacreBLEU by the words of the source, {test}",
        columns=("size", "model", *(f"{name} ({lines:,} lines)" for name, lines in buckets.items())),
        rows=tuple(rows),
        notes=(made(content) if rows else f"{NOT_RUN}.",),
    )


def _scores(content: dict[str, Any], system: str, split: str) -> str:
    found = measured(system, split, METRIC, file=system.partition("/")[0])
    failed = sum(bool(run.get("failed")) for run in content.get("runs", ()) if run["system"] == system)
    if not failed:
        return str(found)
    return f"{found}, {failed} failed" if found.values else f"{failed} failed"


def _lead(pair: dict[str, Any] | None, against: bool) -> str:
    if pair is None:
        return NOT_RUN if against else NOT_STATED
    low, high = pair["lite_ahead_95"]
    return f"{pair['lite_ahead']:.1f} ({low:.1f} to {high:.1f}), p = {pair['p_value']:.3f}"


def _failures(content: dict[str, Any]) -> Sequence[str]:
    return [
        f"{run['system'].partition('/')[2]}, seed {run['seed']}, failed: {run['failed']}."
        for run in content.get("runs", ())
        if run.get("failed")
    ]
