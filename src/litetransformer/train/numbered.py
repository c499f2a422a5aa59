"""Files of a run that bear the number of their update: ``state-000000100.safetensors``."""

import re
from pathlib import Path

_NAME = re.compile(r"[a-z]+-\d+")


def numbered_path(folder: Path, kind: str, update: int) -> Path:
    """Where the file of this kind belongs that is written after `update`."""
    return folder / f"{kind}-{update:09d}.safetensors"


def numbered_files(folder: Path, kind: str) -> list[Path]:
    """The files of this kind in `folder`, newest first."""
    found = [path for path in folder.glob(f"{kind}-*.safetensors") if _NAME.fullmatch(path.stem)]
    return sorted(found, reverse=True)


def keep_newest(folder: Path, kind: str, count: int) -> None:
    """Remove all but the newest `count` files of this kind."""
    for path in numbered_files(folder, kind)[count:]:
        path.unlink()


def forget_later(folder: Path, kind: str, update: int) -> None:
    """Remove the files of updates later than `update`: a run that goes on from there makes its own."""
    for path in numbered_files(folder, kind):
        if int(path.stem.split("-")[1]) > update:
            path.unlink()
