"""Options that several verbs share, and what becomes of them."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from litetransformer.core.cores import usable_cores
from litetransformer.core.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

    from litetransformer.tasks.recipe import AnyRecipe

MACHINE = Group("Machine", sort_key=3)
OUTPUT = Group("Output", sort_key=4)

Json = Annotated[bool, Parameter(group=OUTPUT, help="print one JSON object instead of text")]
Quiet = Annotated[bool, Parameter(group=OUTPUT, help="print no progress and no warnings on stderr")]
Settings = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="change one field, FIELD=VALUE, for example train.updates=100; repeatable. `lite show RECIPE` "
        "lists the fields",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    Parameter(group=MACHINE, help="where to compute; auto takes the GPU if there is one"),
]
Threads = Annotated[
    int | None,
    Parameter(
        group=MACHINE,
        validator=Number(gte=1),
        help="CPU threads, at most the cores that this process may use; 2 (or 1, or OMP_NUM_THREADS) unless "
        "given",
    ),
]
Workers = Annotated[
    int,
    Parameter(
        group=MACHINE,
        validator=Number(gte=1),
        help="processes that tokenise; any number gives the same bytes",
    ),
]


def _language(_kind: object, value: str | None) -> None:
    from litetransformer.tasks.recipe import check_language

    if value is not None:
        check_language("language", value)


Language = Annotated[str, Parameter(validator=_language)]


def use_threads(threads: int | None) -> None:
    """Compute with `threads` CPU threads; InputError for more than the cores that this process may use."""
    # Threads that wait by spinning keep each other from working where other programs want the cores: on two
    # busy cores, translation took ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    free = usable_cores()
    if threads is not None and threads > free:
        cores = "1 core" if free == 1 else f"{free} cores"
        raise InputError(f"{threads} threads for {cores}", path="--threads", remedy=f"give at most {free}")
    if threads is not None or not os.environ.get("OMP_NUM_THREADS"):
        # Models of this size gain nothing from more than two, and a shared machine loses.
        torch.set_num_threads(threads or min(free, 2))


def device_for(name: str) -> "torch.device":
    """The device called `name`; InputError where there is no GPU but one was asked for."""
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("PyTorch finds no CUDA device here", path="--device", remedy="use --device cpu")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def preset_called(name: str) -> "AnyRecipe":
    """The preset called `name`, which is no recipe and no folder; InputError where it is no preset either."""
    from litetransformer import recipes

    try:
        return recipes.preset(name)
    except InputError as error:
        known = [*recipes.names(), *recipes.PRESETS, *recipes.LANGUAGE_PRESETS]
        raise InputError(
            "neither a recipe nor a preset, nor a folder with a model or a training run",
            path=name,
            remedy=nearest(name, known),
        ) from error
