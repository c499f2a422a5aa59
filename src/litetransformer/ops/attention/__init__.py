"""`attention(q, k, v, visible, causal, dropout)`: scaled dot-product attention; see README.md here."""

from litetransformer.ops.attention import sdpa, triton
from litetransformer.ops.attention.reference import attention as reference
from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import triton_in_training

attention = Op("attention", reference, triton_in_training(triton.why_not, "sdpa"))
attention.register("sdpa", sdpa.attention, sdpa.why_not)
attention.register("triton", triton.attention, triton.why_not)
