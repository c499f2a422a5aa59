"""The optimiser of the paper: Adam with decoupled weight decay."""

from dataclasses import dataclass

import torch
from torch import nn

from litetransformer.core.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Adam(Spec):
    """Adam; `weight_decay` is decoupled: an update shrinks each weight by rate · weight_decay (PAPER §3)."""

    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def build(self, model: nn.Module) -> torch.optim.AdamW:
        """The optimiser of `model`'s parameters; its learning rate is set before every update."""
        device = next(model.parameters()).device
        on_gpu = device.type == "cuda"
        return torch.optim.AdamW(
            list(model.parameters()),
            lr=torch.zeros((), device=device) if on_gpu else 0.0,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
            capturable=on_gpu,
        )
