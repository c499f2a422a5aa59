"""From running text to what training reads: a tokenizer and token stores, in one folder."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256_of_file
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.corpus import read_lines
from litetransformer.data.store import TokenStore, write_sides
from litetransformer.data.text_batching import SIDE
from litetransformer.data.tokenizer import Tokenizer, load_tokenizer
from litetransformer.tasks.model_folder import TokenizerFile, save_tokenizers
from litetransformer.tasks.prepare import learn_tokenizer, noted_tokenizers, vocabulary_facts
from litetransformer.tasks.recipe import LanguageRecipe
from litetransformer.tasks.record import (
    RECORD,
    SPLITS,
    Preparing,
    Progress,
    checked_stores,
    content_of,
    prepared_before,
    silent,
    told,
)

SPLIT_NAMES = {"train": ("train",), "valid": ("valid", "val", "dev", "validation"), "test": ("test",)}


@dataclass(frozen=True)
class PreparedText:
    """A prepared folder: its tokenizer and stores. `digest` stands for all of it."""

    tokenizer: Tokenizer
    file: TokenizerFile
    train: TokenStore
    valid: TokenStore
    digest: str


def prepare_text(
    recipe: LanguageRecipe,
    folder: Path,
    *,
    workers: int = 1,
    progress: Progress = silent,
) -> PreparedText:
    """Learn the tokenizer from the training text and write the token stores under `folder`; see `prepare`.

    Every line is kept, an empty one as its end.
    """
    if recipe.data.train is None or recipe.data.valid is None:
        raise InputError(
            "no text to train on or none to validate with",
            field="data",
            remedy="name a data folder, or --text and --valid-text",
        )
    texts = (recipe.data.train, recipe.data.valid)
    for text in texts:
        # A file that is missing is said before any work is done.
        read_lines(text)
    with told(progress):
        progress("checksums of the texts", 0, None)
        wanted = {"text": content_of(texts), "vocabulary": vocabulary_facts(recipe.vocabulary)}
        if (found := prepared_before(folder, wanted, _open, progress)) is not None:
            return found
        preparing = Preparing(folder, wanted, progress)
        (tokenizer,) = noted_tokenizers(preparing, ("tokenizer",)) or (_learned(recipe, texts[0], preparing),)
        for split, text in zip(SPLITS, texts, strict=True):
            preparing.store(
                split,
                functools.partial(
                    write_sides,
                    rows=((line,) for line in read_lines(text)),
                    tokenizers={SIDE: tokenizer},
                    longest=None,
                    workers=workers,
                ),
            )
        return _open(folder, preparing.finish())


def _learned(recipe: LanguageRecipe, text: str, preparing: Preparing) -> Tokenizer:
    tokenizer = learn_tokenizer(preparing.read(read_lines(text)), recipe.vocabulary)
    file, _ = save_tokenizers(preparing.folder, tokenizer, tokenizer)
    preparing.note(tokenizer=to_json(file))
    return tokenizer


def with_text(recipe: LanguageRecipe, train: str | None, valid: str | None) -> LanguageRecipe:
    """`recipe` with these files in place of its own, where they are given."""
    data = replace(recipe.data, train=train or recipe.data.train, valid=valid or recipe.data.valid)
    return replace(recipe, data=data)


def texts_in(folder: Path) -> dict[str, str]:
    """The text file of each split that `folder` has, ``train.txt`` or ``NAME.valid.tokens.gz`` for example.

    Raises InputError where there are two for one split, or none at all.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = path.name.removesuffix(".gz").removesuffix(".xz")
        called = name.removesuffix(".txt").removesuffix(".tokens").rpartition(".")[2]
        split = next((split for split, names in SPLIT_NAMES.items() if called in names), None)
        if split is None or not path.is_file():
            continue
        if split in found:
            what = f"may be the {split} text, and so may {found[split].name}"
            raise InputError(what, path=path, remedy="name one of them with --text or --valid-text")
        found[split] = path
    if not found:
        raise InputError("has no text called train.txt", path=folder, remedy="name the folder that has it")
    return {split: str(path.absolute()) for split, path in found.items()}


def _open(folder: Path, facts: dict[str, Any]) -> PreparedText:
    file = from_json(facts["tokenizer"], TokenizerFile, path=str(folder / RECORD))
    tokenizer = load_tokenizer(folder / file.file, digest=file.sha256)
    train, valid = checked_stores(folder, facts)
    digest = sha256_of_file(folder / RECORD)
    return PreparedText(tokenizer=tokenizer, file=file, train=train, valid=valid, digest=digest)
