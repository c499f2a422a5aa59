"""How much energy the devices of a run have used: asked of their own counters, else taken as stated."""

import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from litetransformer.core.devices import CPU_CORE_WATTS, WATTS_SOURCE, known_device

if TYPE_CHECKING:
    import torch

POWERCAP = Path("/sys/class/powercap")
SAMPLE_SECONDS = 1.0

Source = Literal["nvml", "rapl", "stated power"]


class Power(Protocol):
    """Something that knows energy. `joules` is what was used since it was made, and may be asked often.

    `source` says how it is known and `note` what that leaves out. `period` is the longest time, in seconds,
    that may pass between two questions; None where that doesn't matter.
    """

    source: Source
    note: str
    period: float | None

    def joules(self) -> float | None:
        """The energy since the start; None where nothing is known. May raise whatever a driver raises."""

    def close(self) -> None:
        """Give back what was opened."""


class Nvml:
    """The energy of NVIDIA GPUs by their driver's counters, or by samples of their power without any."""

    source: Source = "nvml"

    def __init__(self, devices: "Sequence[torch.device]") -> None:
        import pynvml

        self._nvml: Any = pynvml
        pynvml.nvmlInit()
        try:
            self._handles = [self._handle(device) for device in devices]
            try:
                self._start: list[int] | None = self._counters()
                self.period: float | None = None
                self.note = "the GPU boards' own counters; CPUs and memory of the host are left out"
            except pynvml.NVMLError:
                self._start, self._used = None, 0.0
                self._last = (time.monotonic(), self._watts())
                self.period = SAMPLE_SECONDS
                self.note = "the GPU boards' power, sampled every second; the host is left out"
        except BaseException:
            self.close()
            raise

    def _handle(self, device: "torch.device") -> Any:
        import torch

        if "MIG" in torch.cuda.get_device_name(device).split():
            raise OSError("a slice of a GPU has no energy counter of its own")
        # The driver's order is not CUDA's, and it does not know CUDA_VISIBLE_DEVICES.
        uuid = str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        return self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")

    def _counters(self) -> list[int]:
        return [int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in self._handles]

    def _watts(self) -> float:
        return sum(self._nvml.nvmlDeviceGetPowerUsage(handle) for handle in self._handles) / 1000

    def joules(self) -> float:
        if self._start is not None:
            spent = [now - before for now, before in zip(self._counters(), self._start, strict=True)]
            if min(spent) < 0:
                raise OSError("the driver was loaded again: its energy counter went back")
            return sum(spent) / 1000
        now, watts = time.monotonic(), self._watts()
        before, watts_before = self._last
        self._used += (now - before) * (watts + watts_before) / 2
        self._last = (now, watts)
        return self._used

    def close(self) -> None:
        self._nvml.nvmlShutdown()


class Rapl:
    """The energy of the processor's packages by its own counters, which Linux shows to those who may read."""

    source: Source = "rapl"
    note = "the processors' own counters: everything that ran on them meanwhile is counted too"
    # A counter of a large processor goes round in a quarter of an hour; twice unseen would lose a round.
    period: float | None = 60.0

    def __init__(self, folder: Path = POWERCAP) -> None:
        zones = [path for path in sorted(folder.glob("intel-rapl:*")) if path.name.count(":") == 1]
        self._zones = [path for path in zones if (path / "name").read_text().startswith("package")]
        if not self._zones:
            raise FileNotFoundError(f"no energy counter of a processor in {folder}")
        self._ranges = [int((zone / "max_energy_range_uj").read_text()) for zone in self._zones]
        self._last, self._used = self._counters(), 0.0

    def _counters(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._zones]

    def joules(self) -> float:
        now = self._counters()
        for counter, before, largest in zip(now, self._last, self._ranges, strict=True):
            self._used += ((counter - before) % (largest + 1)) / 1e6
        self._last = now
        return self._used

    def close(self) -> None:
        pass


class Stated:
    """The stated power of the devices, as if all of it were used all the time, from the moment `start` on.

    `what` is the power that is taken, `why` none was measured.
    """

    source: Source = "stated power"
    period: float | None = None

    def __init__(self, watts: float | None, what: str, why: str, *, start: float) -> None:
        self.watts, self._start = watts, start
        self.note = f"not measured ({why}); {what}"

    def joules(self) -> float | None:
        return None if self.watts is None else self.watts * (time.monotonic() - self._start)

    def close(self) -> None:
        pass


def power_of(devices: "Sequence[torch.device]") -> Power:
    """The best knowledge there is of the energy of `devices`, which are GPUs or the CPU. Never raises."""
    measure: Callable[[], Power] = (lambda: Nvml(devices)) if devices[0].type == "cuda" else Rapl
    try:
        measured = measure()
        joules = measured.joules()
        if joules is None or not math.isfinite(joules):
            raise OSError(f"{joules} joules is no energy")
        return measured
    except ModuleNotFoundError:
        return stated_power(devices, "NVML needs the extra 'cost': pip install 'litetransformer[cost]'")
    # A driver may raise anything, and no run shall end because its energy is not known.
    except Exception as error:
        return stated_power(devices, in_words(error))


def in_words(error: Exception) -> str:
    """What went wrong, for people: no class of errors, no number of one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def stated_power(devices: "Sequence[torch.device]", why: str, *, start: float | None = None) -> Stated:
    """The stated power of `devices`, with the reason `why` it has to do; from `start` (or now) on."""
    start = time.monotonic() if start is None else start
    if devices[0].type != "cuda":
        cores = cores_used(len(devices))
        what = f"{cores} × {CPU_CORE_WATTS:g} W, an Intel Xeon Gold 6148's share of power for a core"
        return Stated(cores * CPU_CORE_WATTS, what, why, start=start)
    name = device_name(devices)
    if (known := known_device(name)) is None:
        return Stated(None, f"no stated power is known of {name}", why, start=start)
    what = f"{len(devices)} × {known.watts:g} W of {known.name}, {WATTS_SOURCE}"
    return Stated(len(devices) * known.watts, what, why, start=start)


def device_name(devices: "Sequence[torch.device]") -> str:
    """What the devices are called by their driver; the processor's name for the CPU."""
    if devices[0].type == "cuda":
        import torch

        return torch.cuda.get_device_name(devices[0])
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return next(iter(names), "") or platform.processor() or platform.machine() or "CPU"


def cores_used(processes: int = 1) -> int:
    """The cores that PyTorch computes with here, in so many processes: threads, if there are as many."""
    import torch

    return max(1, min(processes * torch.get_num_threads(), os.cpu_count() or 1))
