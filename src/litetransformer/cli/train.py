"""``lite prepare`` and ``lite train``: from a recipe and texts to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from litetransformer.cli.progress import PreparingProgress
from litetransformer.cli.texts import NO_TEXTS, Texts, recipe_for

if TYPE_CHECKING:
    from litetransformer.data.store import TokenStore
    from litetransformer.tasks.recipe import LanguageRecipe, Recipe


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
    """Learn the vocabulary and tokenise the texts of a recipe.

    `lite train` does this by itself; apart, it shows what the texts come to and
    uses more processes. `lite train` with the same RECIPE and --out goes on from
    it. What is prepared already is checked and left as it is; a preparation that
    was stopped goes on where it was.

      lite prepare iwslt14-de-en/lite-160 --out runs/160 --download --workers 4
      lite prepare --preset lite-160 --source a.de --target a.en
           --valid-source v.de --valid-target v.en --out runs/own

    Prints, for training and validation texts, the pairs (or lines) kept, their
    tokens and what was dropped, for training texts in all of vocabulary.draws; and
    the sizes of the vocabularies.
    """
    from litetransformer.core.files import only_writer
    from litetransformer.tasks.recipe import LanguageRecipe, Recipe

    chosen = recipe_for(recipe, texts, settings, folder=out, quiet=quiet)
    with only_writer(out):
        if isinstance(chosen, LanguageRecipe):
            facts = _prepare_text(chosen, out, workers, quiet)
        else:
            assert isinstance(chosen, Recipe)
            facts = _prepare_pairs(chosen, out, workers, quiet)
    if json:
        write_text(json_line({"folder": str(out), **facts}))
        return
    splits = {name: facts[name] for name in ("train", "valid")}
    columns = [name for name in splits["train"] if name != "dropped"]
    rows = []
    for name, split in splits.items():
        counts = [split[column] for column in columns] + [sum(split["dropped"].values())]
        rows.append([name, *(f"{count:,}" for count in counts)])
    named = [column.replace("_", " ") for column in columns]
    write_table(["texts", *named, f"{columns[0]} dropped"], rows)
    sizes = {name.removesuffix("vocabulary").strip("_"): facts[name] for name in facts if name not in splits}
    shown = ", ".join(f"{size:,} {side}".strip() for side, size in sizes.items())
    write_text(f"\n{'vocabulary' if len(sizes) == 1 else 'vocabularies'}: {shown}")


def _prepare_pairs(recipe: "Recipe", out: Path, workers: int, quiet: bool) -> dict[str, Any]:
    from litetransformer.tasks.prepare import prepare

    prepared = prepare(recipe, out, workers=workers, progress=PreparingProgress(quiet=quiet))
    return {
        "source_vocabulary": prepared.source.size,
        "target_vocabulary": prepared.target.size,
        "train": _contents(prepared.train, "pairs") | {"truncated": prepared.train.index.truncated},
        "valid": _contents(prepared.valid, "pairs") | {"truncated": prepared.valid.index.truncated},
    }


def _prepare_text(recipe: "LanguageRecipe", out: Path, workers: int, quiet: bool) -> dict[str, Any]:
    from litetransformer.tasks.prepare_text import prepare_text

    prepared = prepare_text(recipe, out, workers=workers, progress=PreparingProgress(quiet=quiet))
    return {
        "vocabulary": prepared.tokenizer.size,
        "train": _contents(prepared.train, "lines"),
        "valid": _contents(prepared.valid, "lines"),
    }


def _contents(store: "TokenStore", rows: str) -> dict[str, Any]:
    """How many rows and tokens a store has, and what was left out of it."""
    sides = store.index.sides
    tokens = {f"{side.name}_tokens" if len(sides) > 1 else "tokens": side.tokens for side in sides}
    return {rows: len(store), **tokens, "dropped": {item.why: item.rows for item in store.index.dropped}}


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
    updates, another patience or another search may be --set at any time, for
    they change no update that is made; another change needs --accept-changes.

      lite train iwslt14-de-en/lite-160 --out runs/160 --download
      lite train iwslt14-de-en/lite-160 --out runs/160 --data ~/iwslt
           --set train.updates=1000
      lite train --preset lite-160 --out runs/own --from de --to en
           --source a.de --target a.en --valid-source v.de --valid-target v.en
      lite train --preset lite-160 --out runs/own --source train.jsonl
           --valid-source valid.jsonl --source-field de --target-field en
      lite train --preset summary-lite-160 --out runs/mail --source mails.txt
           --target subjects.txt --valid-source v.txt --valid-target w.txt
      lite train --preset lm-lite-256 --out runs/lm --text train.txt
           --valid-text valid.txt

    On 8 GPUs (docs/distributed.md): torchrun --nproc-per-node 8 -m
    litetransformer train …; the batches and the losses stay the same.

    Leaves in OUT a model for `lite translate --model OUT`, or for the verb of
    its task, and OUT/log.jsonl. Prints progress on stderr, and at the end the
    updates made, the best validation score (bits a token, BLEU or ROUGE-L), the
    parameters as the paper counts them, and the seconds spent in updates.
    """
    from litetransformer.train.distributed import joined, launched

    if launched():
        # Joining imports PyTorch, which has to find the threads' settings.
        use_threads(threads)
    with joined() as ranks:
        silent = quiet or not ranks.first
        chosen = ranks.ahead(lambda: recipe_for(recipe, texts, settings, folder=out, quiet=silent))
        use_threads(threads)
        from litetransformer.tasks.recipe import LanguageRecipe, Recipe
        from litetransformer.train.report import Report

        options: dict[str, Any] = {
            "device": ranks.device(device_for(device)),
            "workers": workers,
            "progress": PreparingProgress(quiet=silent),
            "accept_changes": accept_changes,
            "report": Report(out, quiet=silent, tensorboard=tensorboard and ranks.first),
            "ranks": ranks,
        }
        if isinstance(chosen, LanguageRecipe):
            from litetransformer.tasks.language_modeling import train_language_model

            progress = train_language_model(chosen, out, **options)
        else:
            from litetransformer.tasks.translation import train_translator

            assert isinstance(chosen, Recipe)
            progress = train_translator(chosen, out, **options)
    if not ranks.first:
        return
    from litetransformer.cli.profile import profile_of
    from litetransformer.tasks.model_folder import read_card

    card = read_card(out)
    counted = profile_of(card.model, *(file.size for file in card.tokenizers()))
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
