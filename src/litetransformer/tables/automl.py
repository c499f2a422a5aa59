"""The table against AutoML: what training or searching took, as published and as its sources give it."""

from litetransformer.inspect.automl import Cell, printed, rows
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table


def automl() -> Table:
    """The paper's three rows, and beside its search the estimate of those who ran it."""
    shown, notes = [], []
    for row in rows():
        cells = (row.gpu_hours, row.co2_pounds, row.usd)
        shown.append(
            (
                *(row.model, f"{row.params:.1f}M", f"{row.mult_adds:.0f}M", f"{row.bleu:.1f}"),
                *(part for cell in cells for part in (cell.published, _derived(cell))),
                NOT_RUN,
            )
        )
        if (later := row.later) is not None:
            shown.append(
                (
                    *("its search, by those who ran it", NOT_STATED, NOT_STATED, NOT_STATED),
                    *(NOT_STATED, printed(later.chip_hours), NOT_STATED, printed(later.co2_pounds)),
                    *(NOT_STATED, NOT_STATED, NOT_RUN),
                )
            )
            notes.append(f"The search: {later.how} ({later.source}); {later.note}.")
        notes += [f"{row.model}: {cell.how} ({cell.source})." for cell in cells]
        notes += [f"{row.model}: {cell.note}." for cell in cells if cell.note]
    headings = (f"{what}: {kind}" for what in ("GPU hours", "CO2 (lb)", "$") for kind in ("paper", "derived"))
    return Table(
        title="Against AutoML, WMT'14 En-De",
        columns=("model", "params", "mult-adds", "BLEU", *headings, "measured here"),
        rows=tuple(shown),
        notes=tuple(dict.fromkeys(notes)),
    )


def _derived(cell: Cell) -> str:
    low = "" if cell.low is None else f"{printed(cell.low)} to "
    return f"{low}{printed(cell.value)}"
