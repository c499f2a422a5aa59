"""How long preparing large corpora takes and how much memory, as benchmarks/preparing.py measured it."""

from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, Table

WAYS = {"at once": "all shuffled at once", "one by one": "each batch when asked for"}


def preparing() -> Table:
    """A row for each size of a corpus: seconds and memory from text to token stores."""
    found = results().get("preparing", {})
    rows = [
        (
            f"{size['pairs']:,}",
            f"{size['seconds']:.0f}",
            f"{size['rows_per_second']:,}",
            f"{size['peak_bytes'] / 1e6:.0f} MB",
        )
        for size in found.get("sizes", ())
    ]
    notes = [f"{NOT_RUN}."]
    if found:
        vocabulary = found["vocabulary"]
        notes = [
            f"{found['machine']}, {found['note']}, {found['workers']} workers, "
            f"{found['date']}; text {found['data']}. "
            f"The vocabulary comes first, of {vocabulary['sample']:,} lines: {vocabulary['seconds']:.0f} s, "
            f"{vocabulary['peak_bytes'] / 1e6:.0f} MB.",
        ]
    return Table(
        title="Preparing corpora",
        columns=("pairs", "seconds", "pairs a second", "peak memory, all processes"),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def planning() -> Table:
    """A row for each plan of an epoch's batches: seconds and memory."""
    plans = results().get("preparing", {}).get("plans", ())
    return Table(
        title="Planning the batches of an epoch",
        columns=("rows", "plan", "making it", "beginning an epoch", "peak memory", "a batch"),
        rows=tuple(
            (
                f"{plan['rows']:,}",
                WAYS[plan["way"]],
                f"{plan['plan_seconds']:.1f} s",
                f"{plan['epoch_seconds']:.1f} s",
                f"{plan['peak_bytes'] / 1e6:,.0f} MB",
                f"{plan['batch_milliseconds']:.1f} ms" if plan["batch_milliseconds"] else "–",
            )
            for plan in plans
        ),
        notes=() if plans else (f"{NOT_RUN}.",),
    )
