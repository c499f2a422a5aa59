"""Multi30k beside what others published of a small text-only Transformer."""

import statistics
from typing import Any

from litetransformer import recipes
from litetransformer.tables.comparison import TESTS
from litetransformer.tables.paper import count
from litetransformer.tables.results import made, results
from litetransformer.tables.table import NOT_RUN, Table

PUBLISHED = {"multi30k-en-de": (41.0, 33.4, 29.9), "multi30k-en-fr": (61.8, 53.5, 44.5)}
"""BLEU on tokens of a Transformer of about 2.6 million parameters (Wu et al. 2021, Good for Misconceived
Reasons, as recalled, not read again), on the test sets in the order of `TESTS`."""


def published() -> Table:
    """Two rows for each direction: theirs, and the row of ours beyond the paper with the best validation."""
    rows, notes = [], []
    for home, scores in PUBLISHED.items():
        title = recipes.families()[home].title
        rows.append((title, "a Transformer, published", "2.6M", *(f"{score:.1f}" for score in scores)))
        content = results().get(f"ablation-{home}", {})
        if not (best := _best(content)):
            rows.append((title, "Lite, plus", *[NOT_RUN] * (1 + len(scores))))
            continue
        total = count(recipes.get(best[0]["system"])).params_total
        cells = (
            f"{_mean(best, split, 'paper'):.1f} ({_mean(best, split, 'sacrebleu'):.1f})"
            for split in TESTS[home].values()
        )
        rows.append((title, f"Lite, {best[0]['row']}", f"{total / 1e6:.2f}M", *cells))
        notes.append(made(content))
    return Table(
        title="Multi30k beside a small Transformer that was published",
        columns=("direction", "model", "all params", *next(iter(TESTS.values()))),
        rows=tuple(rows),
        notes=(
            "BLEU on Moses tokens, lowercased, means over seeds; in brackets sacreBLEU. Published: recalled "
            "from the literature. Ours: of the rows called plus the one with the best validation BLEU.",
            *notes,
        ),
    )


def _best(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of the row beyond the paper that has the best mean validation BLEU; none if there is none."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for run in content.get("runs", ()):
        if run.get("row", "").startswith("plus") and "valid" in run["scores"]:
            rows.setdefault(run["row"], []).append(run)
    return max(rows.values(), key=lambda runs: _mean(runs, "valid", "sacrebleu"), default=[])


def _mean(runs: list[dict[str, Any]], split: str, metric: str) -> float:
    return statistics.fmean(run["scores"][split][metric] for run in runs)
