"""Several models that decode as one."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from litetransformer.decode.protocol import Decodable
from litetransformer.layers.sublayer import Tree


class Ensemble:
    """The model with the mean of its members' probabilities; they share one vocabulary.

    log p(token) = log (1/M) Σₘ pₘ(token). State and memory are the tuples of the members' own.
    """

    def __init__(self, members: Sequence[Decodable]) -> None:
        sizes = sorted({member.vocabulary for member in members})
        if len(sizes) != 1:
            raise ValueError(
                f"members have vocabularies of {sizes or 'no'} tokens; an ensemble needs one or more models "
                "trained with the same tokenizer"
            )
        self.members, self.vocabulary = tuple(members), sizes[0]

    def begin(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> tuple[Tree, Tree]:
        """Every member's state and memory; `decode.protocol`."""
        states, memories = zip(*(member.begin(source, pad) for member in self.members), strict=True)
        return states, memories

    def advance(
        self, tokens: Int[Tensor, " N"], state: Tree, memory: Tree
    ) -> tuple[Float[Tensor, "N V"], Tree]:
        """The log of the mean probability of the token after `tokens`, and the members' next states."""
        steps = [
            member.advance(tokens, own_state, own_memory)
            for member, own_state, own_memory in zip(self.members, state, memory, strict=True)
        ]
        log_probs, states = zip(*steps, strict=True)
        return torch.stack(log_probs).logsumexp(0) - math.log(len(self.members)), states
