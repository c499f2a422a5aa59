"""Files that are either whole or not there: atomic writes, strict JSON, checksums, one writer a folder."""

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from litetransformer.core.errors import InputError

TEMPORARY_PREFIX = ".partial-"


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears under `path` only when the block ends without an exception.

    The bytes go to a temporary name in the same folder, are synced, renamed, and the folder is synced, so a
    crash at any moment leaves the old file or the new one. A link stays, and what it leads to is replaced.

    Raises InputError naming `path` when the disk is full, the folder can't be written, or `path` is a folder,
    a pipe or a device.
    """
    written = 0
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        if target.exists() and not target.is_file():
            what = (
                "is a folder" if target.is_dir() else "is a pipe or a device, in whose place no file can come"
            )
            raise InputError(what, path=path, remedy="name a file")
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    # The name is known before there is a file: a signal at any moment finds what to remove.
    temporary = target.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            yield file
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(path, error, written) from error
    finally:
        # Where nothing can be written, there is nothing to remove, and the system may not even look.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; see `atomic_writer`."""
    try:
        with atomic_writer(path) as file:
            file.write(content)
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise cannot_write(path, error.__cause__, len(content)) from error.__cause__
        raise


def write_json(path: Path, value: object) -> None:
    """Write `value` as readable JSON, in one step."""
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, *, largest: int = 64 * 2**20) -> Any:
    """The JSON value in `path`.

    Raises InputError naming the file and line for text that is not JSON, for duplicate keys, for NaN or
    Infinity, for a file of more than `largest` bytes, and for what is no file (a folder, a pipe, a device).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("is not a file", path=path)
        if status.st_size > largest:
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
    except InputError:
        raise
    except ValueError as error:
        raise InputError("holds a number of thousands of digits", path=path) from error
    except RecursionError as error:
        raise InputError("nested too deeply", path=path) from error


def with_checksum(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value`, a JSON object, with the SHA-256 of its content under ``sha256``."""
    return {**value, "sha256": _content_digest(value)}


def without_checksum(value: Any, path: Path) -> dict[str, Any]:
    """What `with_checksum` was given; InputError naming `path` where the content is not what was written."""
    if not isinstance(value, dict) or "sha256" not in value:
        raise InputError("holds no checksum", path=path, remedy="was another program its writer?")
    content = {key: item for key, item in value.items() if key != "sha256"}
    if value["sha256"] != _content_digest(content):
        raise InputError("damaged: its checksum does not match", path=path, remedy="restore it from a copy")
    return content


def _content_digest(value: Mapping[str, Any]) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode())


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
def only_writer(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold `folder` as its only writer; raises InputError when another does, or when it can't be written.

    With `wait`, another is waited for: where both would write the same.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise cannot_write(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise InputError(
                "another run is writing here", path=folder, remedy="wait for it, or choose another folder"
            ) from error
        yield


def cannot_write(path: Path, error: OSError, size: int = 0) -> InputError:
    """The error to raise when writing `size` bytes to `path` failed with `error`."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        room = f"at least {size:,} bytes are needed" if size else "the disk is full"
        return InputError(f"no room left on the disk: {room}", path=path, remedy="free some and run again")
    return InputError(error.strerror or str(error), path=path)
