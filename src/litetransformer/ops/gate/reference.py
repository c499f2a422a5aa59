"""The definition, by PyTorch's own functions."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def gate(x: Float[Tensor, "*N E"], pad: Bool[Tensor, "*N"] | None, glu: bool) -> Float[Tensor, "*N D"]:
    """a · σ(b) of the halves of x's channels with `glu`, else x; 0 where `pad` is True."""
    inside = F.glu(x, -1) if glu else x
    return inside if pad is None else inside.masked_fill(pad[..., None], 0.0)
