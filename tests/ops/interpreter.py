"""Where tests of Triton's kernels run: on a GPU as they are, elsewhere under Triton's interpreter."""

import contextlib
from collections.abc import Iterator

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def interpret(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone, kernels that are defined or called without a GPU are interpreted."""
    if DEVICE == "cpu":
        patch.setenv("TRITON_INTERPRET", "1")


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """For imports: Triton asks for its interpreter when its own functions are defined, and when ours are.

    A module is skipped where there is no Triton.
    """
    with pytest.MonkeyPatch.context() as patch:
        interpret(patch)
        pytest.importorskip(
            "triton", reason="needs the package triton, which PyTorch's builds for CUDA bring"
        )
        yield
