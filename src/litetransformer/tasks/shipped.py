"""The models that come with the package, a compressed file for each pair of languages: shipped/CARD.md."""

from collections.abc import Sequence
from pathlib import Path

from litetransformer.core.errors import InputError

FOLDER = Path(__file__).resolve().parents[1] / "shipped"
PAIRS = (("de", "en"), ("en", "de"))
"""From which language into which."""


def shipped_model(
    source: str | None = None,
    target: str | None = None,
    *,
    folder: Path | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> Path:
    """The file of the shipped model that translates from `source` into `target`; None stands for any.

    Raises InputError, naming the pairs that there are, unless exactly one fits, and where this install lacks
    its file.
    """
    pairs = PAIRS if pairs is None else pairs
    fitting = [pair for pair in pairs if source in (None, pair[0]) and target in (None, pair[1])]
    if len(fitting) != 1:
        raise _none(source, target, pairs) if not fitting else _several(target, fitting)
    path = file_of(*fitting[0], folder=folder)
    if not path.is_file():
        raise InputError(
            f"this install lacks the model from {_in_words(fitting)} that comes with litetransformer",
            path=path,
            remedy="install the package again, or name another model with --model",
        )
    return path


def file_of(source: str, target: str, *, folder: Path | None = None) -> Path:
    """Where the shipped model of a pair of languages belongs, whether it is there or not."""
    return (FOLDER if folder is None else folder) / f"{source}-{target}.lite"


def _none(source: str | None, target: str | None, pairs: Sequence[tuple[str, str]]) -> InputError:
    languages = f"--from {source or 'LANGUAGE'} --to {target or 'LANGUAGE'}"
    wanted = " ".join(f"{word} {name}" for word, name in (("from", source), ("to", target)) if name)
    training = f"lite train --preset lite-160 {languages} --source FILE …"
    return InputError(
        f"no model {wanted} comes with litetransformer, only from {_in_words(pairs)}",
        path="--from" if target is None else "--to",
        remedy=f"train one, `{training}`, and name it with --model",
    )


def _several(target: str | None, fitting: Sequence[tuple[str, str]]) -> InputError:
    lacking = "--to" if target is None else "--from"
    return InputError("more than one model fits", path=lacking, remedy=f"choose from {_in_words(fitting)}")


def _in_words(pairs: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{source} to {target}" for source, target in pairs)
