"""The one form of override: ``--set train.updates=1000``, typed by the field that it names."""

from collections.abc import Iterable
from typing import Any, TypeVar

from litetransformer.core.errors import InputError, nearest
from litetransformer.core.files import parse_json
from litetransformer.core.spec import Spec, from_json, to_json

S = TypeVar("S", bound=Spec)


def override(spec: S, settings: Iterable[str]) -> S:
    """`spec` with every ``dotted.field=value`` of `settings` applied; of two for one field the later counts.

    A value is read as JSON where it is JSON (``3e-4``, ``true``, ``null``, ``[1,2]``), else as a string.
    Numbers in a path index tuples (``model.encoder.0.dropout=0.3``). Rules between fields are checked once
    all are set, so their order doesn't matter.

    Raises InputError naming the field for one that doesn't exist (with the nearest name) or a wrong type.
    """
    tree = to_json(spec)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"{setting!r} is not FIELD=VALUE", remedy="write for example train.updates=1000")
        try:
            value = parse_json(text)
        except InputError:
            value = text
        *parents, last = name.split(".")
        inside = tree
        for key in parents:
            inside = _inside(inside, key, name)
        if isinstance(inside, dict):
            # Whether the field exists, `from_json` says: another setting may change the ``type``.
            inside[last] = value
        else:
            _inside(inside, last, name)
            inside[int(last)] = value
    return from_json(tree, type(spec))


def _inside(tree: Any, key: str, name: str) -> Any:
    """What stands under `key` in a spec's JSON."""
    if isinstance(tree, dict):
        if key not in tree:
            remedy = nearest(key, tree.keys() - {"type"})
            raise InputError(f"{tree.get('type', 'a spec')} has no field {key!r}", field=name, remedy=remedy)
        return tree[key]
    if isinstance(tree, list):
        if not key.isdecimal() or int(key) >= len(tree):
            remedy = f"an index from 0 to {len(tree) - 1}" if tree else "there are none"
            raise InputError(f"{key!r} is not an item", field=name, remedy=remedy)
        return tree[int(key)]
    raise InputError(f"{tree!r} has no fields", field=name, remedy="set the whole of it, as JSON")
