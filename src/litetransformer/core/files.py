"""Files that are either whole or not there: atomic writes, strict JSON, checksums, one writer a folder."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from litetransformer.core.errors import InputError

TEMPORARY_PREFIX = ".partial-"


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends without an exception.

    The bytes go to a temporary name in the same folder, are synced, renamed, and the folder is synced, so a
    crash at any moment leaves the old file or the new one.

    Raises InputError naming `path` when the disk is full or the folder can't be written.
    """
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error, written) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; what users ask for follows their umask.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error, written) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; see `atomic_writer`."""
    try:
        with atomic_writer(path) as file:
            file.write(content)
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise _cannot_write(path, error.__cause__, len(content)) from error.__cause__
        raise


def write_json(path: Path, value: object) -> None:
    """Write `value` as readable JSON, in one step."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, *, largest: int = 64 * 2**20) -> Any:
    """The JSON value in `path`.

    Raises InputError naming the file and line for text that is not JSON, for duplicate keys, for NaN or
    Infinity, and for a file of more than `largest` bytes.
    """
    try:
        if path.stat().st_size > largest:
            raise InputError(f"larger than {largest} bytes, which no such file is", path=path)
        text = path.read_bytes().decode()
    except FileNotFoundError as error:
        raise InputError("no such file", path=path) from error
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", path=path) from error
    return parse_json(text, path=path)


def parse_json(text: str, *, path: Path | str | None = None) -> Any:
    """The JSON value of `text`; the same strictness as `read_json`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputError(f"the key {key!r} stands twice", path=path, remedy="keep one of them")
            found[key] = value
        return found

    def refuse(constant: str) -> Any:
        raise InputError(f"{constant} is not a JSON number", path=path)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", path=path, line=error.lineno) from error
    except RecursionError as error:
        raise InputError("nested too deeply", path=path) from error


def sha256(content: bytes | memoryview) -> str:
    """The SHA-256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is not until its folder is synced)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_partial(folder: Path) -> None:
    """Remove what a killed writer left under temporary names in `folder`."""
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold `folder` as its only writer; raises InputError when another process does."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "another run is writing here", path=folder, remedy="wait for it, or choose another folder"
            ) from error
        yield


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _cannot_write(path: Path, error: OSError, size: int) -> InputError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        room = f"at least {size:,} bytes are needed" if size else "the disk is full"
        return InputError(f"no room left on the disk: {room}", path=path, remedy="free some and run again")
    return InputError(error.strerror or str(error), path=path)
