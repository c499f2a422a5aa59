"""The tables of this project's own measurements, on sets that the paper has no row for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litetransformer.tables.results import made, measured, results
from litetransformer.tables.table import Table


@dataclass(frozen=True)
class _File:
    """A results file's table: its title, and its scores by heading, each a split and a metric."""

    title: str
    scores: dict[str, tuple[str, str]]


_MULTI30K = {
    "test 2016": ("test", "sacrebleu"),
    "test 2017": ("test_2017_flickr", "sacrebleu"),
    "coco 2017": ("test_2017_mscoco", "sacrebleu"),
    "2016, paper's mode": ("test", "paper"),
}
_ROUGE = {f"test: ROUGE-{kind}": ("test", f"rouge{kind}") for kind in ("1", "2", "L")}
RESULTS = {
    "multi30k-de-en": _File("Multi30k De-En, sacreBLEU", _MULTI30K),
    "multi30k-de-en-laptop": _File("Multi30k De-En on a CPU, sacreBLEU", _MULTI30K),
    "kyotowiki": _File(
        "Kyoto wiki, a word's perplexity", {"test: word perplexity": ("test", "word_perplexity")}
    ),
    "ptb": _File(
        "Penn Treebank, a word's perplexity",
        {f"{split}: word perplexity": (split, "perplexity") for split in ("valid", "test")},
    ),
    "aeslc": _File("AESLC, e-mail to subject, ROUGE", _ROUGE),
    "cnndm39k": _File("CNN/DailyMail, 39k subset, ROUGE", _ROUGE),
}


def measured_table(name: str) -> Table:
    """What was measured, a row for each system, with the mean and deviation over its seeds."""
    described, content = RESULTS[name], results().get(name, {})
    runs: Sequence[dict[str, Any]] = content.get("runs", ())
    systems = list(dict.fromkeys(run["system"] for run in runs))
    rows = [
        (
            system.partition("/")[2],
            *(_millions(runs, system, key) for key in ("params", "params_total", "mult_adds")),
            *(str(measured(system, *score, file=name)) for score in described.scores.values()),
        )
        for system in systems
    ]
    return Table(
        title=described.title,
        columns=("model", "params", "all params", "mult-adds", *described.scores),
        rows=tuple(rows),
        notes=(made(content),),
    )


def _millions(runs: Sequence[dict[str, Any]], system: str, key: str) -> str:
    value = next((run[key] for run in runs if run["system"] == system and key in run), None)
    return "" if value is None else f"{value / 1e6:.2f}M"
