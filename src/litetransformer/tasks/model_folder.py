"""A trained model as a folder: `model.json` says what it is, beside it lie checked weights and tokenizers.

Wherever a folder is read, it may be one compressed file (`tasks.model_file`).
"""

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, with_checksum, without_checksum, write_json
from litetransformer.core.spec import Spec, from_json, to_json
from litetransformer.data.tokenizer import Tokenizer, load_tokenizer
from litetransformer.decode.options import SearchOptions
from litetransformer.models.language_spec import LanguageModelSpec
from litetransformer.models.spec import Seq2SeqSpec
from litetransformer.tasks.model_file import json_in, open_pack, tokenizers_in, weights_in
from litetransformer.tasks.recipe import LARGEST_VOCABULARY, check_language

if TYPE_CHECKING:
    from torch import Tensor

    from litetransformer.compress.pack import Pack
    from litetransformer.models.language_model import LanguageModel
    from litetransformer.models.model import Model
    from litetransformer.models.seq2seq import Seq2Seq

FORMAT = 1
CARD, WEIGHTS = "model.json", "model.safetensors"
LARGEST_WINDOW = 2**20
VERBS = {
    "translation": "lite translate",
    "summarization": "lite summarize",
    "language-modeling": "lite generate` or `lite perplexity",
}
"""What each task's models are used with."""


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
        if not 1 <= self.size <= LARGEST_VOCABULARY:
            raise ValueError(f"size={self.size} must be from 1 to {LARGEST_VOCABULARY} tokens")


class AnyCard(Spec):
    """What a model folder holds: the content of `model.json`. Each network's is a subclass."""

    format: int
    task: str
    model: Seq2SeqSpec | LanguageModelSpec

    @abstractmethod
    def tokenizers(self) -> tuple[TokenizerFile, ...]:
        """The tokenizers whose sizes `model.build` takes, in that order."""

    @abstractmethod
    def depth(self) -> int:
        """How many layers the network has."""


@dataclass(frozen=True, kw_only=True)
class ModelCard(AnyCard):
    """The card of a model that writes text for text."""

    format: int = FORMAT
    task: Literal["translation", "summarization"] = "translation"
    model: Seq2SeqSpec
    source: TokenizerFile
    target: TokenizerFile
    source_language: str = "src"
    target_language: str = "tgt"
    truncate_source: int = 0
    search: SearchOptions = field(default_factory=SearchOptions)
    scoring: Literal["sacrebleu", "paper", "paper-cased", "paper-compound", "rouge"] = "sacrebleu"

    def __post_init__(self) -> None:
        check_language("source_language", self.source_language)
        check_language("target_language", self.target_language)
        least = 1 if self.task == "summarization" else 0
        if self.truncate_source < least:
            raise ValueError(f"truncate_source={self.truncate_source} must be {least} or more")

    def tokenizers(self) -> tuple[TokenizerFile, ...]:
        return self.source, self.target

    def depth(self) -> int:
        return len(self.model.encoder) + len(self.model.decoder)


@dataclass(frozen=True, kw_only=True)
class LanguageCard(AnyCard):
    """The card of a language model, which sees text through windows of `window` tokens.

    Perplexity is measured with at least `context` tokens before each one, as far as the text has them.
    """

    format: int = FORMAT
    task: Literal["language-modeling"] = "language-modeling"
    model: LanguageModelSpec
    tokenizer: TokenizerFile
    window: int
    context: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.context < self.window <= LARGEST_WINDOW:
            raise ValueError(
                f"context={self.context} and window={self.window} must be 0 ≤ context < window ≤ "
                f"{LARGEST_WINDOW}"
            )

    def tokenizers(self) -> tuple[TokenizerFile, ...]:
        return (self.tokenizer,)

    def depth(self) -> int:
        return len(self.model.layers)


def save_tokenizers(
    folder: Path, source: Tokenizer, target: Tokenizer
) -> tuple[TokenizerFile, TokenizerFile]:
    """Write both tokenizers into `folder`, one file where they are the same."""
    from litetransformer.data.tokenizer import SentencePieceTokenizer
    from litetransformer.data.words import WordTokenizer

    suffix = ".json"
    if isinstance(source, SentencePieceTokenizer | WordTokenizer):
        suffix = ".model" if isinstance(source, SentencePieceTokenizer) else ".txt"
    if source.digest == target.digest:
        names = (f"tokenizer{suffix}",) * 2
    else:
        names = (f"source{suffix}", f"target{suffix}")
    files = []
    for tokenizer, name in zip((source, target), names, strict=True):
        tokenizer.save(folder / name)
        files.append(TokenizerFile(file=name, sha256=tokenizer.digest, size=tokenizer.size))
    return files[0], files[1]


def save_model(folder: Path, card: AnyCard, weights: Mapping[str, "Tensor"]) -> None:
    """Write the weights and then the card; the tokenizers are there already (`save_tokenizers`)."""
    from litetransformer.models.tensors import save_tensors

    save_tensors(folder / WEIGHTS, weights, {"task": card.task})
    write_card(folder, card)


def write_card(folder: Path, card: AnyCard) -> None:
    """Write the card of a model whose weights are there already."""
    write_json(folder / CARD, with_checksum(to_json(card)))


def read_card(folder: Path) -> AnyCard:
    """The card of a model folder; raises InputError for what is not one, or of another version."""
    return _card(open_pack(folder) if is_file(folder) else None, folder)


def is_file(path: Path) -> bool:
    """Whether `path` is a file; as a model, it can only be a compressed one."""
    return os.path.isfile(path)  # noqa: PTH113 (unlike Path's, it is False for impossible names)


def is_model(folder: Path) -> bool:
    """Whether there is a model: a folder with a card, or a file."""
    return is_file(folder) or is_file(folder / CARD)


def _card(pack: "Pack | None", folder: Path) -> AnyCard:
    """The card in `pack`, or in `folder`."""
    path = folder / CARD
    if pack is not None:
        path, facts = folder, json_in(pack, CARD)
    elif is_file(path):
        facts = read_json(path, largest=2**20)
    else:
        raise InputError("no model here", path=folder, remedy=f"name a folder that has a {CARD}")
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != FORMAT:
        raise InputError(
            f"a model of format {found!r}; this version reads format {FORMAT}",
            path=path,
            field="format",
            remedy="use the version of litetransformer that wrote it",
        )
    return from_json(without_checksum(facts, path), AnyCard, path=str(path))  # type: ignore[type-abstract]


def load_model(folder: Path, task: str = "") -> tuple["Seq2Seq", ModelCard, Tokenizer, Tokenizer]:
    """The model in `folder`, in evaluation mode, with its card and its source and target tokenizers.

    Nothing in the folder is run. Raises InputError naming the file that is missing, damaged or foreign, or a
    model that is for another task than `task`, if that is given, or that has no source.
    """
    pack = open_pack(folder) if is_file(folder) else None
    card = _card(pack, folder)
    if not isinstance(card, ModelCard) or (task and card.task != task):
        raise _other_task(card, folder)
    model, (source, target) = _load(card, folder, pack)
    return model, card, source, target


def load_language_model(folder: Path) -> tuple["LanguageModel", LanguageCard, Tokenizer]:
    """The language model in `folder`, in evaluation mode, with its card and tokenizer; see `load_model`."""
    pack = open_pack(folder) if is_file(folder) else None
    card = _card(pack, folder)
    if not isinstance(card, LanguageCard):
        raise _other_task(card, folder)
    model, (tokenizer,) = _load(card, folder, pack)
    return model, card, tokenizer


def _other_task(card: AnyCard, folder: Path) -> InputError:
    remedy = f"use `{VERBS[card.task]}`"
    path = folder if is_file(folder) else folder / CARD
    return InputError(f"a model for {card.task}", path=path, field="task", remedy=remedy)


def _load(card: AnyCard, folder: Path, pack: "Pack | None" = None) -> tuple[Any, list[Tokenizer]]:
    """The card's network with the weights in `folder`, or in `pack`, and its tokenizers."""
    import torch

    from litetransformer.models.tensors import check_tensors, load_tensors, put_weights

    files = [(file.file, file.sha256) for file in card.tokenizers()]
    found_tokenizers = _tokenizers(folder, files) if pack is None else tokenizers_in(pack, files)
    tokenizers = [found_tokenizers[file] for file in files]
    sizes = [tokenizer.size for tokenizer in tokenizers]
    # Before it takes any memory, the network that the card describes must be the one of the weights.
    if pack is None:
        found, _ = load_tensors(folder / WEIGHTS)
        check_tensors(found, _outline(card, len(found), sizes, folder / CARD), folder / WEIGHTS)
    else:
        found = weights_in(pack, _outline(card, len(pack.contents.tensors), sizes, folder))
    with torch.random.fork_rng(devices=[]):
        model = card.model.build(*sizes)
    put_weights(model, found)
    return model.eval(), tokenizers


def _tokenizers(folder: Path, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Tokenizer]:
    """The tokenizer of each name and digest; InputError where one, or the weights beside them, is no file."""
    for name in (*(name for name, _ in files), WEIGHTS):
        # A pipe or a device in its place would never end.
        if not is_file(folder / name):
            raise InputError("no such file", path=folder / name, remedy="restore it from a copy")
    return {
        (name, digest): load_tokenizer(folder / name, digest=digest) for name, digest in dict.fromkeys(files)
    }


def _outline(card: AnyCard, tensors: int, sizes: Sequence[int], path: Path) -> dict[str, "Tensor"]:
    """The shapes of the weights of the card's model; tied tables are one tensor, under their first name."""
    if card.depth() > tensors:
        raise InputError("has more layers than there are weights", path=path, field="model")
    return dict(without_memory(card.model, sizes, path).named_parameters())


def without_memory(
    spec: Seq2SeqSpec | LanguageModelSpec, sizes: Sequence[int], path: Path | str | None
) -> "Model":
    """The network of `spec`, whose weights have shapes only; InputError naming `path` where there is none."""
    import torch

    try:
        with torch.device("meta"):
            return spec.build(*sizes)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        what = f"describes no network ({str(error).splitlines()[0]})"
        raise InputError(what, path=path, field="model") from error
