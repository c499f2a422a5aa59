"""From features to the probabilities of the next token."""

from abc import ABC, abstractmethod
from collections import Counter

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from litetransformer.layers.embedding import Embedding, drawn
from litetransformer.layers.sublayer import Costs
from litetransformer.ops.cross_entropy import cross_entropy


class Softmax(nn.Module, ABC):
    """p(token | features) over a vocabulary, all of it or of one token, and its training loss."""

    @abstractmethod
    def log_probs(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """The log-probability (fp32 at least) of every token."""

    @abstractmethod
    def token_log_probs(
        self, features: Float[Tensor, "*N D"], tokens: Int[Tensor, "*N"]
    ) -> Float[Tensor, "*N"]:
        """The log-probability of one token for each vector: of `log_probs` the ones at `tokens`."""

    @abstractmethod
    def loss(
        self, features: Float[Tensor, "*N D"], targets: Int[Tensor, "*N"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        """The label-smoothed cross-entropy, in nats, summed over the targets that are not PAD."""

    @abstractmethod
    def mult_adds(self, length: int) -> Costs:
        """Multiply-accumulates of `log_probs` for `length` vectors, as ``output``."""


class FullSoftmax(Softmax):
    """softmax(W dropout(x)) with one row of W a token; `tied` shares the table of an Embedding."""

    def __init__(
        self, vocabulary: int, dim: int, *, dropout: float = 0.0, tied: Embedding | None = None
    ) -> None:
        super().__init__()
        if tied:
            self.weight = tied.weight
        else:
            self.weight = nn.Parameter(drawn(torch.empty(vocabulary, dim)))
        self.dropout = nn.Dropout(dropout)

    def log_probs(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        return at_least_float(nn.functional.linear(self.dropout(features), self.weight)).log_softmax(-1)

    def token_log_probs(
        self, features: Float[Tensor, "*N D"], tokens: Int[Tensor, "*N"]
    ) -> Float[Tensor, "*N"]:
        return pick(self.log_probs(features), tokens)

    def loss(
        self, features: Float[Tensor, "*N D"], targets: Int[Tensor, "*N"], smoothing: float = 0.0
    ) -> Float[Tensor, ""]:
        return cross_entropy(self.dropout(features), self.weight, targets, smoothing)

    def mult_adds(self, length: int) -> Costs:
        """One dot product a token of the vocabulary: V D T."""
        return Counter(output=self.weight.numel() * length)


def pick(log_probs: Float[Tensor, "*N V"], tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N"]:
    """The entries of `log_probs` at `tokens`."""
    return log_probs.gather(-1, tokens[..., None])[..., 0]


def at_least_float(logits: Tensor) -> Tensor:
    """`logits` in fp32, or in fp64 where they are."""
    return logits if logits.itemsize >= 4 else logits.float()
