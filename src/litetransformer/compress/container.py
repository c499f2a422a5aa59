"""One file that holds others: what `pack` writes and reads, every bit of it guarded by a SHA-256 at its end.

    magic, 8 bytes | version, header's size, header's size unpacked, 4 bytes each | the file's size, 8 bytes
    header | sections, one after the other | zeros | SHA-256 of all before it, 32 bytes

Numbers are little-endian. The header is JSON, packed like the files that a section may hold (raw LZMA2 with
a dictionary of 1 MiB). Nothing is given memory before its size is known to be possible.
"""

import hashlib
import lzma
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litetransformer.compress.character_map import RULES
from litetransformer.core.errors import InputError
from litetransformer.core.files import parse_json, write_atomically
from litetransformer.core.spec import Spec, from_json, to_json

MAGIC = b"\x93LITE\r\n\n"
VERSION = 1
SUFFIX = ".lite"

LARGEST = 2**31
WEIGHTS_PER_BYTE = 32
"""No file has more weights than this a byte: a small file takes little memory, whoever wrote it.

Half a bit a weight is what 90% of zeros come to; the rare file that is smaller is filled up with zeros.
"""

_HEAD, _DIGEST = struct.Struct("<8sIIIQ"), 32
_LARGEST_HEADER, _LARGEST_FILE = 4 * 2**20, 64 * 2**20
_LARGEST_MAP = 2**18
_UNPACKED_RATIO, _UNPACKED_EXTRA = 64, 2**16
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 2**20}]


@dataclass(frozen=True, kw_only=True)
class FileEntry(Spec):
    """A file by its name, its size, and the bytes of its packed section.

    Of a tokenizer SentencePiece's own map of characters is left out: that of `rule`, which began at `at`.
    """

    name: str
    size: int
    stored: int
    rule: str = ""
    at: int = 0

    def __post_init__(self) -> None:
        check_unpacked(max(0, self.size - _LARGEST_MAP * bool(self.rule)), self.stored, _LARGEST_FILE)
        if self.rule not in ("", *RULES) or not 0 <= self.at <= self.size:
            raise ValueError(f"rule={self.rule[:80]!r} at {self.at} is none of ours")


@dataclass(frozen=True, kw_only=True)
class TensorEntry(Spec):
    """A tensor by its name and shape, how its section holds it, and that section's bytes.

    Plain weights are of type `kind`. Others are codes below `levels`, each group of `rows` rows (0: all) with
    its values in `precision`, or with an affine rule; they are coded by their own frequencies or, `flat`,
    without.
    """

    name: str
    shape: tuple[int, ...]
    kind: Literal["float16", "float32", "codebook", "affine"]
    stored: int
    levels: int = 0
    rows: int = 0
    precision: Literal["float16", "float32"] = "float16"
    flat: bool = False

    def __post_init__(self) -> None:
        if min((*self.shape, self.stored, self.rows), default=0) < 0:
            raise ValueError("a size is negative")
        if self.kind in ("codebook", "affine") and not 2 <= self.levels <= 256:
            raise ValueError(f"levels={self.levels} must be from 2 to 256")

    @property
    def count(self) -> int:
        """How many weights there are."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass(frozen=True, kw_only=True)
class Contents(Spec):
    """What a file holds, its sections in this order; the header as a value."""

    files: tuple[FileEntry, ...]
    tensors: tuple[TensorEntry, ...]


def check_unpacked(size: int, stored: int, largest: int) -> None:
    """Raise ValueError where `stored` packed bytes cannot, or must not, be `size` bytes."""
    if not 0 <= size <= min(largest, _UNPACKED_RATIO * stored + _UNPACKED_EXTRA) or stored < 0:
        raise ValueError(f"{stored} bytes that unpack to {size} are none of ours")


def packed(content: bytes) -> bytes:
    """`content` in fewer bytes."""
    return lzma.compress(content, lzma.FORMAT_RAW, filters=_FILTERS)


def unpacked(content: bytes, size: int) -> bytes:
    """The `size` bytes that `packed` was given; ValueError for other content or another size."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        found = decoder.decompress(content, size + 1)
    except lzma.LZMAError as error:
        raise ValueError("not packed as it should be") from error
    if len(found) != size:
        raise ValueError(f"unpacks to something else than {size} bytes")
    return found


def to_bytes(contents: Contents, sections: Sequence[bytes]) -> bytes:
    """The whole file."""
    import json

    raw = json.dumps(to_json(contents), separators=(",", ":"), ensure_ascii=True).encode()
    header = packed(raw)
    body = b"".join(sections)
    least = -(-sum(tensor.count for tensor in contents.tensors) // WEIGHTS_PER_BYTE)
    body += bytes(max(0, least - len(body)))
    size = _HEAD.size + len(header) + len(body) + _DIGEST
    content = _HEAD.pack(MAGIC, VERSION, len(header), len(raw), size) + header + body
    return content + hashlib.sha256(content).digest()


def write(path: Path, contents: Contents, sections: Sequence[bytes]) -> int:
    """Write the file in one step; returns its size."""
    content = to_bytes(contents, sections)
    write_atomically(path, content)
    return len(content)


def is_packed(path: Path | str) -> bool:
    """Whether `path` is a file, not a folder, that begins as these do."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 (unlike Path's, it is False for impossible names)
            return False
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read(path: Path) -> tuple[Contents, Mapping[str, memoryview]]:
    """What the file holds and the section of each name, once all of it is checked.

    Raises InputError naming `path` for a file that is missing, cut, altered, of another version, or that says
    what cannot be.
    """
    content = _checked(path)
    _, version, stored, size, _ = _HEAD.unpack_from(content)
    if version != VERSION:
        raise InputError(
            f"a compressed model of version {version}; this one reads version {VERSION}",
            path=path,
            remedy="use the version of litetransformer that wrote it",
        )
    body = memoryview(content)[_HEAD.size : -_DIGEST]
    try:
        if stored > len(body):
            raise ValueError("its header is longer than the file")
        check_unpacked(size, stored, _LARGEST_HEADER)
        text = unpacked(bytes(body[:stored]), size).decode()
        contents = from_json(parse_json(text, path=path), Contents, path=str(path))
        return contents, _sections(contents, body[stored:], len(content))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"not a usable compressed model: {error}", path=path) from error


def _checked(path: Path) -> bytes:
    try:
        # Opening a pipe would wait for its other end.
        if not os.path.isfile(path):  # noqa: PTH113
            raise InputError("no such file", path=path)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(_HEAD.size)
            if len(start) < _HEAD.size or not start.startswith(MAGIC):
                raise InputError("not a compressed model, or damaged", path=path)
            stated = _HEAD.unpack(start)[-1]
            if size != stated or not _HEAD.size + _DIGEST <= size <= LARGEST:
                what = f"cut or damaged: it has {size:,} bytes and says {stated:,}"
                raise InputError(what, path=path, remedy="restore it from a copy")
            content = start + file.read(size - len(start))
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    if hashlib.sha256(memoryview(content)[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise InputError("damaged: its checksum does not match", path=path, remedy="restore it from a copy")
    return content


def _sections(contents: Contents, body: memoryview, size: int) -> dict[str, memoryview]:
    if sum(tensor.count for tensor in contents.tensors) > WEIGHTS_PER_BYTE * size:
        raise ValueError("more weights than a file of this size can hold")
    sections: dict[str, memoryview] = {}
    entries: list[FileEntry | TensorEntry] = [*contents.files, *contents.tensors]
    for entry in entries:
        if entry.name in sections:
            raise ValueError(f"the name {entry.name[:80]!r} stands twice")
        if entry.stored > len(body):
            raise ValueError("its sections are longer than the file")
        sections[entry.name], body = body[: entry.stored], body[entry.stored :]
    if any(body):
        raise ValueError("something stands after its last section")
    return sections
