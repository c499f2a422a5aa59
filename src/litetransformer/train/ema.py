"""The exponential moving average of a model's weights, which forgets the way that they took."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from litetransformer.models.tensors import put_weights


class Ema:
    """A copy of `model`'s weights that each step of `optimizer` draws a little towards them.

    After update t, average ← average + (1 − min(decay, (1 + t) / (10 + t))) · (weights − average): the first
    updates, of which little is worth keeping, are soon forgotten. `averages` is all that there is to
    save.

    Everything that an update needs lives on the weights' device, and an update waits for nothing: it may be
    recorded with the optimiser's step. Where all weights are views of a `flat` tensor, it is one launch.
    """

    def __init__(
        self,
        model: nn.Module,
        decay: float,
        optimizer: torch.optim.Optimizer,
        flat: Tensor | None = None,
    ) -> None:
        self.model, self.decay = model, decay
        self.weights = dict(model.named_parameters())
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.flat, self.average = flat, None if flat is None else flat.clone()
        if self.average is not None:
            self.averages = {
                name: self.average.as_strided(weight.shape, weight.stride(), weight.storage_offset())
                for name, weight in self.weights.items()
            }
        device = next(iter(self.averages.values())).device
        self.updates = torch.zeros((), dtype=torch.long, device=device)
        optimizer.register_step_post_hook(lambda *_: self.update())

    @torch.no_grad()
    def update(self) -> None:
        """Move the averages by one update."""
        self.updates += 1
        share = (9 / (10 + self.updates)).clamp(min=1 - self.decay)
        if self.flat is not None and self.average is not None:
            self.average.lerp_(self.flat, share)
            return
        averages = list(self.averages.values())
        ways = torch._foreach_sub(list(self.weights.values()), averages)
        # `_foreach_lerp_` takes no share from the device but tensor by tensor: hundreds of launches.
        torch._foreach_mul_(ways, share)
        torch._foreach_add_(averages, ways)

    def restore(self, averages: Mapping[str, Tensor], updates: int) -> None:
        """Go on from the `averages` after so many `updates`."""
        for name, average in self.averages.items():
            average.copy_(averages[name])
        self.updates.fill_(updates)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averages inside the block, and afterwards its own weights, to the last bit."""
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        put_weights(self.model, self.averages)
        try:
            yield
        finally:
            put_weights(self.model, own)
