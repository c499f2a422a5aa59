"""One update of the weights: gradients of a few batches, clipped, applied."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from litetransformer.core.errors import InputError
from litetransformer.data.batching import TrainingBatch
from litetransformer.train.loss import smoothed_cross_entropy
from litetransformer.train.recipe import Training


class Step:
    """Applies updates to a model and sums their losses on its device, without waiting for it.

    On the CPU a gradient that is not finite raises before the weights change. On a GPU asking would stall the
    device, so such an update is skipped there and `read` raises, naming the first one.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, training: Training, device: torch.device
    ) -> None:
        self.model, self.optimizer, self.training, self.device = model, optimizer, training, device
        wanted = training.precision
        self.bf16 = wanted == "bf16" or (wanted == "auto" and device.type == "cuda")
        self.parameters = list(model.parameters())
        self.loss = torch.zeros((), dtype=torch.float64 if device.type == "cpu" else None, device=device)
        self.first_bad = torch.full((), -1, dtype=torch.long, device=device)

    def __call__(self, batches: Sequence[TrainingBatch], update: int) -> None:
        """Make update number `update` from `batches`."""
        # Dropout follows the update's number alone, so a resumed run draws what the uninterrupted one drew.
        torch.manual_seed(self.training.seed * 1_000_003 + update)
        tokens = sum(batch.tokens for batch in batches)
        self.model.train()
        self.optimizer.zero_grad()
        for batch in batches:
            loss = self._loss(batch)
            (loss / tokens).backward()
            self.loss += loss.detach() / math.log(2)
        self._apply(update)

    def _loss(self, batch: TrainingBatch) -> Tensor:
        moved = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.model(moved.source, moved.target_in)
            return smoothed_cross_entropy(logits, moved.target_out, self.training.label_smoothing)

    def _apply(self, update: int) -> None:
        limit = self.training.clip or math.inf
        norm = nn.utils.clip_grad_norm_(self.parameters, limit)
        if self.device.type == "cpu":
            if not norm.isfinite():
                raise _not_finite(update)
        else:
            bad = ~norm.isfinite()
            self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
            self.first_bad.copy_(torch.where(bad & (self.first_bad < 0), update, self.first_bad))
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.schedule.rate(update)
        self.optimizer.step()

    def read(self) -> float:
        """The training loss since the last reading, a sum in bits; InputError if it was not finite."""
        bad = int(self.first_bad)
        if bad >= 0:
            raise _not_finite(bad)
        total = float(self.loss)
        self.loss.zero_()
        return total


def _not_finite(update: int) -> InputError:
    return InputError(
        f"the gradient of update {update} is not finite",
        field="training",
        remedy="lower train.schedule.peak or set train.clip; the last checkpoint is good",
    )
