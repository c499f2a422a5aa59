"""``lite profile``: what a model costs, part by part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import Json, Settings, unknown_recipe
from litetransformer.cli.output import json_line, millions, write_table, write_text
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.inspect.profile import Profile
    from litetransformer.models.spec import Seq2SeqSpec

Size = Annotated[int, Parameter(validator=Number(gte=1))]


def profile(
    recipe: Annotated[str, Parameter(help="name of a recipe, or folder of a model")],
    /,
    *,
    source_tokens: Annotated[Size, Parameter(help="length of the source")] = 30,
    target_tokens: Annotated[Size, Parameter(help="length of the target")] = 30,
    source_vocabulary: Annotated[
        Size | None, Parameter(help="tokens of the source vocabulary, unless the recipe's or the model's")
    ] = None,
    target_vocabulary: Annotated[Size | None, Parameter(help="tokens of the target vocabulary")] = None,
    settings: Settings = (),
    json: Json = False,
) -> None:
    """Count the parameters and mult-adds of a model.

    Twice: as the paper counts, without input embeddings, vocabulary projection
    and the convolution's own window; and in full. Mult-adds are those of one
    pair of --source-tokens and --target-tokens, 30 and 30 in the paper.

      lite profile iwslt14-de-en/lite-160
      lite profile runs/160 --target-tokens 50 --json

    Prints a table by component and one by layer. With --json, an object with
    params, mult_adds (the paper's), params_total, mult_adds_total, components
    and layers.
    """
    spec, source_size, target_size = _model(recipe, settings)
    counted = profile_of(
        spec,
        source_vocabulary or source_size,
        target_vocabulary or target_size,
        source_tokens=source_tokens,
        target_tokens=target_tokens,
    )
    if json:
        write_text(json_line(counted.to_json()))
        return
    for what, parts in (("component", counted.components), ("layer", counted.layers)):
        rows = [
            [name, *(millions(cost[key]) for key in ("params", "mult_adds"))] for name, cost in parts.items()
        ]
        write_table([what, "parameters", "mult-adds"], rows)
        write_text("")
    write_table(
        ["in all", "parameters", "mult-adds"],
        [
            ["as the paper counts", millions(counted.params), millions(counted.mult_adds)],
            ["everything", millions(counted.params_total), millions(counted.mult_adds_total)],
        ],
    )


def profile_of(
    spec: "Seq2SeqSpec",
    source_vocabulary: int,
    target_vocabulary: int,
    *,
    source_tokens: int = 30,
    target_tokens: int = 30,
) -> "Profile":
    """The cost of the model that `spec` describes, which is not given any memory for it."""
    import torch

    from litetransformer.inspect.profile import profile as count

    with torch.device("meta"):
        model = spec.build(source_vocabulary, target_vocabulary)
    return count(model, source_tokens=source_tokens, target_tokens=target_tokens)


def _model(name: str, settings: tuple[str, ...]) -> tuple["Seq2SeqSpec", int, int]:
    """The model called `name` and its vocabularies' sizes."""
    from litetransformer import recipes
    from litetransformer.core.override import override
    from litetransformer.tasks.model_folder import CARD, read_card
    from litetransformer.tasks.translation import RECIPE, read_recipe

    folder = Path(name)
    if name in recipes.names():
        recipe = override(recipes.get(name), settings)
    elif (folder / CARD).is_file():
        if settings:
            raise InputError("a finished model can't be changed", path="--set", remedy="name its recipe")
        card = read_card(folder)
        return card.model, card.source.size, card.target.size
    elif (folder / RECIPE).is_file():
        recipe = override(read_recipe(folder), settings)
    else:
        raise unknown_recipe(name)
    return recipe.model, *recipe.vocabularies()
