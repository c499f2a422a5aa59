"""Training speed, as benchmarks/training_speed.py, cpu_training.py and speedrun.py measured it."""

import statistics
from typing import Any

from litetransformer.tables.results import made, results
from litetransformer.tables.table import NOT_RUN, Table

FILE, OURS, EAGER = "training-speed", "recorded and fused", "eager"


def training_speed() -> Table:
    """A row for each model and size of an update: tokens a second, beside eager PyTorch, and memory."""
    found = results().get(FILE, {})
    rows = found.get("rows", [])
    notes = [f"{NOT_RUN}."]
    if found:
        notes = [
            f"{found['machine']}, PyTorch {found['torch']}, {found['date']}; {found['data']}; medians. "
            "The floor is the time in which, at a copy's speed, the activations for backward and their "
            "gradients are written and read.",
        ]
    return Table(
        title="Training: million target tokens a second",
        columns=(
            *("recipe", "tokens an update", "eager, band matrices", "here", "times eager", "of the floor"),
            *("GiB, eager", "GiB, here"),
        ),
        rows=tuple(_row(row) for row in rows),
        notes=tuple(notes),
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    eager, ours = row["ways"][EAGER], row["ways"][OURS]
    return (
        row["recipe"],
        f"{row['tokens']:,}",
        f"{eager['tokens_a_second'] / 1e6:.2f}",
        f"{ours['tokens_a_second'] / 1e6:.2f} ({ours['lowest'] / 1e6:.2f}–{ours['highest'] / 1e6:.2f})",
        f"{ours['times_eager']:.1f}",
        f"{ours['share_of_floor']:.0%}",
        *(f"{way['peak_bytes'] / 2**30:.1f}" if "peak_bytes" in way else NOT_RUN for way in (eager, ours)),
    )


def cpu_training() -> Table:
    """A row for each model and vocabulary: tokens a second with the loss at once and in chunks."""
    found = results().get("cpu-training", {})
    rows = [
        (
            str(row["width"]),
            f"{row['vocabulary']:,}",
            *(_spread(row["tokens_a_second"][way]) for way in ("at once", "in chunks")),
            f"{row['times']:.2f}",
        )
        for row in found.get("rows", ())
    ]
    note = f"{NOT_RUN}."
    if found:
        note = f"{found['machine']}{', ' * bool(found['note'])}{found['note']}; one thread; PyTorch "
        note += f"{found['torch']}, {found['date']}; {found['data']}; medians of turns (lowest to highest)."
    return Table(
        title="Training on a CPU: target tokens a second",
        columns=("width", "vocabulary", "logits at once", "in chunks", "times"),
        rows=tuple(rows),
        notes=(note,),
    )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def speedrun() -> Table:
    """A row for each run from raw text to a translation model: seconds in all and by phase, and BLEU."""
    found = results().get("speedrun", {})
    phases = ("importing", "preparing", "training", "validating")
    rows = [
        (
            row["recipe"],
            run["start"],
            f"{run['seconds_in_all']:.0f}",
            *(f"{run['seconds_by_phase'][phase]:.0f}" for phase in phases),
            f"{run['updates']:,}",
            f"{run['scores']['valid']:.1f}",
            f"{row['reach']:.1f}" + ("" if run["reached"] else ", missed"),
        )
        for row in found.get("rows", ())
        for run in row["starts"]
    ]
    return Table(
        title="From raw text to the quality of the paper's recipe, seconds",
        columns=("recipe", "start", "seconds", *phases, "updates", "validation BLEU", "to reach"),
        rows=tuple(rows),
        notes=(
            "Cold: with no kernel compiled yet. To reach: what the paper's recipe has at its full budget.",
            made(found),
        ),
    )
