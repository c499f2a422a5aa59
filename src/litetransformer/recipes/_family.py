"""Families: the models that are compared on one set, several systems at each of a few sizes.

They differ in nothing but the model, so each is a row of a table here rather than a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from litetransformer import Recipe, Seq2SeqSpec

SYSTEMS = {
    "transformer": "the Transformer",
    "flattened": "the flattened Transformer",
    "lightconv": "the LightConv model",
    "evolved": "the Evolved Transformer",
    "lite": "the Lite Transformer",
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """Recipes of one set that are trained alike.

    `sizes` has the models of each size by name (``lite-160``); a size is called by its mult-adds (``54M``).
    `base` makes a recipe of a model. `title` is the set's, `data` how a command names the texts.
    """

    title: str
    base: Callable[..., Recipe]
    sizes: Mapping[str, Mapping[str, Seq2SeqSpec]]
    data: str = "--download"

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Every recipe by its model's name."""
        return {
            name: self.base(model=model) for models in self.sizes.values() for name, model in models.items()
        }

    def size(self, model: str) -> str:
        """The size that a model belongs to."""
        return next(size for size, models in self.sizes.items() if model in models)

    def docstring(self, name: str) -> str:
        """What the recipe called `name`, ``SET/MODEL``, says of itself."""
        home, _, model = name.partition("/")
        what = SYSTEMS[model.partition("-")[0]]
        return f"""{self.title}: {what} of the size {self.size(model)}.

    lite train {name} --out runs/{home}-{model} {self.data}

Expected: no row of the paper.
Measured: `lite table comparison-{home}` has what was.
"""


def five_systems(
    *,
    lite: Callable[..., Seq2SeqSpec],
    transformer: Callable[..., Seq2SeqSpec],
    lightconv: Callable[..., Seq2SeqSpec],
    evolved: Callable[..., Seq2SeqSpec],
) -> dict[str, dict[str, Seq2SeqSpec]]:
    """Five systems at three sizes, those of the paper's Lite Transformers for IWSLT'14.

    Within a size mult-adds differ by at most 3%: flattened and evolved models have no other sizes nearby.
    """
    return {
        "54M": {
            "transformer-120": transformer(120, 222),
            "flattened-132": transformer(132, 132),
            "lightconv-132": lightconv(132, 258),
            "evolved-96": evolved(96),
            "lite-160": lite(160),
        },
        "119M": {
            "transformer-176": transformer(176, 368),
            "flattened-200": transformer(200, 200),
            "lightconv-192": lightconv(192, 416),
            "evolved-144": evolved(144),
            "lite-240": lite(240),
        },
        "210M": {
            "transformer-240": transformer(240, 448),
            "flattened-264": transformer(264, 264),
            "lightconv-256": lightconv(256, 544),
            "evolved-192": evolved(192),
            "lite-320": lite(320),
        },
    }
