"""What the quickstart tells people, between the lines of its trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from litetransformer.tasks.quickstart_texts import Pairs

if TYPE_CHECKING:
    from litetransformer.tasks.quickstart import QuickstartResult


def about_text(splits: Mapping[str, Pairs], folder: Path, own: bool) -> str:
    """Which sentences there are, and where."""
    kind = "of your" if own else "generated German-English"
    return (
        f"Text: {len(splits['train']):,} {kind} sentence pairs to learn from, {len(splits['valid']):,} to\n"
        f"watch progress and {len(splits['test']):,} to test; these occur nowhere else. They are in {folder}."
    )


def about_training(updates: int, each: Sequence[float], *, enough: int | None) -> str:
    """What is trained, for how long, and whether that is short of the updates that are `enough`, if known."""
    first, second = (f"{seconds * updates:.0f} s" for seconds in each)
    return (
        f"Models: a Lite Transformer and a plain Transformer of the same cost. {updates:,} updates of each\n"
        f"take about {first} and {second} here. Ctrl-C stops; the same command goes on from there."
    ) + (
        ""
        if enough in (None, updates)
        else f"\nThere is no time for {enough:,} updates, which they should have: expect bad translations."
    )


def about_stages(name: str, watched: Pairs) -> str:
    """Which model is trained next, and the sentences that show how it gets better."""
    if name != "lite":
        return "\nThe plain Transformer learns from the same batches."
    lines = "\n".join(f"    {number}  {pair[0]}\n       {pair[1]}" for number, pair in enumerate(watched, 1))
    return (
        f"\nThe Lite Transformer learns. These are not among its sentences:\n{lines}\n\n"
        "What it makes of them, and the loss (bits a token; lower is better):"
    )


def conclusion(result: "QuickstartResult", own: bool) -> str:
    """Both models in a table, what its figures are, and the command that translates."""
    table = ["", "BLEU", "params", "mult-adds", "all params", "all mult-adds", "seconds"]
    rows = [table]
    for title, model in (("Lite Transformer", result.lite), ("Transformer", result.transformer)):
        costs = (model.params, model.mult_adds, model.params_total, model.mult_adds_total)
        millions = [f"{count / 1e6:.2f}M" for count in costs]
        rows.append([title, f"{model.bleu:.1f}", *millions, f"{model.seconds:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    patterns = "" if own else "\nThe sentences follow patterns: on text as people write it, expect far less."
    return "\n".join(
        (
            f"\nTest: {result.test_pairs:,} sentences that neither model has seen.\n",
            *lines,
            f"\nBLEU ({result.signature}): 100 is every sentence as in the reference.{patterns}",
            "Mult-adds are those of 30 tokens into 30. As in the paper, the first two counts leave out the",
            "embeddings and the projection to the vocabulary; `all` is everything.",
            f"\nDone in {result.seconds:.0f} s. The Lite Transformer is in {result.lite.folder}; try it:",
            f"  {result.command}",
        )
    )
