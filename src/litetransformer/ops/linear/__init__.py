"""`linear(x, weight, bias, relu)`: a linear layer, rectified or not; see README.md here."""

from litetransformer.ops.dispatch import Op
from litetransformer.ops.kernels import triton_in_training
from litetransformer.ops.linear import triton
from litetransformer.ops.linear.reference import linear as reference

linear = Op("linear", reference, triton_in_training(triton.why_not, "reference"))
linear.register("triton", triton.linear, triton.why_not)
