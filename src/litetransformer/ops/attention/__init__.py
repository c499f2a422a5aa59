"""`attention(q, k, v, visible, causal, dropout)`: scaled dot-product attention; see README.md here."""

from litetransformer.ops.attention import sdpa
from litetransformer.ops.attention.reference import attention as reference
from litetransformer.ops.dispatch import Op

attention = Op("attention", reference, lambda *_, **__: "sdpa")
attention.register("sdpa", sdpa.attention, sdpa.why_not)
