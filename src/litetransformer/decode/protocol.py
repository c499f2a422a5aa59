"""The two methods that a model needs to be decoded; torch models and exported sessions have them."""

from typing import Protocol

from jaxtyping import Bool, Float, Int
from torch import Tensor

from litetransformer.layers.sublayer import Tree


class Decodable(Protocol):
    """A model that predicts the next token.

    State and memory have one row per hypothesis, batch first, except for what is `Shared` by all rows.
    """

    vocabulary: int

    def begin(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> tuple[Tree, Tree]:
        """The state before the first token and the memory of the source, each with B rows."""

    def advance(
        self, tokens: Int[Tensor, " N"], state: Tree, memory: Tree
    ) -> tuple[Float[Tensor, "N V"], Tree]:
        """Log-probabilities (fp32) of the token after `tokens`, each row's newest, and the next state."""
