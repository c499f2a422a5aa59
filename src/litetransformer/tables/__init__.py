"""The paper's tables, each row beside what this project computes and what it has measured."""

from litetransformer.core.errors import InputError, nearest
from litetransformer.tables.ablation import ABLATION, ablation, ablation_names
from litetransformer.tables.automl import automl
from litetransformer.tables.claim import claim
from litetransformer.tables.comparison import COMPARISON, LENGTHS, by_length, comparison, comparison_names
from litetransformer.tables.compressed import compressed, compressed_names, compression_grid
from litetransformer.tables.compression import compression
from litetransformer.tables.measured import RESULTS, measured_table
from litetransformer.tables.paper import PAPER, paper_table
from litetransformer.tables.preparing import planning, preparing
from litetransformer.tables.published import published
from litetransformer.tables.reproduce import reproduce
from litetransformer.tables.shipped import shipped, shipped_making, shipped_tests
from litetransformer.tables.specialisation import specialisation
from litetransformer.tables.speed import cpu_training, speedrun, training_speed
from litetransformer.tables.table import Table
from litetransformer.tables.windowed_sum import windowed_sum

__all__ = ["Table", "names", "table"]

_OWN_FORM = {
    "automl": automl,
    "compression": compression,
    "claim": claim,
    "compression-grid": compression_grid,
    "specialisation": specialisation,
    "shipped": shipped,
    "shipped-tests": shipped_tests,
    "shipped-making": shipped_making,
    "reproduce": reproduce,
    "published": published,
    "speedrun": speedrun,
    "training-speed": training_speed,
    "cpu-training": cpu_training,
    "windowed-sum": windowed_sum,
    "preparing": preparing,
    "planning": planning,
}


def names() -> list[str]:
    """The names of all tables: those of the paper, then those of this project's own measurements."""
    return [*PAPER, *_OWN_FORM, *compressed_names(), *RESULTS, *comparison_names(), *ablation_names()]


def table(name: str) -> Table:
    """The table called `name`; InputError, suggesting the nearest, if there is none."""
    if name in PAPER:
        return paper_table(name)
    if name in RESULTS:
        return measured_table(name)
    if name in _OWN_FORM:
        return _OWN_FORM[name]()
    if name in compressed_names():
        return compressed(name)
    if name in comparison_names():
        if name.startswith(COMPARISON):
            return comparison(name.removeprefix(COMPARISON))
        return by_length(name.removeprefix(LENGTHS))
    if name in ablation_names():
        return ablation(name.removeprefix(ABLATION))
    raise InputError(f"no table is called {name!r}", remedy=nearest(name, names()))
