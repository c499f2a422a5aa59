"""Sampling: targets drawn from the model's distribution, each sentence from its own random numbers."""

import math
from collections.abc import Sequence

import numpy as np
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
from litetransformer.decode.hypothesis import Hypothesis, normalised
from litetransformer.decode.options import SamplingOptions
from litetransformer.decode.protocol import Decodable
from litetransformer.decode.topk import fetch
from litetransformer.layers.sublayer import select


@torch.inference_mode()
def sample(
    model: Decodable,
    source: Int[Tensor, "B S"],
    pad: Bool[Tensor, "B S"],
    options: SamplingOptions | None = None,
    *,
    seeds: Sequence[int],
    prefix: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """`samples` independent targets for each sentence, in the order drawn; each scores its log-probability.

    `seeds` holds one number ≥ 0 a sentence (its line number, say): a sentence's targets follow from its seed
    alone, whatever its neighbours. Log-probabilities are the model's, before temperature and truncation.
    Limits, constraints, `prefix`, `finished` and errors are as in `beam_search`.
    """
    options = options or SamplingOptions()
    if len(seeds) != len(source) or any(seed < 0 for seed in seeds):
        raise ValueError(f"{len(seeds)} seeds for {len(source)} sentences; give each its own, 0 or more")
    if len(source) == 0:
        return []
    owner = torch.arange(len(source)).repeat_interleave(options.samples)
    forced = forced_prefixes(prefix, len(source), model.vocabulary)
    limits = length_limits((~pad).sum(1), forced, options)[owner]
    forced, uniform = forced[owner], _uniform(seeds, options.samples, limits)
    drawn: dict[int, Hypothesis] = {}
    live, tokens = torch.arange(len(owner)), torch.empty(len(owner), 0, dtype=torch.long)
    log_probs, newest = torch.empty(len(owner), 0), torch.full((len(owner),), EOS)
    state, memory = (select(tree, owner.to(source.device)) for tree in model.begin(source, pad))
    while len(live):
        length = tokens.shape[1]
        predicted, state = model.advance(newest.to(source.device), state, memory)
        required = required_tokens(forced[live], limits[live], length)
        shortlist = allowed_topk(
            predicted, banned_tokens(tokens, options), required, options.top_k or model.vocabulary
        )
        place = draw(shortlist[0], uniform[live, length].to(source.device), options)[:, None]
        values, picked = fetch(*(one.gather(1, place) for one in shortlist))
        possible, newest = values[:, 0] > -math.inf, picked[:, 0]
        stops = ~possible | (newest == EOS)
        log_probs = torch.cat([log_probs, values], 1)
        for row in stops.nonzero()[:, 0].tolist():
            index, ended = int(live[row]), bool(possible[row])
            history = tuple(log_probs[row, : length + ended].tolist())
            drawn[index] = Hypothesis(
                tokens=tuple(tokens[row].tolist()),
                score=normalised(sum(history), len(history), penalty=0.0),
                log_probs=history,
                finished=ended and length < int(limits[index]),
            )
        tokens = torch.cat([tokens, picked], 1)
        if stops.any():
            rows = (~stops).nonzero()[:, 0]
            live, tokens, log_probs, newest = live[rows], tokens[rows], log_probs[rows], newest[rows]
            state, memory = (select(tree, rows.to(source.device)) for tree in (state, memory))
    in_order = [drawn[index] for index in range(len(owner))]
    return [in_order[start : start + options.samples] for start in range(0, len(owner), options.samples)]


def draw(
    log_probs: Float[Tensor, "N K"], uniform: Float[Tensor, " N"], options: SamplingOptions
) -> Int[Tensor, " N"]:
    """The place in each row, likeliest first, at which the cumulative probability passes `uniform` < 1.

    Temperature and `top_p` apply to what `log_probs` hold. Where nothing is possible the place means nothing.
    """
    probs = (log_probs.double() / options.temperature).softmax(1)
    if options.top_p < 1.0:
        before = probs.cumsum(1) - probs
        probs = probs.masked_fill(before >= options.top_p, 0.0)
    cumulative = probs.cumsum(1)
    return (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1)


def _uniform(seeds: Sequence[int], samples: int, limits: Int[Tensor, " N"]) -> Float[Tensor, "N L"]:
    """A stream of numbers in [0, 1) for each sample of each sentence, one a step; zeros after its limit."""
    streams = torch.zeros(len(limits), int(limits.max()) + 1, dtype=torch.float64)
    for index, limit in enumerate(limits.tolist()):
        seed = (seeds[index // samples], index % samples)
        streams[index, : limit + 1] = torch.from_numpy(np.random.default_rng(seed).random(limit + 1))
    return streams
