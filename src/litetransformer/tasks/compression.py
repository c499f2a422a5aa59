"""From a trained model to a small file: sweep, pruning, shared values, packing, each measured.

`verify` repeats the measurement that the file itself holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from litetransformer.compress import pack, size
from litetransformer.compress.pack import Pack, Packable
from litetransformer.compress.prune import Curve, Masks, allocate, sweep
from litetransformer.compress.quantize import Quantized
from litetransformer.compress.size import Size
from litetransformer.core.errors import InputError
from litetransformer.core.files import write_atomically
from litetransformer.data.store import TokenStore
from litetransformer.models.tensors import put_weights
from litetransformer.tasks.compression_rates import LARGEST_RATE, rate_for
from litetransformer.tasks.compression_record import RECORD, Plan, Record, Stage, read_record
from litetransformer.tasks.compression_tensors import Quantizer, large_tensors, small
from litetransformer.tasks.fine_tune import FineTuning, plan_of, training_of, tuning_store
from litetransformer.tasks.load import load
from litetransformer.tasks.model_folder import CARD, is_file
from litetransformer.tasks.yardstick import AnyModel, Quality, Texts, Yardstick, network_of
from litetransformer.train.cost import COST, read_ledger

SWEEP_LINES = 200
TABLE_SHARE = 4
"""A bit of a table costs this many times less error than one of a layer: see docs/compression.md."""
SCORE_TOLERANCE, LOSS_TOLERANCE = 0.1, 0.01
"""Another machine's rounding may move a tie in the search, but no measurement by more than this."""
_ROOM = 2048
"""Bytes left for what the last steps add: the record's digits, and vectors that fine-tuning moved."""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """How many bytes there may be (None: any number): of the file, or of `layers`, all but input tables."""

    bytes: int | None = None
    layers: bool = False


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A file that was written: its record and its size, counted in both ways."""

    record: Record
    file: Size


def compress(
    folder: Path,
    out: Path,
    plan: Plan,
    *,
    texts: Texts,
    train: Texts | None = None,
    target_size: int | None = None,
    target_layers: int | None = None,
    curves: Mapping[str, Curve] | None = None,
    scored: bool = True,
    device: torch.device | str = "cpu",
    tell: Tell = lambda _what: None,
) -> Compressed:
    """Write the model in `folder` to the file `out` as `plan` says, measured on `texts`.

    With `target_size`, its rates are the least for which the whole file has at most that many bytes; with
    `target_layers`, its `rate` is, and input tables, card and tokenizers are not counted. Fine-tuning takes
    `train`, or else the training text that the run's folder still has. `curves` are those of an earlier sweep
    of the same model. Unless `scored`, its stages say what their loss is and no BLEU or ROUGE: a search takes
    longer than all of the rest on a GPU. Equal arguments give equal bytes on the same machine.

    Raises InputError for texts that are missing and for a size that cannot be reached.
    """
    if is_file(folder):
        raise InputError("is compressed already", path=folder, remedy="name the folder it was made from")
    model = load(folder, device=device)
    if target_size is not None and target_layers is not None:
        raise ValueError("give either target_size or target_layers")
    goal = Goal(bytes=target_size or target_layers, layers=target_layers is not None)
    with tuning_store(folder, model, train, plan.updates) as store, Yardstick(model, texts) as yardstick:
        return _Work(folder, model, yardstick, store, tell, scored).run(out, plan, goal, curves)


def verify(path: Path, texts: Texts, *, device: torch.device | str = "cpu") -> tuple[Record, Quality]:
    """The record of a compressed model and its quality as measured again, on the same texts.

    Raises InputError for other texts, and where the quality is not what the file says.
    """
    record = read_record(path)
    if texts.digest != record.texts:
        what = f"was measured on other texts, {record.lines:,} lines with the SHA-256 {record.texts}"
        raise InputError(what, path=path, remedy="name those, or score these with `lite score`")
    with Yardstick(load(path, device=device), texts) as yardstick:
        found, stated = yardstick.quality(), record.after
    scores = [(found.loss, stated.loss, LOSS_TOLERANCE, "loss")]
    if stated.score is not None and found.score is not None:
        scores.append((found.score, stated.score, SCORE_TOLERANCE, stated.metric))
    for value, said, tolerance, name in scores:
        if abs(value - said) > tolerance:
            what = f"its {name} is {value:.4g} here, and {said:.4g} in the file"
            raise InputError(what, path=path, remedy="compare the versions of litetransformer and PyTorch")
    return record, found


class _Work:
    """The steps of one compression; the model's own weights go through all of them."""

    def __init__(
        self,
        folder: Path,
        model: AnyModel,
        yardstick: Yardstick,
        store: TokenStore | None,
        tell: Tell,
        scored: bool,
    ) -> None:
        self.folder, self.model, self.yardstick, self.store, self.tell = folder, model, yardstick, store, tell
        self.scored = scored
        self.network = network_of(model)
        self.weights: dict[str, Tensor] = dict(self.network.named_parameters())
        self.tables = size.table_names(self.network)
        self.large = large_tensors(self.weights)
        self.stages: list[Stage] = []
        self.ledger = self.ledger_there()

    def ledger_there(self) -> list[str]:
        """The name of the run's ledger, if the folder has one."""
        if not is_file(self.folder / COST):
            return []
        try:
            read_ledger(self.folder)
        except InputError as error:
            self.tell(f"what training cost is not taken along: {error}")
            return []
        return [COST]

    def run(self, out: Path, plan: Plan, goal: Goal, curves: Mapping[str, Curve] | None) -> Compressed:
        self.note("single precision", size.single_precision(self.weights, self.tables))
        if plan.sparsity:
            self.prune(plan, curves)
            self.note("pruned", size.sparse(self.weights, self.tables))
        quantizer = Quantizer(self.weights, self.tables, rows=plan.rows)
        if goal.bytes is not None:
            plan = self.fitted(plan, goal, quantizer)
        tensors = quantizer(plan)
        if plan.updates:
            tensors = self.tuned(tensors, plan, goal)
        put_weights(self.network, {name: tensor.dequantize() for name, tensor in tensors.items()})
        self.note("quantized", size.fixed_width(tensors, self.tables))
        return self.written(out, plan, tensors, goal)

    def tuned(self, tensors: Mapping[str, Packable], plan: Plan, goal: Goal) -> dict[str, Packable]:
        """The tensors with values and codes that were trained, in as many bytes as the goal allows."""

        def whole(shared: Mapping[str, Quantized]) -> dict[str, Packable]:
            return {name: shared.get(name) or small(tensor, plan) for name, tensor in self.weights.items()}

        def fits(shared: Mapping[str, Quantized]) -> bool:
            return goal.bytes is None or self.packed(plan, whole(shared), goal) <= goal.bytes - _ROOM // 2

        large: dict[str, Any] = {name: tensors[name] for name in self.large}
        shared = self.tuning(plan, "values").share(
            large,
            plan.updates - (plan.updates // 2 if plan.sparsity else 0),
            rates={name: plan.codes(table=name in self.tables)[1] for name in self.large},
            fits=fits,
        )
        return whole(shared)

    def note(self, name: str, found: Size) -> None:
        """Measure the model as it is now."""
        self.tell(f"measuring: {name}")
        quality = self.yardstick.quality() if self.scored else Quality(loss=self.yardstick.loss())
        self.stages.append(Stage(name=name, size=found, quality=quality))

    def tuning(self, plan: Plan, what: str) -> FineTuning:
        assert self.store is not None
        training = training_of(self.folder, self.store)
        return FineTuning(
            self.network,
            plan_of(self.folder, self.network, self.store, training, self.model.device),
            training,
            device=self.model.device,
            peak=plan.peak,
            progress=self.counted(f"fine-tuning the {what}", 10),
        )

    def counted(self, what: str, every: int) -> Callable[[int, int], None]:
        def tell(done: int, whole: int) -> None:
            if done % every == 0 or done == whole:
                self.tell(f"{what}: {done} of {whole}")

        return tell

    def prune(self, plan: Plan, curves: Mapping[str, Curve] | None) -> None:
        """Make the plan's share of the large tensors' weights zero, by sweep and, if asked, fine-tuning."""
        large = {name: self.weights[name] for name in self.large}
        if curves is None:
            with Yardstick(self.model, self.yardstick.texts.first(SWEEP_LINES)) as few:
                curves = sweep(large, few.loss, progress=self.counted("sweep: tensors", 10))
        # Of large tensors only, so that all weights together have as many zeros as were asked for.
        count = sum(tensor.numel() for tensor in self.weights.values())
        share = plan.sparsity * count / sum(tensor.numel() for tensor in large.values())
        if share >= 1:
            raise InputError(
                f"{plan.sparsity:g} is more than can be zero", field="sparsity", remedy="choose less"
            )
        shares = allocate(curves, large, share)
        if plan.updates:
            self.tuning(plan, "pruned model").prune(shares, plan.updates // 2)
        else:
            Masks.of(large, shares).apply(self.weights)

    def fitted(self, plan: Plan, goal: Goal, quantizer: Quantizer) -> Plan:
        """The plan with the least rates that come to the goal."""
        assert goal.bytes is not None
        most = goal.bytes
        self.tell(f"looking for rates that come to {most:,} bytes")

        def at(rate: float) -> Plan:
            # What is not counted is not made smaller for it.
            table_rate = plan.table_rate if goal.layers else rate / TABLE_SHARE
            return replace(plan, rate=rate, table_rate=table_rate)

        def size_at(rate: float) -> int:
            return self.packed(at(rate), quantizer(at(rate)), goal) + _ROOM

        if (without := size_at(0.0)) <= most:
            return at(0.0)
        if (least := size_at(LARGEST_RATE)) > most:
            remedy = f"{least:,} is about the least; use a sparsity, or fewer --bits"
            field = "target_layers" if goal.layers else "target_size"
            raise InputError(f"{most:,} bytes cannot be reached", field=field, remedy=remedy)
        return at(rate_for(size_at, most, without=without, least=least))

    def packed(self, plan: Plan, tensors: Mapping[str, Packable], goal: Goal) -> int:
        """The bytes that count for the goal."""
        if goal.layers:
            return sum(pack.section_bytes(tensors[name]) for name in tensors if name not in self.tables)
        record = self.record(plan, (*self.stages, self.stages[0]))
        return len(pack.to_bytes(self.files(record), tensors))

    def files(self, record: Record) -> dict[str, bytes]:
        """The card, the tokenizers and the ledger of the folder, and the record."""
        assert self.model.card is not None
        names = [CARD, *dict.fromkeys(file.file for file in self.model.card.tokenizers()), *self.ledger]
        return {**{name: (self.folder / name).read_bytes() for name in names}, RECORD: record.content()}

    def record(self, plan: Plan, stages: tuple[Stage, ...]) -> Record:
        zeros = sum(tensor.numel() - int(tensor.count_nonzero()) for tensor in self.weights.values())
        return Record(
            plan=plan,
            texts=self.yardstick.texts.digest,
            lines=len(self.yardstick.texts.source),
            sparsity=zeros / sum(tensor.numel() for tensor in self.weights.values()),
            stages=stages,
        )

    def written(self, out: Path, plan: Plan, tensors: Mapping[str, Packable], goal: Goal) -> Compressed:
        record = self.record(plan, tuple(self.stages))
        content = pack.to_bytes(self.files(record), tensors)
        found = self.packed(plan, tensors, goal) if goal.layers else len(content)
        if goal.bytes is not None and found > goal.bytes:
            what = f"came to {found:,} bytes, not {goal.bytes:,}"
            raise InputError(what, path=out, remedy="ask for a little less")
        write_atomically(out, content)
        return Compressed(record=record, file=size.in_file(Pack(out), self.tables, total=len(content)))
