"""The weights at the ends of the last epochs, for their average."""

from pathlib import Path

import torch
from torch import Tensor, nn

from litetransformer.core.errors import InputError
from litetransformer.models.tensors import load_tensors, save_tensors
from litetransformer.train.numbered import keep_newest, numbered_files, numbered_path

KIND = "weights"


def save_epoch_weights(folder: Path, model: nn.Module, update: int, keep: int) -> None:
    """Keep `model`'s weights of now under its update's number, and only the newest `keep` of such files."""
    path = numbered_path(folder, KIND, update)
    save_tensors(path, dict(model.named_parameters()), {"update": update})
    keep_newest(folder, KIND, keep)


def average_weights(folder: Path, last: int) -> tuple[dict[str, Tensor], int, list[str]]:
    """The mean of the newest `last` weights (PAPER §3: of 10 epochs), of how many, and what was wrong.

    Damaged files are left out, with a sentence each; without any good one the mean is empty.
    """
    total: dict[str, Tensor] = {}
    count, problems = 0, []
    for path in numbered_files(folder, KIND)[:last]:
        try:
            weights, _ = load_tensors(path)
        except InputError as error:
            problems.append(f"{error}; it is left out of the average")
            continue
        count += 1
        for name, tensor in weights.items():
            total[name] = total[name] + tensor.double() if name in total else tensor.double()
    return {name: (tensor / count).to(torch.float32) for name, tensor in total.items()}, count, problems
