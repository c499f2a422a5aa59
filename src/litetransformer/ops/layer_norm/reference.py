"""The definition, by PyTorch's own functions."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def layer_norm(
    x: Float[Tensor, "*N D"],
    weight: Float[Tensor, " D"],
    bias: Float[Tensor, " D"],
    added: Float[Tensor, "*N D"] | None = None,
    rate: float = 0.0,
) -> Float[Tensor, "*N D"]:
    """LayerNorm of x, or of x + dropout(added); `rate` is the share to drop (0 outside training)."""
    summed = x if added is None else x + F.dropout(added, rate)
    return F.layer_norm(summed, weight.shape, weight, bias)
