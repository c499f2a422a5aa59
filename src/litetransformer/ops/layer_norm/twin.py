"""A norm's output for its second reader, whose gradient the norm's own kernel adds to the first one's.

A residual layer reads its input twice. Autograd would add up the two gradients in a launch of its own.
"""

import torch
from torch import Tensor

_TWIN = "litetransformer_twin"


def twin(x: Tensor) -> Tensor:
    """The numbers of `x`: its twin where a norm made `x` with one, else `x` itself."""
    found: Tensor | None = None if torch.compiler.is_compiling() else getattr(x, _TWIN, None)
    return x if found is None else found


def paired(x: Tensor, other: Tensor) -> Tensor:
    """`x`, of which `other` is the twin from now on."""
    setattr(x, _TWIN, other)
    return x


def may_have_twin() -> bool:
    """Whether a norm is to have one: gradients are wanted, and no compiler makes the kernels."""
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()
