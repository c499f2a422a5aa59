"""`prepared.json`: what the files of a finished preparation were made from, written after all of them.

Until then `preparing.json` notes what is finished, for a preparation that goes on after it was killed.
"""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from litetransformer.core.errors import InputError
from litetransformer.core.files import (
    read_json,
    sha256,
    sha256_of_file,
    sweep_partial,
    with_checksum,
    without_checksum,
    write_json,
)
from litetransformer.data.store import TokenStore

RECORD = "prepared.json"
PREPARING = "preparing.json"
DATA = "data"
SPLITS = ("train", "valid")
_TOLD = 10_000
OLDER = {"truncate_source": 0}
"""What records say by not saying it, older versions having had no choice."""

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Told a part of the preparation, how many more rows it has read, and how many it will read, where known.

The first call for a part says that it begins; one without a name, that no more is to come.
"""

P = TypeVar("P")
R = TypeVar("R")


def silent(_part: str, _rows: int, _total: int | None) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def told(progress: Progress) -> Iterator[None]:
    """Tell at the end, however it comes, that it has come."""
    try:
        yield
    finally:
        progress("", 0, None)


_TEXTS = {"train": "training text", "valid": "validation text"}


def prepared_before(
    folder: Path,
    wanted: dict[str, Any],
    reopen: Callable[[Path, dict[str, Any]], P],
    progress: Progress = silent,
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
            f"prepared with another {_TEXTS.get(different, different)}",
            path=record,
            field=different,
            remedy="choose another folder, or empty this one",
        )
    progress("checking what is prepared already", 0, None)
    if (folder / PREPARING).is_file():
        (folder / PREPARING).unlink()
    try:
        return reopen(folder, found)
    except InputError as error:
        raise _prepare_again(error, record) from error


class Preparing:
    """What a preparation from `wanted` has finished: `facts`, at first those that a killed one left.

    They are all that the record of the preparation will have, the number of training `rows`, and `stores`.
    """

    def __init__(self, folder: Path, wanted: dict[str, Any], progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self.facts: dict[str, Any] = {"inputs": wanted}
        path = folder / PREPARING
        # Whatever is wrong with the note, the text is there to begin again.
        with contextlib.suppress(InputError):
            found = without_checksum(read_json(path), path)
            if found.get("inputs") == wanted:
                self.facts = found

    def note(self, **facts: Any) -> None:
        """Write down what is finished."""
        self.facts.update(facts)
        write_json(self.folder / PREPARING, with_checksum(self.facts))

    def read(self, rows: Iterable[R]) -> Iterator[R]:
        """`rows`, which the vocabulary is learned from, telling how many they are."""
        part, count = "reading text for the vocabulary", 0
        self.progress(part, 0, None)
        for count, row in enumerate(rows, 1):
            yield row
            if not count % _TOLD:
                self.progress(part, _TOLD, None)
        self.facts["rows"] = count
        self.progress("learning the vocabulary", 0, None)

    def store(self, split: str, write: Callable[..., TokenStore], *, rows: int | None = None) -> None:
        """Have `write` make the store of `split`, unless it is finished: called with a folder and options.

        It will read `rows`; unless given, of the training text as many as the vocabulary is learned from.
        """
        folder, stores = self.folder / DATA / split, self.facts.get("stores", {})
        if rows is None and split == "train":
            rows = self.facts.get("rows")
        if split in stores and _is_whole(folder, stores[split]):
            self.progress(f"{split}: kept as it was finished before", 0, None)
            return
        self.progress(split, 0, rows)
        made_from = {name: value for name, value in self.facts.items() if name != "stores"}
        store = write(
            folder,
            progress=lambda more: self.progress(split, more, rows),
            resume=sha256(json.dumps(made_from, sort_keys=True).encode()),
        )
        self.note(stores={**stores, split: store.digest})

    def finish(self, **facts: Any) -> dict[str, Any]:
        """The record of all facts, written, which makes the preparation a finished one."""
        record = {name: value for name, value in self.facts.items() if name not in ("rows", "stores")}
        record |= facts | {"stores": self.facts["stores"]}
        write_json(self.folder / RECORD, with_checksum(record))
        (self.folder / PREPARING).unlink(missing_ok=True)
        return record


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


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        store = TokenStore(folder)
        store.verify()
    except InputError:
        return False
    return store.digest == digest


def _prepare_again(error: InputError, record: Path) -> InputError:
    """`error` with the remedy for every damage to prepared files: the same text gives the same ones again."""
    remedy = f"remove {record} to prepare again"
    return InputError(error.what, path=error.path, line=error.line, field=error.field, remedy=remedy)


def _difference(found: Any, wanted: dict[str, Any]) -> str | None:
    if not isinstance(found, dict):
        return next(iter(wanted))
    found = {**OLDER, **found}
    return next((name for name, value in wanted.items() if found.get(name) != value), None)
