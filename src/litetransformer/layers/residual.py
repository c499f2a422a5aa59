"""The residual around a sublayer, with its normalisation and dropout."""

from collections import Counter
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.layers.linear import LayerNorm
from litetransformer.layers.sublayer import Costs, Sublayer, Tree
from litetransformer.ops.residual import residual


class Residual(Sublayer):
    """norm(x + dropout(inner(x))), or with ``norm="pre"`` x + dropout(inner(norm(x))) (PAPER §2).

    Translation and summarization are post-norm, language models pre-norm. One residual spans the whole LSRA.
    """

    def __init__(
        self, inner: Sublayer, *, dropout: float = 0.0, norm: Literal["post", "pre"] = "post"
    ) -> None:
        super().__init__()
        self.dim, self.inner, self.post = inner.dim, inner, norm == "post"
        self.dropout = dropout
        self.norm = LayerNorm(inner.dim)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        return self._close(x, self.inner(self._open(x), pad, memory))

    def remember(self, encoded: Float[Tensor, "B S E"], pad: Bool[Tensor, "B S"] | None = None) -> Tree:
        return self.inner.remember(encoded, pad)

    def start(self, batch: int) -> Tree:
        return self.inner.start(batch)

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        out, state = self.inner.step(self._open(x), state, memory)
        # Nothing is dropped in decoding.
        return self.norm(x + out) if self.post else x + out, state

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """The inner sublayer's and one per element of the LayerNorm: T D."""
        return self.inner.mult_adds(length, source) + Counter(norm=length * self.dim)

    def _open(self, x: Tensor) -> Tensor:
        return x if self.post else self.norm(x)

    def _close(self, x: Tensor, out: Tensor) -> Tensor:
        rate = self.dropout if self.training else 0.0
        return self.norm(x, out, rate) if self.post else residual(x, out, rate)
