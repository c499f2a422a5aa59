"""Do the branches specialise? How far and how widely each head looks, over a whole test set."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD
from litetransformer.inspect.mixing import Place, evaluating, watched
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.seq2seq import Seq2Seq

NEAR = (1, 3, 7)
"""Half widths of the diagonals whose share is measured: windows of 3, 7 and 15, as the first layers' taps."""

STATISTICS = ("entropy", "relative_entropy", "distance", *(f"within_{width}" for width in NEAR), "mass")
"""What is measured of every row; see `row_statistics`."""


def row_statistics(
    matrix: Float[Tensor, "B H T S"],
    rows: Bool[Tensor, "B T"],
    columns: Bool[Tensor, "B S"],
    *,
    causal: bool = False,
) -> dict[str, Float[Tensor, "B H T"]]:
    """Each statistic of each row; NaN on padding (`rows` and `columns` are True on real positions).

    ``entropy`` is in bits, ``relative_entropy`` that divided by log2 of how many positions the row could see
    (with one there is none: NaN). ``distance`` is the mean of |i − j| and ``within_3`` the share of |i − j| ≤
    3, both weighted by the matrix. All five are of the row scaled to a sum of 1; ``mass`` is the sum before:
    1 for attention, less for a convolution where its window reaches beyond the sentence. A convolution's row
    could see what attention in its place could, so the two compare.
    """
    real = matrix.double().masked_fill(~columns[:, None, None], 0.0)
    mass = real.sum(-1)
    share = real / mass[..., None]
    length, width = matrix.shape[-2:]
    places = torch.arange(max(length, width), device=matrix.device)
    apart = (places[:length, None] - places[None, :width]).abs()
    visible = columns[:, None].expand(-1, length, -1)
    if causal:
        visible = visible & (places[:length, None] >= places[None, :width])
    entropy = torch.special.entr(share).sum(-1) / math.log(2)
    bits = visible.sum(-1).double().log2()[:, None].expand_as(entropy)
    found = {
        "entropy": entropy,
        "relative_entropy": (entropy / bits).masked_fill(bits == 0, math.nan),
        "distance": (share * apart).sum(-1),
        **{f"within_{near}": (share * (apart <= near)).sum(-1) for near in NEAR},
        "mass": mass,
    }
    outside = ~rows[:, None]
    return {name: values.masked_fill(outside, math.nan) for name, values in found.items()}


@dataclass
class _Sums:
    """Sums over rows, and over the means of sentences, for each head of one place."""

    rows: Tensor
    total: Tensor
    sentences: Tensor
    means: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Float[Tensor, "B H T"]) -> "_Sums":
        counted = ~values.isnan()
        per_sentence, counts = values.nansum(-1), counted.sum(-1)
        means = per_sentence / counts
        return cls(
            counts.sum(0), per_sentence.sum(0), (counts > 0).sum(0), means.nansum(0), means.square().nansum(0)
        )

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(*(own + vars(other)[name] for name, own in vars(self).items()))

    def summary(self) -> list[dict[str, float | None]]:
        """For each head the mean over rows and the deviation of the sentences' own means."""
        mean = self.total / self.rows
        centre = self.means / self.sentences
        deviation = (self.squares / self.sentences - centre.square()).clamp_min(0).sqrt()
        return [
            {"mean": _number(one), "deviation": _number(other)}
            for one, other in zip(mean.tolist(), deviation.tolist(), strict=True)
        ]


@dataclass
class Specialisation:
    """Collects `row_statistics` batch by batch; what it keeps does not grow with the text."""

    sums: dict[Place, dict[str, _Sums]] = field(default_factory=dict)
    even: dict[str, dict[str, _Sums]] = field(default_factory=dict)
    sentences: int = 0

    def add(self, model: torch.nn.Module, run: Callable[[], object], real: Mapping[str, Tensor]) -> None:
        """Measure `run`, which calls `model` on one batch; `real` is True on each side's real positions."""
        seen_parts: set[str] = set()

        def see(place: Place, matrix: Tensor) -> None:
            rows = real[place.side]
            columns = real["encoder"] if place.across else rows
            found = row_statistics(matrix, rows, columns, causal=place.causal)
            _gather(self.sums.setdefault(place, {}), found)
            if place.part not in seen_parts:
                seen_parts.add(place.part)
                even = _even_rows(rows, columns, causal=place.causal)
                _gather(
                    self.even.setdefault(place.part, {}),
                    row_statistics(even, rows, columns, causal=place.causal),
                )

        with torch.no_grad(), watched(model, see):
            run()
        self.sentences += len(next(iter(real.values())))

    def to_json(self) -> dict[str, Any]:
        """The result as JSON types: a row for each head, the mean of each part, and what evenness would give.

        ``mean`` is over all query positions of the text, ``deviation`` the standard deviation of the
        sentences' means. ``even`` is of rows that look everywhere alike. Layers and heads count from 1.
        """
        heads = []
        for place, sums in self.sums.items():
            columns = {name: one.summary() for name, one in sums.items()}
            for head in range(place.heads):
                measured = {name: column[head] for name, column in columns.items()}
                heads.append({**_facts(place), "head": head + 1, **measured})
        parts = {}
        for part in dict.fromkeys(row["part"] for row in heads):
            mine = [row for row in heads if row["part"] == part]
            parts[part] = {
                "heads": len(mine),
                "positions": int(self.even[part]["mass"].rows[0]),
                **{name: _over_heads([row[name]["mean"] for row in mine]) for name in STATISTICS},
                "even": {name: one.summary()[0]["mean"] for name, one in self.even[part].items()},
            }
        return {"sentences": self.sentences, "parts": parts, "heads": heads}


def specialisation(
    model: Seq2Seq,
    pairs: Iterable[tuple[Sequence[int], Sequence[int]]],
    *,
    batch_tokens: int = 2048,
) -> Specialisation:
    """The statistics of `model` reading each pair's source and writing its target (tokens without ends).

    The end of the source and the end symbol that the target starts from are positions too. `batch_tokens`
    bounds the positions of a side at once, padding included; it changes speed and memory alone.

    Raises InputError where there are no pairs.
    """

    def run(source: Tensor, target: Tensor) -> Tensor:
        return model.features(source, target)

    rows = [([*source, EOS], [EOS, *target]) for source, target in pairs]
    return _measured(model, rows, ("encoder", "decoder"), run, batch_tokens)


def text_specialisation(
    model: LanguageModel, texts: Iterable[Sequence[int]], *, batch_tokens: int = 2048
) -> Specialisation:
    """The statistics of a language model reading each text after an end symbol; see `specialisation`."""
    return _measured(model, [([EOS, *text],) for text in texts], ("decoder",), model.features, batch_tokens)


def _measured(
    model: torch.nn.Module,
    rows: Sequence[tuple[list[int], ...]],
    sides: Sequence[str],
    run: Callable[..., object],
    batch_tokens: int,
) -> Specialisation:
    if not rows:
        raise InputError("there are no sentences to measure on", remedy="give a text that holds lines")
    device, collected = next(model.parameters()).device, Specialisation()
    with evaluating(model):
        for batch in _batches(sorted(rows, key=_longest), batch_tokens):
            tensors = [_padded(side).to(device) for side in zip(*batch, strict=True)]
            real = {side: tensor != PAD for side, tensor in zip(sides, tensors, strict=True)}
            collected.add(model, functools.partial(run, *tensors), real)
    return collected


def _gather(sums: dict[str, _Sums], found: Mapping[str, Tensor]) -> None:
    for name, values in found.items():
        one = _Sums.of(values.cpu())
        sums[name] = sums[name] + one if name in sums else one


def _even_rows(rows: Tensor, columns: Tensor, *, causal: bool) -> Tensor:
    """One head that gives every visible position the same weight."""
    matrix = columns[:, None, None].double().expand(-1, 1, rows.shape[1], -1)
    matrix = matrix.tril() if causal else matrix
    return matrix / matrix.sum(-1, keepdim=True)


def _facts(place: Place) -> dict[str, Any]:
    keys = ("side", "layer", "number", "kind", "taps", "name")
    return {"part": place.part, **{key: getattr(place, key) for key in keys}}


def _over_heads(means: Sequence[float | None]) -> dict[str, float | None]:
    """The mean over heads, and the smallest and largest of them."""
    known = [mean for mean in means if mean is not None]
    if not known:
        return dict.fromkeys(("mean", "smallest", "largest"))
    return {
        "mean": _number(math.fsum(known) / len(known)),
        "smallest": min(known),
        "largest": max(known),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _longest(row: tuple[list[int], ...]) -> int:
    return max(map(len, row))


def _batches(rows: Sequence[tuple[list[int], ...]], budget: int) -> Iterator[Sequence[tuple[list[int], ...]]]:
    """`rows`, from short to long, as many together as `budget` positions of a side hold."""
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and (end + 1 - start) * _longest(rows[end]) <= budget:
            end += 1
        yield rows[start:end]
        start = end


def _padded(rows: Sequence[list[int]]) -> Tensor:
    padded = torch.full((len(rows), max(map(len, rows))), PAD)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row)
    return padded
