"""What is known of a device by the name that its driver gives: how it is called, and its stated power."""

import re
from dataclasses import dataclass

CPU_CORE = "CPU core"
"""What one core of a processor is called in tables of power and prices."""
CPU_CORE_WATTS = 7.5
"""Stated power of a core: Intel's Xeon Gold 6148 has 150 W for 20 cores (Intel ARK); others differ."""
WATTS_SOURCE = "maximum power in the maker's data sheet, as of November 2026"


@dataclass(frozen=True)
class KnownDevice:
    """A kind of GPU: its name in our tables, its maximum power, and the words of its driver's name."""

    name: str
    watts: float
    words: tuple[str, ...]


def _known(name: str, watts: float, *words: str) -> KnownDevice:
    return KnownDevice(name, watts, words or tuple(name.upper().split()))


KNOWN = (
    _known("B200", 1000),
    _known("H200 NVL", 600),
    _known("H200 SXM", 700, "H200"),
    _known("H100 NVL", 400),
    _known("H100 PCIe", 350),
    _known("H100 SXM", 700, "H100"),
    _known("A100 PCIe 80GB", 300),
    _known("A100 PCIe 40GB", 250),
    _known("A100 SXM 80GB", 400, "A100", "SXM4", "80GB"),
    _known("A100 SXM 40GB", 400, "A100", "SXM4", "40GB"),
    _known("V100 SXM", 300, "V100", "SXM2"),
    _known("V100 PCIe", 250),
    _known("P100 SXM", 300, "P100", "SXM2"),
    _known("P100 PCIe", 250),
    _known("L40S", 350),
    _known("L40", 300),
    _known("L4", 72),
    _known("A40", 300),
    _known("A10", 150),
    _known("T4", 70),
    _known("RTX A6000", 300),
    _known("RTX 4090", 450),
    _known("RTX 4080", 320),
    _known("RTX 3090 Ti", 450),
    _known("RTX 3090", 350),
    _known("RTX 3080 Ti", 350),
    _known("RTX 3080", 320),
    _known("RTX 2080 Ti", 250),
    _known("GTX 1080 Ti", 250),
)
"""Of two that fit a name the first counts, so the narrower ones come first."""
_VARIANTS = frozenset({"TI", "SUPER", "LAPTOP", "MOBILE", "MAX", "D", "MIG"})
"""Words that make another device of one: what it takes is not to be guessed from the name's rest."""


def known_device(name: str) -> KnownDevice | None:
    """The kind of GPU that a driver calls `name`, for example ``NVIDIA H100 80GB HBM3``; None if unknown."""
    words = set(re.findall(r"[A-Z0-9]+", name.upper()))
    for device in KNOWN:
        if words.issuperset(device.words) and not (words & _VARIANTS).difference(device.words):
            return device
    return None
