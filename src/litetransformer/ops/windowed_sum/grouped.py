"""A grouped convolution, one group a channel, for static weights."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def why_not(x: Tensor, weights: Tensor, left: int) -> str | None:
    """A reason where the weights change with the position."""
    return None if weights.dim() == 2 else "a grouped convolution has the same weights at every position"


def windowed_sum(
    x: Float[Tensor, "B T C"], weights: Float[Tensor, "H K"], left: int
) -> Float[Tensor, "B T C"]:
    """The same as the reference."""
    heads, taps = weights.shape
    channels = x.shape[2]
    kernel = weights.repeat_interleave(channels // heads, dim=0)[:, None, None]
    # A 2-D convolution of height 1 in channels-last layout reads (B, T, C) as it lies, without a transpose.
    image = F.pad(x, (0, 0, left, taps - 1 - left))[:, None].permute(0, 3, 1, 2)
    return torch.conv2d(image, kernel, groups=channels).permute(0, 2, 3, 1)[:, 0]
