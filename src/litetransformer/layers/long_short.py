"""Long-short range attention (LSRA): the channels split between specialists."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.sublayer import Costs, Sublayer, Tree
from litetransformer.ops.streams import run_branches


class Split(Sublayer):
    """Each branch works on its own slice of the channels; the results are concatenated (PAPER §2).

    Contiguous slices in the order of the branches, no projection before and none after: each branch ends in
    its own, and the feed-forward layer mixes them. With an attention and a convolution branch, each half as
    wide as the block, this is LSRA.
    """

    def __init__(self, *branches: Sublayer) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.widths = [branch.dim for branch in branches]
        self.dim = sum(self.widths)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        slices = x.split(self.widths, -1)
        calls = [partial(branch, part, pad) for branch, part in zip(self.branches, slices, strict=True)]
        return torch.cat(run_branches(calls, (x, pad)), -1)

    def start(self, batch: int) -> Tree:
        return tuple(branch.start(batch) for branch in self._sublayers())

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        slices = x.split(self.widths, -1)
        pairs = zip(self._sublayers(), slices, state, strict=True)
        outputs, states = zip(*(branch.step(part, inner) for branch, part, inner in pairs), strict=True)
        return torch.cat(outputs, -1), states

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        return sum((branch.mult_adds(length, source) for branch in self._sublayers()), Costs())

    def _sublayers(self) -> Sequence[Sublayer]:
        return list(self.branches)  # type: ignore[arg-type]
