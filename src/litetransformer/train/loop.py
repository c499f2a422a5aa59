"""The training loop: get batches, step, now and then log, validate and save."""

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from litetransformer.core.errors import InputError
from litetransformer.data.batching import TrainingBatch
from litetransformer.models.model import Model
from litetransformer.models.tensors import put_weights
from litetransformer.train.cost import Meter
from litetransformer.train.distributed import ALONE, Ranks
from litetransformer.train.ema import Ema
from litetransformer.train.numbered import forget_later
from litetransformer.train.prefetch import loaded
from litetransformer.train.recipe import Training
from litetransformer.train.report import Report
from litetransformer.train.signals import Interrupted, Signals
from litetransformer.train.snapshot import Progress, Saving, load_snapshot, save_snapshot, take_snapshot
from litetransformer.train.step import Step
from litetransformer.train.weights import KIND, average_weights, save_epoch_weights

LOG_EVERY = 50
"""Updates between two lines of the log: each reads the loss, which waits for the device."""
SAVE_SECONDS = 60.0
"""Without `save_every`, the state is saved when the last save is longer ago: a crash costs this much work."""

LENGTHS_AMONG = 500
"""An epoch's first batches, for whose lengths a GPU's kernels are compiled before the first update."""


class Planned(Protocol):
    """A batch that is not loaded yet. On a GPU those of one length have one shape."""

    @property
    def length(self) -> int: ...


class TrainingData(Protocol):
    """What the loop trains on: the same batches for an epoch's number, every time."""

    def epoch(self, number: int) -> Sequence[Any]:
        """The batches of epoch `number`, from 0, in their order; each is `Planned`."""

    def load(self, batch: Any) -> TrainingBatch:
        """The tensors of one batch."""


Weights = Mapping[str, Tensor]


def train(
    model: Model,
    data: TrainingData,
    training: Training,
    folder: Path,
    *,
    evaluate: Callable[[Model], dict[str, float]],
    publish: Callable[[Weights, dict[str, float]], None],
    report: Report,
    device: torch.device,
    meter: Meter | None = None,
    ranks: Ranks = ALONE,
) -> Progress:
    """Train `model` until its updates are done or it no longer gets better; returns where it ended.

    What can be resumed lives in `folder`; the same call goes on from the newest snapshot there. `evaluate`
    gives validation scores (``loss`` in bits a token, lower is better; ``bleu`` and ``rouge``, higher is),
    `publish` receives the weights that become the model. `meter` runs meanwhile, and saves when the run does.

    Of several `ranks`, each loads its own part of every batch from `data` and all make the same updates; the
    first alone evaluates, publishes, reports and saves.

    Raises Interrupted after SIGINT or SIGTERM to any of them, once the state is saved.
    """
    model.to(device)
    optimizer = training.optimizer.build(model)
    step = Step(model, optimizer, training, device, ranks)
    # All ranks make the same weights; the first alone evaluates and saves.
    flat = None if step.flat is None else step.flat.weights
    ema = Ema(model, training.ema_decay, optimizer, flat) if training.ema_decay and ranks.first else None
    progress, saved = Progress(), time.monotonic()
    ahead = 8 if device.type == "cuda" else 0
    # On the CPU a thread that writes would take from the cores that compute.
    saving = Saving(background=device.type == "cuda")
    if not ranks.first:
        report, meter = report.muted(), None
    if (resumed := ranks.ahead(lambda: load_snapshot(folder, model, optimizer, ema=ema))) is not None:
        progress, problems = resumed
        step.loss.fill_(progress.loss)
        for problem in problems:
            report.warn(problem)
        report.event("resume", {"update": progress.update, "epoch": progress.epoch})
    ranks.agree("checkpoint", progress.update)
    ranks.share(model.parameters())
    if ranks.first:
        forget_later(folder, KIND, progress.update)

    def compile_ahead(stop: Callable[[], bool]) -> None:
        began = time.perf_counter()
        if found := step.compile_for(one_of_each_length(data, progress.epoch), stop):
            report.event("kernels", {"count": found, "seconds": round(time.perf_counter() - began, 3)})

    def load(plan: Sequence[Any], first: int) -> list[TrainingBatch]:
        batches = [data.load(batch) for batch in plan[first : first + training.accumulate]]
        return [batch.pinned() for batch in batches] if device.type == "cuda" else batches

    def save() -> None:
        nonlocal saved
        saved = time.monotonic()
        # Reading raises if an update was not finite: no state is saved that would hide it.
        progress.loss = step.read()
        step.loss.fill_(progress.loss)
        # Two copies at once would be one too many.
        saving.wait()
        snapshot = take_snapshot(model, optimizer, progress, ema=ema, copy=saving.background)
        saving.begin(lambda: save_snapshot(folder, snapshot))
        if meter is not None:
            meter.save()

    def save_last() -> None:
        save()
        saving.wait()

    def validate() -> None:
        with ema.in_place() if ema is not None else contextlib.nullcontext():
            scores = ranks.by_first(lambda: evaluate(model))
            progress.validated = progress.update
            better = _better(scores, progress.best, training)
            progress.best, progress.stale = (
                (scores[training.best_by], 0) if better else (progress.best, progress.stale + 1)
            )
            found = {"update": progress.update, "epoch": progress.epoch, "best": better, **scores}
            report.event("valid", found)
            if ranks.first and ((better and training.keep == "best") or training.keep == "last"):
                publish(dict(model.named_parameters()), scores)

    with (
        Signals() as signals,
        report.running(training.updates),
        meter or contextlib.nullcontext(),
        saving,
        ranks.watching(),
    ):
        if not _done(progress, training):
            compile_ahead(lambda: signals.received != 0)
            if (number := ranks.heard(signals.received, now=True)) != 0:
                ranks.by_first(save_last)
                raise Interrupted(number)
        while not _done(progress, training):
            plan = data.epoch(progress.epoch)
            # A plan may make its batches when they are asked for: no more than a few are here at a time.
            firsts = range(progress.position, len(plan), training.accumulate)
            firsts = firsts[: training.updates - progress.update]
            began = time.perf_counter()
            for batches in loaded(firsts, functools.partial(load, plan), ahead):
                step(batches, progress.update + 1, _place(progress, len(batches)))
                progress.update += 1
                progress.position += len(batches)
                progress.tokens += (tokens := sum(batch.all_tokens for batch in batches))
                progress.loss_tokens += tokens
                if progress.update % LOG_EVERY == 0:
                    loss, progress.loss_tokens = step.read() / progress.loss_tokens, 0
                    report.train(progress, loss, training.schedule.rate(progress.update))
                progress.seconds += time.perf_counter() - began
                report.tick(progress)
                if _due(progress.update, training.validate_every):
                    validate()
                    if _done(progress, training):
                        break
                overdue = not training.save_every and time.monotonic() - saved > SAVE_SECONDS
                if ranks.first and (overdue or _due(progress.update, training.save_every)):
                    save()
                if (number := ranks.heard(signals.received)) != 0:
                    ranks.by_first(save_last)
                    raise Interrupted(number)
                began = time.perf_counter()
            if progress.position >= len(plan):
                progress.epoch, progress.position = progress.epoch + 1, 0
                _end_epoch(model, training, folder, progress, validate, ranks)
        if training.keep == "average":
            ranks.by_first(
                lambda: _publish_average(model, training, folder, progress, evaluate, publish, report)
            )
        elif progress.validated != progress.update:
            validate()
        ranks.by_first(save_last)
        if (number := ranks.heard(signals.received, now=True)) != 0:
            raise Interrupted(number)
    report.event(
        "end", {"update": progress.update, "epoch": progress.epoch, "seconds": round(progress.seconds, 3)}
    )
    return progress


def one_of_each_length(data: TrainingData, epoch: int) -> Iterator[TrainingBatch]:
    """A batch of each length among the first of an epoch, loaded when it is asked for."""
    batches: Sequence[Planned] = data.epoch(epoch)[:LENGTHS_AMONG]
    yield from map(data.load, {batch.length: batch for batch in batches}.values())


def _end_epoch(
    model: Model,
    training: Training,
    folder: Path,
    progress: Progress,
    validate: Callable[[], None],
    ranks: Ranks,
) -> None:
    if training.keep == "average" and ranks.first:
        save_epoch_weights(folder, model, progress.update, training.average)
    if not training.validate_every:
        validate()


def _publish_average(
    model: Model,
    training: Training,
    folder: Path,
    progress: Progress,
    evaluate: Callable[[Model], dict[str, float]],
    publish: Callable[[Weights, dict[str, float]], None],
    report: Report,
) -> None:
    """Publish the mean of the last epochs' weights; `model` itself keeps those that training goes on from."""
    mean, epochs, problems = average_weights(folder, training.average)
    for problem in problems:
        report.warn(problem)
    own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    mean = mean or own
    put_weights(model, mean)
    scores = evaluate(model)
    report.event("average", {"update": progress.update, "epochs": epochs, **scores})
    publish(mean, scores)
    put_weights(model, own)


def _better(scores: Mapping[str, float], best: float | None, training: Training) -> bool:
    if training.best_by not in scores:
        raise InputError(
            f"validation gives no {training.best_by}",
            field="train.best_by",
            remedy=f"one of: {', '.join(scores)}",
        )
    score = scores[training.best_by]
    if not math.isfinite(score):
        return False
    return best is None or (score < best if training.best_by == "loss" else score > best)


def _place(progress: Progress, batches: int) -> str:
    """Where an update's batches come from, both counted from 0 as in the log."""
    first = progress.position
    last = "" if batches == 1 else f" to {first + batches - 1}"
    return f"epoch {progress.epoch}, batch {first}{last}"


def _due(update: int, every: int) -> bool:
    return every > 0 and update % every == 0


def _done(progress: Progress, training: Training) -> bool:
    worn_out = training.patience > 0 and progress.stale >= training.patience
    return progress.update >= training.updates or worn_out
