"""The definition: every window laid out, then one weighted sum."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def windowed_sum(
    x: Float[Tensor, "B T C"], weights: Float[Tensor, "H K"] | Float[Tensor, "B T H K"], left: int
) -> Float[Tensor, "B T C"]:
    """out[b, t, h·R + r] = Σₖ weights[…, h, k] · x[b, t + k − left, h·R + r], zeros outside the sequence."""
    heads, taps = weights.shape[-2:]
    windows = F.pad(x, (0, 0, left, taps - 1 - left)).unfold(1, taps, 1)
    windows = windows.unflatten(2, (heads, -1))
    equation = "bthrk,hk->bthr" if weights.dim() == 2 else "bthrk,bthk->bthr"
    return torch.einsum(equation, windows, weights).flatten(2)
