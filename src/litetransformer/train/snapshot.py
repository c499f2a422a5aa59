"""What a run needs to go on: weights, optimiser, and where it was, in one checked file, the last two kept."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from litetransformer.core.errors import InputError
from litetransformer.core.files import sweep_partial
from litetransformer.models.tensors import check_tensors, load_tensors, put_weights, save_tensors
from litetransformer.train.ema import Ema
from litetransformer.train.numbered import keep_newest, numbered_files, numbered_path

STATE, KEPT = "state", 2


@dataclasses.dataclass
class Progress:
    """Where a run is. `position` counts the batches of `epoch` that are done; `best` is the best score so
    far, `validated` the update of the last validation.

    `loss` (bits) over `loss_tokens` is what the next line of the log will average.
    """

    update: int = 0
    epoch: int = 0
    position: int = 0
    best: float | None = None
    stale: int = 0
    validated: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    loss_tokens: int = 0


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """The state of a run after `update`, as it goes into a file."""

    update: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def take_snapshot(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    *,
    ema: Ema | None = None,
    copy: bool = False,
) -> Snapshot:
    """The state of a run; its tensors are those that training goes on to change, unless it is a `copy`."""
    tensors: dict[str, Tensor] = {f"model/{name}": tensor for name, tensor in model.named_parameters()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer/{key}/{name}"] = value
    if ema is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in ema.averages.items()}
    if copy:
        tensors = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
    facts = {"progress": dataclasses.asdict(progress), "optimizer": type(optimizer).__name__}
    return Snapshot(progress.update, tensors, facts)


def save_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Write a run's state under its update's number and remove all but the newest `KEPT`."""
    save_tensors(numbered_path(folder, STATE, snapshot.update), snapshot.tensors, snapshot.facts)
    keep_newest(folder, STATE, KEPT)


class Saving:
    """Does one save after the other, at once or, in the `background`, while training goes on.

    What goes wrong in the background is raised by whatever waits for it: the next save, or the block's end.
    """

    def __init__(self, *, background: bool) -> None:
        self.background = background
        self._pool: ThreadPoolExecutor | None = None
        self._pending: Future[None] | None = None

    def __enter__(self) -> "Saving":
        if self.background:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="save")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            # A save that has begun is worth waiting for, also where training ends with an error.
            self._pool.shutdown()
        if kind is None:
            self.wait()

    def begin(self, save: Callable[[], None]) -> None:
        """Call `save` once the one before is done; return at once where that is in the background."""
        self.wait()
        if self._pool is None:
            save()
        else:
            self._pending = self._pool.submit(save)

    def wait(self) -> None:
        """Return once nothing is being saved any more."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()


def load_snapshot(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, ema: Ema | None = None
) -> tuple[Progress, list[str]] | None:
    """Put the newest good snapshot into `model`, `optimizer` and `ema`; None where there is none.

    Returns where the run was, and a sentence for each damaged snapshot that was passed over, and for one that
    was made with an optimiser of another kind, whose state is left.

    Raises InputError when there are snapshots and every one of them is damaged.
    """
    if not folder.is_dir():
        return None
    sweep_partial(folder)
    problems: list[InputError] = []
    for path in numbered_files(folder, STATE):
        try:
            tensors, facts = load_tensors(path)
            progress = _progress(facts, path)
            told = [f"{problem}; an older one is used" for problem in problems]
            before, now = facts.get("optimizer"), type(optimizer).__name__
            # Runs of earlier versions don't say.
            if other := before not in (None, now):
                told.append(f"{path}: made with {before}; {now} begins anew, at the same rate")
            _restore(model, None if other else optimizer, tensors, path)
            if ema is not None:
                _restore_average(ema, progress.update, tensors, path)
            return progress, told
        except InputError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    return None


def _progress(facts: dict[str, Any], path: Path) -> Progress:
    try:
        return Progress(**facts["progress"])
    except (KeyError, TypeError) as error:
        raise InputError("not a run's state, or of another version", path=path) from error


def _restore(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, tensors: dict[str, Tensor], path: Path
) -> None:
    parameters = dict(model.named_parameters())
    weights = _named(tensors, "model/")
    check_tensors(weights, parameters, path)
    put_weights(model, weights)
    if optimizer is None:
        return
    for name, parameter in parameters.items():
        state = {
            key.removeprefix("optimizer/").removesuffix(f"/{name}"): tensor.to(parameter.device)
            for key, tensor in tensors.items()
            if key.startswith("optimizer/") and key.endswith(f"/{name}")
        }
        if state:
            optimizer.state[parameter] = state


def _restore_average(ema: Ema, update: int, tensors: dict[str, Tensor], path: Path) -> None:
    """The average of the snapshot; one that begins with its weights where the run had none until now."""
    averages = _named(tensors, "average/") or _named(tensors, "model/")
    check_tensors(averages, ema.averages, path)
    ema.restore(averages, update)


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of one kind, by the names of their parameters."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
