"""What a compressed file says of itself: how it was made, what that cost, measured on which texts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from litetransformer.compress.size import Size
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.tasks.model_file import json_in, open_pack
from litetransformer.tasks.yardstick import Quality

RECORD = "compression.json"


@dataclass(frozen=True, kw_only=True)
class Plan(Spec):
    """How to compress.

    Layers get at most 2^`bits` values a tensor, input tables 2^`table_bits`, each group of `rows` rows its
    own (0: a tensor is one group). A coded bit is saved where that costs less than an error of `rate` times
    the variance (`table_rate` in tables); 0 is plain k-means. `sparsity` of the weights become zero, spread
    by a sweep. Vectors and tiny tensors are kept as `small` says. `updates` of fine-tuning, at rates up to
    `peak`, go to the pruning first, if there is any, and then to the values.
    """

    bits: int = 6
    table_bits: int = 6
    rate: float = 0.02
    table_rate: float = 0.005
    rows: int = 0
    sparsity: float = 0.0
    small: Literal["affine", "float16", "float32"] = "affine"
    updates: int = 0
    peak: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("bits", "table_bits"):
            if not 1 <= getattr(self, name) <= 8:
                raise ValueError(f"{name}={getattr(self, name)} must be from 1 to 8")
        if not 0.0 <= self.sparsity < 1.0:
            raise ValueError(f"sparsity={self.sparsity} must be at least 0 and less than 1")
        if min(self.rate, self.table_rate, self.updates, self.rows) < 0:
            raise ValueError("rate, table_rate, updates and rows must not be negative")
        if not self.peak > 0:
            raise ValueError(f"peak={self.peak} must be a positive learning rate")

    def codes(self, *, table: bool) -> tuple[int, float]:
        """The bits and the rate of an input table, or of a layer's tensor."""
        return (self.table_bits, self.table_rate) if table else (self.bits, self.rate)


@dataclass(frozen=True, kw_only=True)
class Stage(Spec):
    """The model after one step: its bytes, counted in both ways, and its quality."""

    name: str
    size: Size
    quality: Quality


@dataclass(frozen=True, kw_only=True)
class Record(Spec):
    """What a compressed file says of itself: its plan, its stages, and the texts it was measured on.

    `sparsity` is the share of zeros that there are in all weights.
    """

    plan: Plan
    texts: str
    lines: int
    sparsity: float
    stages: tuple[Stage, ...]

    @property
    def before(self) -> Quality:
        """The quality that compression began with."""
        return self.stages[0].quality

    @property
    def after(self) -> Quality:
        """The quality of the model in the file."""
        return self.stages[-1].quality

    def content(self) -> bytes:
        """The file that holds this record."""
        return json.dumps(to_json(self)).encode()


def read_record(path: Path) -> Record:
    """The record of the compressed model at `path`; InputError where it has none."""
    return from_json(json_in(open_pack(path), RECORD), Record, path=str(path))
