"""How well a language model predicts text: its log-probabilities through a sliding window, and their sums."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, UNK
from litetransformer.data.text_batching import blocks
from litetransformer.data.tokenizer import Tokenizer
from litetransformer.models.language_model import LanguageModel


@dataclass(frozen=True)
class Counts:
    """What a text consists of. A line's end is a token, a word and a character; `unknown` are tokens too."""

    lines: int
    words: int
    characters: int
    unknown: int


@dataclass(frozen=True)
class Perplexity:
    """How surprising a text was: −log P(text) = `nats`, over `tokens` tokens, lines' ends among them.

    Models with different tokenizers compare by word or by character alone, and only where `counts.unknown` is
    as good as 0 or the same words are unknown to both.
    """

    nats: float
    tokens: int
    counts: Counts

    @property
    def per_token(self) -> float:
        """exp of the nats a token, what training's validation reports."""
        return _exp(self.nats / self.tokens)

    @property
    def per_word(self) -> float:
        """exp of the nats a word, words being what white space separates, and lines' ends."""
        return _exp(self.nats / self.counts.words)

    @property
    def bits_per_token(self) -> float:
        """Bits a token, the unit of the training loss."""
        return self.nats / math.log(2) / self.tokens

    @property
    def bits_per_character(self) -> float:
        """Bits a character of the text as it stands, lines' ends being one each."""
        return self.nats / math.log(2) / self.counts.characters

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types; null for what is too large for a float."""
        derived = {
            name: value if math.isfinite(value := getattr(self, name)) else None
            for name in ("per_token", "per_word", "bits_per_token", "bits_per_character")
        }
        return {**derived, "nats": self.nats, "tokens": self.tokens, **vars(self.counts)}


def read_tokens(lines: Iterable[str], tokenizer: Tokenizer) -> tuple[NDArray[np.uint32], Counts]:
    """The tokens of `lines` as one stream, each line with its EOS, and what the lines consist of."""
    rows, words, characters, unknown = [], 0, 0, 0
    for line in lines:
        tokens = tokenizer.encode(line)
        rows.append(np.array([*tokens, EOS], np.uint32))
        words += len(line.split()) + 1
        characters += len(line) + 1
        unknown += tokens.count(UNK)
    stream = np.concatenate(rows) if rows else np.empty(0, np.uint32)
    return stream, Counts(lines=len(rows), words=words, characters=characters, unknown=unknown)


@torch.inference_mode()
def token_log_probs(
    model: LanguageModel,
    tokens: NDArray[Any],
    *,
    window: int,
    context: int = 0,
    batch_tokens: int = 4096,
    device: torch.device | str = "cpu",
) -> Float[Tensor, " N"]:
    """log P of each token of the stream, given those before it in its window (nats).

    Each window of `window` tokens predicts the `window` − `context` next ones, so that each token is
    predicted once, with at least `context` tokens before it where the text has them: token t is predicted by
    a window that begins at max(0, s − `context`), s being the greatest multiple of `window` − `context` up to
    t.

    `batch_tokens` bounds how many tokens are seen at once and changes nothing else. Raises ValueError unless
    0 ≤ `context` < `window`, InputError where a probability is not a number.
    """
    if not 0 <= context < window:
        raise ValueError(f"context={context} must be from 0 to less than window={window}")
    firsts = np.arange(0, len(tokens), window - context)
    starts = np.maximum(firsts - context, 0)
    length = min(window, len(tokens))
    found = torch.empty(len(tokens))
    rows = max(1, batch_tokens // window)
    for row in range(0, len(firsts), rows):
        some = starts[row : row + rows]
        inputs, outputs = (torch.from_numpy(part) for part in blocks(tokens, some, length))
        log_probs = model.token_log_probs(inputs.to(device), outputs.to(device)).float().cpu()
        for own, start, first in zip(log_probs, some, firsts[row : row + rows], strict=True):
            end = min(first + window - context, len(tokens))
            found[first:end] = own[first - start : end - start]
    if found.isnan().any():
        raise InputError(
            "the model's log-probabilities are not numbers (NaN)",
            remedy="its weights are damaged or its precision is too low: use another checkpoint",
        )
    return found


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
