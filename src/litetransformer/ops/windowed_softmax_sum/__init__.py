"""`windowed_softmax_sum(x, logits, left, rate, seed)`: softmax and window in one; see README.md here."""

from litetransformer.ops.dispatch import Op
from litetransformer.ops.windowed_softmax_sum import separate, triton
from litetransformer.ops.windowed_softmax_sum.reference import windowed_softmax_sum as reference

windowed_softmax_sum = Op("windowed_softmax_sum", reference, lambda *_, **__: "separate")
windowed_softmax_sum.register("separate", separate.windowed_softmax_sum, separate.why_not)
windowed_softmax_sum.register("triton", triton.windowed_softmax_sum, triton.why_not)
