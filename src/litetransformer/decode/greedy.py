"""Greedy search: the likeliest token each time."""

import dataclasses
from collections.abc import Sequence

from jaxtyping import Bool, Int
from torch import Tensor

from litetransformer.decode.beam import beam_search
from litetransformer.decode.hypothesis import Hypothesis
from litetransformer.decode.options import SearchOptions
from litetransformer.decode.protocol import Decodable


def greedy_search(
    model: Decodable,
    source: Int[Tensor, "B S"],
    pad: Bool[Tensor, "B S"],
    options: SearchOptions | None = None,
    *,
    prefix: Sequence[Sequence[int]] | None = None,
) -> list[Hypothesis]:
    """One target a sentence: argmax of the log-probabilities at each step, the lowest token id if equal.

    That is beam search with a beam of one, whatever `options` says about its width; see `beam_search`.
    """
    options = dataclasses.replace(options or SearchOptions(), beam=1, n_best=1)
    return [found[0] for found in beam_search(model, source, pad, options, prefix=prefix)]
