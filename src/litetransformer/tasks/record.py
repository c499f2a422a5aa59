"""`prepared.json`: what the files of a finished preparation were made from, written after all of them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from litetransformer.core.errors import InputError
from litetransformer.core.files import (
    read_json,
    sha256_of_file,
    sweep_partial,
    with_checksum,
    without_checksum,
    write_json,
)
from litetransformer.data.store import TokenStore

RECORD = "prepared.json"
DATA = "data"
SPLITS = ("train", "valid")
OLDER = {"truncate_source": 0}
"""What records say by not saying it, older versions having had no choice."""

P = TypeVar("P")


def prepared_before(
    folder: Path, wanted: dict[str, Any], reopen: Callable[[Path, dict[str, Any]], P]
) -> P | None:
    """What `reopen` makes of the record in `folder`, if it is of a preparation from `wanted`.

    None, with the litter of a killed preparation removed, where there is no record. Raises InputError where
    the folder was prepared from something else, or where what it holds is damaged.
    """
    record = folder / RECORD
    if not record.is_file():
        sweep_partial(folder)
        sweep_partial(folder / DATA)
        return None
    try:
        found = without_checksum(read_json(record), record)
    except InputError as error:
        raise _prepare_again(error, record) from error
    if (different := _difference(found.get("inputs"), wanted)) is not None:
        raise InputError(
            f"prepared with another {different}",
            path=record,
            field=different,
            remedy="choose another folder, or empty this one",
        )
    try:
        return reopen(folder, found)
    except InputError as error:
        raise _prepare_again(error, record) from error


def write_record(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the record of `facts` and the stores in `folder`, which makes the preparation a finished one."""
    facts = {**facts, "stores": {split: TokenStore(folder / DATA / split).digest for split in SPLITS}}
    write_json(folder / RECORD, with_checksum(facts))
    return facts


def checked_stores(folder: Path, facts: dict[str, Any]) -> list[TokenStore]:
    """The stores for training and validation, all of them read; InputError where one is not the record's."""
    stores = [TokenStore(folder / DATA / split) for split in SPLITS]
    for split, store in zip(SPLITS, stores, strict=True):
        if store.digest != facts["stores"][split]:
            raise InputError("changed since it was prepared", path=store.folder, remedy="prepare again")
        store.verify()
    return stores


def content_of(paths: Iterable[str]) -> list[str]:
    """What text files hold, wherever they stand: their checksums. InputError for one that is missing."""
    checksums = []
    for path in paths:
        if not Path(path).is_file():
            raise InputError("no such file", path=path, remedy="name an existing text file")
        checksums.append(sha256_of_file(Path(path)))
    return checksums


def _prepare_again(error: InputError, record: Path) -> InputError:
    """`error` with the remedy for every damage to prepared files: the same text gives the same ones again."""
    remedy = f"remove {record} to prepare again"
    return InputError(error.what, path=error.path, line=error.line, field=error.field, remedy=remedy)


def _difference(found: Any, wanted: dict[str, Any]) -> str | None:
    if not isinstance(found, dict):
        return next(iter(wanted))
    found = {**OLDER, **found}
    return next((name for name, value in wanted.items() if found.get(name) != value), None)
