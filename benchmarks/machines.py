"""The machine that a benchmark runs on: its name, and one GPU for several programs."""

import contextlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch


def machine(device: str) -> str:
    """The name of the GPU, or of the CPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    facts = Path("/proc/cpuinfo")
    name = facts.read_text().partition("model name")[2] if facts.exists() else platform.processor()
    return name.partition("\n")[0].strip("\t :")


@contextlib.contextmanager
def shared_gpu(together: int, device: str) -> Iterator[None]:
    """NVIDIA's MPS, in a folder of its own, while trainings share a GPU; unless one is there already."""
    if together == 1 or device != "cuda" or "CUDA_MPS_PIPE_DIRECTORY" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        place = {"CUDA_MPS_PIPE_DIRECTORY": f"{folder}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{folder}/log"}
        for path in place.values():
            Path(path).mkdir()
        os.environ |= place
        started = subprocess.run(["nvidia-cuda-mps-control", "-d"], check=False).returncode == 0
        try:
            yield
        finally:
            if started:
                subprocess.run(["nvidia-cuda-mps-control"], input=b"quit -t 3\n", check=False)
