"""Families: the models that are compared on one set, several systems at each of a few sizes.

Within a size they differ in nothing but the model, so each is a row of a table here rather than a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from litetransformer import Cosine, Recipe, Seq2SeqSpec, Training

SYSTEMS = {
    "transformer": "the Transformer",
    "flattened": "the flattened Transformer",
    "lightconv": "the LightConv model",
    "evolved": "the Evolved Transformer",
    "lite": "the Lite Transformer",
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of a family's models, trained in a way of its own: `way` in a few words, `about` in sentences."""

    model: Seq2SeqSpec
    train: Training
    way: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Family:
    """Recipes of one set that are trained alike, and some of the same models that are not.

    Alike means within a size: `peaks` may give one another rate.

    `sizes` has the models of each size by name (``lite-160``); a size is called by its mult-adds (``54M``).
    `base` makes a recipe of a model. `title` is the set's, `data` how a command names the texts. `variants`
    cost no more than the model that they are named after (``lite-160-plus``) and are part of no comparison.
    `teacher` is a larger model that translates all of the training text in minutes, for distillation.
    `peaks` has the highest learning rates of sizes for which that of `base` is too high.
    """

    title: str
    base: Callable[..., Recipe]
    sizes: Mapping[str, Mapping[str, Seq2SeqSpec]]
    variants: Mapping[str, Variant] = field(default_factory=dict)
    teacher: str = ""
    peaks: Mapping[str, float] = field(default_factory=dict)
    data: str = "--download"

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """Every recipe by its model's name, the variants' last."""
        alike = {
            name: self._alike(size, model)
            for size, models in self.sizes.items()
            for name, model in models.items()
        }
        others = {
            name: replace(self.base(model=variant.model), train=variant.train)
            for name, variant in self.variants.items()
        }
        return alike | others

    def _alike(self, size: str, model: Seq2SeqSpec) -> Recipe:
        recipe = self.base(model=model)
        if size not in self.peaks:
            return recipe
        schedule = recipe.train.schedule
        assert isinstance(schedule, Cosine)
        lower = replace(schedule, peak=self.peaks[size])
        return replace(recipe, train=replace(recipe.train, schedule=lower))

    def twin(self, model: str) -> str:
        """The model that a variant is named after; of any other model, itself."""
        return model.rpartition("-")[0] if model in self.variants else model

    def size(self, model: str) -> str:
        """The size that a model belongs to."""
        return next(size for size, models in self.sizes.items() if self.twin(model) in models)

    def docstring(self, name: str) -> str:
        """What the recipe called `name`, ``SET/MODEL``, says of itself."""
        home, _, model = name.partition("/")
        what = SYSTEMS[model.partition("-")[0]]
        variant = self.variants.get(model)
        way, about = (f", {variant.way}", f"\n{variant.about}\n") if variant else ("", "")
        table = "ablation" if variant else "comparison"
        return f"""{self.title}: {what} of the size {self.size(model)}{way}.

    lite train {name} --out runs/{home}-{model} {self.data}
{about}
Expected: no row of the paper.
Measured: `lite table {table}-{home}` has what was.
"""


CONSISTENCY, EMA_DECAY = 2.5, 0.999
"""R-Drop's α of 5 for translation, and an average that looks back on a thousand updates."""


def paper_and_plus(
    name: str,
    *,
    paper: tuple[Seq2SeqSpec, Training],
    like: str,
    plus: tuple[Seq2SeqSpec, Training],
    beside: Mapping[str, Seq2SeqSpec],
) -> dict[str, Variant]:
    """Variants of the model called `name`: trained as the paper does, and to be better than that.

    `plus` is what the second has of its own, besides averaged weights; `like` says what the first takes from
    where. The models `beside` it, of as many mult-adds, are trained as the paper does, too.
    """
    model, training = plus
    training = replace(training, ema_decay=EMA_DECAY)
    papers = {
        f"{one}-paper": Variant(
            model=built, train=paper[1], way="trained as in the paper", about=_PAPER.format(like)
        )
        for one, built in {name: paper[0], **beside}.items()
    }
    return papers | {
        f"{name}-plus": Variant(
            model=model,
            train=training,
            way="trained beyond the paper",
            about=(_CONSISTENT if training.consistency else _LONGER).format(model=name),
        ),
    }


_PAPER = """{}
Texts, vocabulary, the one table for both sides and the search are those of the set's other recipes, so that
nothing but the training and the place of the norms differs; precision is a GPU's usual one."""
_CONSISTENT = """As {model}, with consistency training (R-Drop), which suits a set as small as this, and the
average of the weights, for as many updates as make its two runs of each batch read as many tokens as the
paper's recipe reads. Once it is trained it costs what {model} costs."""
_LONGER = """As {model}, with the average of the weights, for as many updates as make it read as many tokens
as the paper's recipe does. A model of this size can't learn so much text by heart, so nothing more is done
against that. Once it is trained it costs what {model} costs."""


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
