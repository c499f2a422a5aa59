"""Which rows of text are worth training on."""

from collections.abc import Sequence


def why_drop(counts: Sequence[int], *, longest: int, ratio: float = 0.0) -> str:
    """Why a row whose sides have `counts` units is dropped, in a word or two; empty if it is kept.

    Kept are counts from 1 to `longest` where, unless `ratio` is 0, no side has more than `ratio` times the
    units of another. The paper's IWSLT'14 recipe counts Moses words, with `longest` 175 and `ratio` 1.5.
    """
    if not all(counts):
        return "empty"
    if max(counts) > longest:
        return "too long"
    if ratio and max(counts) > ratio * min(counts):
        return "unequal"
    return ""
