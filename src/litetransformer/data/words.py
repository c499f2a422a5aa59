"""Whole words as tokens: for text that is tokenised already, as Penn Treebank and WikiText are."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256, write_atomically
from litetransformer.core.tokens import UNK
from litetransformer.data.tokenizer import SPECIAL, read_checked

UNKNOWN = SPECIAL[UNK]
"""How such corpora write a word that they left out: in text it is the unknown token, in and out."""


class WordTokenizer:
    """A token for each of `words`, the most frequent first; all others are unknown.

    Words are what white space separates, and come back with one space between them. `size` counts the special
    tokens too and is rounded up to a multiple of 8.

    Raises ValueError for a word that stands twice, or that no text can hold.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words, UNK + 1)}
        if len(self._numbers) != len(self.words):
            raise ValueError("a word stands twice")
        for word in self.words:
            if word.split() != [word] or word == UNKNOWN:
                raise ValueError(f"{word[:40]!r} is no word")

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str, ...]]]:
        return type(self), (self.words,)

    @classmethod
    def load(cls, path: Path, *, digest: str | None = None) -> Self:
        """The tokenizer in `path`, a word a line; with `digest`, only if the file had that SHA-256.

        Raises InputError naming `path` for a file that is missing, changed, or not such a list.
        """
        content = read_checked(path, digest)
        try:
            *words, rest = content.decode().split("\n")
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 at byte {error.start}", path=path) from error
        try:
            if rest or not words:
                raise ValueError("cut short" if rest else "empty")
            return cls(words)
        except ValueError as error:
            remedy = "restore the file or learn the vocabulary again"
            raise InputError(f"damaged: {error}", path=path, remedy=remedy) from error

    @property
    def size(self) -> int:
        return word_vocabulary(UNK + 1 + len(self.words))

    @property
    def digest(self) -> str:
        return sha256(self._content())

    def encode(self, text: str) -> list[int]:
        return [self._numbers.get(word, UNK) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        # Unlike elsewhere the unknown token is text: the corpora write it out.
        return " ".join(self.piece(number) for number in ids if self._is_text(number))

    def piece(self, number: int) -> str:
        return SPECIAL.get(int(number)) or (self.words[number - UNK - 1] if self._is_text(number) else "")

    def save(self, path: Path) -> None:
        write_atomically(path, self._content())

    def _is_text(self, number: int) -> bool:
        return UNK <= number <= UNK + len(self.words)

    def _content(self) -> bytes:
        return "".join(f"{word}\n" for word in self.words).encode()


def word_vocabulary(tokens: int) -> int:
    """The size of a vocabulary of words with this many tokens, special ones included: a multiple of 8."""
    return -(-tokens // 8) * 8


def train_words(lines: Iterable[str], *, size: int) -> WordTokenizer:
    """The tokenizer of the most frequent words of `lines`, at most `size` tokens with the special ones.

    Of equally frequent words the first in the order of their characters. Memory grows with the number of
    different words, not with the text. Raises InputError for text without a word.
    """
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split())
    del counts[UNKNOWN]
    if not counts:
        raise InputError(
            "there is no text to learn a vocabulary from", remedy="give lines that are not empty"
        )
    words = sorted(counts, key=lambda word: (-counts[word], word))
    return WordTokenizer(words[: max(1, size - UNK - 1)])
