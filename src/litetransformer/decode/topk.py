"""The k largest with ties in order, which `torch.topk` leaves open."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from litetransformer.core.errors import InputError

BLOCK = 64
"""Columns to a block: wide enough for vector instructions, few enough to look into the best ones."""


def ordered_topk(values: Float[Tensor, "N M"], k: int) -> tuple[Float[Tensor, "N K"], Int[Tensor, "N K"]]:
    """The min(k, M) largest fp32 values of each row and their columns, of equal ones the lowest column first.

    NaN counts as +∞. Values and columns are joined to integer keys, all different, so nothing here depends on
    whether there are ties or waits for the device to know. The k best blocks of columns hold the k best
    columns: for a block that is not among them, k blocks each have a value that comes before all of its own.
    """
    columns = values.shape[1]
    k = min(k, columns)
    if columns < BLOCK * k:
        chosen = _keys(values).topk(k, 1).indices
    else:
        # Padding copies, even where there is nothing to add.
        padded = F.pad(values, (0, -columns % BLOCK), value=-math.inf) if columns % BLOCK else values
        blocks = _keys(padded.unflatten(1, (-1, BLOCK)).amax(2)).topk(k, 1).indices.sort(1).values
        inside = (blocks[..., None] * BLOCK + torch.arange(BLOCK, device=values.device)).flatten(1)
        chosen = inside.gather(1, _keys(padded.gather(1, inside)).topk(k, 1).indices)
    return values.gather(1, chosen), chosen


def fetch(
    values: Float[Tensor, "N K"], columns: Int[Tensor, "N K"]
) -> tuple[Float[Tensor, "N K"], Int[Tensor, "N K"]]:
    """Both on the CPU, in one transfer: the only time that a step of decoding waits for the device.

    Raises InputError if a value is NaN, which no comparison after this would notice.
    """
    bits, places = torch.stack([values.view(torch.int32), columns.int()]).cpu()
    fetched = bits.view(torch.float32)
    if fetched.isnan().any():
        raise InputError(
            "the model's log-probabilities are not numbers (NaN)",
            remedy="its weights are damaged or its precision is too low: use another checkpoint, or fp32",
        )
    return fetched, places.long()


def _keys(values: Tensor) -> Tensor:
    """Integers that are ordered as (value, lowest column first)."""
    # Adding zero makes −0 equal to 0; flipping the magnitude bits of negative floats orders all bit patterns.
    bits = (values.nan_to_num(math.inf, math.inf, -math.inf) + 0.0).view(torch.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    keys <<= 32
    keys -= torch.arange(values.shape[1], device=values.device)
    return keys
