"""`residual(x, added, rate)`: x + dropout(added); see README.md here."""

from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import triton_in_training
from litetransformer.ops.residual import triton
from litetransformer.ops.residual.reference import residual as reference

residual = Op("residual", reference, triton_in_training(triton.why_not, "reference"))
residual.register("triton", triton.residual, triton.why_not)
