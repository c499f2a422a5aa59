"""The definition, by PyTorch's own functions."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def linear(
    x: Float[Tensor, "*N D"],
    weight: Float[Tensor, "E D"],
    bias: Float[Tensor, " E"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "*N E"]:
    """x weightᵀ + bias, rectified with `relu`."""
    out = F.linear(x, weight, bias)
    return out.relu() if relu else out
