"""The rate that comes to a size: a search that quantizes all weights at each step, and so takes few steps."""

import math
from collections.abc import Callable

LEAST_RATE, LARGEST_RATE = 1e-4, 2.0
STEPS = 1024
"""Between the two, each less than 1% more than the one before."""
LINES = 8
"""Steps that follow a line; the search takes at most log₂ `STEPS` more."""


def rate_of(step: int) -> float:
    """The rate of a step, from 0 to `STEPS`, each the same factor above the last."""
    return LEAST_RATE * (LARGEST_RATE / LEAST_RATE) ** (step / STEPS)


def rate_for(size_at: Callable[[float], int], most: int, *, without: int, least: int) -> float:
    """The least rate of a step at which `size_at` has at most `most` bytes.

    `without` bytes, more than `most`, are those without a rate, and `least`, no more than `most`, those at
    `LARGEST_RATE`; sizes fall as rates rise. Bytes fall about evenly with the steps, so the next one is where
    a line through both ends says. Of an end that stays twice, half the distance counts (the Illinois rule):
    the line would come from one side for ever. Bytes that fall oddly are told by it not ending soon: then
    the next step is in the middle.
    """
    low, high, over, under, stayed, asked = 0, STEPS, float(without - most), float(most - least), "", 0
    while (width := high - low) > 1:
        asked += 1
        share = over / (over + under) if asked <= LINES else 0.5
        step = min(max(low + math.ceil(share * width), low + 1), high - 1)
        size = size_at(rate_of(step))
        if size <= most:
            high, under = step, most - size
            over /= 2 if stayed == "low" else 1
            stayed = "low"
        else:
            low, over = step, size - most
            under /= 2 if stayed == "high" else 1
            stayed = "high"
    return rate_of(high)
