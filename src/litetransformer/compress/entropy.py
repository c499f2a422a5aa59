"""Codes as few bits as their frequencies allow: range asymmetric numeral systems, in whole numbers only.

Code k of K has a width in a range of 2²⁴: left(k) = ⌊cum(k) · (2²⁴ - K) / 2¹⁶⌋ + k, with cum(k) the sum of
the frequencies before it, of 2¹⁶ in all. A state below 2⁶⁴ gives a code and becomes the one before it:

    q = state mod 2²⁴,  left(k) ≤ q < left(k + 1),
    state ← ⌊state / 2²⁴⌋ · (left(k + 1) - left(k)) + q - left(k)

and takes in the next 32-bit word, from the back, whenever it is below 2³². The package `constriction` (extra
``compress``) does exactly this in little time; without it a loop of Python's own takes a second or two for
each million codes, and gives the same bytes.
"""

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOTAL_BITS, _RANGE_BITS, _WORD_BITS = 16, 24, 32
TOTAL = 1 << _TOTAL_BITS
"""What frequencies add up to."""

WORD = np.dtype("<u4")


def frequencies(codes: NDArray[np.uint8], levels: int) -> NDArray[np.int64]:
    """How often each of `levels` codes occurs, of `TOTAL`; equal codes give equal numbers.

    A code that occurs is never given 0, and none is given all.
    """
    counts = np.bincount(codes.reshape(-1), minlength=levels).astype(np.int64)
    if not counts.any():
        return flat(levels)
    found = np.maximum(counts * (TOTAL - levels) // counts.sum(), counts > 0)
    # What rounding left goes to the code that feels it least; a lone code leaves 1 for a neighbour.
    most = int(found.argmax())
    found[most] += TOTAL - found.sum()
    if found[most] == TOTAL:
        found[most], found[most - 1] = TOTAL - 1, 1
    return found


def flat(levels: int) -> NDArray[np.int64]:
    """Equal frequencies, as nearly as they add up to `TOTAL`."""
    return np.diff(np.arange(levels + 1) * TOTAL // levels)


def encode(codes: NDArray[np.uint8], freq: NDArray[np.int64], *, plain: bool = False) -> bytes:
    """`codes` as words for `decode` with the same frequencies; `plain` does without the extra package."""
    symbols = codes.reshape(-1)
    if not len(symbols):
        return b""
    package = None if plain else _package()
    if package is not None:
        coder = package.stack.AnsCoder()
        coder.encode_reverse(symbols.astype(np.int32), _model(package, freq))
        return np.asarray(coder.get_compressed(), WORD).tobytes()
    left = _lefts(freq)
    words, state = [], 0
    for symbol in symbols[::-1].tolist():
        width = left[symbol + 1] - left[symbol]
        if state >= width << (2 * _WORD_BITS - _RANGE_BITS):
            words.append(state & (1 << _WORD_BITS) - 1)
            state >>= _WORD_BITS
        state = (state // width << _RANGE_BITS) + state % width + left[symbol]
    while state:
        words.append(state & (1 << _WORD_BITS) - 1)
        state >>= _WORD_BITS
    return np.array(words, WORD).tobytes()


def decode(content: bytes, freq: NDArray[np.int64], count: int, *, plain: bool = False) -> NDArray[np.uint8]:
    """The `count` codes that `encode` was given; of other words it makes codes too, always that many."""
    if not count:
        return np.zeros(0, np.uint8)
    words = np.frombuffer(content, WORD)
    package = None if plain else _package()
    if package is not None:
        coder = package.stack.AnsCoder(words.astype(np.uint32))
        return np.asarray(coder.decode(_model(package, freq), count)).astype(np.uint8)
    left, found = _lefts(freq), np.empty(count, np.uint8)
    rest, state, mask = words.tolist(), 0, (1 << _RANGE_BITS) - 1
    while rest and state < 1 << _WORD_BITS:
        state = state << _WORD_BITS | rest.pop()
    for place in range(count):
        q = state & mask
        symbol = bisect_right(left, q) - 1
        state = (state >> _RANGE_BITS) * (left[symbol + 1] - left[symbol]) + q - left[symbol]
        if state < 1 << _WORD_BITS and rest:
            state = state << _WORD_BITS | rest.pop()
        found[place] = symbol
    return found


def _lefts(freq: NDArray[np.int64]) -> "Sequence[int]":
    levels = len(freq)
    before = np.concatenate([[0], np.cumsum(freq)])
    lefts = (before * ((1 << _RANGE_BITS) - levels) >> _TOTAL_BITS) + np.arange(levels + 1)
    return [int(left) for left in lefts]


def _model(package: Any, freq: NDArray[np.int64]) -> Any:
    # Multiples of 2⁻¹⁶ are exact in double precision, and so is all that the package makes of them.
    return package.model.Categorical(freq / TOTAL, perfect=False)


def _package() -> Any:
    try:
        from constriction import stream
    except ImportError:
        return None
    return stream
