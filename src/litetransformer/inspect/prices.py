"""What device hours and kilowatt hours cost, in dollars and CO2: dated, sourced, open to users' own."""

import dataclasses
from pathlib import Path

from litetransformer.core.devices import CPU_CORE, known_device
from litetransformer.core.errors import InputError, nearest
from litetransformer.core.files import read_json
from litetransformer.core.spec import Spec, from_json

KG_PER_POUND = 0.45359237


def _not_below(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} is {value:g}, below {least:g}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price(Spec):
    """Dollars for an hour of one `device`, called as `core.devices` calls it or as its driver does."""

    device: str
    usd_per_hour: float
    source: str = "given by the user"
    date: str = ""

    def __post_init__(self) -> None:
        _not_below(0, usd_per_hour=self.usd_per_hour)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intensity(Spec):
    """Kilograms of CO2 (or its equivalent: see `source`) for a kilowatt hour of a `region`'s electricity."""

    region: str
    kg_per_kwh: float
    source: str = "given by the user"
    date: str = ""

    def __post_init__(self) -> None:
        _not_below(0, kg_per_kwh=self.kg_per_kwh)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overhead(Spec):
    """Power usage effectiveness: energy of the whole data centre over that of its computers."""

    pue: float
    source: str = "given by the user"
    date: str = ""

    def __post_init__(self) -> None:
        _not_below(1, pue=self.pue)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices(Spec):
    """A table of prices, intensities and an overhead; of two that fit, the first counts."""

    devices: tuple[Price, ...] = ()
    regions: tuple[Intensity, ...] = ()
    region: str | None = None
    overhead: Overhead | None = None

    def price(self, device: str) -> Price | None:
        """The price of what a driver calls `device`; None where the table has none."""
        return next((price for price in self.devices if _called(price.device) == _called(device)), None)

    def intensity(self, region: str | None = None) -> Intensity:
        """The intensity of `region`, or of the table's own; InputError with the nearest name if unknown."""
        wanted = (self.region or DEFAULT_REGION) if region is None else region
        for intensity in self.regions:
            if intensity.region.casefold() == wanted.casefold():
                return intensity
        known = nearest(wanted, [intensity.region for intensity in self.regions])
        raise InputError(f"no intensity is known of {wanted!r}", field="region", remedy=known)


def _called(device: str) -> str:
    known = known_device(device)
    return (known.name if known else device).casefold()


_LAMBDA = "Lambda, on demand, lambda.ai/instances"
_LAMBDA_LIST = "Lambda, on demand, in SkyPilot's catalogue v8 (catalogs/v8/lambda/vms.csv)"
DEFAULT_REGION = "world"
BUILT_IN = Prices(
    devices=(
        Price(device="B200", usd_per_hour=6.69, source=f"{_LAMBDA}, 8 × B200 SXM6", date="2026-09-20"),
        Price(
            device="H200 SXM",
            usd_per_hour=3.99,
            source="Hyperstack, on demand, hyperstack.cloud/gpu-pricing",
            date="2026-08-26",
        ),
        Price(device="H100 SXM", usd_per_hour=3.99, source=f"{_LAMBDA}, 8 × H100 SXM", date="2026-09-20"),
        Price(device="H100 PCIe", usd_per_hour=3.29, source="Lambda, lambda.ai/pricing", date="2026-09-25"),
        Price(device="A100 SXM 80GB", usd_per_hour=2.79, source=f"{_LAMBDA}, 8 × A100", date="2026-09-20"),
        Price(device="A100 SXM 40GB", usd_per_hour=1.99, source=f"{_LAMBDA}, 8 × A100", date="2026-09-20"),
        Price(
            device="A100 PCIe 80GB",
            usd_per_hour=1.79,
            source="RunPod Secure, on demand, runpod.io/pricing",
            date="2026-11-09",
        ),
        Price(device="V100 SXM", usd_per_hour=0.79, source=f"{_LAMBDA_LIST}, 8 × V100", date="2026"),
        Price(device="RTX A6000", usd_per_hour=1.09, source=f"{_LAMBDA_LIST}, 1 × A6000", date="2026"),
        Price(device=CPU_CORE, usd_per_hour=0.05, source=f"{_LAMBDA_LIST}, 4 vCPUs for $0.20", date="2026"),
    ),
    regions=(
        Intensity(
            region="world",
            kg_per_kwh=0.445,
            source="IEA, Electricity 2025: world average of power generation, CO2",
            date="2024",
        ),
        Intensity(
            region="us",
            kg_per_kwh=0.348,
            source="US EPA, eGRID2023 revision 2: total output average, CO2",
            date="2023",
        ),
        Intensity(
            region="eu",
            kg_per_kwh=0.21,
            source="EEA, intensity of electricity generation, EU-27: 58% below the 510 g CO2e of 1990",
            date="2023",
        ),
        Intensity(
            region="strubell-2019",
            kg_per_kwh=0.954 * KG_PER_POUND,
            source="Strubell et al. 2019, equation 2: 0.954 lb CO2 a kWh, US average of the EPA",
            date="2018",
        ),
    ),
    region=DEFAULT_REGION,
    overhead=Overhead(
        pue=1.54, source="Uptime Institute, Global Data Center Survey 2025: weighted average", date="2025"
    ),
)
"""Where no date has a day, the source states none."""


def read_prices(path: Path | None) -> Prices:
    """The table in the file `path` before the built-in one, which has what the file leaves out.

    Raises InputError naming the file and the field that is wrong.
    """
    if path is None:
        return BUILT_IN
    own = from_json(read_json(path), Prices, path=str(path))
    merged = Prices(
        devices=own.devices + BUILT_IN.devices,
        regions=own.regions + BUILT_IN.regions,
        region=own.region or BUILT_IN.region,
        overhead=own.overhead or BUILT_IN.overhead,
    )
    try:
        merged.intensity()
    except InputError as error:
        raise InputError(error.what, path=path, field="region", remedy=error.remedy) from error
    return merged
