"""Text in: lines and pairs of lines, read strictly and as a stream.

Only LF ends a line; one CR before it is dropped, and so is a byte-order mark at the very start. Everything
else is text, U+2028, U+0085, form feeds and lone CRs included, so that line counts agree with `wc -l`.
"""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError, MissingExtraError, nearest
from litetransformer.core.files import parse_json
from litetransformer.core.spec import Spec

_COMPRESSED: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
_ONE_FILE = (".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class TextPairs(Spec):
    """Where pairs of texts stand: two plain files, line by line, or one ``.tsv``, ``.jsonl`` or ``.parquet``.

    `source_field` and `target_field` name the fields of a ``.jsonl`` or the columns of a ``.parquet``
    (``source`` and ``target`` unless given); a dot goes into a nested one (``translation.de``). Plain files,
    ``.tsv`` and ``.jsonl`` may be compressed (``.gz``, ``.xz``).
    """

    source: str
    target: str | None = None
    source_field: str | None = None
    target_field: str | None = None


def read_lines(path: Path | str) -> Iterator[str]:
    """The lines of a text file, decoded one at a time; ``.gz`` and ``.xz`` are decompressed.

    Raises InputError at once for a path that is no file; while reading, for invalid UTF-8 (naming the line
    and the byte) and for a damaged compressed file.
    """
    path = _existing_file(path)
    return decode_lines(_raw_lines(path), str(path))


def decode_lines(stream: Iterable[bytes], name: str = "<stdin>") -> Iterator[str]:
    """The lines of a binary stream such as ``sys.stdin.buffer``, each as soon as it is complete.

    `stream` yields bytes up to and including each LF. Raises InputError naming `name`, the line and the byte
    for invalid UTF-8; offsets count from 0.
    """
    start = 0
    for number, raw in enumerate(stream, 1):
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise InputError(
                f"invalid UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} of the line, "
                f"{start + error.start} of the file",
                path=name,
                line=number,
                remedy="convert the text to UTF-8",
            ) from error
        if number == 1:
            line = line.removeprefix("\ufeff")
            if not line:
                # Nothing but a byte-order mark is an empty file, not an empty line.
                return
        start += len(raw)
        yield line[:-1].removesuffix("\r") if line.endswith("\n") else line


def read_pairs(pairs: TextPairs) -> Iterator[tuple[str, str]]:
    """The (source, target) texts that `pairs` describes, as a stream.

    A line break inside a field of a ``.jsonl`` or ``.parquet`` becomes a space: one text is one line.

    Raises InputError for missing files, unequal numbers of lines (naming both), a wrong number of columns, a
    field that is missing or not text (naming the line or row), and when there is no pair at all.
    """
    source = _existing_file(pairs.source)
    kind = _kind(source)
    fields = (pairs.source_field or "source", pairs.target_field or "target")
    named = pairs.source_field is not None or pairs.target_field is not None
    if named and kind not in (".jsonl", ".parquet"):
        raise InputError("only .jsonl and .parquet have named fields", path=source, remedy="name no fields")
    rows: Iterator[tuple[str, str]]
    if pairs.target is not None:
        target = _existing_file(pairs.target)
        for path in (source, target):
            if _kind(path) in _ONE_FILE:
                raise InputError(
                    f"a {_kind(path)} file holds both sides", path=path, remedy="name it alone, as the source"
                )
        rows = _aligned(source, target)
    elif kind == ".tsv":
        rows = _tsv(source)
    elif kind == ".jsonl":
        rows = _jsonl(source, fields)
    elif kind == ".parquet":
        rows = _parquet(source, fields)
    else:
        raise InputError(
            "a plain text file holds one side",
            path=source,
            remedy="name the target too, or a .tsv, .jsonl or .parquet",
        )
    return _not_empty(rows, source)


def aligned(sides: Mapping[Path, Iterator[str]]) -> Iterator[tuple[str, ...]]:
    """One row per line of all files together; raises InputError naming two whose numbers of lines differ."""
    done = object()
    counts = dict.fromkeys(sides, 0)
    while True:
        row = {path: next(lines, done) for path, lines in sides.items()}
        for path, line in row.items():
            counts[path] += line is not done
        if done not in row.values():
            yield tuple(str(line) for line in row.values())
            continue
        for path, lines in sides.items():
            counts[path] += sum(1 for _ in lines)
        shortest, longest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        if counts[shortest] != counts[longest]:
            raise InputError(
                f"has {_counted(counts[shortest], 'line')} but {longest} has {counts[longest]:,}",
                path=shortest,
                remedy="both sides need a line for every pair",
            )
        return


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _existing_file(path: Path | str) -> Path:
    path = Path(path)
    if path.is_dir():
        raise InputError("is a folder", path=path, remedy="name a file in it")
    if not path.exists():
        raise InputError("no such file", path=path)
    return path


def _kind(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with _COMPRESSED.get(path.suffix, open)(path, "rb") as stream:
            yield from stream
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise InputError(f"damaged: {error}", path=path, remedy="get the file again") from error
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error


def _not_empty(rows: Iterator[tuple[str, str]], path: Path) -> Iterator[tuple[str, str]]:
    first = next(rows, None)
    if first is None:
        raise InputError("holds no lines", path=path)
    yield first
    yield from rows


def _aligned(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    if source == target:
        return ((line, line) for line in read_lines(source))
    return ((row[0], row[1]) for row in aligned({source: read_lines(source), target: read_lines(target)}))


def _tsv(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise InputError(
                f"{_counted(len(columns), 'column')} where there must be 2",
                path=path,
                line=number,
                remedy="separate source and target by one tab",
            )
        yield columns[0], columns[1]


def _jsonl(path: Path, fields: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            record = parse_json(line)
        except InputError as error:
            raise InputError(error.what, path=path, line=number, remedy=error.remedy) from error
        except ValueError as error:
            raise InputError(str(error), path=path, line=number) from error
        yield _text(record, fields[0], path, number), _text(record, fields[1], path, number)


def _parquet(path: Path, fields: tuple[str, str]) -> Iterator[tuple[str, str]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading .parquet", "data") from error
    try:
        with parquet.ParquetFile(path) as file:
            columns = [column.path for column in file.schema]
            for field in fields:
                if field not in columns:
                    raise InputError("no such column", path=path, field=field, remedy=nearest(field, columns))
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=list(fields)):
                for record in batch.to_pylist():
                    number += 1
                    yield _text(record, fields[0], path, number), _text(record, fields[1], path, number)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"not a readable Parquet file: {error}", path=path) from error


def _text(record: Any, field: str, path: Path, number: int) -> str:
    """The text under a dotted field name of one record, on one line."""
    if isinstance(record, dict) and field in record:
        value = record[field]
    else:
        value = record
        for part in field.split("."):
            if not isinstance(value, dict) or part not in value:
                known = list(record) if isinstance(record, dict) else []
                raise InputError("missing", path=path, line=number, field=field, remedy=nearest(field, known))
            value = value[part]
    if not isinstance(value, str):
        raise InputError(f"{type(value).__name__} is not text", path=path, line=number, field=field)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "half a surrogate pair is no character", path=path, line=number, field=field
        ) from error
    return value.replace("\r\n", " ").replace("\n", " ")
