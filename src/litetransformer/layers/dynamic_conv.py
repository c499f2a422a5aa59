"""Dynamic convolution: every position predicts its own kernels (the local half on WMT, CNN/DM and LM)."""

from collections import Counter

from jaxtyping import Float
from torch import Tensor

from litetransformer.layers.convolution import WindowConvolution
from litetransformer.layers.linear import projection
from litetransformer.layers.sublayer import Costs


class DynamicConv(WindowConvolution):
    """A convolution whose H×K kernels come from each position's own vector by a bias-free linear (PAPER §2).

    `dropout` falls on the normalised taps, for each position apart.
    """

    def __init__(
        self, dim: int, *, heads: int, taps: int, causal: bool, glu: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__(dim, heads=heads, taps=taps, causal=causal, glu=glu, dropout=dropout)
        self.predict = projection(dim, heads * taps, bias=False)

    def logits(self, inside: Float[Tensor, "*N D"]) -> Float[Tensor, "*N H K"]:
        return self.predict(inside).unflatten(-1, (self.heads, self.taps))

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """3 D² T with the GLU and D H K T for the kernels; the window, D K T, is ``taps`` (PAPER §4)."""
        linears = 3 if self.glu else 2
        kernels = self.dim * self.heads * self.taps
        return Counter(
            convolution=(linears * self.dim**2 + kernels) * length, taps=self.dim * self.taps * length
        )
