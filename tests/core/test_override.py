"""`--set a.b=c`: typed by the field, refused with a suggestion, in any order."""

from dataclasses import dataclass, field

import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.override import override
from litetransformer.core.spec import Spec


@dataclass(frozen=True, kw_only=True)
class Engine(Spec):
    power: float = 1.0
    gears: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Turbine(Engine):
    blades: int = 9


@dataclass(frozen=True, kw_only=True)
class Vehicle(Spec):
    name: str = "x"
    engine: Engine = field(default_factory=Engine)
    spare: Engine | None = None
    seats: int = 2
    least: int = 1
    open: bool = False

    def __post_init__(self):
        if self.seats < self.least:
            raise ValueError(f"seats={self.seats} must be at least least={self.least}")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["engine.power=3e-4"], Vehicle(engine=Engine(power=3e-4))),
        (["engine.power=2"], Vehicle(engine=Engine(power=2.0))),
        (["open=true", "seats=4"], Vehicle(open=True, seats=4)),
        (["engine.gears.1=7"], Vehicle(engine=Engine(gears=(1, 7, 3)))),
        (["engine.gears=[5]"], Vehicle(engine=Engine(gears=(5,)))),
        (["name=a=b.c"], Vehicle(name="a=b.c")),
        (["name="], Vehicle(name="")),
        (["name=NaN"], Vehicle(name="NaN")),
        (['name="7"'], Vehicle(name="7")),
        (["spare={}"], Vehicle(spare=Engine())),
        (["spare={}", "spare=null"], Vehicle()),
        (["seats=3", "seats=5"], Vehicle(seats=5)),
        (["engine.type=Turbine", "engine.blades=3"], Vehicle(engine=Turbine(blades=3))),
        ([], Vehicle()),
    ],
)
def test_a_setting_is_typed_by_its_field(settings, expected):
    assert override(Vehicle(), settings) == expected


def test_rules_between_fields_hold_for_the_whole_and_not_on_the_way():
    assert override(Vehicle(), ["least=5", "seats=6"]) == override(Vehicle(), ["seats=6", "least=5"])
    with pytest.raises(InputError, match="seats=2 must be at least least=5"):
        override(Vehicle(), ["least=5"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seets=3", "seets: Vehicle has no such field; did you mean 'seats'?"),
        ("engin.power=3", "engin.power: Vehicle has no field 'engin'; did you mean 'engine'?"),
        ("engine.powr=3", "engine.powr: Engine has no such field; did you mean 'power'?"),
        ("engine.gears.3=1", "engine.gears.3: '3' is not an item; an index from 0 to 2"),
        ("engine.gears.-1=1", "engine.gears.-1: '-1' is not an item; an index from 0 to 2"),
        ("engine.gears.²=1", "engine.gears.²: '²' is not an item"),
        ("engine.gears.1.x=1", "engine.gears.1.x: 2 has no fields"),
        ("spare.power=1", "spare.power: None has no fields; set the whole of it, as JSON"),
        ("seats=two", "seats: 'two' is not a whole number"),
        ("seats=2.5", "seats: 2.5 is not a whole number"),
        ("seats=0", "seats=0 must be at least least=1"),
        ("open=yes", "open: 'yes' is not true or false"),
        ("engine.power=NaN", "engine.power: 'NaN' is not a number"),
        ("engine.power=1e999", "engine.power: inf is not a finite number"),
        ("engine.power=" + "9" * 5000, "engine.power: '999"),
        ("engine=3", "engine: 3 is no Engine"),
        ("name=7", "name: 7 is not a string"),
        ("seats", "'seats' is not FIELD=VALUE; write for example train.updates=1000"),
        ("=3", "'=3' is not FIELD=VALUE"),
        (".=3", ".: Vehicle has no field ''"),
    ],
)
def test_what_fits_no_field_is_refused_with_its_name(setting, message):
    with pytest.raises(InputError) as caught:
        override(Vehicle(), [setting])
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


def test_the_spec_itself_stays_as_it_was():
    vehicle = Vehicle()
    override(vehicle, ["engine.power=5", "engine.gears.0=9"])
    assert vehicle == Vehicle()
