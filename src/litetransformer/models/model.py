"""What every task's network is: trained by its loss, decoded token by token, counted."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from litetransformer.layers.sublayer import Costs, Sublayer, Tree


class Model(nn.Module, ABC):
    """log P(next token | what came before), for training by `loss` and for decoding by `begin` and `advance`.

    `begin` and `advance` are those of `decode.protocol`; a model without a source takes from `begin`'s only
    how many rows there are.
    """

    vocabulary: int

    @abstractmethod
    def loss(self, *batch: Tensor, smoothing: float = 0.0, consistency: float = 0.0) -> Float[Tensor, ""]:
        """The label-smoothed cross-entropy of a training batch, in nats, summed over its real tokens.

        With `consistency` the batch is run twice, and the loss is the mean of both and so many times what
        lies between their predictions under different dropout (`ops/consistency`): on the same scale.

        Raises ValueError for `consistency` where a model can't be trained with it.
        """

    @abstractmethod
    def begin(self, source: Int[Tensor, "B S"], pad: Bool[Tensor, "B S"]) -> tuple[Tree, Tree]:
        """The state before the first token and the memory of the source, each with B rows."""

    @abstractmethod
    def advance(
        self, tokens: Int[Tensor, " N"], state: Tree, memory: Tree
    ) -> tuple[Float[Tensor, "N V"], Tree]:
        """Log-probabilities (fp32) of the token after `tokens`, each row's newest, and the next state."""

    @abstractmethod
    def mult_adds(self, source: int = 30, target: int = 30) -> Costs:
        """Multiply-accumulates of one teacher-forced pair by component; ``output`` is the vocabulary's."""

    @abstractmethod
    def layers(self, source: int, target: int) -> Iterator[tuple[str, Sublayer, Costs]]:
        """Each layer with its name and its mult-adds at these lengths."""
