"""`adamw(weights, first, second, gradient, copies, …)`: one update of flat weights; see README.md here."""

from litetransformer.ops.adamw import triton
from litetransformer.ops.adamw.reference import adamw as reference
from litetransformer.ops.dispatch import Op

adamw = Op("adamw", reference, triton.choose)
adamw.register("triton", triton.adamw, triton.why_not)
