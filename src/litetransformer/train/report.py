"""What a run tells: a line of progress for people, and `log.jsonl` for programs."""

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from litetransformer.core.files import cannot_write
from litetransformer.train.snapshot import Progress


class Report:
    """Writes the events of one run to FOLDER/log.jsonl, and to the terminal unless `quiet`.

    Every line of the log is one JSON object with ``event`` and the values that belong to it; losses are in
    bits a token, and what is not a finite number is null, which JSON has in its place. With `tensorboard`,
    scalars also go to FOLDER/tensorboard (extra ``tensorboard``).
    """

    def __init__(self, folder: Path, *, quiet: bool = False, tensorboard: bool = False) -> None:
        self.path, self.quiet = folder / "log.jsonl", quiet
        self._progress: Any = None
        self._task: Any = None
        self._last = (0.0, 0)
        self._board = _board(folder) if tensorboard else None
        self._muted = False

    def muted(self) -> "Report":
        """A report on the same run that tells nothing: another process does."""
        other = Report(self.path.parent, quiet=True)
        other._muted = True
        return other

    @contextlib.contextmanager
    def running(self, updates: int) -> Iterator[None]:
        """Show progress towards `updates` inside the block."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as shown:
            self._progress, self._task = shown, shown.add_task("starting", total=updates)
            try:
                yield
            finally:
                self._progress = None

    def tick(self, progress: Progress) -> None:
        """Note one more update."""
        if self._progress is not None:
            self._progress.update(self._task, completed=progress.update)

    def train(self, progress: Progress, loss: float, rate: float) -> None:
        """Log the training loss since the last such line, with the speed since then."""
        now = time.perf_counter()
        before, tokens = self._last
        speed = (progress.tokens - tokens) / (now - before) if before else 0.0
        self._last = (now, progress.tokens)
        values = {"loss": loss, "rate": rate, "tokens": progress.tokens, "tokens_per_second": round(speed, 1)}
        self.event("train", {"update": progress.update, "epoch": progress.epoch, **values}, shown=False)
        if self._progress is not None:
            self._progress.update(self._task, description=f"loss {loss:.3f} bits · {speed:,.0f} tokens/s")

    def event(self, event: str, values: Mapping[str, Any], *, shown: bool = True) -> None:
        """Log an event; show it unless told otherwise."""
        if self._muted:
            return
        entry = {"event": event, "time": round(time.time(), 3), **values}
        line = json.dumps({name: _finite(value) for name, value in entry.items()}, allow_nan=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as log:
                log.write(line)
        except OSError as error:
            raise cannot_write(self.path, error, len(line)) from error
        if self._board is not None:
            for name, value in values.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{event}/{name}", value, values.get("update", 0))
        if shown and not self.quiet:
            self._print(
                f"{event}: " + " · ".join(f"{name} {_short(value)}" for name, value in values.items())
            )

    def warn(self, sentence: str) -> None:
        """Show and log a warning."""
        self.event("warning", {"message": sentence}, shown=False)
        if not self.quiet:
            self._print(f"warning: {sentence}")

    def _print(self, line: str) -> None:
        if self._progress is not None:
            self._progress.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        from litetransformer.core.errors import MissingExtraError

        raise MissingExtraError("a TensorBoard log", "tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))
