"""The optimiser of the paper: Adam with decoupled weight decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from litetransformer.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Adam(Spec):
    """Adam; `weight_decay` is decoupled: an update shrinks each weight by rate · weight_decay (PAPER §3)."""

    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ValueError(f"betas={self.betas} must be in [0, 1)")
        if self.eps <= 0:
            raise ValueError(f"eps={self.eps} must be positive")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay} must not be negative")

    def build(self, model: nn.Module) -> torch.optim.AdamW:
        """The optimiser of `model`'s parameters; its learning rate is set before every update."""
        import torch

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
