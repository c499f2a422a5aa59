"""The ledger of a run: on what device it trained, how long and with how much energy, over all its resumes."""

import contextlib
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, with_checksum, without_checksum, write_json
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.train.power import (
    Power,
    Source,
    cores_used,
    device_name,
    in_words,
    power_of,
    stated_power,
)

if TYPE_CHECKING:
    import torch

COST = "cost.json"
SNAPSHOTS = "checkpoints/state-*"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment(Spec):
    """What a run used in one go: from a start of its training until the process ended, or measured otherwise.

    `count` devices were busy for `seconds`: GPUs, or cores of a CPU. `kwh` is None where nothing is known;
    `energy_source` says how it is known, and `note` what that leaves out.
    """

    started: str
    device: str
    kind: Literal["gpu", "cpu"]
    count: int
    seconds: float
    kwh: float | None
    energy_source: Source
    note: str = ""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"{self.count} devices are none")
        for name in ("seconds", "kwh"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise ValueError(f"{name} is {value}, below 0")

    @property
    def device_hours(self) -> float:
        """Hours times devices; of a CPU, times cores."""
        return self.seconds * self.count / 3600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ledger(Spec):
    """All that a run has used so far. `incomplete` where it used more, of which there is no record."""

    segments: tuple[Segment, ...] = ()
    incomplete: bool = False


def read_ledger(folder: Path) -> Ledger:
    """The ledger of the run in `folder`.

    Raises InputError naming the folder where there is none, or the file where it is damaged.
    """
    path = folder / COST
    if not path.exists():
        what = "no record of what training cost here" if folder.is_dir() else "no such folder"
        raise InputError(what, path=folder, remedy=f"name a folder of `lite train`, which keeps {COST} there")
    return from_json(without_checksum(read_json(path), path), Ledger, path=str(path))


class Meter:
    """Keeps FOLDER/cost.json while its block runs: time and energy of `devices`, added to what is there.

    `devices` are those of this machine, the CPU once for each process. Where other `machines` do the same
    work, what this one uses is counted for each of them.

    The file is replaced, in one step, at each `save` and when the block ends, however it ends; a process that
    is killed loses what came after its last `save`. Whatever goes wrong is told to `warn` in a sentence, and
    the run goes on: a meter never ends a training, nor does it touch a random number.
    """

    def __init__(
        self,
        folder: Path,
        devices: "Sequence[torch.device]",
        *,
        machines: int = 1,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path, self.devices, self._tell = folder / COST, list(devices), warn
        self.machines = machines
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._told: set[str] = set()
        self._before = Ledger()
        self._power: Power | None = None

    def __enter__(self) -> "Meter":
        try:
            self._before = self._earlier()
            power = power_of(self.devices)
            self._begin(power, time.monotonic())
            if power.period is not None:
                threading.Thread(target=self._keep_asking, args=(power.period,), daemon=True).start()
        # A driver may raise anything.
        except Exception as error:
            self._power = None
            self._warn(f"what the run costs is not recorded: {in_words(error)}")
        return self

    def __exit__(self, *_: object) -> None:
        self.save()
        self._ended.set()
        with self._lock, contextlib.suppress(Exception):
            if self._power is not None:
                self._power.close()

    def save(self) -> None:
        """Replace the file by what the run has used until now."""
        if self._power is None:
            return
        try:
            with self._lock:
                self._ask(self._power)
                ledger = dataclasses.replace(self._before, segments=(*self._before.segments, self._segment))
            write_json(self.path, with_checksum(to_json(ledger)))
        except Exception as error:
            self._warn(f"what the run costs could not be saved: {error}")

    def _earlier(self) -> Ledger:
        """What earlier processes of this run have used."""
        try:
            return read_ledger(self.path.parent)
        except InputError as error:
            if not self.path.exists():
                # A run from before ledgers were kept has trained without one.
                return Ledger(incomplete=any(self.path.parent.glob(SNAPSHOTS)))
            self._warn(f"{error}; it is kept as {COST}.damaged, and what the run cost before is not counted")
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_name(f"{COST}.damaged"))
            return Ledger(incomplete=True)

    def _begin(self, power: Power, start: float) -> None:
        gpu = self.devices[0].type == "cuda"
        times = f"{self.machines} times that of one machine; " if self.machines > 1 else ""
        self._segment = Segment(
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            device=device_name(self.devices),
            kind="gpu" if gpu else "cpu",
            count=self.machines * (len(self.devices) if gpu else cores_used(len(self.devices))),
            seconds=0.0,
            kwh=0.0,
            energy_source=power.source,
            note=f"{times}{power.note}",
        )
        self._power, self._start = power, start

    def _ask(self, power: Power) -> None:
        """Bring the segment up to now. Where the energy can no longer be had, another one begins."""
        try:
            joules = power.joules()
            if joules is not None and not (math.isfinite(joules) and joules >= 0):
                raise OSError(f"{joules} joules is no energy")
        # A driver may raise anything.
        except Exception as error:
            why = in_words(error)
            self._warn(f"energy is no longer measured ({why}); the stated power is taken instead")
            with contextlib.suppress(Exception):
                power.close()
            until = self._start + self._segment.seconds
            if self._segment.seconds > 0:
                self._before = dataclasses.replace(
                    self._before, segments=(*self._before.segments, self._segment)
                )
            stated = stated_power(self.devices, why, start=until)
            self._begin(stated, until)
            joules = stated.joules()
        self._segment = dataclasses.replace(
            self._segment,
            seconds=round(time.monotonic() - self._start, 3),
            kwh=None if joules is None else round(self.machines * joules / 3.6e6, 9),
        )

    def _keep_asking(self, period: float) -> None:
        while not self._ended.wait(period):
            with self._lock, contextlib.suppress(Exception):
                if self._power is not None and not self._ended.is_set():
                    self._ask(self._power)

    def _warn(self, sentence: str) -> None:
        # A disk that is full stays full: once is enough, even if another size is needed then.
        if (what := sentence.partition(":")[0]) not in self._told:
            self._told.add(what)
            with contextlib.suppress(Exception):
                self._tell(sentence)
