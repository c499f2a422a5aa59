"""What each change of a set's recipe, or of the paper's, does to the score: one row, one change."""

import functools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from litetransformer import recipes
from litetransformer.core.override import override
from litetransformer.tables.comparison import METRIC, TESTS
from litetransformer.tables.paper import count
from litetransformer.tables.results import Measured, made, results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table
from litetransformer.tasks.recipe import Recipe
from litetransformer.train.recipe import Training

ABLATION = "ablation-"
AGAINST = {"base": "ahead of base", "paper": "ahead of paper"}


def ablation_names() -> list[str]:
    """The table of each set whose recipes have an ablation."""
    return [f"{ABLATION}{home}" for home in recipes.families() if recipes.ablation(home)]


def ablation(home: str) -> Table:
    """A row for each training that was made: its scores, their mean, and how far that is ahead of two rows.

    The others stand in a note, with what they set.
    """
    content = results().get(f"{ABLATION}{home}", {})
    tests = TESTS.get(home, {"test": "test"})
    pairs = {(pair["row"], pair["against"]): pair for pair in content.get("significance", ())}
    rows, others = [], []
    for name, row in recipes.ablation(home).items():
        runs = [run for run in content.get("runs", ()) if run.get("row") == name]
        if not runs:
            others.append(f"{name} ({_changed(row)})")
            continue
        recipe = override(recipes.get(row.recipe), row.settings)
        assert isinstance(recipe, Recipe)
        rows.append(
            (
                name,
                _changed(row),
                *_costs(replace(recipe, model=replace(recipe.model, dropout=0.0), train=Training())),
                *(_score(runs, [split]) for split in ("valid", *tests.values())),
                *([_score(runs, list(tests.values()))] if len(tests) > 1 else []),
                *(_ahead(pairs.get((name, one)), name == one) for one in AGAINST),
            )
        )
    return Table(
        title=f"{recipes.families()[home].title}, sacreBLEU of recipes changed one by one",
        columns=(
            *("row", "recipe and what is set", "mult-adds", "all params", "valid", *tests),
            *(["mean"] if len(tests) > 1 else []),
            *AGAINST.values(),
        ),
        rows=tuple(rows),
        notes=(
            "Ahead: by how much in the mean of the tests' BLEU, first seeds, with what 95% of paired "
            "resamples give and the probability of such a difference by chance. What to take is chosen by "
            "the validation set.",
            *([f"{NOT_RUN.capitalize()}: {'; '.join(others)}."] if others else []),
            made(content),
            *(
                f"{run['row']}, seed {run['seed']}, failed: {run['failed']}."
                for run in content.get("runs", ())
                if run.get("failed")
            ),
        ),
    )


@functools.cache
def _costs(recipe: Recipe) -> tuple[str, str]:
    """The mult-adds and all parameters; nearly all rows have the same, whatever they change of training."""
    counted = count(recipe)
    return f"{counted.mult_adds / 1e6:.1f}M", f"{counted.params_total / 1e6:.2f}M"


def _changed(row: recipes.Row) -> str:
    words = [row.recipe.partition("/")[2], *row.settings]
    if row.teacher:
        words.append(f"targets: {row.teacher.partition('/')[2]}'s")
    return ", ".join(words)


def _score(runs: Sequence[Mapping[str, Any]], splits: Sequence[str]) -> str:
    """The mean over the `splits` of each run that has them all, and how many failed."""
    scores = ([run["scores"].get(split, {}).get(METRIC) for split in splits] for run in runs)
    found = Measured(tuple(statistics.fmean(values) for values in scores if None not in values))
    failed = sum(bool(run.get("failed")) for run in runs)
    if not failed:
        return str(found)
    return f"{found}, {failed} failed" if found.values else f"{failed} failed"


def _ahead(pair: Mapping[str, Any] | None, same: bool) -> str:
    if same:
        return NOT_STATED
    if pair is None:
        return NOT_RUN
    low, high = pair["ahead_95"]
    return f"{pair['ahead']:+.1f} ({low:+.1f} to {high:+.1f}), p = {pair['p_value']:.3f}"
