"""Which tensors a plan of compression gives a codebook, and all of them as a file has them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from litetransformer.compress.pack import Packable, Plain
from litetransformer.compress.quantize import Codebooks, Quantized, affine
from litetransformer.tasks.compression_record import Plan

SMALL = 1024
"""Tensors of fewer weights, and all vectors, are not pruned and get no codebook: they weigh little."""


def large_tensors(weights: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that are pruned and have codebooks: no vectors and none of few weights."""
    return [name for name, tensor in weights.items() if tensor.ndim > 1 and tensor.numel() >= SMALL]


def quantized(weights: Mapping[str, Tensor], tables: frozenset[str], plan: Plan) -> dict[str, Packable]:
    """Every tensor as a file made by `plan` has it, before fine-tuning."""
    return Quantizer(weights, tables, rows=plan.rows)(plan)


class Quantizer:
    """What `quantized` makes of the same weights, for one plan after the other.

    The weights are sorted once. A tensor for which a plan says what the last one said is not made again.
    """

    def __init__(self, weights: Mapping[str, Tensor], tables: frozenset[str], *, rows: int = 0) -> None:
        self.weights, self.tables, self.rows = weights, tables, rows
        self.large = set(large_tensors(weights))
        self.books: dict[str, Codebooks] = {}
        self.last: dict[str, tuple[tuple[int, float], Quantized]] = {}

    def __call__(self, plan: Plan) -> dict[str, Packable]:
        """Every tensor as a file made by `plan`, which has these `rows`, has it."""
        assert plan.rows == self.rows

        # Sorting goes on in several threads at a time, and what takes longest begins first. K-means is
        # hundreds of short calls: threads would only wait for each other.
        new = sorted(self.large - self.books.keys(), key=lambda name: -self.weights[name].numel())
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            self.books |= zip(new, threads.map(self._sorted, new), strict=True)
        return {
            name: self._coded(name, plan) if name in self.large else small(tensor, plan)
            for name, tensor in self.weights.items()
        }

    def _sorted(self, name: str) -> Codebooks:
        return Codebooks(self.weights[name], rows=self.rows)

    def _coded(self, name: str, plan: Plan) -> Quantized:
        bits, rate = wanted = plan.codes(table=name in self.tables)
        before, tensor = self.last.get(name, (None, None))
        if tensor is None or before != wanted:
            tensor = self.books[name].at(bits=bits, rate=rate)
            self.last[name] = wanted, tensor
        return tensor


def small(tensor: Tensor, plan: Plan) -> Quantized | Plain:
    """A vector, or a tiny tensor, as the plan says."""
    return affine(tensor) if plan.small == "affine" else Plain(weights=tensor, precision=plan.small)
