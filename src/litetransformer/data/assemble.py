"""A data set as its home has it, put together as plain text: a file for each split and side."""

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.files import TEMPORARY_PREFIX, atomic_writer, sweep_partial
from litetransformer.data.corpus import TextPairs, aligned, read_lines, read_pairs
from litetransformer.data.download import Remote, extract
from litetransformer.data.iwslt import clean, read_segments, read_tagged, read_talks

Row = tuple[str, ...]
Form = Literal["lines", "tagged", "segments", "talks", "columns", "flashcards"]

_LINES: dict[Form, Callable[[Path], Iterator[str]]] = {
    "lines": read_lines,
    "tagged": read_tagged,
    "segments": read_segments,
    "talks": read_talks,
}

# Sentences hang together by their translations; a cluster this large would fill a test set by itself.
_LARGEST_HELD_OUT = 100


@dataclass(frozen=True)
class Part:
    """Texts of a split: one file for each side, in an archive or by themselves, or the columns of a table."""

    sides: tuple[str, ...]
    archive: str = ""
    form: Form = "lines"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A set as the catalogue knows it.

    `sides` are the suffixes of the assembled files (``train.de``). Where the home makes no such split, every
    `valid_every`-th training pair is for validation, or, with `divide`, a hundredth each is for validation
    and test. `clean` drops training pairs as the paper does for IWSLT'14.
    """

    home: str
    licence: str
    sides: tuple[str, ...]
    files: tuple[Remote, ...]
    splits: Mapping[str, tuple[Part, ...]]
    clean: bool = False
    valid_every: int = 0
    divide: bool = False

    @property
    def all_splits(self) -> tuple[str, ...]:
        """The names of the splits, those made here included."""
        if self.divide:
            return (*self.splits, "valid", "test")
        return (*self.splits, "valid") if self.valid_every else tuple(self.splits)


def check_extras(dataset: Dataset) -> None:
    """Raises MissingExtraError where assembling `dataset` needs one, before anything is fetched for it."""
    if dataset.clean:
        import litetransformer.data.moses  # noqa: F401
    if any(part.form == "columns" for parts in dataset.splits.values() for part in parts):
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("reading .parquet", "data") from error


def assemble(dataset: Dataset, downloads: Path, folder: Path) -> None:
    """Write ``SPLIT.SIDE`` to `folder` for every split and side, from the files in `downloads`.

    Raises InputError naming a file that is damaged or not as expected; then nothing new is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep_partial(folder)
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover)
    scratch = Path(mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder))
    counts: Counter[str] = Counter()
    try:
        _extract_all(dataset, downloads, scratch)
        with ExitStack() as stack:
            files = {
                split: [
                    stack.enter_context(atomic_writer(folder / f"{split}.{side}")) for side in dataset.sides
                ]
                for split in dataset.all_splits
            }
            for split, row in _rows(dataset, downloads, scratch):
                counts[split] += 1
                for file, text in zip(files[split], row, strict=True):
                    file.write(text.encode() + b"\n")
            for split in files:
                if not counts[split]:
                    raise InputError(f"gives no {split} text", path=downloads, remedy="get the files again")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def divide(pairs: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Each different pair with its split: about a hundredth for validation, a hundredth for test.

    A sentence that is in one split is in no other, on either side: sentences that share a translation, near
    or far, go together. Which split they go to depends on their text alone.
    """
    leader: dict[tuple[int, str], tuple[int, str]] = {}

    def find(sentence: tuple[int, str]) -> tuple[int, str]:
        leader.setdefault(sentence, sentence)
        while leader[sentence] != sentence:
            leader[sentence] = sentence = leader[leader[sentence]]
        return sentence

    different = list(dict.fromkeys(pairs))
    for pair in different:
        first, *others = (find(sentence) for sentence in enumerate(pair))
        for other in others:
            low, high = sorted((find(first), find(other)))
            leader[high] = low
    clusters: defaultdict[tuple[int, str], list[Row]] = defaultdict(list)
    for pair in different:
        clusters[find((0, pair[0]))].append(pair)
    for (_, text), members in clusters.items():
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 100
        split = {0: "valid", 1: "test"}.get(draw, "train") if len(members) <= _LARGEST_HELD_OUT else "train"
        yield from ((split, pair) for pair in members)


def _rows(dataset: Dataset, downloads: Path, scratch: Path) -> Iterator[tuple[str, Row]]:
    for split, parts in dataset.splits.items():
        rows = (row for part in parts for row in _read(part, downloads, scratch))
        if split != "train":
            yield from ((split, row) for row in rows)
        elif dataset.divide:
            yield from divide(rows)
        else:
            kept = clean(rows, *dataset.sides) if dataset.clean else rows
            for number, row in enumerate(kept, 1):
                held_out = dataset.valid_every and number % dataset.valid_every == 0
                yield "valid" if held_out else "train", row


def _read(part: Part, downloads: Path, scratch: Path) -> Iterator[Row]:
    if part.form == "columns":
        table = TextPairs(
            source=str(downloads / part.archive), source_field=part.sides[0], target_field=part.sides[1]
        )
        return read_pairs(table)
    folder = scratch / part.archive if part.archive else downloads
    if part.form == "flashcards":
        return _flashcards(folder / part.sides[0])
    read = _LINES[part.form]
    return aligned({folder / name: read(folder / name) for name in part.sides})


def _flashcards(path: Path) -> Iterator[Row]:
    """The (German, English) pairs of a file of English, German and attribution, parted by tabs."""
    for number, line in enumerate(read_lines(path), 1):
        columns = line.split("\t")
        if len(columns) < 2:
            raise InputError("one column where there must be two", path=path, line=number)
        yield columns[1], columns[0]


def _extract_all(dataset: Dataset, downloads: Path, scratch: Path) -> None:
    wanted: defaultdict[str, dict[str, Path]] = defaultdict(dict)
    for parts in dataset.splits.values():
        for part in parts:
            if part.archive and part.form != "columns":
                wanted[part.archive].update({name: scratch / part.archive / name for name in part.sides})
    for archive, files in wanted.items():
        extract(downloads / archive, files)
