"""Frozen descriptions of what to build, and their tagged JSON.

A spec is a frozen dataclass whose fields are numbers, strings, booleans, tuples and other specs. As JSON each
spec is an object with its class name under ``type``, so that a file says what it holds and loading never
needs to run anything:

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, kw_only=True)
... class Circle(Spec):
...     radius: float = 1.0
>>> to_json(Circle(radius=2.0))
{'type': 'Circle', 'radius': 2.0}
>>> from_json({'type': 'Circle', 'radius': 3}, Circle)
Circle(radius=3.0)
"""

import dataclasses
import functools
import inspect
import math
import types
import typing
from abc import ABC
from typing import Any, ClassVar, TypeVar

from litetransformer.core.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Spec(ABC):  # noqa: B024 (some subclasses are abstract)
    """Base of all specs: subclasses are frozen dataclasses and register under their class name."""

    kinds: ClassVar[dict[str, type["Spec"]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Spec.kinds[cls.__name__] = cls


S = TypeVar("S", bound=Spec)


def to_json(value: object) -> Any:
    """`value` as JSON types: a spec becomes an object with its class name under ``type``."""
    if isinstance(value, Spec):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a spec holds numbers, strings, tuples and specs, not {value!r}")


def from_json(data: object, kind: type[S], *, path: str | None = None) -> S:
    """The spec that `data` describes, checked against the fields of `kind` or of one of its subclasses.

    Raises InputError naming `path` and the field for an unknown or missing key or a value of the wrong type.
    """
    try:
        return convert(data, kind, field="", path=path)
    except RecursionError as error:
        raise InputError("nested too deeply", path=path) from error


@functools.cache
def field_types(kind: type[Spec]) -> dict[str, Any]:
    """The resolved annotation of each field of a spec class."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def convert(value: Any, annotation: Any, *, field: str, path: str | None = None) -> Any:
    """`value`, taken from JSON, as the type that `annotation` names; InputError names `field` if it isn't."""

    def wrong(expected: str) -> InputError:
        return InputError(f"{_shown(value)} is not {expected}", path=path, field=field or None)

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, arguments, field=field, path=path)
    if origin is typing.Literal:
        if value not in arguments:
            remedy = nearest(str(value), map(str, arguments))
            raise InputError(
                f"{_shown(value)} is not a choice", path=path, field=field or None, remedy=remedy
            )
        return value
    if origin is tuple:
        if not isinstance(value, tuple | list):
            raise wrong("a list")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) != len(value):
            raise wrong(f"a list of {len(arguments)} items")
        pairs = zip(value, arguments, strict=True)
        return tuple(
            convert(item, inner, field=f"{field}.{index}", path=path)
            for index, (item, inner) in enumerate(pairs)
        )
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return _convert_spec(value, annotation, field=field, path=path)
    if annotation is bool:
        if not isinstance(value, bool):
            raise wrong("true or false")
        return value
    if annotation is int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("a whole number")
        return value
    if annotation is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong("a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise wrong("a finite number")
        return number
    if annotation is str:
        if not isinstance(value, str):
            raise wrong("a string")
        return value
    if annotation is types.NoneType:
        if value is not None:
            raise wrong("null")
        return None
    raise TypeError(f"a spec's field {field!r} has the unsupported type {annotation!r}")


def _convert_union(value: Any, choices: tuple[Any, ...], *, field: str, path: str | None) -> Any:
    problems = []
    for choice in choices:
        try:
            return convert(value, choice, field=field, path=path)
        except InputError as error:
            problems.append(error)
    # The last choice is None or the most general one; the first is what is usually meant.
    raise problems[0]


def _convert_spec(value: Any, expected: type[Spec], *, field: str, path: str | None) -> Spec:
    if isinstance(value, expected):
        return value
    if not isinstance(value, dict):
        raise InputError(f"{_shown(value)} is no {expected.__name__}", path=path, field=field or None)
    prefix = f"{field}." if field else ""
    fitting = {
        name: kind
        for name, kind in Spec.kinds.items()
        if issubclass(kind, expected) and not inspect.isabstract(kind)
    }
    tag = value.get("type", expected.__name__)
    if not isinstance(tag, str) or tag not in fitting:
        remedy = nearest(str(tag), fitting)
        raise InputError(
            f"{_shown(tag)} is no {expected.__name__}", path=path, field=f"{prefix}type", remedy=remedy
        )
    kind = fitting[tag]
    known = field_types(kind)
    given = {key: item for key, item in value.items() if key != "type"}
    for key in given:
        if key not in known:
            raise InputError(
                f"{tag} has no such field", path=path, field=f"{prefix}{key}", remedy=nearest(key, known)
            )
    for item in dataclasses.fields(kind):
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and item.name not in given:
            raise InputError("missing", path=path, field=f"{prefix}{item.name}", remedy=f"{tag} needs it")
    arguments = {
        key: convert(item, known[key], field=f"{prefix}{key}", path=path) for key, item in given.items()
    }
    try:
        return kind(**arguments)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error), path=path, field=field or None) from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
