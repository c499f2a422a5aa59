"""What a run's training took, from its ledger and a table of prices: energy, CO2 and money."""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from litetransformer.core.devices import CPU_CORE
from litetransformer.core.errors import InputError
from litetransformer.core.files import without_checksum
from litetransformer.core.spec import from_json
from litetransformer.inspect.prices import KG_PER_POUND, Intensity, Overhead, Price, Prices
from litetransformer.tasks.model_file import json_in, open_pack
from litetransformer.tasks.model_folder import is_file
from litetransformer.train.cost import COST, Ledger, Segment, read_ledger


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """A segment of the ledger with its `price` an hour; None where no price, or no energy, is known."""

    segment: Segment
    kwh: float | None
    note: str
    price: Price | None

    @property
    def usd(self) -> float | None:
        """Dollars for the segment's device hours."""
        return None if self.price is None else self.price.usd_per_hour * self.segment.device_hours


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bill:
    """The items of a run and what they come to; a sum is None where a part of it is not known."""

    items: tuple[Item, ...]
    overhead: Overhead
    intensity: Intensity
    incomplete: bool

    @property
    def seconds(self) -> float:
        """How long training took."""
        return math.fsum(item.segment.seconds for item in self.items)

    @property
    def device_hours(self) -> float:
        """Hours times GPUs, or times cores of a CPU."""
        return math.fsum(item.segment.device_hours for item in self.items)

    @property
    def kwh(self) -> float | None:
        """The energy of the devices themselves."""
        return _sum(item.kwh for item in self.items)

    @property
    def kg_co2(self) -> float | None:
        """Kilograms of CO2 of that energy with the data centre's overhead."""
        return None if self.kwh is None else self.kwh * self.overhead.pue * self.intensity.kg_per_kwh

    @property
    def lb_co2(self) -> float | None:
        """The same in pounds, as the paper has it."""
        return None if self.kg_co2 is None else self.kg_co2 / KG_PER_POUND

    @property
    def usd(self) -> float | None:
        """Dollars for all device hours."""
        return _sum(item.usd for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """The bill as JSON types."""
        return {
            "seconds": self.seconds,
            "device_hours": self.device_hours,
            "kwh": self.kwh,
            "energy_source": sorted({item.segment.energy_source for item in self.items}),
            "kg_co2": self.kg_co2,
            "lb_co2": self.lb_co2,
            "usd": self.usd,
            "incomplete": self.incomplete,
            "intensity": dataclasses.asdict(self.intensity),
            "overhead": dataclasses.asdict(self.overhead),
            "segments": [
                {
                    **dataclasses.asdict(item.segment),
                    "device_hours": item.segment.device_hours,
                    "kwh": item.kwh,
                    "note": item.note,
                    "usd": item.usd,
                    "price": None if item.price is None else dataclasses.asdict(item.price),
                }
                for item in self.items
            ],
        }


def ledger_of(model: Path) -> Ledger:
    """The ledger of the run in a folder, or the one that a compressed model took along from there.

    Raises InputError where there is none, or it is damaged.
    """
    if not is_file(model):
        return read_ledger(model)
    pack = open_pack(model)
    if all(entry.name != COST for entry in pack.contents.files):
        remedy = "name the folder that it was compressed from"
        raise InputError("carries no record of what training cost", path=model, remedy=remedy)
    return from_json(without_checksum(json_in(pack, COST), model), Ledger, path=str(model))


def bill(
    ledger: Ledger,
    prices: Prices,
    *,
    region: str | None = None,
    price: float | None = None,
    intensity: float | None = None,
    pue: float | None = None,
    watts: float | None = None,
) -> Bill:
    """What `ledger` comes to by `prices`; each of the others, where given, goes before the table.

    `price` is dollars a device hour, `intensity` kilograms of CO2 a kilowatt hour, and `watts` the power of
    one device, or of one core, where none was measured.

    Raises InputError for a region that the table doesn't have.
    """
    used = prices.intensity(region)
    if intensity is not None:
        used = Intensity(region="as given", kg_per_kwh=intensity)
    overhead = prices.overhead or Overhead(pue=1.0, source="no overhead is stated")
    return Bill(
        items=tuple(_item(segment, prices, price, watts) for segment in ledger.segments),
        overhead=overhead if pue is None else Overhead(pue=pue),
        intensity=used,
        incomplete=ledger.incomplete,
    )


def _item(segment: Segment, prices: Prices, price: float | None, watts: float | None) -> Item:
    name = CPU_CORE if segment.kind == "cpu" else segment.device
    kwh, note = segment.kwh, segment.note
    if watts is not None and segment.energy_source == "stated power":
        kwh, note = watts * segment.device_hours / 1000, f"{segment.count} × {watts:g} W, as given"
    return Item(
        segment=segment,
        kwh=kwh,
        note=note,
        price=prices.price(name) if price is None else Price(device=name, usd_per_hour=price),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else math.fsum(value for value in known if value is not None)
