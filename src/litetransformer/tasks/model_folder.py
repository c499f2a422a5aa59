"""A trained model as a folder: `model.json` says what it is, beside it lie checked weights and tokenizers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, with_checksum, without_checksum, write_json
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.data.tokenizer import Tokenizer, load_tokenizer
from litetransformer.decode.options import SearchOptions
from litetransformer.models.spec import Seq2SeqSpec

if TYPE_CHECKING:
    from torch import Tensor

    from litetransformer.models.seq2seq import Seq2Seq

FORMAT = 1
CARD, WEIGHTS = "model.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class TokenizerFile(Spec):
    """A tokenizer beside the card: its file name and that file's SHA-256."""

    file: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        # The card may come from anywhere: a name in it must not lead out of the folder.
        if Path(self.file).name != self.file or self.file.startswith("."):
            raise ValueError(f"{self.file!r} is not the name of a file in the model's folder")


@dataclass(frozen=True, kw_only=True)
class ModelCard(Spec):
    """What a model folder holds: the content of `model.json`."""

    format: int = FORMAT
    task: Literal["translation"] = "translation"
    model: Seq2SeqSpec
    source: TokenizerFile
    target: TokenizerFile
    source_language: str = "src"
    target_language: str = "tgt"
    search: SearchOptions = field(default_factory=SearchOptions)
    scoring: Literal["sacrebleu", "paper", "paper-cased", "paper-compound"] = "sacrebleu"


def save_tokenizers(
    folder: Path, source: Tokenizer, target: Tokenizer
) -> tuple[TokenizerFile, TokenizerFile]:
    """Write both tokenizers into `folder`, one file where they are the same."""
    from litetransformer.data.tokenizer import SentencePieceTokenizer

    suffix = ".model" if isinstance(source, SentencePieceTokenizer) else ".json"
    if source.digest == target.digest:
        names = (f"tokenizer{suffix}",) * 2
    else:
        names = (f"source{suffix}", f"target{suffix}")
    files = []
    for tokenizer, name in zip((source, target), names, strict=True):
        tokenizer.save(folder / name)
        files.append(TokenizerFile(file=name, sha256=tokenizer.digest, size=tokenizer.size))
    return files[0], files[1]


def save_model(folder: Path, card: ModelCard, weights: Mapping[str, "Tensor"]) -> None:
    """Write the weights and then the card; the tokenizers are there already (`save_tokenizers`)."""
    from litetransformer.models.tensors import save_tensors

    save_tensors(folder / WEIGHTS, weights, {"task": card.task})
    write_json(folder / CARD, with_checksum(to_json(card)))


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder; raises InputError for what is not one, or of another version."""
    path = folder / CARD
    if not os.path.isfile(path):  # noqa: PTH113 (unlike Path's, it is False for impossible names)
        raise InputError("no model here", path=folder, remedy=f"name a folder that has a {CARD}")
    facts = read_json(path, largest=2**20)
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        raise InputError(
            f"a model of format {found!r}; this version reads format {FORMAT}",
            path=path,
            field="format",
            remedy="use the version of litetransformer that wrote it",
        )
    return from_json(without_checksum(facts, path), ModelCard, path=str(path))


def load_model(folder: Path) -> tuple["Seq2Seq", ModelCard, Tokenizer, Tokenizer]:
    """The model in `folder`, in evaluation mode, with its card and its source and target tokenizers.

    Nothing in the folder is run. Raises InputError naming the file that is missing, damaged or foreign.
    """
    import torch

    from litetransformer.models.tensors import check_tensors, load_tensors, put_weights

    card = read_card(folder)
    for name in (card.source.file, card.target.file, WEIGHTS):
        # A pipe or a device in its place would never end.
        if not os.path.isfile(folder / name):  # noqa: PTH113
            raise InputError("no such file", path=folder / name, remedy="restore it from a copy")
    source = load_tokenizer(folder / card.source.file, digest=card.source.sha256)
    target = source
    if card.target != card.source:
        target = load_tokenizer(folder / card.target.file, digest=card.target.sha256)
    found, _ = load_tensors(folder / WEIGHTS)
    # Before it takes any memory, the network that the card describes must be the one of the weights.
    check_tensors(
        found, _outline(card, len(found), source.size, target.size, folder / CARD), folder / WEIGHTS
    )
    with torch.random.fork_rng(devices=[]):
        model = card.model.build(source.size, target.size)
    put_weights(model, found)
    return model.eval(), card, source, target


def _outline(
    card: ModelCard, tensors: int, source_vocabulary: int, target_vocabulary: int, path: Path
) -> dict[str, "Tensor"]:
    """The shapes of the weights of the card's model; tied tables are one tensor, under their first name."""
    import torch

    if len(card.model.encoder) + len(card.model.decoder) > tensors:
        raise InputError("has more layers than there are weights", path=path, field="model")
    try:
        with torch.device("meta"):
            return dict(card.model.build(source_vocabulary, target_vocabulary).named_parameters())
    except (ValueError, TypeError, RuntimeError) as error:
        what = f"describes no network ({str(error).splitlines()[0]})"
        raise InputError(what, path=path, field="model") from error
