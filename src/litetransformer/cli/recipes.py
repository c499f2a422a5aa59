"""``lite recipes`` and ``lite show``: what can be trained, and what it consists of."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from litetransformer.cli.options import Json, Settings, preset_called
from litetransformer.cli.output import json_line, write_table, write_text
from litetransformer.core.spec import Spec, to_json


def recipes(*, json: Json = False) -> None:
    """List the recipes, with what the paper states for each.

    For example:

      lite recipes
      lite recipes --json

    Prints a row for each: its name, what it is, and the parameters and
    mult-adds (in millions) and the score that the paper states.
    """
    from litetransformer import recipes as known

    found: list[dict[str, Any]] = []
    for name in known.names():
        expect = known.get(name).expect
        found.append(
            {
                "name": name,
                "what": known.docstring(name).strip().partition("\n")[0],
                "params": None if expect is None else expect.params,
                "mult_adds": None if expect is None else expect.mult_adds,
                "bleu": None if expect is None else expect.bleu,
                "rouge": None if expect is None else expect.rouge,
                "perplexity": None if expect is None else expect.perplexity,
            }
        )
    if json:
        write_text(json_line(found))
        return
    costs = {"params": ".1f", "mult_adds": ".0f"}
    rows = [
        [
            row["name"],
            *("–" if row[key] is None else f"{row[key]:{form}}" for key, form in costs.items()),
            _score(row),
            row["what"],
        ]
        for row in found
    ]
    write_table(["recipe", "params (M)", "mult-adds (M)", "score", "what"], rows)


def _score(row: dict[str, Any]) -> str:
    """The score that the paper states, with its name."""
    if row["rouge"] is not None:
        return "/".join(f"{value:.1f}" for value in row["rouge"]) + " ROUGE"
    names = {"bleu": "BLEU", "perplexity": "perplexity"}
    return next((f"{row[key]:.1f} {name}" for key, name in names.items() if row[key] is not None), "–")


def show(
    recipe: Annotated[str, Parameter(help="name of a recipe or preset, or folder of a run or model")],
    /,
    *,
    settings: Settings = (),
    json: Json = False,
) -> None:
    """Show every field of a recipe, preset, run or model.

    For example:

      lite show iwslt14-de-en/lite-160
      lite show iwslt14-de-en/lite-160 --set train.schedule.peak=3e-4
      lite show lite-160
      lite show runs/160 --json

    Prints what the recipe is, then a line FIELD = VALUE for each field. The
    names are those that --set takes.
    """
    from litetransformer.core.override import override

    about, spec = _named(recipe)
    spec = override(spec, settings)
    if json:
        write_text(json_line(to_json(spec)))
        return
    if about:
        write_text(f"{about.strip()}\n")
    for name, value in _fields(spec):
        write_text(f"{name} = {value}")


def _named(name: str) -> tuple[str, Spec]:
    """What is known by `name`: its description and its value."""
    from litetransformer import recipes as known
    from litetransformer.tasks.model_folder import is_model, read_card
    from litetransformer.tasks.run import RECIPE, read_recipe

    folder = Path(name)
    if name in known.names():
        return known.docstring(name), known.get(name)
    if (folder / RECIPE).is_file():
        return "", read_recipe(folder)
    if is_model(folder):
        return "", read_card(folder)
    return "", preset_called(name)


def _fields(spec: Spec, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The dotted name and value of every field; the layers of a model are an expression each."""
    for field in dataclasses.fields(spec):
        name, value = f"{prefix}{field.name}", getattr(spec, field.name)
        if isinstance(value, tuple) and value and all(isinstance(item, Spec) for item in value):
            yield from ((f"{name}.{index}", _expression(item)) for index, item in enumerate(value))
        elif isinstance(value, Spec):
            yield from _fields(value, f"{name}.")
        else:
            yield name, json_line(to_json(value))


def _expression(value: object) -> str:
    """A spec as it is written in code, without what is so by default."""
    if not isinstance(value, Spec):
        return repr(value)
    shown = (
        f"{field.name}={_expression(getattr(value, field.name))}"
        for field in dataclasses.fields(value)
        if field.default is dataclasses.MISSING or getattr(value, field.name) != field.default
    )
    return f"{type(value).__name__}({', '.join(shown)})"
