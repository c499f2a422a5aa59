"""How to decode, as values: what every decoder keeps to, and what search and sampling add."""

import math
from dataclasses import dataclass

from litetransformer.core.spec import Spec

WIDEST_BEAM, MOST_SAMPLES = 1000, 10_000


@dataclass(frozen=True, kw_only=True)
class DecodingOptions(Spec):
    """What every way of decoding keeps to, in tokens without the end.

    A target has at least `shortest` tokens and at most ⌊`longest_ratio` · S⌋ + `longest_extra`, S being the
    length of its own source, and never more than `longest`. With `no_repeat_ngram` n > 0 no n tokens in a
    row occur twice. `unknown` allows the unknown token.
    """

    shortest: int = 0
    longest_ratio: float = 2.0
    longest_extra: int = 20
    longest: int = 1024
    no_repeat_ngram: int = 0
    unknown: bool = True

    def __post_init__(self) -> None:
        for name in ("shortest", "longest_extra", "no_repeat_ngram"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative; choose 0 or more")
        if self.longest < 1:
            raise ValueError(f"longest={self.longest} must be at least 1; choose the most tokens of a target")
        if self.shortest > self.longest:
            raise ValueError(
                f"shortest={self.shortest} must not exceed longest={self.longest}; lower it or raise longest"
            )
        if not 0.0 <= self.longest_ratio <= 1000.0:
            raise ValueError(
                f"longest_ratio={self.longest_ratio} must be in [0, 1000]; it is target tokens a source token"
            )

    def limit(self, source: int) -> int:
        """The most tokens that the target of a source of `source` tokens may have; `shortest` comes first."""
        own = math.floor(self.longest_ratio * source) + self.longest_extra
        return max(min(own, self.longest), self.shortest)


@dataclass(frozen=True, kw_only=True)
class SearchOptions(DecodingOptions):
    """Beam search: `beam` hypotheses wide, scores divided by length^`length_penalty`, `n_best` returned."""

    beam: int = 4
    length_penalty: float = 1.0
    n_best: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beam < 1:
            raise ValueError(f"beam={self.beam} must be at least 1; 1 is greedy search")
        if self.beam > WIDEST_BEAM:
            raise ValueError(f"beam={self.beam} must be at most {WIDEST_BEAM}; past 10 it gains little")
        if not 0.0 <= self.length_penalty <= 10.0:
            raise ValueError(
                f"length_penalty={self.length_penalty} must be in [0, 10]; 1 scores by the mean of a token"
            )
        if not 1 <= self.n_best <= self.beam:
            raise ValueError(
                f"n_best={self.n_best} must be from 1 to beam={self.beam}; lower it or widen the beam"
            )


@dataclass(frozen=True, kw_only=True)
class SamplingOptions(DecodingOptions):
    """Sampling: `samples` targets a sentence, each token drawn from p^(1/`temperature`), renormalised.

    `top_k` > 0 keeps the k likeliest tokens; `top_p` < 1 then the fewest of them that hold that probability,
    the likeliest first.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    samples: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.01 <= self.temperature <= 100.0:
            raise ValueError(
                f"temperature={self.temperature} must be in [0.01, 100]; near 0 greedy search does the same"
            )
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must not be negative; 0 keeps every token")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p={self.top_p} must be in (0, 1]; 1 keeps every token")
        if self.samples < 1:
            raise ValueError(f"samples={self.samples} must be at least 1; it is the targets a sentence")
        if self.samples > MOST_SAMPLES:
            raise ValueError(f"samples={self.samples} must be at most {MOST_SAMPLES}; draw again for more")
