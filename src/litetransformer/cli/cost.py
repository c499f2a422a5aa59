"""``lite cost``: the hours, energy, CO2 and money that a run's training took."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import Json
from litetransformer.cli.output import json_line, write_text
from litetransformer.cli.writing import refuse_idle
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.inspect.prices import Intensity, Overhead, Price
    from litetransformer.tasks.bill import Bill

TABLE = Group("Prices and intensities", sort_key=1)
Amount = Annotated[float, Parameter(group=TABLE, validator=Number(gte=0, lt=math.inf))]


def cost(
    folder: Annotated[Path, Parameter(help="folder of a run of `lite train`, or a compressed model's file")],
    /,
    *,
    prices: Annotated[
        Path | None, Parameter(group=TABLE, help="JSON file that goes before our table")
    ] = None,
    region: Annotated[str | None, Parameter(group=TABLE, help="whose electricity: world, us, eu, …")] = None,
    price: Annotated[Amount | None, Parameter(help="dollars for an hour of one device")] = None,
    intensity: Annotated[Amount | None, Parameter(help="kg of CO2 for a kWh")] = None,
    pue: Annotated[
        float | None,
        Parameter(
            group=TABLE,
            validator=Number(gte=1, lt=math.inf),
            help="energy of the data centre over that of its computers",
        ),
    ] = None,
    watts: Annotated[
        Amount | None, Parameter(help="power of one device, or of one core, wherever none was measured")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what training a model took: hours, energy, CO2 and money.

    Every training keeps a record in DIR/cost.json, over all its resumes. Energy
    is measured where it can be, by the GPU's own counter (extra `cost`) or the
    CPU's; else it is the device's stated power, and so it says. A file of
    `lite compress` takes along the record of the folder that it is made from.

      lite cost runs/160
      lite cost runs/160 --region eu --price 2.10 --json

    A file for --prices has what is to go before our own table, any part of it:

      {"devices": [{"device": "H100 SXM", "usd_per_hour": 2.1}],
       "regions": [{"region": "here", "kg_per_kwh": 0.05}],
       "region": "here", "overhead": {"pue": 1.1}}

    Prints devices, hours, energy and how it is known, CO2 and price, each with
    its source. With --json, an object with seconds, device_hours, kwh,
    energy_source, kg_co2, lb_co2, usd, the intensity and overhead that were
    taken, and the segments of the record.
    """
    from litetransformer.inspect.prices import read_prices
    from litetransformer.tasks.bill import bill, ledger_of

    if intensity is not None:
        refuse_idle({"region": region}, "with --intensity")
    ledger, table = ledger_of(folder), read_prices(prices)
    try:
        table.intensity(region)
    except InputError as error:
        raise InputError(error.what, path="--region", remedy=error.remedy) from error
    found = bill(
        ledger,
        table,
        region=region,
        price=price,
        intensity=intensity,
        pue=pue,
        watts=watts,
    )
    if json:
        write_text(json_line({"folder": str(folder), **found.to_json()}))
        return
    for label, text in _lines(found):
        write_text(f"{label:<10}{text}")


def _lines(found: "Bill") -> Iterator[tuple[str, str]]:
    """What to tell of a bill: a label and a text each."""
    segments = [item.segment for item in found.items]
    for count, device, kind in dict.fromkeys((part.count, part.device, part.kind) for part in segments):
        cores = "" if kind == "gpu" else ("1 core of " if count == 1 else f"{count} cores of ")
        yield "device", f"{cores}{device}" if cores else f"{count} × {device}"
    units = {"gpu": "GPU", "cpu": "core"}
    hours = "device" if len(kinds := {part.kind for part in segments}) != 1 else units[kinds.pop()]
    went = "1 segment" if len(segments) == 1 else f"{len(segments)} segments"
    yield "time", f"{_short(found.seconds / 3600)} h, {_short(found.device_hours)} {hours} hours, in {went}"
    if found.incomplete:
        yield "", "at least: of a part of the run there is no record"
    yield "energy", "not known; give --watts" if found.kwh is None else f"{_short(found.kwh)} kWh"
    for source, note in dict.fromkeys((item.segment.energy_source, item.note) for item in found.items):
        yield "", f"{source}: {note}"
    if found.kg_co2 is not None and found.lb_co2 is not None:
        yield "CO2", f"{_short(found.kg_co2)} kg, {_short(found.lb_co2)} lb"
        yield (
            "",
            f"× {found.intensity.kg_per_kwh:.3g} kg a kWh, {found.intensity.region}: {_by(found.intensity)}",
        )
        yield "", f"× PUE {found.overhead.pue:g}: {_by(found.overhead)}"
    priced = [item.price for item in found.items]
    unknown = sorted({item.segment.device for item in found.items if item.price is None})
    no_price = f"not known: no price of {', '.join(unknown)}; give --price"
    yield "price", no_price if found.usd is None else f"${_short(found.usd)}"
    for price in dict.fromkeys(price for price in priced if price is not None):
        yield "", f"${price.usd_per_hour:g} an hour of {price.device}: {_by(price)}"


def _by(stated: "Price | Intensity | Overhead") -> str:
    return f"{stated.source}, {stated.date}" if stated.date else stated.source


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
