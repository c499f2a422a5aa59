"""Where the computation goes as sentences grow: the paper's reason to flatten the feed-forward layer."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from litetransformer.models.presets import lite, transformer
from litetransformer.models.spec import Seq2SeqSpec

MODELS = {
    "Transformer-base": transformer(512, 2048),
    "flattened": transformer(512, 512),
    "Lite-496": lite(496, dynamic=True, cross_heads=8),
}
"""The models that the figure compares (PAPER §1, §4)."""

COMPONENTS = ("feed_forward", "attention", "convolution", "cross_attention")
PAPER_LENGTH = 30


def lengths(shortest: int = 10, longest: int = 1000, points: int = 60) -> list[int]:
    """Sentence lengths in even steps of their logarithm, with the paper's 30 among them."""
    ratio = (longest / shortest) ** (1 / (points - 1))
    return sorted({PAPER_LENGTH, *(round(shortest * ratio**step) for step in range(points))})


def computation_shares(spec: Seq2SeqSpec, sizes: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """The share of the mult-adds in each component, for ``encoder`` and ``whole``, at each length in `sizes`.

    Source and target are equally long. The convolution's own window counts as convolution; embeddings, the
    vocabulary's projection and the norms (a thousandth) are left out.
    """
    with torch.device("meta"):
        model = spec.build(1, 1)
    shares: dict[str, dict[str, list[float]]] = {
        part: {name: [] for name in COMPONENTS} for part in ("encoder", "whole")
    }
    for size in sizes:
        encoder = model.encoder.mult_adds(size)
        for part, costs in (("encoder", encoder), ("whole", encoder + model.decoder.mult_adds(size, size))):
            joined = Counter(costs)
            joined["convolution"] += joined.pop("taps", 0)
            total = sum(joined[name] for name in COMPONENTS)
            for name in COMPONENTS:
                shares[part][name].append(joined[name] / total)
    return shares


def computation() -> dict[str, Any]:
    """What the figure shows, as JSON types: the lengths, and the shares of each model at each of them."""
    sizes = lengths()
    return {
        "lengths": sizes,
        "models": {name: computation_shares(spec, sizes) for name, spec in MODELS.items()},
    }
