"""The paper's tables, each row beside what this project computes and what it has measured."""

from litetransformer.core.errors import InputError, nearest
from litetransformer.tables.automl import automl
from litetransformer.tables.compressed import compressed, compression_grid
from litetransformer.tables.compression import compression
from litetransformer.tables.measured import RESULTS, measured_table
from litetransformer.tables.paper import PAPER, paper_table
from litetransformer.tables.specialisation import specialisation
from litetransformer.tables.table import Table

__all__ = ["Table", "names", "table"]

_OWN_FORM = {
    "automl": automl,
    "compression": compression,
    "compression-multi30k": compressed,
    "compression-grid": compression_grid,
    "specialisation": specialisation,
}


def names() -> list[str]:
    """The names of all tables: those of the paper, then those of this project's own measurements."""
    return [*PAPER, *_OWN_FORM, *RESULTS]


def table(name: str) -> Table:
    """The table called `name`; InputError, suggesting the nearest, if there is none."""
    if name in PAPER:
        return paper_table(name)
    if name in RESULTS:
        return measured_table(name)
    if name in _OWN_FORM:
        return _OWN_FORM[name]()
    raise InputError(f"no table is called {name!r}", remedy=nearest(name, names()))
