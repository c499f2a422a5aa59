"""AdamW on a GPU in one pass over memory: weights, means, gradient and working copies side by side."""

import torch
from torch import Tensor, nn

from litetransformer.ops.adamw import adamw
from litetransformer.train.working import WorkingCopy


class FlatAdam:
    """Makes the updates of an AdamW, whose weights and means become views of flat memory.

    To everyone else the optimiser stays what it was: its state has PyTorch's names, shapes and types, is
    loaded and saved as before, and its hooks are called. Those called before an update find a gradient that
    is not yet cut, those after it zeros; those after it may read weights, not write them.

    The working copies are made in the same pass. Those in fp32 are the weights themselves.
    """

    def __init__(self, optimizer: torch.optim.AdamW, working: WorkingCopy) -> None:
        self.optimizer, self.parameters = optimizer, working.parameters
        device = self.parameters[0].device
        self.weights, self.first, self.second = (torch.zeros(working.length, device=device) for _ in range(3))
        self.copies = torch.zeros(working.length, dtype=torch.bfloat16, device=device)
        self.steps = torch.zeros(len(self.parameters), device=device)
        self.rate = torch.zeros((), device=device)
        self.states: list[dict[str, Tensor]] = []
        flat = zip(*(working.places(each) for each in (self.weights, self.first, self.second)), strict=True)
        for parameter, step, (weight, first, second) in zip(self.parameters, self.steps, flat, strict=True):
            weight.copy_(parameter.detach())
            # Whoever holds the parameter finds it here from now on.
            parameter.data = weight
            self.states.append({"step": step, "exp_avg": first, "exp_avg_sq": second})
        for piece, low, full in zip(
            working.pieces, working.parts(self.copies), working.parts(self.weights), strict=True
        ):
            piece.flat = full if piece.flat.dtype == full.dtype else low
        self.versions, self.alike = -1, True

    def ready(self) -> bool:
        """Take over what others have changed; whether the next update can be made by `update`.

        That may be the rate, the optimiser's state (a resumed run) or the weights (a loaded model, masks).
        Weights that have seen different numbers of updates can't be treated as one.
        """
        (group,) = self.optimizer.param_groups
        if group["lr"] is not self.rate:
            self.rate.fill_(group["lr"])
            group["lr"] = self.rate
        state, others = self.optimizer.state, False
        for parameter, own in zip(self.parameters, self.states, strict=True):
            if (found := state[parameter]) is not own:
                for key, value in own.items():
                    value.copy_(found[key]) if key in found else value.zero_()
                state[parameter], others = own, True
        if others:
            self.alike = bool((self.steps == self.steps[0]).all())
        # Whatever else changes a weight raises its version, which the pass over all does not.
        versions = sum(parameter._version for parameter in self.parameters)
        if versions != self.versions:
            self.versions = versions
            self.copies.copy_(self.weights)
        return self.alike

    def update(self, gradient: Tensor, number: Tensor, first_bad: Tensor, clip: float) -> None:
        """Make update `number` by a flat `gradient`, which is zero afterwards.

        One that is not finite changes no weight; then `first_bad`, where it is negative, becomes `number`.
        """

        def change(optimizer: torch.optim.Optimizer) -> None:
            (group,) = optimizer.param_groups
            adamw(
                self.weights,
                self.first,
                self.second,
                gradient,
                self.copies,
                self.steps,
                self.rate,
                number,
                first_bad,
                betas=group["betas"],
                eps=group["eps"],
                decay=group["weight_decay"],
                clip=clip,
            )

        torch.optim.Optimizer.profile_hook_step(change)(self.optimizer)


def flat_adam(optimizer: torch.optim.Optimizer, working: WorkingCopy) -> FlatAdam | None:
    """A `FlatAdam` of this optimiser and these working copies; None where there can be none."""
    if why_not(optimizer, working) is not None:
        return None
    assert isinstance(optimizer, torch.optim.AdamW)
    return FlatAdam(optimizer, working)


def why_not(optimizer: torch.optim.Optimizer, working: WorkingCopy) -> str | None:
    """A reason against a `FlatAdam` of this optimiser and these working copies, or None."""
    if type(optimizer) is not torch.optim.AdamW:
        return f"the optimiser is {type(optimizer).__name__}, not AdamW"
    if len(optimizer.param_groups) != 1:
        return "the optimiser has groups, and one pass treats all weights alike"
    (group,) = optimizer.param_groups
    if {id(parameter) for parameter in group["params"]} != {id(each) for each in working.parameters}:
        return "the optimiser's parameters are not the model's"
    if unusual := [key for key in ("amsgrad", "maximize", "differentiable") if group[key]]:
        return f"the kernel has no {unusual[0]}"
    if not all(_plain(parameter) for parameter in working.parameters):
        return "a parameter is not plain fp32 in one piece of memory"
    first, *_ = working.parameters
    return adamw.why_not["triton"](*[first.detach().view(-1)] * 5)


def _plain(parameter: nn.Parameter) -> bool:
    """Whether a parameter is neither divided among devices nor laid out or typed in a way of its own."""
    return (
        type(parameter) is nn.Parameter
        and type(parameter.data) is Tensor
        and parameter.dtype == torch.float32
        and parameter.requires_grad
        and parameter.is_contiguous()
    )
