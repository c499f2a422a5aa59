"""PyTorch's fused attention."""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def why_not(*_: object, **__: object) -> str | None:
    """None: it runs everywhere."""
    return None


def attention(
    q: Float[Tensor, "B H T R"],
    k: Float[Tensor, "B H S R"],
    v: Float[Tensor, "B H S R"],
    visible: Bool[Tensor, "B #H #T S"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T R"]:
    """The same as the reference."""
    if visible is not None and causal:
        length, source = q.shape[-2], k.shape[-2]
        visible = visible & visible.new_ones(length, source).tril()
        causal = False
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout, is_causal=causal)
