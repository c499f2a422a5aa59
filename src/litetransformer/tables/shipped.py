"""The models that come with the package, as benchmarks/shipped.py measured them."""

from collections.abc import Callable
from typing import Any

from litetransformer.tables.results import results
from litetransformer.tables.table import NOT_RUN, NOT_STATED, Table
from litetransformer.tasks.shipped import PAIRS

_NAMES = {"de": "German", "en": "English"}
_SETS = {
    "tatoeba": "in domain",
    "techdocs": "in domain",
    "newstest2014": "out of domain",
    "multi30k 2016": "out of domain",
}
"""The test sets, in or out of the domain of the training text."""


def shipped() -> Table:
    """A row for each model: bytes, BLEU on every test set, milliseconds a sentence."""
    rows = []
    for pair in PAIRS:
        found = _measured(pair)
        tests, times = found.get("tests", {}), found.get("latency", {})
        rows.append(
            (
                _name(pair),
                _number(found.get("bytes"), 1e-6, ".2f"),
                _number(found.get("params_total"), 1e-6, ".2f", "M"),
                *(_number(tests.get(name, {}).get("bleu")) for name in _SETS),
                _number(times.get("milliseconds"), form=".0f"),
                _number(times.get("milliseconds_greedy"), form=".0f"),
            )
        )
    return Table(
        title="The models that come with the package, sacreBLEU",
        columns=(
            *("model", "MB", "all params"),
            *(f"{name} ({domain})" for name, domain in _SETS.items()),
            *("ms a sentence", "ms, greedy"),
        ),
        rows=tuple(rows),
        notes=(_conditions(),),
    )


def shipped_tests() -> Table:
    """A row for each model and test set: lines, both searches, chrF."""
    rows = [
        (
            *(_name(pair), name, f"{_SETS[name]}: {test['holds']}", f"{test['lines']:,}"),
            *(_number(test.get(score)) for score in ("bleu", "bleu_greedy", "chrf")),
        )
        for pair in PAIRS
        for name, test in _measured(pair).get("tests", {}).items()
    ]
    signatures = {test["signature"] for pair in PAIRS for test in _measured(pair).get("tests", {}).values()}
    return Table(
        title="The shipped models on every test set",
        columns=("model", "test set", "domain", "lines", "BLEU", "BLEU, greedy", "chrF2"),
        rows=tuple(rows),
        notes=(f"BLEU: {'; '.join(sorted(signatures))}." if signatures else f"{NOT_RUN}.",),
    )


def shipped_making() -> Table:
    """What making and loading each model takes, a column for each."""
    return Table(
        title="How the shipped models were made, and what loading them takes",
        columns=("", *map(_name, PAIRS)),
        rows=tuple((label, *(fact(_measured(pair)) for pair in PAIRS)) for label, fact in _FACTS.items()),
        notes=tuple(
            f"{_name(pair)}: {found['machine']} · {found['date']} · {found['command']}"
            for pair in PAIRS
            if (found := _measured(pair))
        ),
    )


def _training(found: dict[str, Any]) -> str:
    if not (facts := found.get("training")):
        return NOT_STATED if found else NOT_RUN
    energy = "" if facts["kwh"] is None else f", {facts['kwh']:.2g} kWh"
    return f"{facts['seconds'] / 60:.0f} min on {facts['machine']}{energy}"


def _compression(found: dict[str, Any]) -> str:
    if not (facts := found.get("compression")):
        return NOT_STATED if found else NOT_RUN
    return f"{facts['before']['score']:.2f}, {facts['after']['score']:.2f}"


def _conditions() -> str:
    found = [facts for pair in PAIRS if (facts := _measured(pair))]
    if not found:
        return f"{NOT_RUN}."
    said = dict.fromkeys(
        f"Beam {facts['beam']}, unless greedy; times: medians of {facts['latency']['sentences']} sentences "
        f"of tatoeba, one by one, on one thread of {facts['cpu']}"
        + (f"; scores: the first {facts['limit']:,} lines only" if facts["limit"] else "")
        for facts in found
    )
    dates = " and ".join(sorted({facts["date"] for facts in found}))
    return f"{' · '.join(said)}, {dates}. 1 MB is 10⁶ bytes."


def _measured(pair: tuple[str, str]) -> dict[str, Any]:
    return results().get(f"shipped-{'-'.join(pair)}", {})


def _name(pair: tuple[str, str]) -> str:
    return " to ".join(_NAMES.get(language, language) for language in pair)


def _number(value: float | None, scale: float = 1.0, form: str = ".1f", unit: str = "") -> str:
    return NOT_RUN if value is None else f"{value * scale:{form}}{unit}"


_FACTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "file": lambda found: f"{found['bytes']:,} bytes" if found else NOT_RUN,
    "SHA-256": lambda found: found.get("sha256", NOT_RUN),
    "params, as the paper counts": lambda found: _number(found.get("params"), 1e-6, ".2f", "M"),
    "mult-adds at 30 and 30 tokens": lambda found: _number(found.get("mult_adds"), 1e-6, ".1f", "M"),
    "vocabulary": lambda found: _number(found.get("vocabulary"), form=",.0f"),
    "training": _training,
    "validation BLEU before and after compression": _compression,
    "load": lambda found: _number(found.get("latency", {}).get("load_seconds"), form=".2f", unit=" s"),
    "load, without the extra `compress`": lambda found: _number(
        found.get("latency", {}).get("load_seconds_without_extra"), form=".2f", unit=" s"
    ),
    "`lite translate` of one sentence, from start to end": lambda found: _number(
        found.get("latency", {}).get("command_seconds"), form=".2f", unit=" s"
    ),
}
