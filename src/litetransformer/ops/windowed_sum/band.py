"""One T×T band a head, then a batched matrix product: few launches for many taps and short sequences."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def why_not(x: Tensor, weights: Tensor, left: int) -> str | None:
    """None: it runs everywhere, though memory grows with T²."""
    return None


def band(weights: Float[Tensor, "*N T K"], left: int) -> Float[Tensor, "*N T T"]:
    """The matrix M with M[t, t + k − left] = weights[t, k] and zeros elsewhere.

    Row t of the weights has to move t columns to the right. Rows padded to K + T and read again as rows of
    K + T − 1 do so by themselves, without an index.
    """
    length, taps = weights.shape[-2:]
    wide = F.pad(weights, (0, length)).flatten(-2)[..., : length * (taps + length - 1)]
    return wide.unflatten(-1, (length, taps + length - 1))[..., left : left + length]


def windowed_sum(
    x: Float[Tensor, "B T C"], weights: Float[Tensor, "H K"] | Float[Tensor, "B T H K"], left: int
) -> Float[Tensor, "B T C"]:
    """The same as the reference."""
    heads, taps = weights.shape[-2:]
    batch, length, channels = x.shape
    if weights.dim() == 2:
        matrix = band(weights[:, None].expand(heads, length, taps), left)
        columns = x.unflatten(2, (heads, -1)).permute(2, 1, 0, 3).reshape(heads, length, -1)
        out = (matrix @ columns).unflatten(2, (batch, -1)).permute(2, 1, 0, 3)
    else:
        matrix = band(weights.transpose(1, 2), left)
        out = (matrix @ x.unflatten(2, (heads, -1)).transpose(1, 2)).transpose(1, 2)
    return out.reshape(batch, length, channels)
