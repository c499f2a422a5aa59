"""Whether kernels written in Triton can run, and why not. Triton itself is imported where they first do."""

import importlib.util
import os

from torch import Tensor

INSTALLED = importlib.util.find_spec("triton") is not None
"""PyTorch's builds for CUDA bring it."""


def triton_why_not(tensor: Tensor) -> str | None:
    """A reason against a Triton kernel on this tensor's device, or None."""
    if not INSTALLED:
        return "the package triton is not installed"
    if not tensor.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        return f"a Triton kernel needs a CUDA device, not {tensor.device.type}"
    return None
