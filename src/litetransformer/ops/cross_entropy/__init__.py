"""`cross_entropy(features, table, targets, smoothing)`: the vocabulary's loss; see README.md here."""

from torch import Tensor

from litetransformer.ops.cross_entropy import chunked
from litetransformer.ops.cross_entropy.reference import cross_entropy as reference
from litetransformer.ops.dispatch import Op


def _choose(features: Tensor, *_: object, **__: object) -> str:
    return "chunked" if features.is_cuda else "reference"


cross_entropy = Op("cross_entropy", reference, _choose)
cross_entropy.register("chunked", chunked.cross_entropy, chunked.why_not)
