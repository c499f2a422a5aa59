"""The paper's claim in one table: Lite and the Transformer at equal mult-adds, the paper's and those here."""

from collections.abc import Iterator

from litetransformer.inspect.claim import Pair, pairs
from litetransformer.inspect.tradeoff import tradeoff
from litetransformer.tables.results import results_folder, runs
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table

_SIZES = {"up to 100M mult-adds": 100.0, "up to 250M": 250.0, "larger": float("inf")}


def claim() -> Table:
    """A row for each set, the paper's first; a cell has the Transformer's score, Lite's and by how much."""
    found = pairs(tradeoff(results_folder()))
    sets = list(dict.fromkeys(map(_set, found)))
    notes = [
        "The Transformer → Lite. Measured here: means over the seeds. The sets are not the paper's, so only "
        "the differences compare.",
        *_below_the_first_sentence(),
    ]
    if all(pair.whose == "paper" for pair in found):
        notes.append(f"Measured here: {NOT_RUN}.")
    return Table(
        title="Lite Transformer and the Transformer at equal mult-adds",
        columns=("whose", "set", "score", *_SIZES, "seeds"),
        rows=tuple(_row([pair for pair in found if _set(pair) == one]) for one in sets),
        notes=tuple(notes),
    )


def _set(pair: Pair) -> tuple[str, str, tuple[str, ...]]:
    return pair.whose, pair.title, pair.lite.settings


def _row(of_a_set: list[Pair]) -> tuple[str, ...]:
    first = of_a_set[0]
    cells: dict[str, list[str]] = {name: [] for name in _SIZES}
    for pair in of_a_set:
        size = next(name for name, most in _SIZES.items() if pair.lite.mult_adds <= most)
        before, after = pair.transformer.score, pair.lite.score
        cells[size].append(
            f"{before:.1f} → {after:.1f} ({after - before:+.1f}) at {pair.lite.mult_adds:,.0f}M"
        )
    settings = f" ({', '.join(first.lite.settings)})" if first.lite.settings else ""
    seeds = sorted({point.seeds for pair in of_a_set for point in (pair.transformer, pair.lite)})
    return (
        first.whose,
        first.title + settings,
        first.metric,
        *("; ".join(texts) or NOT_STATED for texts in cells.values()),
        NOT_STATED if first.whose == "paper" else ", ".join(map(str, seeds)),
    )


def _below_the_first_sentence() -> Iterator[str]:
    """What must be said of summaries that are no better than their document's first sentence."""
    own = [run for run in runs("aeslc") if "first_sentence" in run]
    if own:
        lead = own[0]["first_sentence"]["test"]["rougeL"]
        if all(run["scores"]["test"]["rougeL"] < lead for run in own):
            yield f"AESLC: the mail's first sentence alone has {lead:.1f}, more than any model here."
