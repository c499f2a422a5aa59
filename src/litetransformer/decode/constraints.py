"""What may come next: pure functions of the log-probabilities and the tokens so far.

Two small matrices say it all: which tokens are `banned` from each row, and which one is `required` there.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.decode.options import DecodingOptions
from litetransformer.decode.topk import ordered_topk

FREE = -1
"""No token is required."""


def allowed_topk(
    log_probs: Float[Tensor, "N V"], banned: Int[Tensor, "N F"], required: Int[Tensor, " N"], k: int
) -> tuple[Float[Tensor, "N K"], Int[Tensor, "N K"]]:
    """The min(k, V) best allowed log-probabilities of each row, best first, and their tokens.

    Equal ones are in the order of their tokens; −∞ fills up where fewer are allowed. In a row that requires a
    token that one alone is allowed, with its own log-probability, even if it is banned.
    """
    # Looking past the banned tokens is cheaper than a copy of all log-probabilities without them.
    device, banned = log_probs.device, banned.to(log_probs.device)
    values, tokens = ordered_topk(log_probs, k + banned.shape[1])
    hidden = (tokens[:, :, None] == banned[:, None]).any(2)
    values, places = values.masked_fill(hidden, -math.inf).sort(dim=1, descending=True, stable=True)
    values, tokens = values[:, :k], tokens.gather(1, places[:, :k])
    forced = (required != FREE).nonzero()[:, 0]
    if len(forced):
        token, forced = required[forced].to(device), forced.to(device)
        values[forced] = -math.inf
        values[forced, 0] = log_probs[forced, token]
        tokens[forced, 0] = token
    return values, tokens


def banned_tokens(tokens: Int[Tensor, "N T"], options: DecodingOptions) -> Int[Tensor, "N F"]:
    """The tokens that must not follow each row of `tokens`; entries may repeat.

    Padding always; the end before `shortest` tokens; the unknown token and repeated n-grams if the options
    say so.
    """
    rows, length = tokens.shape
    always = [PAD] + [UNK] * (not options.unknown) + [EOS] * (length < options.shortest)
    banned = tokens.new_tensor(always).expand(rows, -1)
    if options.no_repeat_ngram:
        banned = torch.cat([banned, repeats(tokens, options.no_repeat_ngram)], 1)
    return banned


def repeats(tokens: Int[Tensor, "N T"], size: int) -> Int[Tensor, "N R"]:
    """The tokens that would complete an n-gram of `size` tokens which the row already has, then PAD."""
    following = tokens[:, size - 1 :]
    if following.shape[1] == 0:
        return following
    # Window i is what came before following[i]; the last window is what comes before the next token.
    windows = tokens.unfold(1, size - 1, 1)
    same = (windows[:, :-1] == windows[:, -1:]).all(2)
    return following.where(same, PAD).sort(dim=1, descending=True).values[:, : int(same.sum(1).max())]


def required_tokens(forced: Int[Tensor, "N P"], limits: Int[Tensor, " N"], length: int) -> Int[Tensor, " N"]:
    """The token that must follow `length` tokens: the prefix's, else the end at the limit, else FREE."""
    end = torch.where(limits == length, EOS, FREE)
    if length >= forced.shape[1]:
        return end
    return forced[:, length].where(forced[:, length] != FREE, end)


def forced_prefixes(
    prefixes: Sequence[Sequence[int]] | None, sentences: int, vocabulary: int
) -> Int[Tensor, "B P"]:
    """The prefixes as one matrix, FREE after each one's end.

    Raises ValueError for a prefix too many or too few, or a token that no target can hold.
    """
    if prefixes is None:
        return torch.empty(sentences, 0, dtype=torch.long)
    if len(prefixes) != sentences:
        raise ValueError(
            f"{len(prefixes)} prefixes for {sentences} sentences; give each its own, [] for none"
        )
    for index, prefix in enumerate(prefixes):
        for token in prefix:
            if not 0 <= token < vocabulary or token in (PAD, EOS):
                raise ValueError(
                    f"prefix {index} holds token {token}; it must be from 0 to {vocabulary - 1} and neither "
                    f"padding ({PAD}) nor the end ({EOS})"
                )
    longest = max(map(len, prefixes), default=0)
    rows = [[*prefix, *[FREE] * (longest - len(prefix))] for prefix in prefixes]
    return torch.tensor(rows, dtype=torch.long).view(sentences, longest)


def length_limits(
    lengths: Int[Tensor, " B"], forced: Int[Tensor, "B P"], options: DecodingOptions
) -> Int[Tensor, " B"]:
    """The most tokens of each target: its own source's limit, or its prefix if that is longer."""
    own = torch.tensor([options.limit(length) for length in lengths.tolist()], dtype=torch.long)
    return own.maximum((forced != FREE).sum(1))
