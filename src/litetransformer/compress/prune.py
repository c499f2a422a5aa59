"""Weights that become zero: which ones, how many in each tensor, and when.

The smallest in magnitude go. A sweep says how the validation loss rises with the share of zeros in one tensor
alone; from its curves follows the share of each tensor, given that of all together.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = (0.5, 0.7, 0.85)
"""The shares of zeros that the sweep tries of each tensor."""
EXPONENT = 3
"""How the loss rises with the squared weights that are gone: what many tensors lose together compounds."""
LEAST_SLOPE = 3.0
"""No tensor is taken for less sensitive than this many times the median: below it the sweep sees noise."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The loss over the share of zeros in one tensor of `weights` weights, all others as they were."""

    weights: int
    sparsity: tuple[float, ...]
    loss: tuple[float, ...]

    def __post_init__(self) -> None:
        assert self.sparsity[0] == 0.0
        assert len(self.sparsity) == len(self.loss)


def magnitude_mask(weights: Tensor, sparsity: float) -> Tensor:
    """True for the weights that stay: all but the share `sparsity` of smallest magnitude.

    Of equal ones the first in the tensor go. Exactly ⌊sparsity · n⌋ go, or all zeros, if those are more.
    """
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"sparsity={sparsity} must be from 0 to 1")
    flat = weights.detach().abs().flatten()
    mask = torch.ones_like(flat, dtype=torch.bool)
    mask[flat.argsort(stable=True)[: int(sparsity * len(flat))]] = False
    return (mask & (flat != 0)).view(weights.shape)


def cubic(update: int, *, begin: int, end: int, final: float) -> float:
    """The share of zeros at an update: 0 until `begin`, `final` from `end` on, fast first.

    It is that of Zhu and Gupta (2017): s(t) = final · (1 - (1 - (t - begin) / (end - begin))³)
    """
    if update >= end:
        return final
    share = max(0.0, (update - begin) / (end - begin))
    return final * (1 - (1 - share) ** 3)


@torch.no_grad()
def sweep(
    parameters: Mapping[str, Tensor],
    loss: Callable[[], float],
    *,
    levels: Sequence[float] = LEVELS,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Curve]:
    """The curve of each of `parameters`, which are changed in place meanwhile; `loss` takes them as they are.

    They are bit-equal afterwards, whatever happens.
    """
    base, curves = loss(), {}
    for done, (name, parameter) in enumerate(parameters.items()):
        own = parameter.detach().clone()
        found = [base]
        try:
            for level in levels:
                parameter.copy_(own.masked_fill(~magnitude_mask(own, level), 0.0))
                found.append(loss())
        finally:
            parameter.copy_(own)
        curves[name] = Curve(weights=own.numel(), sparsity=(0.0, *levels), loss=tuple(found))
        progress(done + 1, len(parameters))
    return curves


def allocate(curves: Mapping[str, Curve], weights: Mapping[str, Tensor], sparsity: float) -> dict[str, float]:
    """The share of zeros of each tensor: `sparsity` over all of them, where the loss should rise the least.

    The loss is taken to rise by a(t) · E(t)³, E being the share of the tensor's squared weights that is gone,
    and a(t) what fits the sweep. Weights of all tensors go in the order of what each adds to that sum. So no
    tensor is emptied because a sweep of it alone, on few sentences, happened to cost nothing:
    docs/compression.md compares this with other rules.
    """
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"sparsity={sparsity} must be from 0 to 1")
    shares = {name: _Shares(weights[name]) for name in curves}
    slopes = {name: shares[name].slope(curve) for name, curve in curves.items()}
    least = LEAST_SLOPE * statistics.median(slopes.values()) or 1e-12
    added = {name: max(slope, least) * shares[name].steps() for name, slope in slopes.items()}
    wanted = int(sparsity * sum(map(len, added.values())))
    if not wanted:
        return dict.fromkeys(curves, 0.0)
    last = torch.cat(list(added.values())).kthvalue(wanted).values
    return {name: int((steps <= last).sum()) / max(1, len(steps)) for name, steps in added.items()}


class _Shares:
    """The share of a tensor's squared weights that its smallest weights hold."""

    def __init__(self, weights: Tensor) -> None:
        squares = weights.detach().double().cpu().flatten().square().sort().values
        total = float(squares.sum()) or 1.0
        self.own, self.sums = squares / total, squares.cumsum(0) / total

    def slope(self, curve: Curve) -> float:
        """a, the least-squares fit of a · E³ to the curve's rises."""
        gone = [
            float(self.sums[int(share * len(self.sums)) - 1]) ** EXPONENT if share else 0.0
            for share in curve.sparsity
        ]
        rises = [loss - curve.loss[0] for loss in curve.loss]
        squares = sum(x * x for x in gone)
        return max(0.0, sum(x * y for x, y in zip(gone, rises, strict=True)) / squares) if squares else 0.0

    def steps(self) -> Tensor:
        """What each weight, from the smallest on, adds to E³."""
        return EXPONENT * self.sums ** (EXPONENT - 1) * self.own


class Masks:
    """Zeros that stay zeros: for each tensor, by name, the weights that stay."""

    def __init__(self, masks: Mapping[str, Tensor] | None = None) -> None:
        self.masks = dict(masks or {})
        self._gone = {name: ~mask for name, mask in self.masks.items()}

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], sparsity: Mapping[str, float]) -> "Masks":
        """The masks that leave each tensor its share of zeros."""
        return cls({name: magnitude_mask(weights[name], share) for name, share in sparsity.items()})

    @torch.no_grad()
    def apply(self, weights: Mapping[str, Tensor]) -> None:
        """Set to zero, in place, what does not stay."""
        for name, gone in self._gone.items():
            # A product would leave minus zeros, and NaN where a weight is not finite.
            weights[name].masked_fill_(gone, 0.0)

    def sparsity(self) -> float:
        """The share of zeros over all masked tensors."""
        count = sum(mask.numel() for mask in self.masks.values())
        return 1 - sum(int(mask.sum()) for mask in self.masks.values()) / max(1, count)
