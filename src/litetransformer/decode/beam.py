"""Beam search: the stated search, exactly, for a batch of sentences at once."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from litetransformer.core.tokens import EOS
from litetransformer.decode.constraints import (
    allowed_topk,
    banned_tokens,
    forced_prefixes,
    length_limits,
    required_tokens,
)
from litetransformer.decode.hypothesis import Hypothesis, best, normalised
from litetransformer.decode.options import SearchOptions
from litetransformer.decode.protocol import Decodable
from litetransformer.decode.topk import fetch
from litetransformer.layers.sublayer import select


@torch.inference_mode()
def beam_search(
    model: Decodable,
    source: Int[Tensor, "B S"],
    pad: Bool[Tensor, "B S"],
    options: SearchOptions | None = None,
    *,
    prefix: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """The `n_best` best targets that beam search finds for each sentence, best first; at least one.

    A sentence begins with one live hypothesis, without tokens. At each step

    1. all continuations of its live hypotheses by one token are ranked by total log-probability (fp32 terms
       summed in float64), equal ones by the rank of their hypothesis, then by token id; a continuation of
       probability 0 is none;
    2. the ends among the first `beam` finish, in that order; a finished hypothesis scores
       total / tokens^`length_penalty`, its end being a token. The `beam` best of all that have finished so
       far are kept, of equal ones the earlier;
    3. the first `beam` others go on, with that rank. The sentence stops when none goes on, or when `beam` are
       kept and none that goes on scores more, by its total and tokens so far, than the worst kept one.

    Steps that can't change the `n_best` best are left out.

    At a sentence's length limit (`DecodingOptions`) nothing but the end may follow. `prefix` forces the first
    tokens of each target; they count in score and length, may repeat n-grams, and raise the limit if they
    exceed it. If a sentence stops and nothing finished, because constraints or zero probabilities left no way
    on, its last live hypotheses are returned, not `finished`.

    Nothing depends on the other sentences of the batch: those that stop leave it. Padding may be on either
    side of `source`. Raises ValueError for an impossible prefix, InputError if the model yields NaN.
    """
    options = options or SearchOptions()
    if len(source) == 0:
        return []
    forced = forced_prefixes(prefix, len(source), model.vocabulary)
    limits = length_limits((~pad).sum(1), forced, options)
    found: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    live = _beginning(len(source))
    newest = torch.full((len(source),), EOS)
    state, memory = model.begin(source, pad)
    while True:
        sentences, width, length = live.tokens.shape
        log_probs, state = model.advance(newest.to(source.device), state, memory)
        longest = limits[live.sentences]
        required = required_tokens(forced[live.sentences], longest, length)
        banned = banned_tokens(live.tokens.flatten(0, 1), options)
        # One place more than the beam: even if one of the tokens is the end, `beam` others remain.
        shortlist = allowed_topk(log_probs, banned, required.repeat_interleave(width), options.beam + 1)
        ranked = _rank(live, *fetch(*shortlist), options.beam)
        stays = [not stops for stops in _finish(live, ranked, longest.tolist(), found, options)]
        if not any(stays):
            return found
        rows = torch.arange(sentences * width).view(sentences, width)
        if not all(stays):
            kept = torch.tensor(stays)
            live, ranked = _Live(*(one[kept] for one in live)), _Ranked(*(one[kept] for one in ranked))
            rows = rows[kept]
        live, rows = _go_on(live, ranked, rows)
        newest = live.tokens[:, :, -1].flatten()
        if not torch.equal(rows, torch.arange(sentences * width)):
            state = select(state, rows.to(source.device))
        # The rows of one sentence hold the same memory: it moves only when the number of rows changes.
        if live.tokens.shape[:2] != (sentences, width):
            memory = select(memory, rows.to(source.device))


class _Live(NamedTuple):
    """The live hypotheses of the sentences still searched, in rank order; dead places have a total of −∞."""

    sentences: Int[Tensor, " A"]
    totals: Float[Tensor, "A W"]
    tokens: Int[Tensor, "A W T"]
    log_probs: Float[Tensor, "A W T"]


class _Ranked(NamedTuple):
    """The best continuations of each sentence, by falling total; impossible ones have a total of −∞.

    `onwards` are the totals of those that go on, and `places` where they are among all.
    """

    totals: Float[Tensor, "A C"]
    parents: Int[Tensor, "A C"]
    tokens: Int[Tensor, "A C"]
    log_probs: Float[Tensor, "A C"]
    onwards: Float[Tensor, "A W"]
    places: Int[Tensor, "A W"]


def _beginning(sentences: int) -> _Live:
    return _Live(
        sentences=torch.arange(sentences),
        totals=torch.zeros(sentences, 1, dtype=torch.float64),
        tokens=torch.empty(sentences, 1, 0, dtype=torch.long),
        log_probs=torch.empty(sentences, 1, 0),
    )


def _rank(live: _Live, values: Tensor, tokens: Tensor, beam: int) -> _Ranked:
    """Steps 1 to 3 of the definition, from the best continuations of each hypothesis."""
    sentences, width = live.totals.shape
    places = values.shape[1]
    totals = live.totals[:, :, None] + values.view(sentences, width, places)
    # Each hypothesis brings its continuations in order, so a stable sort breaks ties by hypothesis and token.
    totals, order = totals.flatten(1).sort(dim=1, descending=True, stable=True)
    totals, order = totals[:, : 2 * beam], order[:, : 2 * beam]
    tokens = tokens.view(sentences, -1).gather(1, order)
    # Without the ends, the others keep their order.
    onwards, among = totals.masked_fill(tokens == EOS, -math.inf).sort(dim=1, descending=True, stable=True)
    return _Ranked(
        totals=totals,
        parents=order // places,
        tokens=tokens,
        log_probs=values.view(sentences, -1).gather(1, order),
        onwards=onwards[:, :beam],
        places=among[:, :beam],
    )


def _finish(
    live: _Live, ranked: _Ranked, longest: list[int], found: list[list[Hypothesis]], options: SearchOptions
) -> list[bool]:
    """Adds to `found` what ends at this step; True for sentences that stop, whose lists are then final.

    `longest` are their length limits.
    """
    length, sentences = live.tokens.shape[2] + 1, live.sentences.tolist()
    ends = (ranked.tokens == EOS) & (ranked.totals > -math.inf)
    rows, ranks = ends[:, : options.beam].nonzero().unbind(1)
    parents = ranked.parents[rows, ranks]
    # Taken out of their tensors together: one by one, thousands of sentences cost more than the model.
    totals, last = ranked.totals[rows, ranks].tolist(), ranked.log_probs[rows, ranks].tolist()
    tokens, log_probs = live.tokens[rows, parents].numpy(), live.log_probs[rows, parents].numpy()
    for end, (row, total) in enumerate(zip(rows.tolist(), totals, strict=True)):
        kept = found[sentences[row]]
        score = normalised(total, length, options.length_penalty)
        if len(kept) == options.beam and score <= kept[-1].score:
            continue
        hypothesis = Hypothesis(
            tokens=tuple(tokens[end].tolist()),
            score=score,
            log_probs=(*log_probs[end].tolist(), last[end]),
            finished=length <= longest[row],
        )
        found[sentences[row]] = best([*kept, hypothesis], options.beam)
    stops = []
    for row, (sentence, highest) in enumerate(zip(sentences, ranked.onwards[:, 0].tolist(), strict=True)):
        kept = found[sentence]
        stops.append(highest == -math.inf or _settled(kept, highest, length, longest[row] + 1, options))
        if stops[row]:
            found[sentence] = best(kept or _unfinished(live, row, options), options.n_best)
    return stops


def _settled(
    kept: list[Hypothesis], highest: float, length: int, longest: int, options: SearchOptions
) -> bool:
    """Whether no hypothesis that goes on matters, the `highest` total among them being of `length` tokens."""
    if len(kept) == options.beam and kept[-1].score >= normalised(highest, length, options.length_penalty):
        return True
    # No total ever rises and no target is longer than `longest`, so no score can pass this one: to search on
    # would give the same `n_best`.
    bound = normalised(highest, longest, options.length_penalty)
    return len(kept) >= options.n_best and kept[options.n_best - 1].score >= bound


def _unfinished(live: _Live, row: int, options: SearchOptions) -> list[Hypothesis]:
    """The live hypotheses of a sentence where nothing could follow."""
    length = live.tokens.shape[2]
    return [
        Hypothesis(
            tokens=tuple(tokens),
            score=normalised(total, length, options.length_penalty),
            log_probs=tuple(log_probs),
            finished=False,
        )
        for total, tokens, log_probs in zip(
            live.totals[row].tolist(), live.tokens[row].tolist(), live.log_probs[row].tolist(), strict=True
        )
        if total > -math.inf
    ]


def _go_on(live: _Live, ranked: _Ranked, rows: Int[Tensor, "A W"]) -> tuple[_Live, Int[Tensor, " N"]]:
    """The next live hypotheses, as wide as the widest sentence needs, and which of `rows` they continue."""
    width = int((ranked.onwards > -math.inf).sum(1).max())
    places = ranked.places[:, :width]
    parents = ranked.parents.gather(1, places)

    def extended(history: Tensor, newest: Tensor) -> Tensor:
        chosen = history.gather(1, parents[..., None].expand(-1, -1, history.shape[2]))
        return torch.cat([chosen, newest.gather(1, places)[..., None]], 2)

    return _Live(
        sentences=live.sentences,
        totals=ranked.onwards[:, :width],
        tokens=extended(live.tokens, ranked.tokens),
        log_probs=extended(live.log_probs, ranked.log_probs),
    ), rows.gather(1, parents).flatten()
