"""What decoding finds."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A target with its score: Σ `log_probs` / their number^length_penalty (nats).

    `tokens` are without the end; `log_probs` are the model's, one a token and one for the end. `finished` is
    False where the target was stopped: at the length limit, or, then without the end's log-probability,
    because no token could follow.
    """

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    finished: bool


def normalised(total: float, length: int, penalty: float) -> float:
    """`total` / `length`^`penalty`; an empty target counts as one token."""
    return total / max(length, 1) ** penalty


def best(hypotheses: Sequence[Hypothesis], count: int) -> list[Hypothesis]:
    """The `count` best by score, the earlier first where scores are equal."""
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)[:count]
