"""Between text and token numbers: the protocol, and SentencePiece BPE.

Every tokenizer numbers padding 0, end of sentence 1 and unknown 2. There is no start symbol: decoding starts
from the end of sentence.
"""

import io
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

import sentencepiece

from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256, write_atomically
from litetransformer.core.tokens import EOS, PAD, UNK

Normalization = Literal["nmt_nfkc", "nmt_nfkc_cf", "identity"]
"""What SentencePiece does to text first: makes compatibility forms and spaces uniform (`_cf`: lowercases)."""

LARGEST_FILE = 64 * 2**20

SPECIAL = {PAD: "<pad>", EOS: "</s>", UNK: "<unk>"}
"""The names of the special tokens, for people to read: the same text in a line is only text."""

# SentencePiece writes spaces as U+2581 and would read a U+2581 of the text as a space. Private-use characters
# stand in for it, and the first of them also for itself, so that every text survives.
SPACE_SYMBOL, _ESCAPE = "\u2581", "\ue000"

# SentencePiece numbers the characters of a word with 16 bits and passes over longer lines: cut them instead.
_LONGEST_TRAINING_LINE = 8192


class Tokenizer(Protocol):
    """Turns one line of text into token numbers below `size`, without an end of sentence, and back.

    `digest` is the SHA-256 of the file that `save` writes: two tokenizers with the same digest are the same.
    """

    @property
    def size(self) -> int: ...

    @property
    def digest(self) -> str: ...

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`; never PAD or EOS, whatever the text looks like."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` as exactly one line, special tokens left out."""

    def piece(self, number: int) -> str:
        """The text of one token to look at; a space in it is where words meet, special tokens have names."""

    def save(self, path: Path) -> None:
        """Write the one file that `load_tokenizer` reads."""


class SentencePieceTokenizer:
    """Byte-pair encoding by SentencePiece; characters without a piece become bytes, so nothing is lost."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        return type(self), (self._model,)

    @classmethod
    def load(cls, path: Path, *, digest: str | None = None) -> Self:
        """The tokenizer in `path`; with `digest`, only if it is the file that had that SHA-256.

        Raises InputError naming `path` for a file that is missing, changed, damaged, huge, or no such model.
        """
        content = read_checked(path, digest)
        if not content:
            raise _damaged(path, "empty")
        try:
            tokenizer = cls(content)
        except (RuntimeError, ValueError) as error:
            raise _damaged(path, "not a SentencePiece model") from error
        processor = tokenizer._processor
        numbers = (processor.pad_id(), processor.eos_id(), processor.unk_id(), processor.bos_id())
        if numbers != (PAD, EOS, UNK, -1):
            raise InputError(
                f"numbers padding, end and unknown {numbers[:3]} where {(PAD, EOS, UNK)} is needed",
                path=path,
                remedy="train the tokenizer with this package",
            )
        return tokenizer

    @property
    def size(self) -> int:
        return int(self._processor.get_piece_size())

    @property
    def digest(self) -> str:
        return sha256(self._model)

    def encode(self, text: str) -> list[int]:
        try:
            return list(self._processor.encode(_escape(text)))
        except RuntimeError as error:
            # What cannot be written as UTF-8 cannot be handed over.
            raise InputError("the text holds half a surrogate pair, which is no character") from error

    def decode(self, ids: Sequence[int]) -> str:
        text = self._processor.decode([int(number) for number in ids if number > UNK])
        return one_line(_unescape(text))

    def piece(self, number: int) -> str:
        text = str(self._processor.id_to_piece(int(number)))
        if self._processor.is_byte(int(number)) and (code := int(text[3:-1], 16)) < 128:
            # Of a longer character no byte is text by itself.
            text = chr(code)
        return SPECIAL.get(number) or one_line(_unescape(text.replace(SPACE_SYMBOL, " ")))

    def pieces(self) -> list[str]:
        """Every piece by its number as the model has it: `SPACE_SYMBOL` for a space, and no text of bytes."""
        processor = self._processor
        plain = (not (number <= UNK or processor.is_byte(number)) for number in range(self.size))
        return [str(processor.id_to_piece(number)) if it else "" for number, it in enumerate(plain)]

    def save(self, path: Path) -> None:
        write_atomically(path, self._model)


def train_sentencepiece(
    lines: Iterable[str],
    *,
    size: int,
    normalization: Normalization = "nmt_nfkc",
    seed: int = 0,
    sample: int = 1_000_000,
) -> SentencePieceTokenizer:
    """A BPE tokenizer of exactly `size` tokens learned from `lines`; the same lines give the same bytes.

    Of more than `sample` lines, that many are drawn by `seed`, so memory stays bounded. Pieces cover 99.95%
    of the characters; 256 byte pieces spell out the rest. With `normalization` ``identity`` text comes back
    exactly, spaces included.

    Raises InputError for a `size` that the text is too small for or that cannot hold its characters (naming
    the largest or the smallest possible) and for text without a character.
    """
    chosen = _draw(lines, sample, random.Random(seed))
    pieces = (
        escaped[start : start + _LONGEST_TRAINING_LINE]
        for escaped in map(_escape, chosen)
        for start in range(0, len(escaped), _LONGEST_TRAINING_LINE)
    )
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=pieces,
            model_writer=model,
            model_type="bpe",
            vocab_size=size,
            byte_fallback=True,
            character_coverage=0.9995,
            normalization_rule_name=normalization,
            remove_extra_whitespaces=normalization != "identity",
            max_sentence_length=4 * _LONGEST_TRAINING_LINE,
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNK,
            bos_id=-1,
            # The number of threads is written into the model: one, so that machines agree on its bytes.
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _cannot_train(size, str(error)) from error
    return SentencePieceTokenizer(model.getvalue())


def load_tokenizer(path: Path, *, digest: str | None = None) -> Tokenizer:
    """The tokenizer that `save` wrote to `path`, known by its suffix.

    ``.model`` is SentencePiece, ``.json`` Moses and BPE, ``.txt`` whole words.
    """
    if path.suffix == ".json":
        from litetransformer.data.moses import MosesTokenizer

        return MosesTokenizer.load(path, digest=digest)
    if path.suffix == ".txt":
        from litetransformer.data.words import WordTokenizer

        return WordTokenizer.load(path, digest=digest)
    return SentencePieceTokenizer.load(path, digest=digest)


def read_checked(path: Path, digest: str | None) -> bytes:
    """The bytes of a tokenizer's file; InputError if it is missing, too large, or has another `digest`."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"larger than {LARGEST_FILE:,} bytes, which no tokenizer is", path=path)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError("no such file", path=path) from error
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    if digest is not None and sha256(content) != digest:
        raise _damaged(path, f"its SHA-256 is not {digest}")
    return content


def one_line(text: str) -> str:
    """`text` with spaces for the line breaks that a model may spell out."""
    return text.replace("\n", " ").replace("\r", " ")


def _escape(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE + "0").replace(SPACE_SYMBOL, _ESCAPE + "1")


def _unescape(text: str) -> str:
    return text.replace(_ESCAPE + "1", SPACE_SYMBOL).replace(_ESCAPE + "0", _ESCAPE)


def _draw(lines: Iterable[str], count: int, generator: random.Random) -> Iterator[str]:
    """`count` of the lines, every choice equally likely (all of them, in order, where there are no more)."""
    chosen: list[str] = []
    for number, line in enumerate(lines):
        if number < count:
            chosen.append(line)
        elif (place := generator.randrange(number + 1)) < count:
            chosen[place] = line
    return iter(chosen)


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"damaged: {what}", path=path, remedy="restore the file or train the tokenizer again")


def _cannot_train(size: int, message: str) -> InputError:
    """SentencePiece's refusal as one that says what to do; it is known by its words alone."""
    if "Vocabulary size too high" in message:
        largest = message.rsplit("<= ", 1)[-1].rstrip(". ")
        return InputError(
            f"the text is too small for a vocabulary of {size:,}",
            field="vocabulary.size",
            remedy=f"--set vocabulary.size={largest} is the largest possible; or add text",
        )
    if "smaller than required_chars" in message:
        smallest = message.split(" vs ", 1)[-1].split(".", 1)[0]
        return InputError(
            f"a vocabulary of {size:,} cannot hold the text's characters and 256 bytes",
            field="vocabulary.size",
            remedy=f"--set vocabulary.size={smallest} is the smallest possible",
        )
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return InputError(
            "there is no text to learn a vocabulary from", remedy="give lines that are not empty"
        )
    return InputError(f"SentencePiece cannot learn from this text: {message}")
