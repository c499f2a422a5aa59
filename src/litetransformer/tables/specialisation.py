"""Do the branches specialise? What each part of trained models looks at, over a whole test set."""

from typing import Any

from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, Table

FILE = "specialisation-multi30k"
_SHARES = {"±1": "within_1", "±3": "within_3", "±7": "within_7"}


def specialisation() -> Table:
    """A row for each part of each model: means over heads and positions, beside what even rows would give."""
    content = results().get(FILE, {})
    rows = [
        (
            *(model, part, f"{facts['relative_entropy']['mean']:.2f}", _beside(facts, "distance")),
            *(_beside(facts, share) for share in _SHARES.values()),
        )
        for model, found in content.get("models", {}).items()
        for part, facts in found["parts"].items()
    ]
    made = [str(content[key]) for key in ("data", "date", "command") if key in content]
    return Table(
        title="Do the branches specialise? Means over all heads and positions of a test set",
        columns=("model", "part", "entropy, of the most possible", "mean distance", *_SHARES),
        rows=tuple(rows),
        notes=(
            "±n: the share of a row's mass within n positions of the diagonal. In brackets: rows that look "
            "everywhere alike, on the same sentences.",
            f"{' · '.join(made)}." if made else f"{NOT_RUN}.",
        ),
    )


def _beside(facts: dict[str, Any], what: str) -> str:
    return f"{facts[what]['mean']:.2f} ({facts['even'][what]:.2f})"
