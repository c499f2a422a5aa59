"""Parameters and mult-adds of a model, in the paper's convention and in full (PAPER §4)."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from litetransformer.layers.adaptive_softmax import AdaptiveEmbedding
from litetransformer.layers.embedding import Embedding
from litetransformer.layers.sublayer import Sublayer
from litetransformer.models.model import Model

LEFT_OUT_PARAMS = ("embedding",)
"""The paper counts all parameters but the input tables and an adaptive input's projections; an untied output
table counts."""
LEFT_OUT_MULT_ADDS = ("output", "taps")
"""The paper counts neither the vocabulary projection nor the convolution's own window; it does count an
adaptive input's projection, though not as parameters."""


@dataclass(frozen=True)
class Profile:
    """What a model costs; mult-adds are those of one teacher-forced pair.

    `params` and `mult_adds` follow the paper; `params_total` counts every parameter and `mult_adds_total`
    every multiply-accumulate of a matrix product or window. `components` has both for each part.
    """

    source_tokens: int
    target_tokens: int
    params: int
    mult_adds: int
    params_total: int
    mult_adds_total: int
    components: dict[str, dict[str, int]]
    layers: dict[str, dict[str, int]]

    def to_json(self) -> dict[str, Any]:
        """The profile as JSON types."""
        return dict(vars(self))


def profile(model: Model, *, source_tokens: int = 30, target_tokens: int = 30) -> Profile:
    """Count `model` at the given lengths; the paper's own is 30 and 30."""
    params = parameters_by_component(model)
    costs = model.mult_adds(source_tokens, target_tokens)
    names = sorted(set(params) | set(costs), key=lambda name: -costs[name])
    layers = {
        name: {
            "params": sum(parameter.numel() for parameter in layer.parameters()),
            "mult_adds": _paper(inner),
        }
        for name, layer, inner in model.layers(source_tokens, target_tokens)
    }
    return Profile(
        source_tokens=source_tokens,
        target_tokens=target_tokens,
        params=sum(count for name, count in params.items() if name not in LEFT_OUT_PARAMS),
        mult_adds=_paper(costs),
        params_total=sum(params.values()),
        mult_adds_total=sum(costs.values()),
        components={name: {"params": params[name], "mult_adds": costs[name]} for name in names},
        layers=layers,
    )


def profile_spec(spec: Any, *vocabularies: int, source_tokens: int = 30, target_tokens: int = 30) -> Profile:
    """The cost of the model that `spec` builds for `vocabularies`, which is not given any memory for it."""
    with torch.device("meta"):
        model = spec.build(*vocabularies)
    return profile(model, source_tokens=source_tokens, target_tokens=target_tokens)


def parameters_by_component(model: nn.Module) -> Counter[str]:
    """How many parameters each component has; a tied table counts once, as an embedding."""
    counts: Counter[str] = Counter()
    seen: set[int] = set()

    def visit(module: nn.Module, component: str) -> None:
        if isinstance(module, Embedding | AdaptiveEmbedding):
            component = "embedding"
        elif isinstance(module, nn.LayerNorm):
            component = "norm"
        elif isinstance(module, Sublayer) and module.component:
            component = module.component
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                counts[component] += parameter.numel()
        for name, child in module.named_children():
            visit(child, "output" if name == "output" and not component else component)

    visit(model, "")
    return counts


def _paper(costs: Counter[str]) -> int:
    return sum(count for name, count in costs.items() if name not in LEFT_OUT_MULT_ADDS)
