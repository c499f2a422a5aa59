"""Sublayers one after another: a layer is a stack, and so is an encoder."""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from litetransformer.layers.sublayer import Costs, Sublayer, Tree


class Stack(Sublayer):
    """inner_n(… inner_1(x)); memory and state are tuples with one entry for each inner sublayer."""

    def __init__(self, *inner: Sublayer) -> None:
        super().__init__()
        if not inner or any(sublayer.dim != inner[0].dim for sublayer in inner):
            widths = [sublayer.dim for sublayer in inner]
            raise ValueError(f"a stack needs sublayers of one width, not of {widths}")
        self.dim, self.inner = inner[0].dim, nn.ModuleList(inner)

    def forward(
        self, x: Float[Tensor, "B T D"], pad: Bool[Tensor, "B T"] | None = None, memory: Tree = ()
    ) -> Float[Tensor, "B T D"]:
        for sublayer, remembered in zip(self.inner, self._memories(memory), strict=True):
            x = sublayer(x, pad, remembered)
        return x

    def remember(self, encoded: Float[Tensor, "B S E"], pad: Bool[Tensor, "B S"] | None = None) -> Tree:
        return tuple(sublayer.remember(encoded, pad) for sublayer in self._sublayers())

    def start(self, batch: int) -> Tree:
        return tuple(sublayer.start(batch) for sublayer in self._sublayers())

    def step(self, x: Float[Tensor, "B 1 D"], state: Tree, memory: Tree = ()) -> tuple[Tensor, Tree]:
        states = []
        for sublayer, inner, remembered in zip(self._sublayers(), state, self._memories(memory), strict=True):
            x, inner = sublayer.step(x, inner, remembered)  # noqa: PLW2901 (the next state replaces the last)
            states.append(inner)
        return x, tuple(states)

    def mult_adds(self, length: int, source: int = 0) -> Costs:
        return sum((sublayer.mult_adds(length, source) for sublayer in self._sublayers()), Costs())

    def _sublayers(self) -> Sequence[Sublayer]:
        return list(self.inner)  # type: ignore[arg-type]

    def _memories(self, memory: Tree) -> Sequence[Tree]:
        return tuple(memory) if len(memory) else ((),) * len(self.inner)
