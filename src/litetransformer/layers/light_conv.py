"""Lightweight convolution: one kernel a head, the same at every position (the local half on IWSLT)."""

from collections import Counter

import torch
from jaxtyping import Float
from torch import Tensor, nn

from litetransformer.layers.convolution import WindowConvolution
from litetransformer.layers.sublayer import Costs


class LightConv(WindowConvolution):
    """A depthwise convolution whose H×K kernel is softmax-normalised over its taps (PAPER §2).

    `dropout` falls on the normalised taps, once for the whole batch, as in the authors' code.
    """

    def __init__(
        self, dim: int, *, heads: int, taps: int, causal: bool, glu: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__(dim, heads=heads, taps=taps, causal=causal, glu=glu, dropout=dropout)
        self.kernel = nn.Parameter(torch.empty(heads, taps))
        nn.init.xavier_uniform_(self.kernel)

    def logits(self, inside: Float[Tensor, "*N D"]) -> Float[Tensor, "H K"]:
        return self.kernel

    def fixed_taps(self) -> Float[Tensor, "K H R"]:
        return self.kernel.softmax(-1).T[..., None].repeat(1, 1, self.dim // self.heads)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Two linears, 2 D² T (3 D² T with a GLU); the window, D K T, is counted as ``taps`` (PAPER §4)."""
        linears = 3 if self.glu else 2
        return Counter(convolution=linears * self.dim**2 * length, taps=self.dim * self.taps * length)
