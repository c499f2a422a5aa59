"""A trained model as one compressed file: the card, the tokenizers and the weights that a folder has."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.files import parse_json

if TYPE_CHECKING:
    from torch import Tensor

    from litetransformer.compress.pack import Pack
    from litetransformer.data.tokenizer import Tokenizer

LARGEST_CARD = 2**20
SUFFIXES = (".model", ".json", ".txt")
"""Of tokenizers' files; they say of which kind each is."""


def open_pack(path: Path) -> "Pack":
    """The checked file at `path`; InputError where it is missing, damaged or no compressed model."""
    from litetransformer.compress.pack import Pack

    return Pack(path)


def json_in(pack: "Pack", name: str) -> Any:
    """The JSON value of a file in `pack`; InputError where there is none, or too much of it."""
    content = pack.file(name)
    if len(content) > LARGEST_CARD:
        raise InputError(f"larger than {LARGEST_CARD} bytes", path=pack.path, field=name)
    try:
        return parse_json(content.decode(), path=pack.path)
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}", path=pack.path, field=name) from error


def tokenizers_in(pack: "Pack", files: Sequence[tuple[str, str]]) -> "dict[tuple[str, str], Tokenizer]":
    """The tokenizer of each file's name and SHA-256."""
    from litetransformer.data.tokenizer import load_tokenizer

    found = {}
    for name, digest in dict.fromkeys(files):
        # Tokenizers are known by their file's suffix, and read from a path.
        with tempfile.TemporaryDirectory(prefix="litetransformer-") as folder:
            suffix = Path(name).suffix
            # The name may come from anywhere: no more of it becomes part of a path.
            place = Path(folder) / f"tokenizer{suffix if suffix in SUFFIXES else '.model'}"
            place.write_bytes(pack.file(name))
            try:
                found[name, digest] = load_tokenizer(place, digest=digest)
            except MissingExtraError:
                raise
            except InputError as error:
                raise InputError(error.what, path=pack.path, field=name, remedy=error.remedy) from error
    return found


def weights_in(pack: "Pack", expected: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """The weights, decoded only once their names and shapes are those of `expected`."""
    from litetransformer.models.tensors import check_shapes

    check_shapes(pack.outline(), expected, pack.path)
    return pack.dequantized()
