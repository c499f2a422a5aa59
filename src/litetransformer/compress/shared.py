"""Values that weights share, as parameters, and codes that follow: fine-tuning of a quantized model.

All large tensors are parts of one vector, and all their values of another, so that an update is a few
operations on a GPU, whatever the number of tensors, and nothing waits for it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from litetransformer.compress.quantize import Quantized, from_codes, group_of_rows, place_of

OFFSET = 0.2
"""How fast offsets move, relative to values. At 1 they are noise sooner than they are better."""
_TINY = 1e-300
"""Between equal values, so that no cut is undefined."""


class _Table(NamedTuple):
    """Where a group of rows stands among all weights, and its values among all values."""

    weights: slice
    values: slice
    penalty: float


class SharedValues(nn.Module):
    """The parameters of a quantized `model`: its values, and those of its weights that have none.

    The model's weights are always values. Before an update `gather` gives each value the sum of its weights'
    gradients, after it `scatter` gives each weight its value again. A value that is zero stays zero, and so
    do its weights.

    Each weight also has an offset, `OFFSET` times which it would stand away from its value if it were free,
    and which the optimiser moves by the weight's own gradient (straight-through). `assign` lets the codes
    follow: each weight gets the value that is nearest to its free place, a bit of the entropy-coded codes
    counting as much as an error of the tensor's rate times its variance, as in `codebook`. A value takes its
    weights along, offsets and all, so that it remains about their mean while it is trained.
    """

    def __init__(
        self,
        model: nn.Module,
        quantized: Mapping[str, Quantized],
        rates: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        parameters = dict(model.named_parameters())
        assert all(tensor.affine is None for tensor in quantized.values())
        self.quantized = dict(quantized)
        self.weights = [parameters[name] for name in quantized]
        self.others = nn.ParameterList(
            parameter for name, parameter in parameters.items() if name not in quantized
        )
        device = next(iter(parameters.values())).device
        self.tables = list(_tables(self.quantized, rates or {}))
        free = torch.cat([weight.detach().reshape(-1) for weight in self.weights])
        self.values = nn.Parameter(
            torch.cat([torch.from_numpy(tensor.values).reshape(-1) for tensor in quantized.values()]).to(free)
        )
        self.codes = torch.cat(list(_places(self.quantized))).int().to(device)
        self.moving = self.values.detach() != 0
        self.live = self.moving[self.codes]
        self.offsets = nn.Parameter((free - self.values.detach()[self.codes]) / OFFSET)
        # A recorded update reads these where they are: they change in place alone.
        self._order = torch.zeros_like(self.codes, dtype=torch.long)
        self._ends = torch.zeros(len(self.values) + 1, dtype=torch.long, device=device)
        self.offsets.grad, self.values.grad = torch.zeros_like(free), torch.zeros_like(self.values)
        self._flat = torch.zeros_like(free)
        self._settle()
        self.scatter()
        for weight, part in zip(self.weights, self._parts(self._flat), strict=True):
            weight.data = part

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Let each step of `optimizer`, which is one of these parameters, gather before and scatter after."""
        optimizer.register_step_pre_hook(lambda *_: self.gather())
        optimizer.register_step_post_hook(lambda *_: self.scatter())

    @torch.no_grad()
    def gather(self) -> None:
        """Give each value the sum of the gradients of its weights, and each offset that of its weight."""
        gradients = [weight.grad for weight in self.weights]
        assert self.offsets.grad is not None
        assert self.values.grad is not None
        torch.cat([g.reshape(-1) for g in gradients if g is not None], out=self.offsets.grad)
        # Running sums in the order of the codes: no two of a GPU's threads add to one place.
        sums = nn.functional.pad(self.offsets.grad[self._order].cumsum(0, dtype=torch.float64), (1, 0))
        self.values.grad.copy_(sums[self._ends].diff() * self.moving)

    @torch.no_grad()
    def scatter(self) -> None:
        """Give each weight its value."""
        # Weight decay, or an optimiser's rounding, must not move what stays zero.
        self.values.mul_(self.moving)
        torch.index_select(self.values, 0, self.codes, out=self._flat)

    @torch.no_grad()
    def assign(self, scale: float = 1.0) -> None:
        """Let the codes follow the free weights, a bit costing `scale` times its penalty; zeros stay zero.

        The frequencies that say how many bits a code takes are those of the codes until now.
        """
        free = self.free()
        rank, cuts = self._cells(scale)
        for number, table in enumerate(self.tables):
            cell = torch.bucketize(free[table.weights], cuts[number])
            found = rank[number][cell].int() + table.values.start
            codes = self.codes[table.weights]
            codes.copy_(torch.where(self.live[table.weights], found, codes))
        self.offsets.copy_((free - self.values[self.codes]) / OFFSET)
        self._settle()
        self.scatter()

    def free(self) -> Tensor:
        """Where each weight would be if it had no value to share."""
        return (self.values[self.codes] + OFFSET * self.offsets).detach()

    def result(self) -> dict[str, Quantized]:
        """The quantized tensors with the values and codes of now, without values that no weight has."""
        values, codes = _array(self.values), _array(self.codes)
        # Training moves a value to zero about never, and yet its weights are none that were pruned.
        values = np.where(_array(self.moving) & (values == 0.0), np.finfo(np.float32).tiny, values)
        found, weight, value = {}, 0, 0
        for name, tensor in self.quantized.items():
            own = values[value : value + tensor.values.size].reshape(tensor.values.shape)
            part = codes[weight : weight + tensor.codes.size].reshape(tensor.codes.shape) - value
            part = part - group_of_rows(tensor.codes.shape, tensor.rows) * tensor.values.shape[1]
            found[name] = from_codes(part, own, rows=tensor.rows)
            weight, value = weight + tensor.codes.size, value + tensor.values.size
        return found

    def _parts(self, flat: Tensor) -> list[Tensor]:
        """The part of `flat` that each tensor has, in its shape."""
        parts = flat.split([weight.numel() for weight in self.weights])
        return [part.view(weight.shape) for part, weight in zip(parts, self.weights, strict=True)]

    def _settle(self) -> None:
        """Note the order of the weights by their codes, and where each value's weights end in it."""
        order = self.codes.argsort(stable=True)
        bounds = torch.arange(len(self._ends), dtype=torch.int32, device=order.device)
        self._order.copy_(order)
        self._ends.copy_(torch.searchsorted(self.codes[order], bounds))

    def _cells(self, scale: float) -> tuple[Tensor, Tensor]:
        """For each table its values' places in it, rising, and the cuts between them.

        The cost of value c, that takes b bits, for a weight w is (w - c)² + penalty · b: parabolas of one
        shape, of which the lowest are in the order of their values.
        """
        device = self.values.device
        width = max((table.values.stop - table.values.start for table in self.tables), default=1)
        starts = torch.tensor([table.values.start for table in self.tables], device=device)[:, None]
        sizes = torch.tensor([t.values.stop - t.values.start for t in self.tables], device=device)[:, None]
        penalty = scale * torch.tensor(
            [table.penalty for table in self.tables], dtype=torch.float64, device=device
        )
        local = torch.arange(width, device=device)[None, :]
        places = (starts + local).clamp(max=len(self.values) - 1)
        counts = self._ends.diff()[places] * (self.moving[places] & (local < sizes))
        values = torch.where(counts > 0, self.values[places].double(), math.inf)
        rank = values.argsort(dim=1)
        values, counts = values.gather(1, rank), counts.gather(1, rank)
        used = counts > 0
        bits = -(counts.clamp(min=1) / counts.sum(1, keepdim=True).clamp(min=1)).log2()
        gaps = (values[:, None, :] - values[:, :, None]).clamp(min=_TINY)
        middle = (values[:, None, :] + values[:, :, None]) / 2
        cuts = middle + penalty[:, None, None] * (bits[:, None, :] - bits[:, :, None]) / (2 * gaps)
        both = used[:, None, :] & used[:, :, None] & (local[:, :, None] < local[:, None, :])
        upper = torch.where(both, cuts, math.inf).amin(2)
        lower = torch.where(both, cuts, -math.inf).amax(1)
        # A value whose parabola is nowhere the lowest has no cell.
        upper = torch.where(used & (lower < upper), upper, -math.inf)
        return rank, upper.cummax(1).values[:, :-1].to(self.values)


def _tables(quantized: Mapping[str, Quantized], rates: Mapping[str, float]) -> Iterator[_Table]:
    weight = value = 0
    for name, tensor in quantized.items():
        dense = tensor.dequantize().numpy()
        levels = tensor.values.shape[1]
        for group in range(len(tensor.values)):
            part = dense[place_of(group, dense.shape, tensor.rows)]
            live = part[part != 0.0].astype(np.float64)
            penalty = rates.get(name, 0.0) * float(live.var()) if live.size else 0.0
            yield _Table(slice(weight, weight + part.size), slice(value, value + levels), penalty)
            weight, value = weight + part.size, value + levels


def _places(quantized: Mapping[str, Quantized]) -> Iterator[Tensor]:
    """Where in all values each weight's value stands."""
    first = 0
    for tensor in quantized.values():
        yield (tensor.indices() + first).reshape(-1)
        first += tensor.values.size


def _array(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
