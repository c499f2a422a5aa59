"""The weights at the ends of the last epochs, for their average."""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from litetransformer.models.tensors import load_tensors, save_tensors


def save_epoch_weights(folder: Path, model: nn.Module, update: int, keep: int) -> None:
    """Keep `model`'s weights of now under its update's number, and only the newest `keep` of such files."""
    save_tensors(
        folder / f"weights-{update:09d}.safetensors", dict(model.named_parameters()), {"update": update}
    )
    for path in _files(folder)[keep:]:
        path.unlink()


def average_weights(folder: Path, last: int, up_to: int) -> dict[str, Tensor]:
    """The mean of the newest `last` weights up to update `up_to` (PAPER §3: those of 10 epochs)."""
    total: dict[str, Tensor] = {}
    paths = [path for path in _files(folder) if int(path.stem.split("-")[1]) <= up_to][:last]
    for path in paths:
        for name, tensor in load_tensors(path)[0].items():
            total[name] = total[name] + tensor.double() if name in total else tensor.double()
    return {name: (tensor / len(paths)).to(torch.float32) for name, tensor in total.items()}


def _files(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("weights-*.safetensors") if re.fullmatch(r"weights-\d+", path.stem)]
    return sorted(found, reverse=True)
