"""The position-wise feed-forward layer, flattened in Lite Transformer: hidden = width."""

from collections import Counter

from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.linear import projection
from litetransformer.layers.sublayer import Costs, Sublayer, Tree


class FeedForward(Sublayer):
    """relu(x W₁ + b₁) W₂ + b₂. A base Transformer has hidden = 4 D; flattened is hidden = D (PAPER §1)."""

    component = "feed_forward"

    def __init__(self, dim: int, *, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.enter, self.out = projection(dim, hidden), projection(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        inside = self.enter(x, relu=True)
        return self.out(self.dropout(inside) if self.training else inside)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Two linears: 2 D F T (PAPER §4)."""
        return Counter(feed_forward=2 * self.dim * self.hidden * length)
