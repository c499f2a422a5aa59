"""How many cores a process may keep busy."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """The cores that this process may run on, and no more than its container is given time of, at least one.

    A container that may use one core's time on a machine of many sees them all: two threads would then wait
    for each other, each stopped in turn.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, _quota(allowed)))


def _quota(otherwise: int) -> int:
    """Whole cores of time that the control group (version 2, else 1) grants, or `otherwise`."""
    try:
        if (file := CGROUPS / "cpu.max").is_file():
            given, period = file.read_text(encoding="ascii").split()
        else:
            given, period = (
                (CGROUPS / "cpu" / name).read_text(encoding="ascii").strip()
                for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            )
        # "max", or -1 in version 1, is no limit.
        return otherwise if given in ("max", "-1") else int(given) // int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return otherwise
