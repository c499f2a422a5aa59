"""Which tensors a plan of compression gives a codebook, and all of them as a file has them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from litetransformer.compress.pack import Packable, Plain
from litetransformer.compress.quantize import Quantized, affine, codebook
from litetransformer.tasks.compression_record import Plan

SMALL = 1024
"""Tensors of fewer weights, and all vectors, are not pruned and get no codebook: they weigh little."""


def large_tensors(weights: Mapping[str, Tensor]) -> list[str]:
    """The names of the tensors that are pruned and have codebooks: no vectors and none of few weights."""
    return [name for name, tensor in weights.items() if tensor.ndim > 1 and tensor.numel() >= SMALL]


def quantized(weights: Mapping[str, Tensor], tables: frozenset[str], plan: Plan) -> dict[str, Packable]:
    """Every tensor as a file made by `plan` has it, before fine-tuning."""
    large = set(large_tensors(weights))

    def found(name: str) -> Packable:
        if name not in large:
            return small(weights[name], plan)
        bits, rate = plan.codes(table=name in tables)
        return codebook(weights[name], bits=bits, rows=plan.rows, rate=rate)

    # Sorting, most of the work, goes on in several threads at a time.
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return dict(zip(weights, threads.map(found, weights), strict=True))


def small(tensor: Tensor, plan: Plan) -> Quantized | Plain:
    """A vector, or a tiny tensor, as the plan says."""
    return affine(tensor) if plan.small == "affine" else Plain(weights=tensor, precision=plan.small)
