"""Weights as small numbers that stand for few values: k-means codebooks and plain affine int8.

A `Quantized` tensor is its codes and a table of values for each group of rows; value and code make the weight
again, exactly. A weight that is zero stays zero: where a tensor has zeros, code 0 is theirs alone.
"""

import math
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from litetransformer.core.errors import InputError

Precision = Literal["float16", "float32"]

Number = TypeVar("Number", np.float64, np.int64)

_INT8 = 256
_HALF_ERROR = 2.0**-10
"""A value that half precision misses by more than this share of itself is kept in single precision."""
_APART = 1e-150
"""Centres are told apart as if by so much at least: less than that of any two weights, and not zero."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine:
    """value(code) = (code - zero) · scale, with both for every group of rows."""

    scale: NDArray[np.float32]
    zero: NDArray[np.uint8]

    def values(self) -> NDArray[np.float32]:
        """The 256 values of each group."""
        codes = np.arange(_INT8, dtype=np.float32)
        return (codes - self.zero[:, None].astype(np.float32)) * self.scale[:, None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantized:
    """A tensor whose weight at i, in the group g of its row, is ``values[g, codes[i]]``.

    A group is `rows` rows of the first dimension, the last one maybe fewer; 0 makes the tensor one group.
    `values` are as the file will hold them, rounded to `precision`. With `affine` they follow from it.
    """

    codes: NDArray[np.uint8]
    values: NDArray[np.float32]
    rows: int = 0
    precision: Precision = "float32"
    affine: Affine | None = None

    def indices(self) -> Tensor:
        """Where in the flattened `values` each weight's value stands."""
        offsets = group_of_rows(self.codes.shape, self.rows) * self.values.shape[1]
        return torch.from_numpy(np.asarray(self.codes.astype(np.int64) + offsets))

    def dequantize(self) -> Tensor:
        """The weights, in single precision."""
        found = np.empty(self.codes.shape, np.float32)
        for group, values in enumerate(self.values):
            place = place_of(group, self.codes.shape, self.rows)
            found[place] = values[self.codes[place]]
        return torch.from_numpy(found)


def group_count(shape: tuple[int, ...], rows: int) -> int:
    """How many groups of `rows` rows a tensor of `shape` has."""
    return 1 if not rows or not shape else max(1, -(-shape[0] // rows))


def place_of(group: int, shape: tuple[int, ...], rows: int) -> slice | EllipsisType:
    """Where the group stands in a tensor of `shape`."""
    return slice(group * rows, (group + 1) * rows) if rows and shape else ...


def group_of_rows(shape: tuple[int, ...], rows: int) -> NDArray[np.int64]:
    """The group of each row, in a shape that goes with codes of `shape`."""
    if not rows or not shape:
        return np.zeros((1,) * len(shape), np.int64)
    return (np.arange(shape[0]) // rows).reshape(-1, *(1,) * (len(shape) - 1))


def codebook(weights: Tensor, *, bits: int, rows: int = 0, rate: float = 0.0) -> Quantized:
    """`weights` with at most 2^`bits` values in each group of `rows` rows, by converged 1-D k-means.

    With `rate`, a bit of the entropy-coded codes costs as much as an error of `rate` times the variance: that
    takes fewer bits for a given error (entropy-constrained quantization, Chou et al. 1989).

    Raises InputError for weights that are not finite, ValueError for bits that are not from 1 to 8.
    """
    return Codebooks(weights, rows=rows).at(bits=bits, rate=rate)


class Codebooks:
    """What `codebook` makes of the same weights, for one number of bits and rate after the other.

    The weights are sorted once, and what that gives, some 20 bytes a weight, is kept.
    """

    def __init__(self, weights: Tensor, *, rows: int = 0) -> None:
        array, self.rows = _finite(weights), rows
        self.shape = array.shape
        # One table for the code 0 in all groups keeps codes and zeros the same thing.
        self.reserved = int(bool((array == 0.0).any()))
        self.groups: list[tuple[slice | EllipsisType, NDArray[np.bool_], Sorted]] = []
        for group in range(group_count(array.shape, rows)):
            place = place_of(group, array.shape, rows)
            live = array[place] != 0.0
            self.groups.append((place, live, Sorted(array[place][live])))

    def at(self, *, bits: int, rate: float = 0.0) -> Quantized:
        """The codebook of at most 2^`bits` values; see `codebook`."""
        if not 1 <= bits <= 8:
            raise ValueError(f"bits={bits} must be from 1 to 8")
        codes = np.zeros(self.shape, np.uint8)
        values = np.zeros((len(self.groups), 2**bits), np.float32)
        used = np.zeros((len(self.groups), 2**bits), bool)
        for group, (place, live, points) in enumerate(self.groups):
            centres, labels = points.lloyd(2**bits - self.reserved, rate=rate)
            values[group, self.reserved : self.reserved + len(centres)] = centres
            used[group, self.reserved : self.reserved + len(centres)] = True
            coded = np.zeros(live.shape, np.uint8)
            coded[live] = labels + self.reserved
            codes[place] = coded
        # Values that nothing has would only take room in the file.
        width = max(2, self.reserved + int(used.any(0).sum()))
        rounded, precision = _rounded(values[:, :width], used[:, :width])
        return Quantized(codes=codes, values=rounded, rows=self.rows, precision=precision)


def from_codes(
    codes: NDArray[np.integer[Any]], values: NDArray[np.floating[Any]], *, rows: int = 0
) -> Quantized:
    """The tensor whose weight at i, in group g, is ``values[g, codes[i]]``, as `codebook` would give it.

    Values that no weight has are left out, the others rise, and zeros have code 0 for themselves.
    """
    found, kept = np.zeros(codes.shape, np.uint8), []
    zeros = [np.zeros(0, np.int64)] * len(values)
    for group, own in enumerate(values):
        counts = np.bincount(codes[place_of(group, codes.shape, rows)].reshape(-1), minlength=len(own))
        live = np.flatnonzero((counts > 0) & (own != 0.0))
        zeros[group] = np.flatnonzero((counts > 0) & (own == 0.0))
        kept.append(live[np.argsort(own[live], kind="stable")])
    reserved = int(any(map(len, zeros)))
    width = max(2, reserved + max(map(len, kept), default=0))
    table, used = np.zeros((len(values), width), np.float32), np.zeros((len(values), width), bool)
    for group, own in enumerate(values):
        place, places = place_of(group, codes.shape, rows), reserved + np.arange(len(kept[group]))
        new = np.zeros(len(own), np.uint8)
        new[kept[group]] = places
        found[place] = new[codes[place]]
        table[group, places], used[group, places] = own[kept[group]], True
    rounded, precision = _rounded(table, used)
    return Quantized(codes=found, values=rounded, rows=rows, precision=precision)


def lloyd(
    points: NDArray[np.floating[Any]], clusters: int, *, rate: float = 0.0, rounds: int = 5000
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rising centres, at most `clusters`, and each point's centre: Lloyd's algorithm in one dimension.

    It starts from even quantiles and from cells of even width, ends each time when no point changes its
    centre, and keeps the better end. All steps work on the sorted points and their running sums, so equal
    points give equal centres; `rounds` bounds their number. With no more different points than clusters,
    each is a centre.
    """
    return Sorted(points).lloyd(clusters, rate=rate, rounds=rounds)


class Sorted:
    """Points in one dimension, sorted once, to be parted by `lloyd` again and again."""

    def __init__(self, points: NDArray[np.floating[Any]]) -> None:
        # Not stable: equal points are never parted, so their order is nobody's business.
        order = np.argsort(points)
        self.order = order.astype(np.int32) if len(order) < 2**31 else order
        self.rising = points[order].astype(np.float64)
        self.different = _different(self.rising)
        self.sums = np.concatenate([[0.0], np.cumsum(self.rising)])

    def lloyd(
        self, clusters: int, *, rate: float = 0.0, rounds: int = 5000
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Rising centres, and each point's: see the function `lloyd`."""
        if len(self.different) <= clusters:
            centres = self.different
            edges = np.append(np.searchsorted(self.rising, centres), len(self.rising))
        else:
            cells = _Cells(self.rising, self.sums, rate * float(self.rising.var()))
            width = np.linspace(self.rising[0], self.rising[-1], clusters + 1)[1:-1]
            quantiles = np.linspace(0, len(self.rising), clusters + 1).round().astype(np.int64)[1:-1]
            starts = (quantiles, np.searchsorted(self.rising, width))
            edges = min((cells.converged(start, rounds) for start in starts), key=cells.cost)
            centres = cells.centres(edges)
        counts = np.diff(edges)
        labels = np.empty(len(self.rising), np.int64)
        labels[self.order] = np.repeat(np.arange(len(counts)), counts)
        return centres, labels


class _Cells:
    """Sorted points parted at edges, which are indices from 0 to the number of points."""

    def __init__(self, rising: NDArray[np.float64], sums: NDArray[np.float64], penalty: float) -> None:
        self.rising, self.sums, self.penalty = rising, sums, penalty

    def centres(self, edges: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.diff(self.sums[edges]) / np.diff(edges)

    def bits(self, edges: NDArray[np.int64]) -> NDArray[np.float64]:
        return -np.log2(np.diff(edges) / len(self.rising))

    def cost(self, edges: NDArray[np.int64]) -> float:
        """The squared error, less what all cells have in common, and the penalty of the bits."""
        counts = np.diff(edges)
        return float((counts * (self.penalty * self.bits(edges) - self.centres(edges) ** 2)).sum())

    def converged(self, inner: NDArray[np.int64], rounds: int) -> NDArray[np.int64]:
        """The edges from which no point moves, starting from these `inner` ones; no cell is empty."""
        count = len(self.rising)
        edges = np.unique(np.concatenate([[0], inner, [count]]))
        for _ in range(rounds):
            # Hundreds of rounds of a few dozen numbers: slices take a third of the time of `np.diff`.
            counts, sums = edges[1:] - edges[:-1], self.sums[edges]
            centres = (sums[1:] - sums[:-1]) / counts
            cuts = (centres[1:] + centres[:-1]) / 2
            if self.penalty:
                # A cell that its neighbours close over is empty: it goes with the next edges.
                bits = -np.log2(counts / count)
                # Cells that part equal points have one centre: the one of fewer bits takes all.
                apart = np.maximum(centres[1:] - centres[:-1], _APART)
                cuts += self.penalty * (bits[1:] - bits[:-1]) / (2 * apart)
                np.maximum.accumulate(cuts, out=cuts)
            places = np.empty(len(edges), np.int64)
            places[0], places[1:-1], places[-1] = 0, self.rising.searchsorted(cuts), count
            moved = _different(places)
            if len(moved) == len(edges) and (moved == edges).all():
                break
            edges = moved
        return edges


def _different(values: NDArray[Number]) -> NDArray[Number]:
    """What `np.unique` gives, of values that rise already or nearly so."""
    if not len(values):
        return values
    rises = values[1:] > values[:-1]
    if rises.all():
        return values
    if (values[1:] < values[:-1]).any():
        return np.unique(values)
    found: NDArray[Number] = values[np.concatenate([[True], rises])]
    return found


def affine(weights: Tensor, *, rows: int = 0) -> Quantized:
    """`weights` on 256 evenly spaced values from each group's smallest to its largest, zero among them.

    Weights nearer to zero than half a step become zero. Raises InputError for weights that are not finite.
    """
    array = _finite(weights)
    groups = group_count(array.shape, rows)
    scale, zero = np.ones(groups, np.float32), np.zeros(groups, np.uint8)
    codes = np.zeros(array.shape, np.uint8)
    for group in range(groups):
        place = place_of(group, array.shape, rows)
        part = array[place].astype(np.float64)
        low, high = min(0.0, part.min(initial=0.0)), max(0.0, part.max(initial=0.0))
        step = np.float32((high - low) / (_INT8 - 1))
        # Of numbers near the smallest there are, no 255th part may be left.
        scale[group] = step if step > 0.0 else np.float32(max(high, -low) or 1.0)
        zero[group] = min(_INT8 - 1, round(-low / float(scale[group])))
        codes[place] = np.clip(np.rint(part / float(scale[group])) + float(zero[group]), 0, _INT8 - 1)
    plan = Affine(scale=scale, zero=zero)
    return Quantized(codes=codes, values=plan.values(), rows=rows, affine=plan)


def entropy(codes: NDArray[np.uint8]) -> float:
    """Bits a code needs at least, coded by how often each occurs."""
    counts = np.bincount(codes.reshape(-1))
    counts = counts[counts > 0]
    return -math.fsum(count * math.log2(count / codes.size) for count in counts.tolist()) / max(1, codes.size)


def _finite(weights: Tensor) -> NDArray[np.float32]:
    array = weights.detach().float().cpu().numpy()
    if not np.isfinite(array).all():
        raise InputError("holds NaN or infinite weights", remedy="train the model again")
    return array


def _rounded(values: NDArray[Any], nonzero: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Precision]:
    """`values` as they will be stored, and how; those that are `nonzero` never become zero."""
    single = values.astype(np.float32)
    # A mean may vanish where its points do not.
    single = np.where(nonzero & (single == 0.0), np.finfo(np.float32).tiny, single)
    with np.errstate(over="ignore"):
        half = single.astype(np.float16).astype(np.float32)
    if (np.abs(half - single) <= _HALF_ERROR * np.abs(single)).all():
        return half, "float16"
    return single, "float32"
