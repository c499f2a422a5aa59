"""`gate(x, pad, glu)`: a gated linear unit, and zeros on padding; see README.md here."""

from litetransformer.ops.dispatch import Op
from litetransformer.ops.gate import triton
from litetransformer.ops.gate.reference import gate as reference
from litetransformer.ops.kernels import triton_in_training

gate = Op("gate", reference, triton_in_training(triton.why_not, "reference"))
gate.register("triton", triton.gate, triton.why_not)
