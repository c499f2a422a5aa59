"""``lite compress`` and ``lite verify``: a small file from a trained model, and what that cost."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import OUTPUT, Device, Json, Quiet, Threads, device_for, use_threads
from litetransformer.cli.output import json_line, write_table, write_text
from litetransformer.cli.writing import refuse_idle, with_options
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.compress.size import Size
    from litetransformer.tasks.compression_record import Plan, Record
    from litetransformer.tasks.yardstick import Quality, Texts

SIZE = Group("Size", sort_key=1)
TEXTS = Group("Texts", sort_key=2)
UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}

Bits = Annotated[int | None, Parameter(group=SIZE)]
Source = Annotated[
    Path | None,
    Parameter(group=TEXTS, help="text to measure with [default: the run's validation text]"),
]
Target = Annotated[
    Path | None, Parameter(group=TEXTS, help="its translations or summaries; a language model has none")
]


def compress(
    folder: Annotated[Path, Parameter(help="folder of the model")],
    /,
    *,
    out: Annotated[Path, Parameter(group=OUTPUT, help="file to write; its name should end in .lite")],
    target_size: Annotated[
        str | None, Parameter(group=SIZE, help="most bytes of the file: 1500000, 800kB, 3MB (10⁶ bytes)")
    ] = None,
    ratio: Annotated[
        float | None,
        Parameter(group=SIZE, help="the same as a share: how many times smaller than at 4 bytes a weight"),
    ] = None,
    bits: Annotated[Bits, Parameter(help="most bits of a code, 1 to 8 [default: 6]")] = None,
    table_bits: Annotated[Bits, Parameter(help="the same for input tables [default: --bits]")] = None,
    rate: Annotated[
        float | None,
        Parameter(
            group=SIZE, help="error, in variances, that a saved bit may cost; 0: k-means [default: .02]"
        ),
    ] = None,
    table_rate: Annotated[
        float | None, Parameter(group=SIZE, help="the same for input tables [default: a quarter of --rate]")
    ] = None,
    sparsity: Annotated[
        float, Parameter(group=SIZE, help="share of the weights that become zero, spread by a sweep")
    ] = 0.0,
    updates: Annotated[
        int, Parameter(validator=Number(gte=0), help="updates of fine-tuning, on the training text")
    ] = 0,
    source: Source = None,
    target: Target = None,
    train_source: Annotated[
        Path | None,
        Parameter(group=TEXTS, help="text to fine-tune on [default: what the run was trained on]"),
    ] = None,
    train_target: Annotated[Path | None, Parameter(group=TEXTS, help="its translations or summaries")] = None,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compress a trained model into one small file.

    The file replaces the folder: every verb that takes a model takes it, and
    litetransformer.load does. It holds the tokenizer too, and its own checksum.

      lite compress runs/160 --out small.lite --target-size 1.5MB
          --source valid.de --target valid.en
      lite compress runs/160 --out small.lite --sparsity 0.5 --bits 4 --updates 500

    Weights become codes of at most --bits bits for values that a tensor shares;
    the codes are entropy-coded. With --target-size or --ratio, the least --rate
    is found for which the file is small enough. --sparsity first makes weights
    zero, most where a sweep finds that it costs least. --updates trains the rest
    meanwhile, and then the shared values and which weight has which of them.

    Prints bytes and quality after each step: in all, and without input tables,
    as the paper counts. The bytes of the steps before the file are computed, of
    weights alone. The file keeps the quality, and `lite verify` measures it again.
    With --json, an object with `file`, `bytes`, `bytes_without_tables`, `ratio`
    and the `record` that is in the file.
    """
    from litetransformer.tasks.model_folder import is_file

    if is_file(folder):
        raise InputError("is compressed already", path=folder, remedy="name the folder it was made from")
    _check(out, target_size, ratio, rate, table_rate)
    if not updates:
        training = {"train_source": train_source, "train_target": train_target}
        refuse_idle(training, "without --updates", "add --updates")
    wanted = None if target_size is None else _bytes(target_size)
    plan = _plan(bits, table_bits, rate, table_rate, sparsity, updates)

    use_threads(threads)
    from litetransformer.tasks.compression import compress as run
    from litetransformer.tasks.yardstick import own_texts

    texts = _texts(source, target, "--source") or own_texts(folder)
    if texts is None:
        remedy = "name --source and --target, validation texts"
        raise InputError("there are no texts to measure with", path="--source", remedy=remedy)
    if ratio is not None:
        wanted = int(4 * _weights(folder) / ratio)
    found = run(
        folder,
        out,
        plan,
        texts=texts,
        train=_texts(train_source, train_target, "--train-source"),
        target_size=wanted,
        device=device_for(device),
        tell=_tell(quiet),
    )
    first = found.record.stages[0].size
    if json:
        facts = {
            "file": str(out),
            "bytes": found.file.total,
            "bytes_without_tables": found.file.without_tables,
            "ratio": first.total / found.file.total,
            "ratio_without_tables": first.without_tables / found.file.without_tables,
        }
        write_text(json_line({**facts, "record": _as_json(found.record)}))
        return
    _write_stages(found.record, found.file)
    write_text(
        f"\n{out}: {first.total / found.file.total:.1f} times smaller, "
        f"{first.without_tables / found.file.without_tables:.1f} without input tables; "
        f"{_change(found.record.before, found.record.after)}"
    )


def verify(
    model: Annotated[Path, Parameter(help="compressed file")],
    /,
    *,
    source: Annotated[Path, Parameter(group=TEXTS, help="the text that it was measured with")],
    target: Target = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Measure a compressed model again, as its file says.

    Fails where the file is damaged, where the texts are not those that the file
    was measured with, and where the quality differs by more than rounding (0.1
    BLEU, 0.01 bits a token).

      lite verify small.lite --source valid.de --target valid.en

    Prints the quality before compression and now. With --json, an object with
    `quality` as measured now and the `record` that is in the file.
    """
    from litetransformer.tasks.model_folder import is_file

    if not is_file(model):
        raise InputError("no compressed model here", path=model, remedy="name a file of `lite compress`")
    texts = _texts(source, target, "--source")
    assert texts is not None
    use_threads(threads)
    from litetransformer.tasks.compression import verify as run

    record, quality = run(model, texts, device=device_for(device))
    if json:
        write_text(json_line({"quality": _quality_json(quality), "record": _as_json(record)}))
        return
    write_text(f"{model}: {_change(record.before, quality)}, as the file says")


def _check(
    out: Path, target_size: str | None, ratio: float | None, rate: float | None, table_rate: float | None
) -> None:
    if out.is_dir():
        raise InputError("is a folder", path=out, remedy="name a file")
    if target_size is not None and ratio is not None:
        raise InputError("is given beside --target-size", path="--ratio", remedy="give one of them")
    for name, value in (("--rate", rate), ("--table-rate", table_rate)):
        if value is not None and (target_size is not None or ratio is not None):
            given = "--target-size" if ratio is None else "--ratio"
            raise InputError(f"is what {given} looks for", path=name, remedy="give one of them")
    if ratio is not None and not 1 < ratio < 1e6:
        raise InputError(f"{ratio:g} makes nothing smaller", path="--ratio", remedy="choose more than 1")


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?b?)", text.strip().lower())
    if found is None or found[2] not in UNITS:
        remedy = "write 1500000, 800kB or 1.5MB"
        raise InputError(f"{text!r} is no size", path="--target-size", remedy=remedy)
    return int(float(found[1]) * UNITS[found[2]])


def _plan(
    bits: int | None,
    table_bits: int | None,
    rate: float | None,
    table_rate: float | None,
    sparsity: float,
    updates: int,
) -> "Plan":
    from litetransformer.tasks.compression_record import Plan

    rate = Plan.rate if rate is None else rate
    return with_options(
        Plan(),
        {
            "bits": bits,
            "table_bits": bits if table_bits is None else table_bits,
            "rate": rate,
            "table_rate": rate / 4 if table_rate is None else table_rate,
            "sparsity": sparsity,
            "updates": updates,
        },
    )


def _texts(source: Path | None, target: Path | None, option: str) -> "Texts | None":
    from litetransformer.tasks.yardstick import read_texts

    if source is None:
        if target is not None:
            raise InputError("missing", path=option, remedy="name the side that is written from")
        return None
    return read_texts(source, target)


def _weights(folder: Path) -> int:
    """How many weights the model in `folder` has."""
    from litetransformer.cli.profile import profile_of
    from litetransformer.tasks.model_folder import read_card

    card = read_card(folder)
    return profile_of(card.model, *(file.size for file in card.tokenizers())).params_total


def _write_stages(record: "Record", file: "Size") -> None:
    metric = record.after.metric
    columns = ["after", "bytes", "without tables", "bits a token", *([metric] if metric else [])]
    stages = [(stage.name, stage.size, stage.quality) for stage in record.stages]
    rows = []
    # What is in the file is what was quantized.
    for name, size, quality in (*stages, ("the file", file, record.after)):
        row = [name, f"{size.total:,}", f"{size.without_tables:,}", f"{quality.loss:.4f}"]
        rows.append([*row, *([f"{quality.score:.2f}"] if metric else [])])
    write_table(columns, rows)


def _change(before: "Quality", after: "Quality") -> str:
    loss = f"{before.loss:.4f} → {after.loss:.4f} bits a token"
    if before.score is None or after.score is None:
        return loss
    return f"{before.metric} {before.score:.2f} → {after.score:.2f}, {loss}"


def _as_json(record: "Record") -> dict[str, Any]:
    from litetransformer.core.spec import to_json

    return dict(to_json(record))


def _quality_json(quality: "Quality") -> dict[str, Any]:
    from litetransformer.core.spec import to_json

    return dict(to_json(quality))


def _tell(quiet: bool) -> Any:
    def tell(what: str) -> None:
        if not quiet and sys.stderr is not None:
            print(what, file=sys.stderr, flush=True)

    return tell
