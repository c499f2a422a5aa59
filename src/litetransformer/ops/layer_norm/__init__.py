"""`layer_norm(x, weight, bias, added, rate)`: LayerNorm, of a residual sum if need be; see README.md here."""

from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import triton_in_training
from litetransformer.ops.layer_norm import triton
from litetransformer.ops.layer_norm.reference import layer_norm as reference

layer_norm = Op("layer_norm", reference, triton_in_training(triton.why_not, "reference"))
layer_norm.register("triton", triton.layer_norm, triton.why_not)
