"""The shards of a store that is being written, and what they were made from, in ``unfinished.json``."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from litetransformer.core import files
from litetransformer.core.errors import InputError
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.side import verify_files
from litetransformer.data.store_index import StoreIndex

UNFINISHED = "unfinished.json"


class Unfinished:
    """The shards in `folder` that are whole: at first those that a killed writer of the same store left.

    `facts` say what the store is made from, ``rows`` among them; where that is empty nothing is gone on with
    and nothing is written down. All other files of the `sides` are removed.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], sides: Collection[str]) -> None:
        self.folder, self.facts, self.sides = folder, facts, sides
        self.shards: list[StoreIndex] = []
        files.sweep_partial(folder)
        if facts["rows"]:
            self.shards = self._whole()
        self._remove_from(len(self.shards))

    def add(self, shard: StoreIndex) -> None:
        """Note that the files of the next shard are in place."""
        self.shards.append(shard)
        if self.facts["rows"]:
            self._write()

    def forget(self) -> None:
        """Remove all shards."""
        self.shards = []
        self._remove_from(0)

    def done(self) -> None:
        """Remove the note: the store is finished."""
        (self.folder / UNFINISHED).unlink(missing_ok=True)

    def _write(self) -> None:
        note = {"facts": self.facts, "shards": [to_json(shard) for shard in self.shards]}
        files.write_json(self.folder / UNFINISHED, files.with_checksum(note))

    def _whole(self) -> list[StoreIndex]:
        """The shards that were noted, up to the first whose files are not as they were written."""
        path = self.folder / UNFINISHED
        whole: list[StoreIndex] = []
        try:
            note = files.without_checksum(files.read_json(path), path)
            if note["facts"] != self.facts:
                return []
            for number, found in enumerate(note["shards"]):
                shard = from_json(found, StoreIndex, path=str(path))
                for side in shard.sides:
                    verify_files(self.folder, side, number)
                whole.append(shard)
        except InputError:
            # Whatever is wrong with a note or a shard, the text is there to make them again.
            pass
        return whole

    def _remove_from(self, shard: int) -> None:
        if shard == 0:
            self.done()
        names = "|".join(self.sides)
        for path in self.folder.iterdir():
            match = re.fullmatch(rf"({names})(?:-(\d{{5}}))?\.(bin|offsets)", path.name)
            if match and int(match[2] or 0) >= shard:
                path.unlink(missing_ok=True)
