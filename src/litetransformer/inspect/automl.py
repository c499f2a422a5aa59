"""Where the paper's numbers against AutoML come from (PAPER §5): GPU hours, CO2 and dollars.

`rows` gives a `Row` for the Transformer, the Evolved Transformer and the Lite Transformer. Each has three
`Cell`s, `gpu_hours`, `co2_pounds` and `usd`: what the paper prints, what its sources give, how, and what the
source says. Six of the nine print as published; three are off in the last digit, and their `note` says what
gives it. The Evolved Transformer's row also has `later`: what its search took by those who ran it, far less.

>>> [f"{row.gpu_hours.value:,.0f}" for row in rows()]
['96', '2,192,960', '112']
>>> rows()[1].co2_pounds.published, printed(rows()[1].co2_pounds.value)
('6.3e5', '6.3e5')
>>> round(rows()[1].later.overestimate)
88
"""

from dataclasses import dataclass

from litetransformer.inspect.prices import KG_PER_POUND

STRUBELL = "Strubell, Ganesh, McCallum 2019, Energy and Policy Considerations for Deep Learning in NLP"
PATTERSON = "Patterson et al. 2021, Carbon Emissions and Large Neural Network Training"
SLIDES = "Wu et al. 2020, slides of Lite Transformer"

GPUS = 8
PUE = 1.58
"""Strubell et al., section 2: the global average of data centres in 2018."""
POUNDS_PER_KWH = 0.954
"""Strubell et al., equation 2: the EPA's average for power consumed in the US."""
WATTS_BASE, WATTS_BIG = 1415.78, 1515.43
"""Strubell et al., table 3: power of 8 P100 and their host, for Transformer base and Transformer big."""
USD_SPOT, USD_ON_DEMAND = 0.74, 2.48
"""Strubell et al., footnote 7: a V100 hour in the US, pre-emptible and on demand."""
SEARCH_STEPS, BIG_STEPS, BIG_HOURS = 979e6, 300e3, 84
"""Strubell et al., section 2.1: steps of the whole search, and of Transformer big in its hours on 8 P100."""
BASE_HOURS, LITE_HOURS = 12, 14
"""Of 8 GPUs: Transformer base by Strubell et al., section 2.1; Lite Transformer, inferred."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number of the paper's table: as `published`, as its sources give it, and how.

    `low` is the lower end where the sources give a range, of which the paper prints the upper. Where `value`
    doesn't print as published, `note` says what does, which is `by_note`.
    """

    published: str
    value: float
    how: str
    source: str
    low: float | None = None
    note: str = ""
    by_note: float | None = None

    @property
    def reproduces(self) -> bool:
        """Whether `value` has the digits that are printed."""
        return printed(self.value) == self.published


@dataclass(frozen=True, kw_only=True)
class Later:
    """The search for the Evolved Transformer by those who ran it; both overestimates are factors."""

    chips: int
    chip: str
    chip_hours: float
    kwh: float
    co2_pounds: float
    overestimate: float
    """Of CO2, derived."""
    energy_overestimate: float
    """Of energy in an average data centre, as stated."""
    how: str
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model against AutoML on WMT'14 En-De: counts in millions, and what its training or search took."""

    model: str
    params: float
    mult_adds: float
    bleu: float
    gpu_hours: Cell
    co2_pounds: Cell
    usd: Cell
    later: Later | None = None


def printed(value: float) -> str:
    """`value` as the paper prints it: ``2.6e1``."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def search_hours() -> float:
    """Hours on 8 P100 that Strubell et al. reckon for the search: all its steps at Transformer big's pace."""
    return SEARCH_STEPS / BIG_STEPS * BIG_HOURS


def pounds(hours: float, watts: float) -> float:
    """CO2 in pounds of so many hours of 8 GPUs that take `watts` together, by Strubell et al., 1 and 2."""
    return hours * watts / 1000 * PUE * POUNDS_PER_KWH


def later() -> Later:
    """The Evolved Transformer's search as Patterson et al. 2021 have it (table 4, section 4.1)."""
    chips, days, watts, pue, kg_per_kwh = 200, 6.8, 208, 1.10, 0.431
    hours = chips * days * 24
    kwh = hours * watts / 1000 * pue
    co2_pounds = kwh * kg_per_kwh / KG_PER_POUND
    return Later(
        chips=chips,
        chip="TPU v2",
        chip_hours=hours,
        kwh=kwh,
        co2_pounds=co2_pounds,
        overestimate=pounds(search_hours(), WATTS_BIG) / co2_pounds,
        energy_overestimate=18.7,
        how=(
            f"{chips} TPU v2 × {days} days × {watts} W × PUE {pue:.2f} = 7.5 MWh; "
            f"× {kg_per_kwh} kg CO2e a kWh = 3.2 t"
        ),
        source=(
            f"{PATTERSON}, table 4 (Google Georgia, December 2018) and section 4.1: the earlier estimate "
            "took the search's small proxy task for full-size training, 18.7 times too much energy for an "
            "average data centre and 88 times too much CO2 for the one where it ran"
        ),
        note=(
            "no price is stated there; for their own estimate on TPU v2, Strubell et al., table 3, give "
            "$44,055–$146,848"
        ),
    )


def rows() -> tuple[Row, ...]:
    """The paper's three rows, Transformer, Evolved Transformer and Lite Transformer, derived cell by cell."""
    return (_transformer(), _evolved(), _lite())


def _hours(hours: float) -> str:
    return f"{GPUS} GPUs × {hours:,g} h"


def _co2(hours: float, watts: float) -> str:
    return f"{hours:,g} h × {watts:,g} W of {GPUS} GPUs × PUE {PUE} × {POUNDS_PER_KWH} lb a kWh"


def _usd(published: str, hours: float, note: str = "", by_note: float | None = None) -> Cell:
    return Cell(
        published=published,
        value=GPUS * hours * USD_ON_DEMAND,
        low=GPUS * hours * USD_SPOT,
        how=f"{GPUS * hours:,.0f} GPU hours × ${USD_SPOT}–{USD_ON_DEMAND}",
        source=f"{STRUBELL}, footnote 7: V100 hours in the US at $0.74 pre-emptible and $2.48 on demand",
        note=note,
        by_note=by_note,
    )


def _transformer() -> Row:
    return Row(
        model="Transformer",
        params=2.8,
        mult_adds=87,
        bleu=21.3,
        gpu_hours=Cell(
            published="1.0e2",
            value=GPUS * BASE_HOURS,
            how=_hours(BASE_HOURS),
            source=f"{STRUBELL}, section 2.1: Transformer base was trained on 8 P100 for 12 hours",
            note="96 GPU hours are 1e2 to one digit; to two they are 9.6e1",
            by_note=100,
        ),
        co2_pounds=Cell(
            published="2.6e1",
            value=pounds(BASE_HOURS, WATTS_BASE),
            how=_co2(BASE_HOURS, WATTS_BASE),
            source=f"{STRUBELL}, table 3: Transformer base, 1415.78 W, 12 hours, 26 lb",
            note="this is base's own power; with big's, as in the other rows, 12 hours give 27 lb",
        ),
        usd=_usd(
            "2.3e2",
            BASE_HOURS,
            note="12 hours give $238; 11.5, which would print as 12 too, give $228, and 26 lb at big's power",
            by_note=GPUS * 11.5 * USD_ON_DEMAND,
        ),
    )


def _evolved() -> Row:
    hours = search_hours()
    return Row(
        model="Evolved Transformer",
        params=3.0,
        mult_adds=94,
        bleu=22.0,
        gpu_hours=Cell(
            published="2.2e6",
            value=GPUS * hours,
            how=_hours(hours),
            source=(
                f"{STRUBELL}, section 2.1: the search ran for 979M steps, and Transformer big takes 84 hours "
                "for 300k on 8 P100: 274,120 hours"
            ),
        ),
        co2_pounds=Cell(
            published="6.3e5",
            value=pounds(hours, WATTS_BIG),
            how=_co2(hours, WATTS_BIG),
            source=f"{STRUBELL}, table 3: neural architecture search, 1515.43 W, 274,120 hours, 626,155 lb",
        ),
        usd=_usd(
            "5.5e6",
            hours,
            note="2,192,960 GPU hours give $5.44 million; 2.2e6, as they are printed, $5.46 million",
            by_note=2.2e6 * USD_ON_DEMAND,
        ),
        later=later(),
    )


def _lite() -> Row:
    return Row(
        model="Lite Transformer",
        params=2.9,
        mult_adds=90,
        bleu=22.5,
        gpu_hours=Cell(
            published="1.1e2",
            value=GPUS * LITE_HOURS,
            how=_hours(LITE_HOURS),
            source=f"{SLIDES}: 1.1e2 GPU hours, as 8 GPUs in 14 hours give; no source states the 14",
        ),
        co2_pounds=Cell(
            published="3.2e1",
            value=pounds(LITE_HOURS, WATTS_BIG),
            how=_co2(LITE_HOURS, WATTS_BIG),
            source=f"{STRUBELL}, equations 1 and 2, power of Transformer big: 0.2855 lb a GPU hour",
        ),
        usd=_usd("2.8e2", LITE_HOURS),
    )
