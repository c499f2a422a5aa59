"""``lite profile``: what a model costs, part by part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from litetransformer.cli.options import Json, Settings, preset_called
from litetransformer.cli.output import json_line, millions, write_table, write_text
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.inspect.profile import Profile
    from litetransformer.models.language_spec import LanguageModelSpec
    from litetransformer.models.spec import Seq2SeqSpec
    from litetransformer.tasks.recipe import AnyRecipe

Length = Annotated[int, Parameter(validator=Number(gte=1, lte=2**20))]
Size = Annotated[int, Parameter(validator=Number(gte=1, lte=2**24))]
_LENGTHS = (30, 30)


def profile(
    recipe: Annotated[str, Parameter(help="name of a recipe or preset, or folder of a model")],
    /,
    *,
    source_tokens: Annotated[
        Length | None, Parameter(help="length of the source [default: the recipe's row's, or 30]")
    ] = None,
    target_tokens: Annotated[
        Length | None, Parameter(help="length of the target [default: the recipe's row's, or 30]")
    ] = None,
    source_vocabulary: Annotated[
        Size | None, Parameter(help="tokens of the source vocabulary, unless the recipe's or the model's")
    ] = None,
    target_vocabulary: Annotated[
        Size | None, Parameter(help="tokens of the target vocabulary, or a language model's")
    ] = None,
    settings: Settings = (),
    json: Json = False,
) -> None:
    """Count the parameters and mult-adds of a model.

    Twice: as the paper counts, without input embeddings, vocabulary projection
    and the convolution's own window; and in full. Mult-adds are those of one
    pair of --source-tokens and --target-tokens: without them, of the lengths at
    which the recipe states the paper's numbers, else of 30 and 30. A language
    model has no source.

      lite profile iwslt14-de-en/lite-160
      lite profile runs/160 --target-tokens 50 --json

    Prints the lengths, a table by component and one by layer. With --json, an
    object with source_tokens, target_tokens, params, mult_adds (the paper's),
    params_total, mult_adds_total, components and layers.
    """
    spec, sizes, (source, target) = _model(recipe, settings)
    if len(sizes) == 1 and source_vocabulary is not None:
        what, remedy = "a language model has one vocabulary", "give --target-vocabulary"
        raise InputError(what, path="--source-vocabulary", remedy=remedy)
    if len(sizes) == 1 and source_tokens is not None:
        raise InputError("a language model has no source", path="--source-tokens", remedy="leave it out")
    given = (source_vocabulary, target_vocabulary)[-len(sizes) :]
    sizes = tuple(own or size for own, size in zip(given, sizes, strict=True))
    lengths = {"source_tokens": source_tokens or source, "target_tokens": target_tokens or target}
    counted = profile_of(spec, *sizes, **lengths, path=recipe)
    if json:
        write_text(json_line(counted.to_json()))
        return
    source, target = counted.source_tokens, counted.target_tokens
    pair = f"one pair of {source:,} and {target:,} tokens" if len(sizes) > 1 else f"{target:,} tokens"
    write_text(f"mult-adds of {pair}\n")
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
    spec: "Seq2SeqSpec | LanguageModelSpec",
    *vocabularies: int,
    source_tokens: int = 30,
    target_tokens: int = 30,
    path: str | None = None,
) -> "Profile":
    """The cost of the model that `spec` describes, which is not given any memory for it.

    Raises InputError naming `path` where it describes none.
    """
    from litetransformer.inspect.profile import profile as count
    from litetransformer.tasks.model_folder import without_memory

    model = without_memory(spec, vocabularies, path)
    return count(model, source_tokens=source_tokens, target_tokens=target_tokens)


def _model(
    name: str, settings: tuple[str, ...]
) -> tuple["Seq2SeqSpec | LanguageModelSpec", tuple[int, ...], tuple[int, int]]:
    """The model called `name`, its vocabularies' sizes, and the lengths that it is counted at."""
    from litetransformer import recipes
    from litetransformer.core.override import override
    from litetransformer.tasks.model_folder import is_model, read_card
    from litetransformer.tasks.run import RECIPE, read_recipe

    folder = Path(name)
    recipe: AnyRecipe
    if name in recipes.names():
        recipe = override(recipes.get(name), settings)
    elif is_model(folder):
        if settings:
            raise InputError("a finished model can't be changed", path="--set", remedy="name its recipe")
        card = read_card(folder)
        return card.model, tuple(file.size for file in card.tokenizers()), _LENGTHS
    elif (folder / RECIPE).is_file():
        recipe = override(read_recipe(folder), settings)
    else:
        recipe = override(preset_called(name), settings)
    expect = recipe.expect
    lengths = _LENGTHS if expect is None else (expect.source_tokens, expect.target_tokens)
    return recipe.model, recipe.vocabularies(), lengths
