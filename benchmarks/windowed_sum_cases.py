"""The cases that `windowed_sum.py` measures."""

from dataclasses import dataclass

import torch
from torch import Tensor

from litetransformer.ops.windowed_sum import triton_forms


@dataclass(frozen=True, kw_only=True)
class Case:
    """One shape; taps of dynamic cases are in the type of `x`, static ones in fp32, as under autocast."""

    tokens: int
    length: int
    channels: int
    taps: int
    dynamic: bool = False
    dtype: str = "bfloat16"
    heads: int = 4
    softmax: bool = False
    """Whether the taps are logits that go through softmax and dropout in the kernel."""

    def inputs(self, device: str, tokens: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Fresh `x` and taps that want gradients, and an upstream."""
        dtype, batch = getattr(torch, self.dtype), max(1, tokens // self.length)
        shape = (batch, self.length, self.channels)
        size = (batch, self.length, self.heads, self.taps) if self.dynamic else (self.heads, self.taps)
        x = torch.randn(shape, device=device, dtype=dtype, requires_grad=True)
        weights = torch.randn(size, device=device).softmax(-1).to(dtype if self.dynamic else torch.float32)
        return (x, weights.requires_grad_()), torch.randn(shape, device=device, dtype=dtype)

    def bytes(self, x: Tensor, weights: Tensor) -> dict[str, int]:
        """What each direction must move."""
        one, taps = x.numel() * x.element_size(), weights.numel() * weights.element_size()
        return {"forward": 2 * one + taps, "backward": 3 * one + 2 * taps}

    def options(self, device: str) -> tuple[int | float | Tensor, ...]:
        """What follows `x` and the taps: the window is causal, a tenth of the taps drops."""
        seed = torch.full((1,), 12345, device=device)
        return (self.taps - 1, 0.1, seed) if self.softmax else (self.taps - 1,)

    def forms(self) -> dict[str, str]:
        """The kind of Triton kernels that is chosen in each direction."""
        (x, weights), _ = self.inputs("cpu", 1)
        return {
            direction: triton_forms.form(x, weights, self.taps - 1, backward=direction == "backward")
            for direction in ("forward", "backward")
        }


CASES = [
    *(Case(tokens=n, length=t, channels=80, taps=31) for n, t in ((16384, 32), (65536, 32), (65536, 256))),
    *(Case(tokens=65536, length=256, channels=c, taps=k) for c in (80, 448) for k in (3, 63)),
    *(Case(tokens=n, length=t, channels=80, taps=31, dynamic=True) for n, t in ((16384, 32), (65536, 256))),
    *(Case(tokens=65536, length=256, channels=c, taps=k, dynamic=True) for c in (248, 448) for k in (3, 31)),
    *(Case(tokens=n, length=32, channels=80, taps=k) for n in (16384, 65536) for k in (3, 7, 15)),
    *(Case(tokens=65536, length=256, channels=c, taps=k) for c in (100, 248) for k in (7, 31)),
    Case(tokens=65536, length=256, channels=80, taps=31, dtype="float32"),
    Case(tokens=65536, length=256, channels=80, taps=31, dtype="float32", dynamic=True),
]
WHOLE = [
    *(
        Case(tokens=65536, length=256, channels=c, taps=k)
        for k in (31, 15, 63, 7)
        for c in (80, 100, 248, 448)
    ),
    *(Case(tokens=n, length=32, channels=80, taps=k) for n in (65536, 16384) for k in (31, 15, 7)),
    Case(tokens=16384, length=256, channels=80, taps=31),
    *(Case(tokens=65536, length=t, channels=80, taps=31, softmax=True) for t in (256, 32)),
    *(
        Case(tokens=65536, length=256, channels=c, taps=k, dynamic=True)
        for k in (31, 7)
        for c in (80, 100, 248, 448)
    ),
    *(Case(tokens=n, length=32, channels=80, taps=31, dynamic=True) for n in (65536, 16384)),
    *(Case(tokens=65536, length=256, channels=c, taps=31, dynamic=True, softmax=True) for c in (80, 448)),
    *(Case(tokens=n, length=32, channels=80, taps=31, dynamic=True, softmax=True) for n in (65536, 16384)),
]
"""The whole question in bf16, the most wanted first: how near today's choices come to a copy.

With `OTHERS`, some ninety kernels are compiled, which takes most of the 90 seconds of a first run.
"""
OTHERS = {
    **{Case(tokens=65536, length=256, channels=248, taps=k): "across" for k in (31, 15, 63)},
    **{Case(tokens=65536, length=256, channels=c, taps=7): "8-shares" for c in (80, 100, 248, 448)},
    Case(tokens=65536, length=256, channels=448, taps=31): "twice-room",
    Case(tokens=65536, length=256, channels=448, taps=63): "twice-room",
    Case(tokens=65536, length=256, channels=248, taps=31, dynamic=True): "half-warps",
}
"""Where another choice inside the kernels may be the better one."""
VARIED = [(case, OTHERS.get(case, "")) for case in WHOLE]
SMALL = [
    Case(tokens=128, length=32, channels=16, taps=5, dtype="float32", dynamic=dynamic)
    for dynamic in (False, True)
]
SMALL += [Case(tokens=128, length=64, channels=16, taps=31, dtype="float32", dynamic=True, softmax=True)]
