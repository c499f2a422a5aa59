"""Linear layers and LayerNorm as modules over this package's ops: the state of PyTorch's, faster to train."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from litetransformer.ops.gradients import joined
from litetransformer.ops.layer_norm import layer_norm
from litetransformer.ops.linear import linear
from litetransformer.ops.split import split


class Linear(nn.Linear):
    """x Wᵀ + b, rectified if asked for."""

    def forward(self, x: Float[Tensor, "*N D"], relu: bool = False) -> Float[Tensor, "*N E"]:
        return linear(x, self.weight, self.bias, relu)


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the channels, of x or of the residual sum x + dropout(added)."""

    def forward(
        self, x: Float[Tensor, "*N D"], added: Float[Tensor, "*N D"] | None = None, rate: float = 0.0
    ) -> Float[Tensor, "*N D"]:
        return layer_norm(x, self.weight, self.bias, added, rate)


def projection(width: int, out: int | None = None, *, gain: float = 1.0, bias: bool = True) -> Linear:
    """A linear layer initialised as the paper's models are: Xavier-uniform weights, zero bias."""
    made = Linear(width, width if out is None else out, bias=bias)
    nn.init.xavier_uniform_(made.weight, gain)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def project(x: Float[Tensor, "*N D"], layers: Sequence[Linear]) -> Sequence[Float[Tensor, "*N E"]]:
    """What each of `layers`, all with bias, makes of `x`: one product in training, as many as layers else.

    One product needs the weights side by side. A training step on a GPU has them there; elsewhere it copies
    them in no time beside what it gains. A decoding step, which has few rows, would lose.
    """
    if not torch.is_grad_enabled():
        return [layer(x) for layer in layers]
    weight, bias = (joined([getattr(layer, name) for layer in layers]) for name in ("weight", "bias"))
    return split(linear(x, weight, bias), [layer.out_features for layer in layers])
