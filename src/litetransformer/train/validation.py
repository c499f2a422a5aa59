"""The loss on text that training doesn't see."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from litetransformer.data.batching import TrainingBatch
from litetransformer.models.model import Model


class ValidationData(Protocol):
    """What the loss is taken of: batches that together have every row once."""

    def in_order(self) -> Sequence[Any]:
        """All batches, the same every time."""

    def load(self, batch: Any) -> TrainingBatch:
        """The tensors of one batch."""


@torch.no_grad()
def validation_loss(model: Model, data: ValidationData, device: torch.device) -> float:
    """The cross-entropy of all of `data` in bits a token, no smoothing; the model's mode is the caller's."""
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    for batch in data.in_order():
        loaded = data.load(batch).to(device)
        total += model.loss(*loaded.tensors).double().cpu()
        tokens += loaded.tokens
    return float(total) / tokens / math.log(2)
