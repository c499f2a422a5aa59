"""The options that say what is trained on which texts, and the recipe that they come to."""

import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter

from litetransformer.cli.options import Language
from litetransformer.core.errors import InputError

if TYPE_CHECKING:
    from litetransformer.data.corpus import TextPairs
    from litetransformer.tasks.recipe import AnyRecipe, Data, LanguageRecipe, Recipe


@Parameter(name="*", group=Group("Texts", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class Texts:
    """Which texts a recipe is for: its own set of the catalogue, or the user's files."""

    preset: Annotated[
        str | None,
        Parameter(
            help="in place of RECIPE, a model for your own texts: lite-160, -240, -320, transformer-128, …; "
            "summary-lite-160, … to summarize; lm-lite-256, … for a language model"
        ),
    ] = None
    text: Annotated[
        str | None,
        Parameter(help="training text of a language model: a sentence, paragraph or document a line"),
    ] = None
    valid_text: Annotated[str | None, Parameter(help="its validation text, like --text")] = None
    source: Annotated[
        str | None,
        Parameter(help="training text: .txt of one side, or both sides in one .tsv, .jsonl or .parquet"),
    ] = None
    target: Annotated[
        str | None, Parameter(help="its translations or summaries, where --source holds one side")
    ] = None
    valid_source: Annotated[str | None, Parameter(help="validation text, like --source")] = None
    valid_target: Annotated[str | None, Parameter(help="its translations, like --target")] = None
    source_field: Annotated[
        str | None, Parameter(help="field or column of the source in .jsonl and .parquet [default: source]")
    ] = None
    target_field: Annotated[str | None, Parameter(help="field or column of the target [default: target]")] = (
        None
    )
    from_language: Annotated[
        Language | None, Parameter(name="--from", help="language of the source, de for example")
    ] = None
    to_language: Annotated[Language | None, Parameter(name="--to", help="language of the target")] = None
    data: Annotated[
        Path | None,
        Parameter(help="folder that has the recipe's data set already: its texts or its downloaded files"),
    ] = None
    download: Annotated[
        bool, Parameter(help="fetch the recipe's data set; nothing is fetched without this")
    ] = False
    offline: Annotated[bool, Parameter(help="fail rather than reach the network")] = False

    def given(self) -> list[str]:
        """The options that the user gave, as they are written; InputError for one that is empty."""
        languages = {"from_language": "--from", "to_language": "--to"}
        values = {
            languages.get(field.name, f"--{field.name.replace('_', '-')}"): getattr(self, field.name)
            for field in fields(self)
        }
        for option, value in values.items():
            if value == "":
                raise InputError("is empty", path=option, remedy="give a value, or leave it out")
        return [option for option, value in values.items() if value not in (None, False)]


NO_TEXTS = Texts()
RUNNING = ("--text", "--valid-text")
PAIRS = ("--source", "--target", "--valid-source", "--valid-target", "--source-field", "--target-field")
LANGUAGES = ("--from", "--to")


def recipe_for(
    name: str | None, texts: Texts, settings: tuple[str, ...], *, folder: Path, quiet: bool = False
) -> "AnyRecipe":
    """The recipe that the command line describes, with `settings` applied and absolute paths to its texts.

    Without a name or a preset it is that of the run that `folder` holds already.

    Raises InputError for options that contradict each other, unknown names, and texts that are not here.
    """
    from litetransformer import recipes
    from litetransformer.core.override import override
    from litetransformer.tasks.recipe import LanguageRecipe, Recipe

    given = texts.given()
    if name is None and texts.preset is None:
        return override(_started_recipe(folder, given), settings)
    _refuse_contradictions(name, texts, given)
    recipe: AnyRecipe = recipes.preset(texts.preset) if name is None else recipes.get(name)  # type: ignore[arg-type]
    _refuse_others(recipe, given)
    if isinstance(recipe, LanguageRecipe):
        return _language_recipe(override(recipe, settings), texts, given, quiet)
    assert isinstance(recipe, Recipe)
    recipe = override(replace(recipe, data=_languages(recipe.data, texts)), settings)
    return _translation_recipe(recipe, texts, given, quiet)


def _translation_recipe(recipe: "Recipe", texts: Texts, given: list[str], quiet: bool) -> "Recipe":
    from litetransformer.tasks.prepare import with_texts

    if any(option in PAIRS for option in given):
        recipe = replace(recipe, data=replace(recipe.data, name=""))
        train = _pairs(texts, texts.source, texts.target, "--source")
        return with_texts(
            recipe, train, _pairs(texts, texts.valid_source, texts.valid_target, "--valid-source")
        )
    if not recipe.data.name:
        for option in ("--data", "--download"):
            if option in given:
                remedy = "name --source, --target, --valid-source and --valid-target"
                raise InputError("the recipe's texts are not catalogued", path=option, remedy=remedy)
        return recipe
    splits = _catalogued(recipe.data.name, texts, quiet)
    return with_texts(recipe, splits.get("train"), splits.get("valid"))


def _language_recipe(
    recipe: "LanguageRecipe", texts: Texts, given: list[str], quiet: bool
) -> "LanguageRecipe":
    from litetransformer.tasks.prepare_text import texts_in, with_text

    if any(option in RUNNING for option in given):
        recipe = replace(recipe, data=replace(recipe.data, name=""))
        # The run goes on from whatever folder it is called in.
        own = (
            None if path is None else str(Path(path).absolute()) for path in (texts.text, texts.valid_text)
        )
        return with_text(recipe, *own)
    if recipe.data.name:
        splits = _catalogued(recipe.data.name, texts, quiet)
        train, valid = (splits[split].source if split in splits else None for split in ("train", "valid"))
        return with_text(recipe, train, valid)
    if texts.download:
        remedy = "name --text and --valid-text, or a folder that has both with --data"
        raise InputError("the recipe's text has no home to fetch it from", path="--download", remedy=remedy)
    if texts.data is None:
        return recipe
    files = texts_in(texts.data)
    return with_text(recipe, files.get("train"), files.get("valid"))


def _catalogued(name: str, texts: Texts, quiet: bool) -> "dict[str, TextPairs]":
    from litetransformer.data.catalog import resolve

    return resolve(
        name,
        folder=None if texts.data is None else texts.data.absolute(),
        offline=texts.offline,
        download=texts.download,
        progress=None if quiet else _Fetching(),
    )


def _started_recipe(folder: Path, given: list[str]) -> "AnyRecipe":
    from litetransformer.tasks.run import RECIPE, read_recipe

    if not (folder / RECIPE).is_file():
        remedy = "see `lite recipes`, or use --preset for your own texts"
        raise InputError("no recipe is named", path="RECIPE", remedy=remedy)
    for option in given:
        if option != "--offline":
            raise InputError(
                "without a recipe, the run in this folder goes on with the texts it has",
                path=option,
                remedy="leave it out, or name the recipe too",
            )
    return read_recipe(folder)


def _refuse_contradictions(name: str | None, texts: Texts, given: list[str]) -> None:
    own = [option for option in given if option in (*PAIRS, *RUNNING)]
    if name is not None and texts.preset is not None:
        raise InputError(f"is given beside the recipe {name!r}", path="--preset", remedy="give one of them")
    if texts.download and texts.offline:
        raise InputError("contradicts --offline", path="--download", remedy="give one of them")
    for option in ("--data", "--download"):
        if option in given and (own or texts.preset):
            remedy = "leave one of them out"
            raise InputError(
                f"is for a recipe's own texts, not for {(own or ['--preset'])[0]}", path=option, remedy=remedy
            )
    pairs, running = texts.source and texts.valid_source, texts.text and texts.valid_text
    if texts.preset and not (pairs or running):
        remedy = "name --source and --valid-source, and the targets unless they are in the same files"
        if texts.preset.startswith("lm-"):
            remedy = "name --text and --valid-text"
        raise InputError("a preset is for your own texts", path="--preset", remedy=remedy)


def _refuse_others(recipe: "AnyRecipe", given: list[str]) -> None:
    """InputError for a text of which a recipe of this task makes nothing."""
    from litetransformer.tasks.recipe import LanguageRecipe

    is_language = isinstance(recipe, LanguageRecipe)
    for option in (*PAIRS, *LANGUAGES) if is_language else RUNNING:
        if option in given:
            what = (
                "is for pairs of texts, not for a language model" if is_language else "is for language models"
            )
            remedy = "name --text and --valid-text" if is_language else "name --source and --valid-source"
            raise InputError(what, path=option, remedy=remedy)


def _languages(data: "Data", texts: Texts) -> "Data":
    return replace(
        data,
        source_language=texts.from_language or data.source_language,
        target_language=texts.to_language or data.target_language,
    )


def _pairs(texts: Texts, source: str | None, target: str | None, option: str) -> "TextPairs | None":
    from litetransformer.data.corpus import TextPairs

    if source is None:
        if target is not None:
            raise InputError("missing", path=option, remedy="name the side that is translated from")
        return None
    # The run goes on from whatever folder it is called in.
    return TextPairs(
        source=str(Path(source).absolute()),
        target=None if target is None else str(Path(target).absolute()),
        source_field=texts.source_field,
        target_field=texts.target_field,
    )


class _Fetching:
    """Tells on stderr which file is being fetched."""

    def __init__(self) -> None:
        self.name = ""

    def __call__(self, name: str, _received: int, total: int | None) -> None:
        if name != self.name and sys.stderr is not None:
            self.name = name
            size = "" if total is None else f" ({total / 1e6:,.1f} MB)"
            print(f"fetching {name}{size}", file=sys.stderr, flush=True)
