"""Values that weights share, as parameters: fine-tuning moves the codebooks, and the codes stay."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from litetransformer.compress.quantize import Quantized, summed_by_value


class SharedValues(nn.Module):
    """The parameters of a quantized `model`: its codebooks, and those of its weights that have none.

    The model keeps its own weights. Before an update `gather` sums their gradients by value, after it
    `scatter` gives each weight its value again. A value that is zero stays zero, and so do its weights.
    """

    def __init__(self, model: nn.Module, quantized: Mapping[str, Quantized]) -> None:
        super().__init__()
        parameters = dict(model.named_parameters())
        assert all(tensor.affine is None for tensor in quantized.values())
        self.quantized = dict(quantized)
        self.weights = {name: parameters[name] for name in quantized}
        device = next(iter(parameters.values())).device
        self.indices = {name: tensor.indices().to(device) for name, tensor in quantized.items()}
        self.moving = {
            name: torch.from_numpy(tensor.values != 0).flatten().to(device)
            for name, tensor in quantized.items()
        }
        self.values = nn.ParameterList(
            nn.Parameter(torch.from_numpy(tensor.values.copy()).flatten().to(device))
            for tensor in quantized.values()
        )
        self.others = nn.ParameterList(
            parameter for name, parameter in parameters.items() if name not in quantized
        )
        for values in self.values:
            values.grad = torch.zeros_like(values)
        self.scatter()

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Let each step of `optimizer`, which is one of these parameters, gather before and scatter after."""
        optimizer.register_step_pre_hook(lambda *_: self.gather())
        optimizer.register_step_post_hook(lambda *_: self.scatter())

    @torch.no_grad()
    def gather(self) -> None:
        """Give each value the sum of the gradients of its weights."""
        for name, values in zip(self.quantized, self.values, strict=True):
            gradient = self.weights[name].grad
            assert gradient is not None
            assert values.grad is not None
            found = summed_by_value(gradient, self.indices[name], values.numel())
            values.grad.copy_(found * self.moving[name])

    @torch.no_grad()
    def scatter(self) -> None:
        """Give each weight its value, and no gradient."""
        for name, values in zip(self.quantized, self.values, strict=True):
            # Weight decay, or an optimiser's rounding, must not move what stays zero.
            values.mul_(self.moving[name])
            weight = self.weights[name]
            weight.copy_(values[self.indices[name]])
            if weight.grad is not None:
                weight.grad.zero_()

    def result(self) -> dict[str, Quantized]:
        """The quantized tensors with the values of now."""
        return {
            name: tensor.with_values(_array(values).reshape(tensor.values.shape))
            for (name, tensor), values in zip(self.quantized.items(), self.values, strict=True)
        }


def _array(values: Tensor) -> Any:
    return values.detach().cpu().numpy()
