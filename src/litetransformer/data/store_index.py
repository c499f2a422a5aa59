"""What `index.json` says of a store: its rows, what was left out, and the checksums of its files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litetransformer.core import files
from litetransformer.core.errors import InputError
from litetransformer.core.spec import Spec, from_json, to_json

INDEX = "index.json"
VERSION = 1
"""Of the index of one shard, which is that of a store with no more than one."""
SHARDED = 2
"""Of the index of a store with several shards."""


@dataclass(frozen=True, kw_only=True)
class Dropped(Spec):
    """How many rows were left out, and why."""

    why: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class SideIndex(Spec):
    """What one side's two files hold."""

    name: str
    tokenizer: str
    dtype: Literal["uint16", "uint32"]
    tokens: int
    tokens_sha256: str
    offsets_sha256: str

    def __post_init__(self) -> None:
        # The name becomes a file's: nothing in an index may point out of its folder.
        if not self.name.isidentifier() or self.tokens < 0:
            raise ValueError(f"{self.name!r} with {self.tokens} tokens is no side")


@dataclass(frozen=True, kw_only=True)
class StoreIndex(Spec):
    """What a store, or one shard of it, holds; `truncated` of its rows have a side that was cut."""

    version: int
    rows: int
    longest: int | None
    longest_ratio: float
    dropped: tuple[Dropped, ...]
    sides: tuple[SideIndex, ...]
    truncated: int = 0

    def __post_init__(self) -> None:
        if self.rows < 1 or not self.sides:
            raise ValueError("a store has at least one row and one side")

    @property
    def read(self) -> int:
        """The rows of text that this came from, those left out included."""
        return self.rows + sum(item.rows for item in self.dropped)


@dataclass(frozen=True, kw_only=True)
class ShardedIndex(Spec):
    """The shards of a store, in the order of their rows."""

    version: int
    shards: tuple[StoreIndex, ...]

    def __post_init__(self) -> None:
        if not self.shards or len({_kind(shard) for shard in self.shards}) != 1:
            raise ValueError("shards of one store have the same sides, tokenizers and limits")


def dropped(reasons: Counter[str]) -> tuple[Dropped, ...]:
    """The rows left out for each reason, in the order of the reasons."""
    return tuple(Dropped(why=why, rows=count) for why, count in sorted(reasons.items()))


def write_index(folder: Path, shards: Sequence[StoreIndex]) -> None:
    """Write the index of a store of these shards, which makes it one."""
    index = shards[0] if len(shards) == 1 else ShardedIndex(version=SHARDED, shards=tuple(shards))
    files.write_json(folder / INDEX, to_json(index))


def read_index(folder: Path) -> tuple[StoreIndex, ...]:
    """The index of each shard of the store in `folder`; InputError where there is none, or a wrong one."""
    path = folder / INDEX
    if not path.is_file():
        raise InputError("no prepared data here", path=folder, remedy="prepare it again")
    facts = files.read_json(path)
    version = facts.get("version") if isinstance(facts, dict) else VERSION
    if version == SHARDED:
        return from_json(facts, ShardedIndex, path=str(path)).shards
    if version != VERSION:
        raise InputError(
            f"version {version!r} of the format; this program reads {VERSION} and {SHARDED}",
            path=path,
            remedy="prepare the data again",
        )
    return (from_json(facts, StoreIndex, path=str(path)),)


def together(shards: Sequence[StoreIndex]) -> StoreIndex:
    """What `shards` come to, as if they were one; its checksums are those of the shards' checksums."""
    if len(shards) == 1:
        return shards[0]
    reasons: Counter[str] = Counter()
    for shard in shards:
        reasons.update({item.why: item.rows for item in shard.dropped})
    first = shards[0]
    return StoreIndex(
        version=SHARDED,
        rows=sum(shard.rows for shard in shards),
        longest=first.longest,
        longest_ratio=first.longest_ratio,
        dropped=dropped(reasons),
        sides=tuple(_one_side(parts) for parts in zip(*(shard.sides for shard in shards), strict=True)),
        truncated=sum(shard.truncated for shard in shards),
    )


def _one_side(parts: Sequence[SideIndex]) -> SideIndex:
    return SideIndex(
        name=parts[0].name,
        tokenizer=parts[0].tokenizer,
        dtype=parts[0].dtype,
        tokens=sum(part.tokens for part in parts),
        tokens_sha256=_of_all(part.tokens_sha256 for part in parts),
        offsets_sha256=_of_all(part.offsets_sha256 for part in parts),
    )


def _of_all(checksums: Iterable[str]) -> str:
    return files.sha256("".join(checksums).encode())


def _kind(shard: StoreIndex) -> tuple[object, ...]:
    sides = tuple((side.name, side.tokenizer, side.dtype) for side in shard.sides)
    return (sides, shard.longest, shard.longest_ratio)
