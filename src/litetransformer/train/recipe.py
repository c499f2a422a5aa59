"""How to train, as a value: everything that the loop is told."""

from dataclasses import dataclass, field
from typing import Literal

from litetransformer.core.spec import Spec
from litetransformer.train.optimizer import Adam, Optimizer
from litetransformer.train.schedule import InverseSqrt, Schedule

_ZERO = {
    "validate_every": "validates after every epoch",
    "save_every": "saves every minute",
    "patience": "never stops early",
    "clip": "clips nothing",
    "consistency": "runs each batch once",
}
"""What 0 means, of the settings that may be 0."""


@dataclass(frozen=True, kw_only=True)
class Training(Spec):
    """The training of one model.

    A batch holds at most `batch_tokens` tokens a side, padding included, and an update `accumulate` batches.
    Validation happens every `validate_every` updates (0: after every epoch); the state that a stopped run
    goes on from is saved every `save_every` updates (0: every minute). Training stops after `updates`, or
    once `patience` validations in a row brought nothing better (0: never). `keep` says which weights become
    the model: the ``best`` by `best_by`, the ``last``, or the ``average`` of the weights at the last
    `average` epoch ends (IWSLT in the paper: 10).

    With `consistency` every batch is run twice, and so many times what lies between its predictions under
    different dropout is added to the loss (R-Drop, whose α is twice this); it takes the time and memory of
    twice the batch. With `ema_decay` what is validated and kept is no longer the weights themselves but
    their exponential moving average (`train.ema`), the ``best`` or the ``last``; 0.999 looks back on about
    1,000 updates. Neither changes what the model costs once it is trained.
    """

    updates: int = 50_000
    batch_tokens: int = 4096
    accumulate: int = 1
    longest: int = 256
    optimizer: Optimizer = field(default_factory=Adam)
    schedule: Schedule = field(default_factory=InverseSqrt)
    label_smoothing: float = 0.1
    consistency: float = 0.0
    clip: float = 0.0
    validate_every: int = 0
    save_every: int = 0
    patience: int = 0
    best_by: Literal["loss", "bleu", "rouge"] = "loss"
    keep: Literal["best", "last", "average"] = "best"
    average: int = 10
    ema_decay: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("updates", "batch_tokens", "accumulate", "longest", "average"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        for name, zero in _ZERO.items():
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)} must not be negative; 0 {zero}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} must be from 0 to 2³² − 1")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={self.label_smoothing} must be in [0, 1)")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay={self.ema_decay} must be in [0, 1); 0 averages nothing")
        if self.ema_decay and self.keep == "average":
            raise ValueError(
                f"ema_decay={self.ema_decay} and keep='average' are two averages; choose one, for example "
                "keep='last' with ema_decay"
            )
        if self.batch_tokens < self.longest:
            raise ValueError(
                f"batch_tokens={self.batch_tokens} must hold one sentence of longest={self.longest} tokens; "
                "raise the one or lower the other"
            )
