"""The machine that a benchmark runs on: its name, one GPU for several programs, and ends of processes."""

import contextlib
import os
import platform
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path


def machine(device: str) -> str:
    """The name of the GPU, or of the CPU."""
    if device == "cuda":
        import torch

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


def end_with_input() -> None:
    """SIGTERM to this process when its input is closed, which a killed caller's is, too."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
