"""Trainings by name: what a benchmark is asked for, and whether a results file has it already."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from litetransformer.core.files import read_json
from litetransformer.core.override import override
from litetransformer.core.spec import to_json
from litetransformer.recipes import Row, get

_LATER: dict[str, dict[str, Any]] = {
    "train": {"consistency": 0.0, "ema_decay": 0.0},
    "vocabulary": {"dropout": 0.0, "draws": 1},
}
"""Settings that recipes of older runs didn't have, with the values that change nothing."""


@dataclass(frozen=True)
class Job:
    """One training: a recipe by name, a seed, settings as for `--set`, and where the data are.

    A file holds several trainings of one recipe where they are called by different rows. With `teacher`, the
    name of a recipe, the training text is what that recipe's model makes of the sources. Of the settings,
    those `given` are not the row's own but the command's.
    """

    system: str
    seed: int
    settings: tuple[str, ...]
    data: Path
    device: str
    prepared: Path | None = None
    runs: Path | None = None
    row: str = ""
    teacher: str = ""
    given: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the training is called in its file, beside the seed."""
        return self.row or self.system

    def recipe(self) -> Any:
        """The recipe of this job, without texts."""
        return override(get(self.system), [*self.settings, f"train.seed={self.seed}"])

    def digest(self) -> str:
        """What stands for the recipe: a run of another one is another run."""
        plain = _plain(replace(self.recipe(), expect=None))
        return _digest([plain, self.taught_by().digest()] if self.teacher else plain)

    def preparation(self) -> str:
        """What stands for the tokens that this job reads: jobs of one name read the same."""
        name, plain = self.system.partition("/")[0], _plain(self.recipe())
        parts = [plain["data"], plain["vocabulary"], plain["train"].get("longest"), plain.get("block")]
        if self.teacher:
            parts.append(self.taught_by().digest())
        return f"{name}-{_digest(parts)}"

    def taught_by(self) -> "Job":
        """The training of the teacher: that of its recipe as it stands, by the first seed."""
        return replace(self, system=self.teacher, seed=1, settings=self.given, row="", teacher="")


def _plain(recipe: Any) -> dict[str, Any]:
    """The JSON of `recipe`, as it was before there were settings that it leaves alone."""
    plain: dict[str, Any] = to_json(recipe)
    for part, later in _LATER.items():
        for name, value in later.items():
            if plain[part].get(name) == value:
                del plain[part][name]
    return plain


def _digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def lacking(
    out: Path,
    names: Sequence[str],
    seeds: Sequence[int],
    settings: Sequence[str],
    rows: Mapping[str, Row],
    *,
    again: bool = False,
) -> list[Job]:
    """The trainings that the file `out` doesn't have, on the CPU and without data; with `again`, all."""
    runs = (read_json(out) if out.is_file() else {}).get("runs", [])
    have = {(*called(run), run.get("recipe_digest")) for run in runs if not run.get("failed")}
    jobs = [_job(name, rows.get(name), seed, tuple(settings)) for seed in seeds for name in names]
    return [job for job in jobs if again or (job.name, job.seed, job.digest()) not in have]


def _job(name: str, row: Row | None, seed: int, given: tuple[str, ...]) -> Job:
    job = Job(name, seed, given, Path(), "cpu")
    if row is None:
        return job
    return replace(
        job, system=row.recipe, settings=(*row.settings, *given), row=name, teacher=row.teacher, given=given
    )


def called(run: dict[str, Any]) -> tuple[str, int]:
    """A run's name and seed: of those, a file has no two alike."""
    return run.get("row", run["system"]), run["seed"]
