"""Fetching files and taking named texts out of archives, so that nothing half-done or foreign is kept."""

import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import atomic_writer, sha256_of_file

Progress = Callable[[str, int, int | None], None]
"""Told a file's name, the bytes received so far, and the bytes in all (None where the server doesn't say)."""

_PIECE = 2**20
_PATIENCE = 60
_LARGEST_GROWTH = 100
_SMALL = 2**24


@dataclass(frozen=True)
class Remote:
    """A file on the network. Where its home publishes no `sha256`, only its length is checked."""

    url: str
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's own name, without the way to it."""
        return PurePosixPath(self.url).name


def fetch(remote: Remote, path: Path, progress: Progress | None = None) -> None:
    """Fetch `remote` to `path`, which appears only once it is complete and has its checksum.

    Raises InputError naming the address for whatever goes wrong on the way.
    """
    digest = hashlib.sha256()
    received = 0
    with closing(_open(remote)) as response, atomic_writer(path) as file:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        for piece in _pieces(response, remote):
            file.write(piece)
            digest.update(piece)
            received += len(piece)
            if progress is not None:
                progress(remote.name, received, total)
        if total is not None and received != total:
            raise _failed(remote, f"the connection ended after {received:,} of {total:,} bytes")
        if remote.sha256 is not None and digest.hexdigest() != remote.sha256:
            raise _failed(remote, f"its SHA-256 is {digest.hexdigest()}, not {remote.sha256}")


def check(remote: Remote, path: Path) -> None:
    """Raises InputError where the file that stands for `remote` has another checksum."""
    if remote.sha256 is not None and sha256_of_file(path) != remote.sha256:
        raise InputError(
            f"its SHA-256 is not {remote.sha256}, that of {remote.url}",
            path=path,
            remedy="get the file again",
        )


def extract(archive: Path, wanted: Mapping[str, Path]) -> None:
    """Copy the files called `wanted` out of a tar or zip archive, each to the path that is given for it.

    Names are compared without their folders. Only ordinary files are copied and only to the given paths, so
    links and names that lead elsewhere mean nothing. Raises InputError naming `archive` if it is damaged,
    lacks one of the files, or unpacks to more than any data set holds.
    """
    missing = dict(wanted)
    try:
        # Text shrinks to a third or a tenth; what grows more than this was made to fill disks.
        limit = max(_SMALL, _LARGEST_GROWTH * archive.stat().st_size)
        for name, content in _members(archive):
            if (path := missing.pop(name, None)) is not None:
                _copy(content, path, archive, limit)
            if not missing:
                return
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"damaged: {error}", path=archive, remedy="get the file again") from error
    except OSError as error:
        raise InputError(error.strerror or str(error), path=archive) from error
    raise InputError(
        f"holds no {', '.join(sorted(missing))}", path=archive, remedy="is it the right archive?"
    )


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if not entry.is_dir():
                    with zipped.open(entry) as content:
                        yield PurePosixPath(entry.filename).name, content
        return
    # As a stream: going back and forth in a compressed archive would unpack it again and again.
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            if member.isreg() and (extracted := tar.extractfile(member)) is not None:
                yield PurePosixPath(member.name).name, extracted


def _copy(content: IO[bytes], path: Path, archive: Path, limit: int) -> None:
    written = 0
    with atomic_writer(path) as file:
        while piece := content.read(_PIECE):
            written += len(piece)
            if written > limit:
                raise InputError(f"{path.name} unpacks to more than {limit:,} bytes", path=archive)
            file.write(piece)


def _open(remote: Remote) -> Any:
    if not remote.url.startswith(("https://", "http://")):
        raise _failed(remote, "not an address of the web")
    # Some homes turn away the library's own name.
    request = urllib.request.Request(remote.url, headers={"User-Agent": "litetransformer"})  # noqa: S310
    try:
        return urllib.request.urlopen(request, timeout=_PATIENCE)  # noqa: S310
    except (OSError, http.client.HTTPException) as error:
        raise _failed(remote, _reason(error)) from error


def _pieces(response: Any, remote: Remote) -> Iterator[bytes]:
    try:
        while piece := response.read(_PIECE):
            yield piece
    except (OSError, http.client.HTTPException) as error:
        raise _failed(remote, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    return str(getattr(error, "reason", "") or error or type(error).__name__)


def _failed(remote: Remote, what: str) -> InputError:
    return InputError(
        f"not downloaded: {what}",
        path=remote.url,
        remedy=f"try again, or get {remote.name} another way and name its folder",
    )
