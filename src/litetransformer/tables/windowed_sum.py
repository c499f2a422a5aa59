"""How near the windowed sum's Triton kernels come to a copy, as benchmarks/windowed_sum.py measured it."""

from typing import Any

from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table

FILE, ENOUGH = "windowed-sum-kernels", 0.8
CHOSEN = "triton"
"""The kernels chosen; others are called `triton/VARIANT`."""
CASE = ("dtype", "dynamic", "softmax", "channels", "taps", "length", "tokens", "heads")
"""What a case is told by, in the order of the file and of the table."""
DIRECTIONS = ("forward", "backward")

_Measured = dict[tuple[str, str], dict[str, Any]]
"""What was measured of a case, by direction and implementation: the newest, beside its row's `form`."""


def windowed_sum() -> Table:
    """A row for each case: the kernels chosen, their time, and its share of a copy's speed; other choices."""
    every = sorted(results().get(FILE, {}).get("rows", ()), key=lambda row: row["date"])
    places = list(dict.fromkeys((row["hardware"], row["torch"]) for row in reversed(every)))
    rows = [row for row in every if (row["hardware"], row["torch"]) == places[0]]
    cases: dict[tuple[Any, ...], _Measured] = {}
    for row in rows:
        case = cases.setdefault(tuple(row[name] for name in CASE), {})
        for name, found in row["implementations"].items():
            case[row["direction"], name] = {"form": row["form"], **(found or {})}
    notes = [f"{NOT_RUN}."]
    if rows:
        hardware, torch = places[0]
        first, last = rows[0]["date"][:10], rows[-1]["date"][:10]
        days = first if first == last else f"{first} to {last}"
        notes = [
            f"{hardware}, PyTorch {torch}, {days}; medians. Four heads, bf16 unless told. A share is that of "
            "the speed of a copy of as many bytes in the same call; **bold** where it is below "
            f"{ENOUGH:.0%}. Other choices: forward / backward, by the names of the program's variants.",
            *(f"Rows of {place}, PyTorch {version}, stand in the file." for place, version in places[1:]),
        ]
    return Table(
        title="The windowed sum's kernels beside a copy",
        columns=(
            *("taps", "C", "K", "T", "positions", "kernels", "forward", "backward"),
            *("µs, forward", "µs, backward", "other choices"),
        ),
        rows=tuple(_row(dict(zip(CASE, case, strict=True)), cases[case]) for case in sorted(cases)),
        notes=tuple(notes),
    )


def _row(case: dict[str, Any], measured: _Measured) -> tuple[str, ...]:
    chosen = [measured.get((direction, CHOSEN)) for direction in DIRECTIONS]
    kernels = [NOT_RUN if found is None else found["form"] for found in chosen]
    names = sorted({name for _, name in measured} - {CHOSEN})
    others = []
    for name in names:
        shares = [_share(measured.get((direction, name)), NOT_STATED) for direction in DIRECTIONS]
        others.append(f"{name.partition('/')[2]} {' / '.join(shares)}")
    return (
        _taps(case),
        *(str(case[name]) for name in ("channels", "taps", "length")),
        f"{case['tokens']:,}",
        " / ".join(dict.fromkeys(kernels)),
        *(_marked(found) for found in chosen),
        *(_microseconds(found) for found in chosen),
        ", ".join(others) or NOT_STATED,
    )


def _taps(case: dict[str, Any]) -> str:
    kind = "per position" if case["dynamic"] else "static"
    return kind + ", softmax" * case["softmax"] + ", fp32" * (case["dtype"] == "float32")


def _share(found: dict[str, Any] | None, missing: str = NOT_RUN) -> str:
    """`found` is without a share where memory did not suffice."""
    if found is None:
        return missing
    return f"{found['of_copy']:.0%}" if "of_copy" in found else "out of memory"


def _marked(found: dict[str, Any] | None) -> str:
    near = found is None or found.get("of_copy", 0.0) >= ENOUGH
    return _share(found) if near else f"**{_share(found)}**"


def _microseconds(found: dict[str, Any] | None) -> str:
    if found is None:
        return NOT_RUN
    return f"{found['median_seconds'] * 1e6:.1f}" if "median_seconds" in found else NOT_STATED
