"""How a model mixes positions: the matrix of every sublayer that has one, taken while the model runs.

A sublayer with a method ``mixing`` is found wherever it stands, so a new combinator needs nothing here. The
model is not changed: hooks look at what goes in and are gone afterwards, what comes out stays bit for bit.
"""

import contextlib
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from litetransformer.core.tokens import EOS
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.seq2seq import Seq2Seq


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a model positions are mixed.

    `side` is ``encoder`` or ``decoder``, the only side of a model without an encoder; `layer` counts from 1;
    `kind` is the sublayer's component (``attention``, ``convolution``, ``cross_attention``), and `number`
    counts, from 1, those of one kind in a layer. `causal` says that no row sees a later position, `across`
    that columns are positions of the source.
    """

    name: str
    side: str
    layer: int
    kind: str
    number: int = 1
    heads: int
    causal: bool = False
    across: bool = False
    taps: int | None = None

    @property
    def part(self) -> str:
        """Which part of the model it belongs to: ``encoder attention``, ``decoder convolution`` …"""
        kind = self.kind.replace("_", "-")
        return kind if self.across else f"{self.side} {kind}"

    @property
    def label(self) -> str:
        """The layer as it is written: ``3``, or ``3.2`` for the second of its kind there."""
        return str(self.layer) if self.number == 1 else f"{self.layer}.{self.number}"


@dataclass(frozen=True, eq=False)
class Mixing:
    """A matrix for each head: how much every position (row) takes from every other one (column)."""

    place: Place
    matrix: Float[Tensor, "B H T S"]


See: TypeAlias = Callable[[Place, Tensor], object]


def places(model: nn.Module) -> dict[nn.Module, Place]:
    """Every sublayer of `model` that can say how it mixes, in the order of its modules."""
    found: dict[nn.Module, Place] = {}
    seen: Counter[tuple[str, int]] = Counter()
    for name, module in model.named_modules():
        if callable(getattr(module, "mixing", None)):
            place = _place(name, module)
            seen[place.part, place.layer] += 1
            found[module] = replace(place, number=seen[place.part, place.layer])
    return found


@contextlib.contextmanager
def watched(model: nn.Module, see: See) -> Iterator[None]:
    """While the block runs, `see` gets the place and the matrix (B, H, T, S) of each mixing, as it happens.

    One matrix exists at a time unless `see` keeps it. Dropout does not reach it.
    """

    def watch(module: nn.Module, place: Place) -> Callable[..., None]:
        wanted = inspect.signature(module.mixing).parameters  # type: ignore[arg-type]
        order = tuple(inspect.signature(module.forward).parameters)

        def hook(_module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], _out: Any) -> None:
            inputs = {**dict(zip(order, given, strict=False)), **named}
            chosen = {name: inputs[name] for name in wanted if name in inputs}
            with torch.no_grad():
                see(place, module.mixing(**chosen))  # type: ignore[operator]

        return hook

    with contextlib.ExitStack() as hooks:
        for module, place in places(model).items():
            handle = module.register_forward_hook(watch(module, place), with_kwargs=True)
            hooks.callback(handle.remove)
        yield


def mixings(model: nn.Module, run: Callable[[], object]) -> list[Mixing]:
    """Every mixing of `model` during `run`, which calls it; in the order in which they happen."""
    found: list[Mixing] = []
    with torch.no_grad(), watched(model, lambda place, matrix: found.append(Mixing(place, matrix))):
        run()
    return found


def sentence_mixings(model: Seq2Seq, source: Sequence[int], target: Sequence[int]) -> list[Mixing]:
    """The mixings of one pair of tokens, given without their ends, each matrix (1, H, T, S).

    Encoder positions are the source's tokens and its end. Decoder positions are what it reads, the end symbol
    and then the target's tokens; at each it writes the next token, the end of the target last.
    """
    rows = _rows(model, [*source, EOS]), _rows(model, [EOS, *target])
    with evaluating(model):
        return mixings(model, lambda: model.features(*rows))


def text_mixings(model: LanguageModel, tokens: Sequence[int]) -> list[Mixing]:
    """The mixings of a language model that reads the end symbol, from which a text begins, and `tokens`."""
    row = _rows(model, [EOS, *tokens])
    with evaluating(model):
        return mixings(model, lambda: model.features(row))


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """While the block runs, the model is in evaluation mode; afterwards as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _rows(model: nn.Module, tokens: Sequence[int]) -> Tensor:
    return torch.tensor([tokens], device=next(model.parameters()).device)


def _place(name: str, module: nn.Module) -> Place:
    wanted = inspect.signature(module.mixing).parameters  # type: ignore[arg-type]
    number = re.search(r"(?:^|\.)(\d+)(?:\.|$)", name)
    return Place(
        name=name,
        side="encoder" if name.startswith("encoder.") else "decoder",
        layer=int(number[1]) + 1 if number else 1,
        kind=getattr(module, "component", "") or type(module).__name__,
        heads=int(getattr(module, "heads", 1)),
        causal=bool(getattr(module, "causal", False)),
        across="memory" in wanted,
        taps=getattr(module, "taps", None),
    )
