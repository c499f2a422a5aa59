"""The one form of override: ``--set train.lr=3e-4``, typed by the field that it names."""

import dataclasses
import json
from collections.abc import Iterable
from typing import TypeVar

from litetransformer.core.errors import InputError, nearest
from litetransformer.core.spec import Spec, convert, field_types

S = TypeVar("S", bound=Spec)


def override(spec: S, settings: Iterable[str]) -> S:
    """`spec` with every ``dotted.field=value`` of `settings` applied, in order.

    A value is read as JSON where it is JSON (``3e-4``, ``true``, ``null``, ``[1,2]``), else as a string.
    Numbers in a path index tuples (``model.encoder.0.dropout=0.3``).

    Raises InputError naming the field for one that doesn't exist (with the nearest name) or a wrong type.
    """
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"{setting!r} is not FIELD=VALUE", remedy="write for example train.lr=3e-4")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        spec = _replace(spec, name.split("."), value, name)
    return spec


def _replace(spec: S, path: list[str], value: object, name: str) -> S:
    head, rest = path[0], path[1:]
    known = field_types(type(spec))
    if head not in known:
        raise InputError(
            f"{type(spec).__name__} has no field {head!r}", field=name, remedy=nearest(head, known)
        )
    new = _replace_inside(getattr(spec, head), rest, value, name) if rest else value
    try:
        return dataclasses.replace(spec, **{head: convert(new, known[head], field=name)})
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error), field=name) from error


def _replace_inside(current: object, path: list[str], value: object, name: str) -> object:
    if isinstance(current, Spec):
        return _replace(current, path, value, name)
    if isinstance(current, tuple):
        if not path[0].isdigit() or int(path[0]) >= len(current):
            remedy = f"an index from 0 to {len(current) - 1}"
            raise InputError(f"{path[0]!r} is not an item", field=name, remedy=remedy)
        index = int(path[0])
        item = _replace_inside(current[index], path[1:], value, name) if path[1:] else value
        return (*current[:index], item, *current[index + 1 :])
    raise InputError(f"{current!r} has no fields", field=name)
