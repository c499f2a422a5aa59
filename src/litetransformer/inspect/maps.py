"""The mixings of one sentence with the tokens on their axes: what is drawn, chosen from and printed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from litetransformer.core.errors import InputError, nearest
from litetransformer.inspect.mixing import Mixing, Place
from litetransformer.inspect.specialisation import row_statistics


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """The matrix (H, T, S) of one sublayer for one sentence, and which heads it holds, from 1."""

    place: Place
    matrix: Tensor
    heads: tuple[int, ...]

    def statistics(self) -> list[dict[str, float]]:
        """For each head the mean of every row statistic; those that no row has are left out."""
        rows, columns = (torch.ones(1, size, dtype=torch.bool) for size in self.matrix.shape[1:])
        found = row_statistics(self.matrix[None], rows, columns, causal=self.place.causal)
        means = {name: values[0].nanmean(-1) for name, values in found.items()}
        return [
            {name: round(float(mean[head]), 6) for name, mean in means.items() if not mean[head].isnan()}
            for head in range(len(self.heads))
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Maps:
    """One sentence's matrices, and its tokens.

    `source` are the tokens that the encoder reads, `read` those that the decoder reads and `written` what it
    writes at each of them. Cross-attention's rows are named by what is written, for that is what they align.
    """

    source: tuple[str, ...]
    read: tuple[str, ...]
    written: tuple[str, ...]
    layers: tuple[LayerMaps, ...]

    @classmethod
    def of(
        cls, found: Iterable[Mixing], *, source: Sequence[str], read: Sequence[str], written: Sequence[str]
    ) -> "Maps":
        """The maps of the first row of each mixing; tokens are made printable."""
        return cls(
            source=tuple(map(printable, source)),
            read=tuple(map(printable, read)),
            written=tuple(map(printable, written)),
            layers=tuple(
                LayerMaps(one.place, one.matrix[0].double().cpu(), tuple(range(1, one.place.heads + 1)))
                for one in found
            ),
        )

    def axes(self, place: Place) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The tokens of the rows and of the columns."""
        own = self.source if place.side == "encoder" else self.read
        return (self.written, self.source) if place.across else (own, own)

    def parts(self) -> dict[str, list[LayerMaps]]:
        """The layers of each part of the model, in the order in which they run."""
        found: dict[str, list[LayerMaps]] = {}
        for layer in self.layers:
            found.setdefault(layer.place.part, []).append(layer)
        return found

    def keep(self, *, part: str | None = None, layer: int | None = None, head: int | None = None) -> "Maps":
        """What remains of the maps; InputError naming what there is where nothing would."""
        known = list(self.parts())
        if part is not None and part not in known:
            raise InputError(f"the model has no {part!r}", path="--part", remedy=nearest(part, known))
        kept = [one for one in self.layers if part in (None, one.place.part)]
        if layer is not None:
            most = max(one.place.layer for one in kept)
            kept = [one for one in kept if one.place.layer == layer]
            if not kept:
                raise InputError(f"there is no layer {layer}", path="--layer", remedy=f"choose 1 to {most}")
        if head is not None:
            most = max(max(one.heads) for one in kept)
            kept = [
                LayerMaps(one.place, one.matrix[head - 1 : head], (head,))
                for one in kept
                if head in one.heads
            ]
            if not kept:
                raise InputError(f"there is no head {head}", path="--head", remedy=f"choose 1 to {most}")
        return replace(self, layers=tuple(kept))

    def to_json(self, *, digits: int = 6) -> dict[str, Any]:
        """Tokens, matrices and statistics as JSON types; layers and heads count from 1."""
        tokens = {"source": self.source, "read": self.read, "written": self.written}
        keys = ("part", "layer", "number", "kind", "taps", "name")
        return {
            "tokens": {name: list(own) for name, own in tokens.items()},
            "mixings": [
                {
                    **{key: getattr(one.place, key) for key in keys},
                    "heads": [
                        {"head": head, "statistics": statistics, "matrix": _rounded(matrix, digits)}
                        for head, statistics, matrix in zip(
                            one.heads, one.statistics(), one.matrix, strict=True
                        )
                    ],
                }
                for one in self.layers
            ],
        }


def printable(text: str) -> str:
    """A token to look at: spaces as ``▁``, what cannot be printed by its number, never empty."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text.replace(" ", "▁"))
    return shown or "∅"


def _rounded(matrix: Tensor, digits: int) -> list[list[float]]:
    return [[round(value, digits) for value in row] for row in matrix.tolist()]
