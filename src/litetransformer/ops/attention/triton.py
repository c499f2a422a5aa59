"""Short sequences whole in registers: one Triton kernel forward, one backward, nothing of T×S kept."""

from jaxtyping import Bool, Float
from torch import Tensor

from litetransformer.ops.kernels import FLOATS, computing_type, fresh_seed, power, triton_why_not

LARGEST = 16384
"""Bytes of the keys of a head, both sizes padded, that one program holds several times over."""


def why_not(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    visible: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> str | None:
    """A reason where Triton has one, and for types, masks and sizes that the kernels don't take."""
    keys, channels = k.shape[2], k.shape[3]
    if q.dtype not in FLOATS:
        return f"the kernels take fp32, bf16 and fp16, not {q.dtype}"
    if visible is not None and tuple(visible.shape[1:3]) != (1, 1):
        return f"the kernels take masks of keys, (B, 1, 1, S), not of shape {tuple(visible.shape)}"
    if keys == 0 or power(keys) * power(channels) * q.element_size() > LARGEST:
        return f"the kernels hold no {keys} keys of {channels} channels"
    return triton_why_not(q)


def attention(
    q: Float[Tensor, "B H T R"],
    k: Float[Tensor, "B H S R"],
    v: Float[Tensor, "B H S R"],
    visible: Bool[Tensor, "B #H #T S"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T R"]:
    """The same as the reference, in (B, T, H, R) order in memory, so that merging the heads moves nothing."""
    from litetransformer.ops.attention import triton_ops

    dtype = computing_type(q)
    q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    seed = fresh_seed(q.device) if dropout > 0.0 else None
    seen = None if visible is None else visible.expand(len(q), 1, 1, k.shape[2])
    out: Tensor = triton_ops.attention(q, k, v, seen, seed, causal, dropout)
    return out.transpose(1, 2)
