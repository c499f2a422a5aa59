"""The paper's tokenizer: Moses words, lowercased if asked, split by BPE merges learned on both languages.

The paper's own preparation scripts use the same two tools, so its vocabulary sizes and its tokenised BLEU can
be reproduced. It cannot spell what its vocabulary lacks; `SentencePieceTokenizer` can. Needs the extra
``paper``.
"""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.files import parse_json, sha256, write_atomically
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.core.tokens import UNK
from litetransformer.data.tokenizer import SPECIAL, one_line, read_checked

try:
    import sacremoses
    from subword_nmt import apply_bpe, learn_bpe
except ImportError as error:
    raise MissingExtraError("the paper's tokenizer", "paper") from error

_BPE_VERSION = (0, 2)
_LARGEST_CACHE = 1_000_000

Merges: TypeAlias = tuple[tuple[str, str], ...]


def moses_words(language: str, lowercase: bool = False) -> Callable[[str], list[str]]:
    """What splits a text into the words of Moses, escaped as Moses does (``&quot;``), lowercased if asked."""
    tokenizer = sacremoses.MosesTokenizer(language)

    def words(text: str) -> list[str]:
        found: list[str] = tokenizer.tokenize(text)
        # Moses itself takes no last word for an abbreviation; its translation to Python does.
        if found and found[-1][-1] == "." and found[-1].strip(".") and found[-1][-2] != ".":
            found[-1:] = [found[-1][:-1], "."]
        return [word.lower() for word in found] if lowercase else found

    return words


@dataclass(frozen=True, kw_only=True)
class MosesWordsAndMerges(Spec):
    """What a `MosesTokenizer` is made of, and its file's content."""

    language: str
    lowercase: bool
    merges: tuple[tuple[str, str], ...]
    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("a piece stands twice in the vocabulary")


class MosesTokenizer:
    """Moses words of one language and their BPE pieces.

    Its vocabulary lists the pieces by falling frequency; one that ends a word ends in a space, which no Moses
    word holds, so text such as ``@@`` is only text. `size` counts the three special tokens too and is rounded
    up to a multiple of 8, as the paper's dictionaries are. `words` gives the Moses words of a text.
    """

    def __init__(self, parts: MosesWordsAndMerges) -> None:
        self.parts = parts
        self._splitter = _Splitter(parts.merges)
        self._numbers = {piece: number for number, piece in enumerate(parts.vocabulary, UNK + 1)}
        self.words = moses_words(parts.language, parts.lowercase)
        self._sentences = sacremoses.MosesDetokenizer(parts.language)

    def __reduce__(self) -> tuple[type[Self], tuple[MosesWordsAndMerges]]:
        return type(self), (self.parts,)

    @classmethod
    def load(cls, path: Path, *, digest: str | None = None) -> Self:
        """The tokenizer in `path`; with `digest`, only if it is the file that had that SHA-256.

        Raises InputError naming `path` for a file that is missing, changed, or not such a tokenizer.
        """
        content = read_checked(path, digest)
        try:
            facts = parse_json(content.decode(), path=path)
        except UnicodeDecodeError as error:
            raise InputError(f"not UTF-8 at byte {error.start}", path=path) from error
        return cls(from_json(facts, MosesWordsAndMerges, path=str(path)))

    @property
    def size(self) -> int:
        return -(-(UNK + 1 + len(self.parts.vocabulary)) // 8) * 8

    @property
    def digest(self) -> str:
        return sha256(self._content())

    def encode(self, text: str) -> list[int]:
        pieces = (piece for word in self.words(text) for piece in self._splitter(word))
        return [self._numbers.get(piece, UNK) for piece in pieces]

    def decode_words(self, ids: Sequence[int]) -> list[str]:
        """The Moses words of `ids`, what tokenised BLEU compares; special tokens are left out."""
        return "".join(map(self._piece, ids)).split()

    def decode(self, ids: Sequence[int]) -> str:
        return one_line(self._sentences.detokenize(self.decode_words(ids)))

    def piece(self, number: int) -> str:
        return SPECIAL.get(number) or self._piece(number)

    def save(self, path: Path) -> None:
        write_atomically(path, self._content())

    def _piece(self, number: int) -> str:
        place = int(number) - UNK - 1
        # An unknown piece may have ended a word: without a space its neighbours would become one.
        return self.parts.vocabulary[place] if 0 <= place < len(self.parts.vocabulary) else " "

    def _content(self) -> bytes:
        return (json.dumps(to_json(self.parts), ensure_ascii=False, indent=0) + "\n").encode()


def train_moses(
    pairs: Iterable[tuple[str, str]],
    *,
    source_language: str,
    target_language: str,
    merges: int = 10_000,
    lowercase: bool = True,
    joint: bool = False,
) -> tuple[MosesTokenizer, MosesTokenizer]:
    """The tokenizers of both sides: merges learned on both, a dictionary for each, or one if `joint`.

    Memory grows with the number of different words, not with the text. Raises InputError when the text has
    too little to learn a merge from.
    """
    source_words, target_words = (
        moses_words(language, lowercase) for language in (source_language, target_language)
    )
    source_counts: Counter[str] = Counter()
    target_counts: Counter[str] = Counter()
    for source_text, target_text in pairs:
        source_counts.update(source_words(source_text))
        target_counts.update(target_words(target_text))
    learned = _learn(source_counts + target_counts, merges)
    splitter = _Splitter(learned)
    if joint:
        source_counts = target_counts = source_counts + target_counts
    source, target = (
        MosesTokenizer(
            MosesWordsAndMerges(
                language=language,
                lowercase=lowercase,
                merges=learned,
                vocabulary=_dictionary(counts, splitter),
            )
        )
        for language, counts in ((source_language, source_counts), (target_language, target_counts))
    )
    return source, target


class _Splitter:
    """The BPE pieces of a word, the last one with a space after it."""

    def __init__(self, merges: Merges) -> None:
        self._ranks = {pair: rank for rank, pair in reversed(list(enumerate(merges)))}
        self._cache: dict[str, tuple[str, ...]] = {}

    def __call__(self, word: str) -> tuple[str, ...]:
        if len(self._cache) > _LARGEST_CACHE:
            self._cache.clear()
        *first, last = apply_bpe.encode(word, self._ranks, {}, None, "", _BPE_VERSION, self._cache)
        return (*first, last + " ")


def _learn(counts: Mapping[str, int], merges: int) -> Merges:
    if not any(len(word) > 1 for word in counts):
        raise InputError("there is too little text to learn BPE merges from", remedy="add text")
    lines = (f"{word} {count}\n" for word, count in counts.items())
    codes = io.StringIO()
    # The learner reports its progress on stderr, which belongs to the command that uses it.
    with contextlib.redirect_stderr(io.StringIO()):
        learn_bpe.learn_bpe(lines, codes, merges, is_dict=True)
    first, *learned = codes.getvalue().rstrip("\n").split("\n")
    assert first.startswith("#version: 0.2")
    return tuple((left, right) for left, right in (line.split(" ") for line in learned))


def _dictionary(counts: Mapping[str, int], splitter: _Splitter) -> tuple[str, ...]:
    pieces: Counter[str] = Counter()
    for word, count in counts.items():
        for piece in splitter(word):
            pieces[piece] += count
    return tuple(sorted(pieces, key=lambda piece: (-pieces[piece], piece)))
