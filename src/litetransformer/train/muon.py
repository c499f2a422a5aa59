"""Muon: matrices are moved by orthogonal steps, everything else as by Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial that Jordan et al. 2024 iterate: steep at zero, so that five turns are enough."""
TURNS = 5
ADAMS = 0.2
"""The root mean square of an update of Adam's, about (Liu et al. 2025): so both take the same rate."""


class MuonWithAdam(torch.optim.Optimizer):
    """Muon for `matrices` and AdamW for all `others`, both at one rate.

    The moving sum v ← `momentum` · v + g of a matrix's gradient is looked at from one step ahead,
    g + `momentum` · v, and replaced by the nearest matrix whose singular values are all about 1, times
    .2 √max(rows, columns) (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; Liu et al. 2025,
    arXiv 2502.16982). So a direction that few gradients point to is learned as fast as one that all do.
    Weight decay is decoupled.

    Where `found_inf` is set to a tensor that isn't zero, an update changes nothing, as with PyTorch's own.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        *,
        lr: float | Tensor,
        momentum: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        capturable: bool,
    ) -> None:
        self.adam = torch.optim.AdamW(
            others, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=True, capturable=capturable
        )
        own = {"params": list(matrices), "lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__([own], {})
        # One optimiser to everyone else: its rates are set and its state is saved in one place.
        self.param_groups += self.adam.param_groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Change all weights by their gradients."""
        assert closure is None
        (own, *others) = self.param_groups
        # A state that was loaded replaces both.
        self.adam.state, self.adam.param_groups = self.state, others
        self.adam.found_inf = self.found_inf  # type: ignore[attr-defined]
        self.adam.step()
        alike: dict[tuple[int, int], list[Tensor]] = {}
        for matrix in own["params"]:
            if matrix.grad is None:
                continue
            if "momentum" not in self.state[matrix]:
                self.state[matrix]["momentum"] = torch.zeros_like(matrix)
            rows, columns = matrix.shape
            alike.setdefault((rows, columns), []).append(matrix)
        for (rows, columns), some in alike.items():
            self._change(some, own, ADAMS * math.sqrt(max(rows, columns)))

    def _change(self, matrices: Sequence[Tensor], group: dict[str, Any], scale: float) -> None:
        """Change matrices of one shape: hundreds of small products as a few large ones."""
        gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        sums = torch.stack([self.state[matrix]["momentum"] for matrix in matrices])
        later = group["momentum"] * sums + gradients
        way = orthogonal(gradients + group["momentum"] * later).to(gradients.dtype)
        weights = torch.stack([matrix.detach() for matrix in matrices])
        found = weights * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * scale * way
        if self.found_inf is not None:
            bad = self.found_inf != 0
            later, found = torch.where(bad, sums, later), torch.where(bad, weights, found)
        torch._foreach_copy_([self.state[matrix]["momentum"] for matrix in matrices], later.unbind())
        torch._foreach_copy_([matrix.detach() for matrix in matrices], found.unbind())


def orthogonal(matrices: Tensor) -> Tensor:
    """Of each of (N, rows, columns), about U Vᵀ of its singular value decomposition U S Vᵀ.

    Newton and Schulz's iteration: singular values become .7 to 1.2, those under a twentieth of the norm less.
    For that bf16 is enough.
    """
    found = matrices.bfloat16() if matrices.is_cuda else matrices
    # The iteration's products are as small as they can be.
    tall = found.shape[1] > found.shape[2]
    found = found.mT if tall else found
    found = found / (found.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(TURNS):
        square = found @ found.mT
        found = a * found + (b * square + c * square @ square) @ found
    return found.mT if tall else found


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """The weights of linear layers within encoder and decoder, of which no side is a vocabulary."""
    return [
        module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(("encoder.", "decoder."))
    ]
