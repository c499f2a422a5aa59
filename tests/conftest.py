"""Every test: one thread, float checks on; shapes in `ops` and `layers` are checked as they are annotated."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook(["litetransformer.ops", "litetransformer.layers"], "beartype.beartype")

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread_and_a_seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)
