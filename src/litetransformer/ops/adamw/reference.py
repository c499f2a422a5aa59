"""The definition, by PyTorch's own functions."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

TINY = 1e-6
"""What is added to a norm before it divides."""


@torch.no_grad()
def adamw(
    weights: Float[Tensor, " N"],
    first: Float[Tensor, " N"],
    second: Float[Tensor, " N"],
    gradient: Float[Tensor, " N"],
    copies: Float[Tensor, " N"],
    steps: Float[Tensor, " P"],
    rate: Float[Tensor, ""],
    update: Int[Tensor, ""],
    first_bad: Int[Tensor, ""],
    betas: tuple[float, float],
    eps: float,
    decay: float,
    clip: float,
) -> Float[Tensor, ""]:
    """The norm of `gradient` before it was clipped; the tensors are changed in place.

    `first` and `second` are the moving means of the gradient and its square, `copies` the weights in another
    type. `steps` holds the number of updates made, as often as PyTorch keeps it. A gradient that is not
    finite changes no weight and no mean; `first_bad`, where it is negative, becomes `update`. `gradient` is
    zero afterwards in any case. A `clip` of 0 cuts nothing.
    """
    norm = torch.linalg.vector_norm(gradient)
    good = norm.isfinite()
    first_bad.copy_(torch.where(good | (first_bad >= 0), first_bad, update))
    steps += good
    if clip:
        gradient *= (clip / (norm + TINY)).clamp(max=1.0)
    beta, other = betas
    number = steps[0].double()
    size, root = rate / (1 - beta**number), (1 - other**number).sqrt()
    mean = beta * first + (1 - beta) * gradient
    square = other * second + (1 - other) * gradient * gradient
    found = weights * (1 - rate * decay) - size * mean / (square.sqrt() / root + eps)
    for place, value in ((weights, found), (first, mean), (second, square)):
        place.copy_(torch.where(good, value, place))
    copies.copy_(weights)
    gradient.zero_()
    return norm
