"""`embedding(tokens, table, positions, rate)`: scaled vectors and positions; see README.md here."""

from torch import Tensor

from litetransformer.ops.dispatch import Op
from litetransformer.ops.embedding import triton
from litetransformer.ops.embedding.reference import embedding as reference
from litetransformer.ops.kernels import trains_on_gpu


def _choose(tokens: Tensor, table: Tensor, positions: Tensor, rate: float = 0.0) -> str:
    fits = trains_on_gpu(table) and triton.why_not(tokens, table, positions, rate) is None
    return "triton" if fits else "reference"


embedding = Op("embedding", reference, _choose)
embedding.register("triton", triton.embedding, triton.why_not)
