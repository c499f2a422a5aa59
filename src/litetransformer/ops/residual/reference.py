"""The definition, by PyTorch's own functions."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def residual(
    x: Float[Tensor, "*N D"], added: Float[Tensor, "*N D"], rate: float = 0.0
) -> Float[Tensor, "*N D"]:
    """x + dropout(added); `rate` is the share to drop (0 outside training)."""
    return x + F.dropout(added, rate)
