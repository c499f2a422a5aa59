"""BPE-dropout (Provilkov et al. 2020): other segmentations of a text, by leaving out merges at random.

A model that has seen words in many segmentations makes more of the parts of a word, and of words it seldom
saw. SentencePiece can draw, too, but by one generator for all texts, and a merge once left out is not tried
again, which at a probability of 0.1 makes text 1.4 times as long, not 1.2. What is drawn here depends on the
text and the generator alone, whoever draws, and in whatever order.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

from litetransformer.core.errors import InputError
from litetransformer.data.tokenizer import SPACE_SYMBOL, SentencePieceTokenizer, Tokenizer

_LONGEST_WORD = 32
"""Of a longer word, or text without spaces, pieces of so many characters at most are taken together."""


class MergeDropout:
    """Draws segmentations of texts into the pieces of `tokenizer`.

    Each word begins as its characters. In each step every possible merge is left out with probability
    `dropout`, and of the others the one learned first is made, the leftmost where there are several; a word
    is done when there is none. With a `dropout` of 0 that is the usual segmentation.
    """

    def __init__(self, tokenizer: SentencePieceTokenizer, dropout: float) -> None:
        self.tokenizer, self.dropout = tokenizer, dropout
        pieces = tokenizer.pieces()
        numbers = {piece: number for number, piece in enumerate(pieces) if piece}
        self._begins = [piece.startswith(SPACE_SYMBOL) for piece in pieces]
        # What has no text, a byte for example, stays what it is.
        self._characters = [
            tuple(numbers[character] for character in piece) or (number,)
            for number, piece in enumerate(pieces)
        ]
        self._merged = {
            (numbers[left], numbers[right]): number
            for number, piece in enumerate(pieces)
            for left, right in ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
            if left in numbers and right in numbers
        }

    def __call__(self, text: str, generator: random.Random) -> list[int]:
        """Tokens that decode to what the usual ones of `text` decode to."""
        found: list[int] = []
        for word, length in self._words(self.tokenizer.encode(text)):
            found += self._drawn(word, length - len(word), generator)
        return found

    def _words(self, ids: Sequence[int]) -> Iterator[tuple[list[int], int]]:
        """The pieces of each word, and how many characters it has."""
        word: list[int] = []
        length = 0
        for number in ids:
            more = len(self._characters[number])
            if word and (self._begins[number] or length + more > _LONGEST_WORD):
                yield word, length
                word, length = [], 0
            word.append(number)
            length += more
        if word:
            yield word, length

    def _drawn(self, usual: list[int], merges: int, generator: random.Random) -> list[int]:
        """Pieces of the word that `usual` spells after so many `merges`."""
        draw, dropout, merged = generator.random, self.dropout, self._merged
        # Most words lose no merge, which is seen before any is made.
        first = []
        for _ in range(merges):
            first.append(draw())
            if first[-1] < dropout:
                break
        else:
            return usual
        draws = itertools.chain(first, iter(draw, None))
        word = [character for number in usual for character in self._characters[number]]
        while True:
            # Pieces are numbered in the order in which their merges were learned.
            possible = [(merged[pair], place) for place, pair in enumerate(pairwise(word)) if pair in merged]
            # Whether a merge is left out matters only where all before it were.
            for number, place in sorted(possible):
                if next(draws) >= dropout:
                    word[place : place + 2] = [number]
                    break
            else:
                return word


def merge_dropouts(tokenizers: Sequence[Tokenizer], dropout: float) -> list[MergeDropout]:
    """What draws segmentations for each of `tokenizers`.

    Raises InputError where the merges of one are not SentencePiece's, or it has none.
    """
    found: dict[str, MergeDropout] = {}
    for tokenizer in tokenizers:
        if not isinstance(tokenizer, SentencePieceTokenizer):
            raise InputError(
                "only SentencePiece's merges can be left out, and this vocabulary is of another kind",
                field="vocabulary.dropout",
                remedy="leave it at 0, or choose vocabulary.kind=sentencepiece",
            )
        if tokenizer.digest not in found:
            found[tokenizer.digest] = MergeDropout(tokenizer, dropout)
    return [found[tokenizer.digest] for tokenizer in tokenizers]
