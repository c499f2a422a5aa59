"""The branched convolutions of the Evolved Transformer, and the two kinds of convolution in them."""

import math
from abc import abstractmethod
from collections import Counter

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.linear import LayerNorm, projection
from litetransformer.layers.sublayer import Costs, Sublayer, Tree, parameter_device
from litetransformer.ops.windowed_sum import windowed_sum


class PlainWindow(Sublayer):
    """A map of the K vectors around each position to one of `out` channels, with a ReLU if `relu`.

    `out` is `dim` in a sublayer of its own and free in a part of a larger one. Encoder windows are "same",
    decoder windows causal. Padding is zeroed as it enters, and so are positions outside the sentence. State:
    the last K − 1 vectors that entered.
    """

    component = "convolution"

    def __init__(self, dim: int, out: int | None, *, taps: int, causal: bool, relu: bool) -> None:
        super().__init__()
        if taps < 1:
            raise ValueError(f"taps={taps} must be at least 1")
        self.dim, self.out_dim = dim, dim if out is None else out
        self.taps, self.causal, self.relu = taps, causal, relu
        self.left = taps - 1 if causal else taps // 2

    @abstractmethod
    def whole(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T E"]:
        """The output at every position, zeros lying around them."""

    @abstractmethod
    def last(self, window: Float[Tensor, "B K D"]) -> Float[Tensor, "B 1 E"]:
        """The output for one whole window."""

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T E"]:
        out = self.whole(x if pad is None else x.masked_fill(pad[..., None], 0.0))
        return out.relu() if self.relu else out

    def start(self, batch: int) -> Tree:
        device, dtype = parameter_device(self)
        return torch.zeros(batch, self.taps - 1, self.dim, device=device, dtype=dtype)

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        assert self.causal, "only a causal convolution can step"
        assert isinstance(state, Tensor)
        window = torch.cat([state, x], 1)
        out = self.last(window)
        return out.relu() if self.relu else out, window[:, 1:]


class Convolution(PlainWindow):
    """A standard convolution: one matrix from all channels of the window; with one tap a dense layer."""

    def __init__(
        self, dim: int, out: int | None = None, *, taps: int, causal: bool, relu: bool = False
    ) -> None:
        super().__init__(dim, out, taps=taps, causal=causal, relu=relu)
        self.linear = projection(dim * taps, self.out_dim)

    def whole(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T E"]:
        around = F.pad(x, (0, 0, self.left, self.taps - 1 - self.left))
        return self.linear(around.unfold(1, self.taps, 1).flatten(2))

    def last(self, window: Float[Tensor, "B K D"]) -> Float[Tensor, "B 1 E"]:
        return self.linear(window.transpose(1, 2).flatten(1))[:, None]

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """Weights times positions: K D E T."""
        return Counter(convolution=self.taps * self.dim * self.out_dim * length)


class SeparableConv(PlainWindow):
    """A depthwise convolution, one kernel a channel and no bias, then a linear across the channels."""

    def __init__(
        self, dim: int, out: int | None = None, *, taps: int, causal: bool, relu: bool = False
    ) -> None:
        super().__init__(dim, out, taps=taps, causal=causal, relu=relu)
        self.kernel = nn.Parameter(torch.empty(dim, taps))
        bound = math.sqrt(3 / taps)
        nn.init.uniform_(self.kernel, -bound, bound)
        self.linear = projection(dim, self.out_dim)

    def whole(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T E"]:
        return self.linear(windowed_sum(x, self.kernel, self.left))

    def last(self, window: Float[Tensor, "B K D"]) -> Float[Tensor, "B 1 E"]:
        return self.linear((window * self.kernel.T).sum(1, keepdim=True))

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """The linear, D E T; the window, D K T, is counted as ``taps`` as in the other convolutions."""
        return Counter(convolution=self.dim * self.out_dim * length, taps=self.dim * self.taps * length)


class BranchedConv(Sublayer):
    """close(norm(dropout(wide(x)) + dropout(narrow(x)))), narrower vectors padded with zeros to add up.

    State: those of `wide`, `narrow` and `close`.
    """

    def __init__(
        self, wide: PlainWindow, narrow: PlainWindow, close: PlainWindow, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = (wide.dim, narrow.dim, wide.out_dim, narrow.out_dim, close.dim, close.out_dim)
        if widths[0] != widths[1] or not widths[3] <= widths[2] == widths[4] or widths[5] > widths[0]:
            raise ValueError(f"branches of widths {widths} do not fit together")
        self.dim = wide.dim
        self.wide, self.narrow, self.close = wide, narrow, close
        self.norm, self.dropout = LayerNorm(wide.out_dim), nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        return self._widen(self.close(self._join(self.wide(x, pad), self.narrow(x, pad)), pad))

    def start(self, batch: int) -> Tree:
        return tuple(part.start(batch) for part in (self.wide, self.narrow, self.close))

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        wide, narrow, close = state
        wide_out, wide = self.wide.step(x, wide)
        narrow_out, narrow = self.narrow.step(x, narrow)
        out, close = self.close.step(self._join(wide_out, narrow_out), close)
        return self._widen(out), (wide, narrow, close)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        """The parts' and one per element of the LayerNorm between them."""
        parts = (part.mult_adds(length) for part in (self.wide, self.narrow, self.close))
        return sum(parts, Counter(norm=length * self.wide.out_dim))

    def _join(self, wide: Tensor, narrow: Tensor) -> Tensor:
        narrow = F.pad(self.dropout(narrow), (0, self.wide.out_dim - self.narrow.out_dim))
        return self.norm(self.dropout(wide) + narrow)

    def _widen(self, out: Tensor) -> Tensor:
        return F.pad(out, (0, self.dim - self.close.out_dim))
