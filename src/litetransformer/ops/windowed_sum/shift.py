"""K shifted multiply-adds: least work where the taps are few."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def why_not(x: Tensor, weights: Tensor, left: int) -> str | None:
    """None: it runs everywhere."""
    return None


def windowed_sum(
    x: Float[Tensor, "B T C"], weights: Float[Tensor, "H K"] | Float[Tensor, "B T H K"], left: int
) -> Float[Tensor, "B T C"]:
    """The same as the reference."""
    heads, taps = weights.shape[-2:]
    length = x.shape[1]
    padded = F.pad(x, (0, 0, left, taps - 1 - left)).unflatten(2, (heads, -1))
    out = padded[:, :length] * weights[..., 0, None]
    for tap in range(1, taps):
        out = out + padded[:, tap : tap + length] * weights[..., tap, None]
    return out.flatten(2)
