"""Learning rates over updates: pure functions of the update's number, from 1."""

import math
from abc import abstractmethod
from dataclasses import dataclass

from litetransformer.core.spec import Spec


@dataclass(frozen=True)
class Schedule(Spec):
    """A learning rate for every update."""

    @abstractmethod
    def rate(self, update: int) -> float:
        """The rate of update number `update`, from 1."""


@dataclass(frozen=True, kw_only=True)
class InverseSqrt(Schedule):
    """Linear warm-up from `start` to `peak`, then peak · √(warmup / update) (PAPER §3, IWSLT)."""

    peak: float = 5e-4
    warmup: int = 4000
    start: float = 1e-7

    def __post_init__(self) -> None:
        _check(self.peak, self.warmup, self.start)
        if self.warmup < 1:
            raise ValueError("warmup=0 would make every rate 0; choose 1 to begin at the peak")

    def rate(self, update: int) -> float:
        if update < self.warmup:
            return _line(self.start, self.peak, update / self.warmup)
        return self.peak * math.sqrt(self.warmup / update)


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Linear warm-up from `start` to `peak`, then half a cosine to `end` over `period` updates (PAPER §3)."""

    peak: float = 1e-3
    warmup: int = 10_000
    period: int = 40_000
    start: float = 1e-7
    end: float = 1e-7

    def __post_init__(self) -> None:
        _check(self.peak, self.warmup, self.start, self.end)
        if self.period < 1:
            raise ValueError(f"period={self.period} must be at least 1 update")

    def rate(self, update: int) -> float:
        if update < self.warmup:
            return _line(self.start, self.peak, update / self.warmup)
        share = min((update - self.warmup) / self.period, 1.0)
        return self.end + (self.peak - self.end) * (1 + math.cos(math.pi * share)) / 2


def _check(peak: float, warmup: int, *ends: float) -> None:
    if not peak > 0:
        raise ValueError(f"peak={peak} must be a positive learning rate")
    if warmup < 0:
        raise ValueError(f"warmup={warmup} must not be negative")
    if min(ends) < 0:
        raise ValueError(f"a learning rate of {min(ends)} must not be negative")


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
