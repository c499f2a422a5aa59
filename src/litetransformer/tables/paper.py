"""The tables whose rows are recipes: what the paper states, what we count, and what we measured."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litetransformer import recipes
from litetransformer.tables.results import measured
from litetransformer.tables.table import NOT_STATED, Table, stated
from litetransformer.tasks.recipe import AnyRecipe, Expect

if TYPE_CHECKING:
    from litetransformer.inspect.profile import Profile

KINDS = ("transformer", "flattened", "lightconv", "dynamicconv", "evolved", "lite")
"""Systems in the order of the tables: the baselines first."""


@dataclass(frozen=True)
class _Set:
    """A set's table: its title, and its scores by heading, each a field of `Expect` and a measured metric.

    A number after the field's name is the place in it.
    """

    title: str
    scores: dict[str, tuple[str, str]]


PAPER = {
    "iwslt14": _Set("IWSLT'14 De-En (Table 1)", {"BLEU": ("bleu", "paper")}),
    "wmt16-en-de": _Set("WMT'16 En-De (Table 2)", {"BLEU": ("bleu", "paper")}),
    "wmt14-en-fr": _Set("WMT'14 En-Fr (Table 2)", {"BLEU": ("bleu", "paper")}),
    "cnndm": _Set(
        "CNN/DailyMail (Table 4)",
        {f"ROUGE-{kind}": (f"rouge.{place}", f"rouge{kind}") for place, kind in enumerate("12L")},
    ),
    "wikitext103": _Set("WikiText-103 (Table 5)", {"perplexity": ("perplexity", "perplexity")}),
}
GROUPS = {"iwslt14": "iwslt14-de-en"}


def paper_table(name: str) -> Table:
    """The table of all recipes of the set, baselines first, each kind from small to large."""
    described = PAPER[name]
    group = GROUPS.get(name, name)
    known = [recipe for recipe in recipes.names() if recipe.startswith(f"{group}/")]
    rows = []
    for recipe_name in sorted(known, key=_place):
        recipe = recipes.get(recipe_name)
        expect = recipe.expect
        counted = count(recipe)
        scores = []
        for field, metric in described.scores.values():
            scores.append(stated(_published(expect, field)))
            scores.append(str(measured(recipe_name, "test", metric)))
        rows.append(
            (
                recipe_name.partition("/")[2],
                stated(_published(expect, "params"), unit="M"),
                f"{counted.params / 1e6:.2f}M",
                stated(_published(expect, "mult_adds"), ".0f", "M"),
                f"{counted.mult_adds / 1e6:.1f}M",
                f"{counted.params_total / 1e6:.2f}M",
                f"{counted.mult_adds_total / 1e6:.1f}M",
                *scores,
            )
        )
    headings = (f"{score}: {kind}" for score in described.scores for kind in ("paper", "measured here"))
    return Table(
        title=described.title,
        columns=(
            *("model", "params: paper", "params: computed", "mult-adds: paper", "mult-adds: computed"),
            *("all params", "all mult-adds", *headings),
        ),
        rows=tuple(rows),
        notes=(
            "Computed as the paper counts: without input tables, vocabulary projection and window; "
            f"'all' leaves out nothing. {NOT_STATED}: the paper states none.",
        ),
    )


def _place(name: str) -> tuple[int, int]:
    """Where a recipe stands in its table."""
    kind, _, size = name.partition("/")[2].partition("-")
    width = re.match(r"\d+", size)
    return KINDS.index(kind) if kind in KINDS else len(KINDS), int(width[0]) if width else 0


def _published(expect: Expect | None, field: str) -> float | None:
    name, _, place = field.partition(".")
    value = getattr(expect, name, None)
    return value if value is None or not place else value[int(place)]


def count(recipe: AnyRecipe) -> "Profile":
    """The cost of a recipe's model at the lengths that its row states, counted without memory for it."""
    from litetransformer.inspect.profile import profile_spec

    expect = recipe.expect
    source, target = (30, 30) if expect is None else (expect.source_tokens, expect.target_tokens)
    return profile_spec(recipe.model, *recipe.vocabularies(), source_tokens=source, target_tokens=target)
