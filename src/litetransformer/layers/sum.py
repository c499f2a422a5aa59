"""Sublayers side by side, all of them on the whole width."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.sublayer import Costs, Sublayer, Tree


class Sum(Sublayer):
    """Σ dropout(branch(x)); memory and state are tuples with one entry for each branch."""

    def __init__(self, *branches: Sublayer, dropout: float = 0.0) -> None:
        super().__init__()
        if not branches or any(branch.dim != branches[0].dim for branch in branches):
            raise ValueError(f"a sum needs branches of one width, not of {[each.dim for each in branches]}")
        self.dim, self.branches = branches[0].dim, nn.ModuleList(branches)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        pairs = zip(self._sublayers(), self._memories(memory), strict=True)
        return self._add([branch(x, pad, remembered) for branch, remembered in pairs])

    def remember(self, encoded: Float[Tensor, "B S E"], pad: Bool[Tensor, "B S"] | None = None) -> Tree:
        return tuple(branch.remember(encoded, pad) for branch in self._sublayers())

    def start(self, batch: int) -> Tree:
        return tuple(branch.start(batch) for branch in self._sublayers())

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        triples = zip(self._sublayers(), state, self._memories(memory), strict=True)
        outputs, states = zip(
            *(branch.step(x, inner, remembered) for branch, inner, remembered in triples), strict=True
        )
        return self._add(outputs), states

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        return sum((branch.mult_adds(length, source) for branch in self._sublayers()), Costs())

    def _add(self, outputs: Sequence[Tensor]) -> Tensor:
        first, *others = (self.dropout(output) for output in outputs)
        return sum(others, first)

    def _sublayers(self) -> Sequence[Sublayer]:
        return list(self.branches)  # type: ignore[arg-type]

    def _memories(self, memory: Tree) -> Sequence[Tree]:
        return tuple(memory) if len(memory) else ((),) * len(self.branches)
