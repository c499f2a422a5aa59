"""``lite prepare`` and ``lite train``: from a recipe and texts to a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from litetransformer.cli.options import (
    OUTPUT,
    Device,
    Json,
    Quiet,
    Settings,
    Threads,
    Workers,
    device_for,
    use_threads,
)
from litetransformer.cli.output import json_line, millions, write_table, write_text
from litetransformer.cli.texts import NO_TEXTS, Texts, recipe_for


def prepare(
    recipe: Annotated[str | None, Parameter(help="name of a recipe; `lite recipes` lists them")] = None,
    /,
    *,
    texts: Texts = NO_TEXTS,
    out: Annotated[Path, Parameter(group=OUTPUT, help="folder for the prepared data, and later the model")],
    settings: Settings = (),
    workers: Workers = 1,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Learn the vocabularies and tokenise the texts of a recipe.

    `lite train` does this by itself; apart, it shows what the texts come to and
    uses more processes. `lite train` with the same RECIPE and --out goes on from
    it. What is prepared already is checked and left as it is.

      lite prepare iwslt14-de-en/lite-160 --out runs/160 --download --workers 4
      lite prepare --preset lite-160 --source a.de --target a.en
           --valid-source v.de --valid-target v.en --out runs/own

    Prints, for training and validation texts, the pairs kept, their tokens and
    the pairs dropped; and the sizes of the vocabularies.
    """
    from litetransformer.core.files import only_writer
    from litetransformer.tasks import prepare as preparation

    chosen = recipe_for(recipe, texts, settings, folder=out, quiet=quiet)
    with only_writer(out):
        prepared = preparation.prepare(chosen, out, workers=workers, progress=_progress(quiet))
    facts: dict[str, Any] = {
        "folder": str(out),
        "source_vocabulary": prepared.source.size,
        "target_vocabulary": prepared.target.size,
    }
    rows = []
    for name, store in (("train", prepared.train), ("valid", prepared.valid)):
        tokens = {side.name: side.tokens for side in store.index.sides}
        dropped = {item.why: item.rows for item in store.index.dropped}
        facts[name] = {
            "pairs": len(store),
            "source_tokens": tokens["source"],
            "target_tokens": tokens["target"],
            "dropped": dropped,
        }
        counts = (len(store), tokens["source"], tokens["target"], sum(dropped.values()))
        rows.append([name, *(f"{count:,}" for count in counts)])
    if json:
        write_text(json_line(facts))
        return
    write_table(["texts", "pairs", "source tokens", "target tokens", "pairs dropped"], rows)
    write_text(f"\nvocabularies: {prepared.source.size:,} source, {prepared.target.size:,} target")


def train(
    recipe: Annotated[str | None, Parameter(help="name of a recipe; `lite recipes` lists them")] = None,
    /,
    *,
    texts: Texts = NO_TEXTS,
    out: Annotated[Path, Parameter(group=OUTPUT, help="folder of the run, and of the model it leaves")],
    settings: Settings = (),
    accept_changes: Annotated[
        bool, Parameter(help="go on with a run even though its settings are changed")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    workers: Workers = 1,
    tensorboard: Annotated[
        bool, Parameter(group=OUTPUT, help="also log for TensorBoard, in OUT/tensorboard")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a model, or go on with a run that was stopped.

    The same command again goes on where the run was, to the very same weights;
    so does `lite train --out OUT` alone. Ctrl-C and SIGTERM save first. More
    updates, or another patience, may be --set at any time; another change needs
    --accept-changes.

      lite train iwslt14-de-en/lite-160 --out runs/160 --download
      lite train iwslt14-de-en/lite-160 --out runs/160 --data ~/iwslt
           --set train.updates=1000
      lite train --preset lite-160 --out runs/own --from de --to en
           --source a.de --target a.en --valid-source v.de --valid-target v.en
      lite train --preset lite-160 --out runs/own --source train.jsonl
           --valid-source valid.jsonl --source-field de --target-field en

    Leaves a model in OUT for `lite translate --model OUT`, and OUT/log.jsonl.
    Prints progress on stderr, and at the end the updates made, the best
    validation score (bits a token, or BLEU), the parameters as the paper counts
    them, and the seconds spent in updates.
    """
    chosen = recipe_for(recipe, texts, settings, folder=out, quiet=quiet)
    use_threads(threads)
    from litetransformer.cli.profile import profile_of
    from litetransformer.tasks.model_folder import read_card
    from litetransformer.tasks.translation import train_translator
    from litetransformer.train.report import Report

    progress = train_translator(
        chosen,
        out,
        device=device_for(device),
        workers=workers,
        accept_changes=accept_changes,
        report=Report(out, quiet=quiet, tensorboard=tensorboard),
    )
    card = read_card(out)
    counted = profile_of(card.model, card.source.size, card.target.size)
    facts = {
        "update": progress.update,
        "best": progress.best,
        "params": counted.params,
        "params_total": counted.params_total,
        "seconds": round(progress.seconds, 3),
        "folder": str(out),
    }
    if json:
        write_text(json_line(facts))
        return
    best = "" if progress.best is None else f"best {chosen.train.best_by} {progress.best:.3f} · "
    write_text(
        f"{out}: {progress.update:,} updates · {best}{millions(counted.params)} parameters "
        f"({millions(counted.params_total)} with tables) · {progress.seconds:,.0f} s"
    )


def _progress(quiet: bool) -> Callable[[str, int], None]:
    """Tells on stderr which part of the preparation begins."""
    import sys

    told: set[str] = set()

    def tell(what: str, _rows: int) -> None:
        if what not in told and not quiet and sys.stderr is not None:
            told.add(what)
            print(f"preparing: {what}", file=sys.stderr, flush=True)

    return tell
