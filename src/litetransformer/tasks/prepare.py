"""From raw text to what training reads: tokenizers, token stores and the validation text, in one folder."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import (
    read_json,
    sha256_of_file,
    sweep_partial,
    with_checksum,
    without_checksum,
    write_atomically,
    write_json,
)
from litetransformer.core.spec import to_json
from litetransformer.data.corpus import TextPairs, read_pairs
from litetransformer.data.store import TokenStore, write_store
from litetransformer.data.tokenizer import Tokenizer, load_tokenizer, train_sentencepiece
from litetransformer.tasks.model_folder import TokenizerFile, save_tokenizers
from litetransformer.tasks.recipe import Recipe

RECORD = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """A prepared folder: its tokenizers, stores and validation pairs. `digest` stands for all of it."""

    source: Tokenizer
    target: Tokenizer
    source_file: TokenizerFile
    target_file: TokenizerFile
    train: TokenStore
    valid: TokenStore
    valid_pairs: list[tuple[str, str]]
    digest: str


def prepare(
    recipe: Recipe,
    folder: Path,
    *,
    workers: int = 1,
    progress: Callable[[str, int], None] = lambda _what, _rows: None,
) -> Prepared:
    """Learn the tokenizers from the training text and write the token stores under `folder`.

    What a finished preparation of the same recipe and the same texts left is used as it is. `prepared.json`
    is written last, so a preparation that was cut short is done again.

    Raises InputError where text is missing or wrong, or where `folder` was prepared for something else.
    """
    if recipe.data.train is None or recipe.data.valid is None:
        raise InputError(
            "no text to train on or none to validate with",
            field="data",
            remedy="name a data folder, or --source, --target, --valid-source and --valid-target",
        )
    wanted = _inputs(recipe)
    record = folder / RECORD
    if record.is_file():
        found = _read_record(record)
        if (different := _difference(found.get("inputs"), wanted)) is not None:
            raise InputError(
                f"prepared with another {different}",
                path=record,
                field=different,
                remedy="choose another folder, or empty this one",
            )
        try:
            return _open(folder, found)
        except InputError as error:
            raise _prepare_again(error, record) from error
    sweep_partial(folder)
    sweep_partial(folder / "data")
    source, target = _tokenizers(recipe, progress)
    files = save_tokenizers(folder, source, target)
    longest, ratio = recipe.train.longest, recipe.data.longest_ratio
    for split, pairs in (("train", recipe.data.train), ("valid", recipe.data.valid)):
        write_store(
            folder / "data" / split,
            read_pairs(pairs),
            source,
            target,
            longest=longest,
            longest_ratio=ratio if split == "train" else 0.0,
            workers=workers,
            progress=lambda rows, split=split: progress(split, rows),  # type: ignore[misc]
        )
    lines = (
        json.dumps({"source": s, "target": t}, ensure_ascii=False) for s, t in read_pairs(recipe.data.valid)
    )
    write_atomically(folder / "data" / "valid.jsonl", "".join(f"{line}\n" for line in lines).encode())
    facts = {
        "inputs": wanted,
        "source": to_json(files[0]),
        "target": to_json(files[1]),
        "stores": {split: TokenStore(folder / "data" / split).digest for split in ("train", "valid")},
        "valid_text": sha256_of_file(folder / "data" / "valid.jsonl"),
    }
    write_json(record, with_checksum(facts))
    return _open(folder, facts)


def with_texts(recipe: Recipe, train: TextPairs | None, valid: TextPairs | None) -> Recipe:
    """`recipe` with these texts in place of its own, where they are given."""
    data = replace(recipe.data, train=train or recipe.data.train, valid=valid or recipe.data.valid)
    return replace(recipe, data=data)


def _read_record(record: Path) -> dict[str, Any]:
    try:
        return without_checksum(read_json(record), record)
    except InputError as error:
        raise _prepare_again(error, record) from error


def _prepare_again(error: InputError, record: Path) -> InputError:
    """`error` with the remedy for every damage to prepared files: the same text gives the same ones again."""
    remedy = f"remove {record} to prepare again"
    return InputError(error.what, path=error.path, line=error.line, field=error.field, remedy=remedy)


def _inputs(recipe: Recipe) -> dict[str, Any]:
    """What the prepared files depend on: the texts' checksums and everything that decides about tokens."""
    data = recipe.data
    assert data.train is not None
    assert data.valid is not None
    return {
        "train": _content(data.train),
        "valid": _content(data.valid),
        "vocabulary": to_json(recipe.vocabulary),
        "longest": recipe.train.longest,
        "longest_ratio": data.longest_ratio,
        "languages": [data.source_language, data.target_language],
    }


def _content(pairs: TextPairs) -> list[str | None]:
    """What the pairs hold, wherever they stand: the files' checksums and which fields of them are read."""
    paths = [path for path in (pairs.source, pairs.target) if path is not None]
    for path in paths:
        if not Path(path).is_file():
            raise InputError("no such file", path=path, remedy="name an existing text file")
    return [*(sha256_of_file(Path(path)) for path in paths), pairs.source_field, pairs.target_field]


def _difference(found: Any, wanted: dict[str, Any]) -> str | None:
    for name, value in wanted.items():
        if not isinstance(found, dict) or found.get(name) != value:
            return name
    return None


def _tokenizers(recipe: Recipe, progress: Callable[[str, int], None]) -> tuple[Tokenizer, Tokenizer]:
    assert recipe.data.train is not None
    train, vocabulary = recipe.data.train, recipe.vocabulary
    progress("vocabulary", 0)
    if vocabulary.kind == "moses":
        from litetransformer.data.moses import train_moses

        return train_moses(
            read_pairs(train),
            source_language=recipe.data.source_language,
            target_language=recipe.data.target_language,
            merges=vocabulary.size,
            lowercase=vocabulary.lowercase,
            joint=vocabulary.joint,
        )

    def learn(lines: Iterator[str]) -> Tokenizer:
        normalization = "nmt_nfkc_cf" if vocabulary.lowercase else "nmt_nfkc"
        return train_sentencepiece(lines, size=vocabulary.size, normalization=normalization)  # type: ignore[arg-type]

    if vocabulary.joint:
        both = learn(text for pair in read_pairs(train) for text in pair)
        return both, both
    return learn(s for s, _ in read_pairs(train)), learn(t for _, t in read_pairs(train))


def _open(folder: Path, facts: dict[str, Any]) -> Prepared:
    from litetransformer.core.spec import from_json

    path = str(folder / RECORD)
    files = [from_json(facts[side], TokenizerFile, path=path) for side in ("source", "target")]
    source = load_tokenizer(folder / files[0].file, digest=files[0].sha256)
    target = (
        source if files[0] == files[1] else load_tokenizer(folder / files[1].file, digest=files[1].sha256)
    )
    stores = {split: TokenStore(folder / "data" / split) for split in ("train", "valid")}
    text = folder / "data" / "valid.jsonl"
    for split, store in stores.items():
        if store.digest != facts["stores"][split]:
            raise InputError("changed since it was prepared", path=store.folder, remedy="prepare again")
        store.verify()
    if not text.is_file() or sha256_of_file(text) != facts["valid_text"]:
        raise InputError("changed since it was prepared", path=text, remedy="prepare again")
    return Prepared(
        source=source,
        target=target,
        source_file=files[0],
        target_file=files[1],
        train=stores["train"],
        valid=stores["valid"],
        valid_pairs=list(read_pairs(TextPairs(source=str(text)))),
        digest=sha256_of_file(folder / RECORD),
    )
