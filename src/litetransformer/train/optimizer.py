"""The optimisers of the paper, Adam with decoupled weight decay and Nesterov's gradient; and Muon."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litetransformer.core.spec import Spec

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Optimizer(Spec):
    """How gradients become updates; the learning rate is set before each of them."""

    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay} must not be negative")

    @abstractmethod
    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of `model`'s parameters, at rate 0; fused, and on a GPU ready to be recorded."""


@dataclass(frozen=True, kw_only=True)
class Moments(Optimizer):
    """One that has moving means of gradients and of their squares."""

    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ValueError(f"betas={self.betas} must be in [0, 1)")
        if self.eps <= 0:
            raise ValueError(f"eps={self.eps} must be positive")


@dataclass(frozen=True, kw_only=True)
class Adam(Moments):
    """Adam; `weight_decay` is decoupled: an update shrinks each weight by rate · weight_decay (PAPER §3)."""

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        import torch

        rate, on_gpu = _rate(model)
        return torch.optim.AdamW(
            list(model.parameters()),
            lr=rate,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
            capturable=on_gpu,
        )


@dataclass(frozen=True, kw_only=True)
class Muon(Moments):
    """Muon for the matrices of the layers, Adam for tables, biases and the rest (`train.muon`).

    Both take one rate, which suits both: a matrix's orthogonal step is as long as one of Adam's.
    """

    momentum: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum={self.momentum} must be in [0, 1)")

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        from litetransformer.train.muon import MuonWithAdam, hidden_matrices

        rate, on_gpu = _rate(model)
        matrices = hidden_matrices(model)
        own = {id(matrix) for matrix in matrices}
        return MuonWithAdam(
            matrices,
            [parameter for parameter in model.parameters() if id(parameter) not in own],
            lr=rate,
            momentum=self.momentum,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            capturable=on_gpu,
        )


@dataclass(frozen=True, kw_only=True)
class Nesterov(Optimizer):
    """Nesterov's accelerated gradient, with which the paper trains language models (PAPER §3).

    v ← `momentum` · v + g, w ← w − rate · (g + `momentum` · v). `weight_decay` is part of the gradient g.
    """

    momentum: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.momentum < 1.0:
            raise ValueError(f"momentum={self.momentum} must be in (0, 1)")

    def build(self, model: nn.Module) -> torch.optim.SGD:
        import torch

        rate, _ = _rate(model)
        return torch.optim.SGD(
            list(model.parameters()),
            lr=rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=True,
            fused=True,
        )


def _rate(model: nn.Module) -> tuple[float | torch.Tensor, bool]:
    """A rate of 0 to build with, on a GPU as a tensor that recorded updates read; and whether it is one."""
    import torch

    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    return (torch.zeros((), device=device) if on_gpu else 0.0), on_gpu
