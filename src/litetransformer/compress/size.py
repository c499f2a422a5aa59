"""How large a model is at each stage, counted in both ways: the paper's, without tables, and in full."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from litetransformer.compress.pack import Pack, Packable
from litetransformer.compress.quantize import Quantized
from litetransformer.core.spec import Spec
from litetransformer.layers.adaptive_softmax import AdaptiveEmbedding
from litetransformer.layers.embedding import Embedding

_SINGLE = 4


@dataclass(frozen=True, kw_only=True)
class Size(Spec):
    """Bytes of a whole model, and of its weights but for the input tables, which the paper leaves out."""

    total: int
    without_tables: int


def table_names(model: nn.Module) -> frozenset[str]:
    """The parameters that the paper does not count: input tables, tied ones too, and their projections."""
    left_out = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, Embedding | AdaptiveEmbedding)
        for parameter in module.parameters()
    }
    return frozenset(name for name, parameter in model.named_parameters() if id(parameter) in left_out)


def single_precision(weights: Mapping[str, Tensor], tables: frozenset[str]) -> Size:
    """4 bytes a weight."""
    return _size({name: _SINGLE * tensor.numel() for name, tensor in weights.items()}, tables)


def sparse(weights: Mapping[str, Tensor], tables: frozenset[str]) -> Size:
    """4 bytes a weight that is not zero and a bit for each that says which; without it where all are."""
    found = {}
    for name, tensor in weights.items():
        count, live = tensor.numel(), int(tensor.count_nonzero())
        found[name] = min(_SINGLE * count, _SINGLE * live + -(-count // 8))
    return _size(found, tables)


def fixed_width(tensors: Mapping[str, Packable], tables: frozenset[str]) -> Size:
    """As many bits a code as its values need, zeros too, and the values; nothing is entropy-coded."""
    found = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, Quantized):
            bits = (tensor.values.shape[1] - 1).bit_length()
            width = 2 if tensor.precision == "float16" else _SINGLE
            table = 5 * len(tensor.values) if tensor.affine else width * tensor.values.size
            found[name] = -(-tensor.codes.size * bits // 8) + table
        else:
            found[name] = tensor.weights.numel() * (2 if tensor.precision == "float16" else _SINGLE)
    return _size(found, tables)


def in_file(pack: Pack, tables: frozenset[str], *, total: int) -> Size:
    """The sections of the file; `total` is all of it, tokenizers and card too."""
    sections = {entry.name: entry.stored for entry in pack.contents.tensors}
    return Size(total=total, without_tables=_size(sections, tables).without_tables)


def _size(found: Mapping[str, int], tables: frozenset[str]) -> Size:
    total = sum(found.values())
    return Size(total=total, without_tables=total - sum(found[name] for name in tables if name in found))
