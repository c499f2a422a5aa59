"""What the two convolutions share: windows, padding, and the state of one that steps."""

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.layers.attention import check_heads
from litetransformer.layers.linear import projection
from litetransformer.layers.sublayer import Shared, Sublayer, Tree, parameter_device
from litetransformer.ops.gate import gate
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_sum.band import band


class WindowConvolution(Sublayer):
    """linear [GLU] → softmax-weighted window of K taps → linear; subclasses say where the weights come from.

    Encoder windows are "same" (K // 2 to the left), decoder windows causal (K − 1 to the left). The softmax
    runs over all K taps; those that fall outside the sentence meet zeros, so edges are not renormalised.
    Padding is zeroed after the first linear (and the GLU), whose bias would make it non-zero again
    (PAPER §2, the known defect of the authors' code). State: the taps, where they are the same at every
    position, and the last K − 1 vectors that entered the window.
    """

    component = "convolution"

    def __init__(self, dim: int, *, heads: int, taps: int, causal: bool, glu: bool, dropout: float) -> None:
        super().__init__()
        check_heads(dim, heads)
        if taps < 1:
            raise ValueError(f"taps={taps} must be at least 1")
        self.dim, self.heads, self.taps, self.causal, self.glu = dim, heads, taps, causal, glu
        self.left = taps - 1 if causal else taps // 2
        self.dropout = dropout
        self.enter = projection(dim, 2 * dim if glu else dim)
        self.out = projection(dim)

    @abstractmethod
    def logits(self, inside: Float[Tensor, "*N D"]) -> Tensor:
        """The taps before their softmax: (H, K), or (*N, H, K) where they depend on the position."""

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        inside = self._enter(x, pad)
        rate = self.dropout if self.training else 0.0
        return self.out(windowed_softmax_sum(inside, self.logits(inside), self.left, rate))

    def fixed_taps(self) -> Float[Tensor, "K H R"] | None:
        """The normalised taps of each channel, if they are the same at every position."""
        return None

    def start(self, batch: int) -> Tree:
        device, dtype = parameter_device(self)
        past = torch.zeros(batch, self.taps - 1, self.dim, device=device, dtype=dtype)
        taps = self.fixed_taps()
        return Shared(() if taps is None else (taps,)), past

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        assert self.causal, "only a causal convolution can step"
        fixed, past = state
        inside = self._enter(x[:, 0], None)
        window = torch.cat([past, inside[:, None]], 1)
        taps = fixed[0] if fixed else self.logits(inside).softmax(-1).transpose(1, 2)[..., None]
        summed = (window.unflatten(2, (self.heads, -1)) * taps).sum(1).flatten(1)
        return self.out(summed[:, None]), (fixed, window[:, 1:])

    def mixing(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B H T T"]:
        """The band matrix of each head: how much each position takes from each other one."""
        weights = self.logits(self._enter(x, pad)).softmax(-1)
        batch, length = x.shape[:2]
        matrix = band(weights.expand(batch, length, self.heads, self.taps).transpose(1, 2), self.left)
        return matrix if pad is None else matrix.masked_fill(pad[:, None, None], 0.0)

    def _enter(self, x: Tensor, pad: Tensor | None) -> Tensor:
        return gate(self.enter(x), pad, self.glu)
