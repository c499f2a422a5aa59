"""A spec survives its JSON, and JSON that is no such spec is refused at the field that is wrong."""

import json
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.spec import Spec, from_json, to_json


@dataclass(frozen=True)
class Shape(Spec):
    @abstractmethod
    def area(self) -> float: ...


@dataclass(frozen=True)
class Round(Shape):
    radius: float

    def area(self) -> float:
        return math.pi * self.radius**2


@dataclass(frozen=True)
class Oblong(Shape):
    sides: tuple[int, int] = (1, 2)

    def area(self) -> float:
        return math.prod(self.sides)


@dataclass(frozen=True, kw_only=True)
class Drawing(Spec):
    title: str
    shapes: tuple[Shape, ...] = ()
    frame: Oblong | None = None
    limit: int | None = None
    colour: Literal["red", "blue"] = "red"
    filled: bool = False
    scale: float = 1.0

    def __post_init__(self):
        if self.scale <= 0:
            raise ValueError(f"scale={self.scale} must be positive")


@dataclass(frozen=True)
class Around(Shape):
    inner: Shape

    def area(self) -> float:
        return self.inner.area()


DRAWING = Drawing(title="ß", shapes=(Round(1.5), Oblong((3, 4))), frame=Oblong(), limit=3, filled=True)


@pytest.mark.parametrize(
    "spec", [DRAWING, Drawing(title=""), Drawing(title="x", shapes=(Around(Round(0.1)),))]
)
def test_a_spec_survives_its_json(spec):
    assert from_json(json.loads(json.dumps(to_json(spec))), Drawing) == spec


def test_json_says_what_each_object_is():
    assert to_json(Drawing(title="t", shapes=(Round(2.0),)))["shapes"] == [{"type": "Round", "radius": 2.0}]


def test_fields_that_are_left_out_have_their_defaults_and_the_expected_class_needs_no_tag():
    assert from_json({"title": "t"}, Drawing) == Drawing(title="t")
    assert from_json({"title": "t", "frame": {"sides": [5, 6]}}, Drawing).frame == Oblong((5, 6))


def test_whole_numbers_are_numbers_but_not_the_reverse():
    scale = from_json({"title": "t", "scale": 2}, Drawing).scale
    assert (scale, type(scale)) == (2.0, float)


BASE = {"title": "t"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "f.json:title: missing; Drawing needs it"),
        (BASE | {"colr": 1}, "f.json:colr: Drawing has no such field; did you mean 'colour'?"),
        (BASE | {"colour": "bleu"}, "f.json:colour: 'bleu' is not a choice; did you mean 'blue'?"),
        (BASE | {"colour": ["red"]}, "f.json:colour: ['red'] is not a choice"),
        ({"title": 3}, "f.json:title: 3 is not a string"),
        (BASE | {"limit": True}, "f.json:limit: True is not a whole number"),
        (BASE | {"limit": 1.0}, "f.json:limit: 1.0 is not a whole number"),
        (BASE | {"filled": 1}, "f.json:filled: 1 is not true or false"),
        (BASE | {"scale": "1"}, "f.json:scale: '1' is not a number"),
        (BASE | {"scale": True}, "f.json:scale: True is not a number"),
        (BASE | {"scale": math.inf}, "f.json:scale: inf is not a finite number"),
        (BASE | {"scale": math.nan}, "f.json:scale: nan is not a finite number"),
        (BASE | {"scale": 10**400}, "f.json:scale: 1000"),
        (BASE | {"scale": -1}, "f.json: scale=-1.0 must be positive"),
        (BASE | {"shapes": {}}, "f.json:shapes: {} is not a list"),
        (BASE | {"shapes": [{"type": "Round"}]}, "f.json:shapes.0.radius: missing; Round needs it"),
        (BASE | {"shapes": [{"type": "Ruond"}]}, "f.json:shapes.0.type: 'Ruond' is no Shape; did you mean"),
        (BASE | {"shapes": [{"type": ["Round"]}]}, "f.json:shapes.0.type: ['Round'] is no Shape"),
        (
            BASE | {"shapes": [{"type": "Drawing", "title": "t"}]},
            "f.json:shapes.0.type: 'Drawing' is no Shape",
        ),
        (BASE | {"shapes": [{}]}, "f.json:shapes.0.type: 'Shape' is no Shape; one of: Around, Oblong, Round"),
        (BASE | {"shapes": [3]}, "f.json:shapes.0: 3 is no Shape"),
        (
            BASE | {"shapes": [{"type": "Oblong", "sides": [1]}]},
            "f.json:shapes.0.sides: [1] is not a list of 2",
        ),
        (
            BASE | {"shapes": [{"type": "Oblong", "sides": [1, "2"]}]},
            "f.json:shapes.0.sides.1: '2' is not a wh",
        ),
        (BASE | {"frame": {"side": [1, 2]}}, "f.json:frame.side: Oblong has no such field; did you mean"),
        (BASE | {"frame": {"type": "Round", "radius": 1}}, "f.json:frame.type: 'Round' is no Oblong"),
        ([], "f.json: [] is no Drawing"),
        (None, "f.json: None is no Drawing"),
    ],
)
def test_what_is_wrong_is_refused_at_its_field(data, message):
    with pytest.raises(InputError) as caught:
        from_json(data, Drawing, path="f.json")
    assert str(caught.value).startswith(message)


def test_an_abstract_spec_is_nothing_by_itself():
    with pytest.raises(InputError, match=r"type: 'Shape' is no Shape; one of: Around, Oblong, Round"):
        from_json({"type": "Shape"}, Shape)


def test_values_without_end_are_quoted_in_part():
    with pytest.raises(InputError) as caught:
        from_json(BASE | {"limit": "x" * 10**6}, Drawing)
    assert len(str(caught.value)) < 200


def test_nesting_without_end_is_refused():
    data = {"type": "Round", "radius": 1.0}
    for _ in range(900):
        data = {"type": "Around", "inner": data}
    with pytest.raises(InputError, match="nested too deeply"):
        from_json(data, Shape, path="deep.json")


@pytest.mark.parametrize("value", [{"a": 1}, {1}, object(), 1j])
def test_what_is_no_plain_data_has_no_json(value):
    with pytest.raises(TypeError, match="a spec holds numbers"):
        to_json(value)
