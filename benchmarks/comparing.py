"""Scores that tell two translations of a set apart: BLEU by length, and whether a difference is chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from litetransformer.decode.score import bleu, compare

BUCKETS = {"≤10": 10, "11-20": 20, "21-30": 30, "31-40": 40, ">40": None}
"""Lengths of a source in words, and the longest of each."""

# That of sacreBLEU's paired test.
SEED = 12345


def bucket(source: str) -> str:
    """Where a source belongs by its number of words."""
    words = len(source.split())
    return next(name for name, longest in BUCKETS.items() if longest is None or words <= longest)


def by_length(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], *, language: str
) -> dict[str, dict[str, float]]:
    """The number of lines and the BLEU of each bucket that has lines."""
    places = [bucket(source) for source in sources]
    found = {}
    for name in BUCKETS:
        chosen = [number for number, place in enumerate(places) if place == name]
        if chosen:
            ours = [hypotheses[number] for number in chosen]
            score = bleu(ours, [[references[number] for number in chosen]], language=language)
            found[name] = {"lines": len(chosen), "sacrebleu": round(score.value, 2)}
    return found


def paired(
    lite: Sequence[str],
    system: Sequence[str],
    references: Sequence[str],
    *,
    language: str,
    resamples: int = 1000,
) -> dict[str, Any]:
    """How far `lite` is ahead of `system` in BLEU: measured, in the mean of resamples, and in 95% of them."""
    found = compare(lite, system, [references], language=language, resamples=resamples)
    differences = _resampled(lite, references, language, resamples)
    differences -= _resampled(system, references, language, resamples)
    low, high = np.percentile(differences, (2.5, 97.5))
    return {
        "lines": len(references),
        "lite_ahead": round(found.system - found.baseline, 2),
        "lite_ahead_mean": round(float(differences.mean()), 2),
        "lite_ahead_95": [round(float(low), 2), round(float(high), 2)],
        "p_value": round(found.p_value, 4),
        "signature": found.signature,
    }


@dataclass(frozen=True, eq=False)
class Draws:
    """The mean BLEU of several test sets: measured, and of each of the same random draws of their lines."""

    measured: float
    drawn: np.ndarray

    def ahead_of(self, other: "Draws") -> dict[str, Any]:
        """How far this is ahead: measured, in 95% of the draws, and how probable that is by chance."""
        ahead, differences = self.measured - other.measured, self.drawn - other.drawn
        low, high = np.percentile(differences, (2.5, 97.5))
        by_chance = np.abs(differences - differences.mean()) >= abs(ahead)
        return {
            "ahead": round(ahead, 2),
            "ahead_95": [round(float(low), 2), round(float(high), 2)],
            "p_value": round((int(by_chance.sum()) + 1) / (len(differences) + 1), 4),
        }


def draws(
    tests: Sequence[tuple[Sequence[str], Sequence[str]]], *, language: str, resamples: int = 1000
) -> Draws:
    """`Draws` of the tests, each its hypotheses and its references."""
    measured = [bleu(ours, [references], language=language).value for ours, references in tests]
    # A seed of its own for each: two sets of one size would else always lose the same lines.
    drawn = [
        _resampled(ours, references, language, resamples, seed=SEED + place)
        for place, (ours, references) in enumerate(tests)
    ]
    return Draws(float(np.mean(measured)), np.mean(drawn, axis=0))


def _resampled(
    hypotheses: Sequence[str], references: Sequence[str], language: str, resamples: int, seed: int = SEED
) -> np.ndarray:
    """The BLEU of each of the same random draws of lines."""
    # The effective order changes no count, and spares a warning about single sentences.
    metric = BLEU(trg_lang=language, effective_order=True)
    lines = zip(hypotheses, references, strict=True)
    scores = (metric.sentence_score(hypothesis, [reference]) for hypothesis, reference in lines)
    counts = np.array([(*score.counts, *score.totals, score.sys_len, score.ref_len) for score in scores])
    random, many = np.random.default_rng(seed), len(counts)
    values = []
    for _ in range(resamples):
        drawn = np.bincount(random.integers(many, size=many), minlength=many) @ counts
        correct, total, (ours, theirs) = drawn[:4].tolist(), drawn[4:8].tolist(), drawn[8:].tolist()
        values.append(BLEU.compute_bleu(correct, total, ours, theirs, smooth_method="exp").score)
    return np.array(values)
