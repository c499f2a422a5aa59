"""From raw text to what training reads: tokenizers, token stores and the validation text, in one folder."""

import functools
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256_of_file, write_atomically
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.corpus import TextPairs, read_pairs
from litetransformer.data.store import TokenStore, write_store
from litetransformer.data.tokenise import Sampling
from litetransformer.data.tokenizer import Normalization, Tokenizer, load_tokenizer, train_sentencepiece
from litetransformer.data.words import train_words
from litetransformer.tasks.model_folder import TokenizerFile, save_tokenizers
from litetransformer.tasks.recipe import Recipe, Vocabulary
from litetransformer.tasks.record import (
    DATA,
    RECORD,
    Preparing,
    Progress,
    checked_stores,
    content_of,
    prepared_before,
    silent,
    told,
)


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
    progress: Progress = silent,
) -> Prepared:
    """Learn the tokenizers from the training text and write the token stores under `folder`.

    What a finished preparation of the same recipe and the same texts left is used as it is. `prepared.json`
    is written last; a preparation that was cut short goes on after its tokenizers, and after the last shard
    of a store that it finished, to the same bytes.

    Raises InputError where text is missing or wrong, or where `folder` was prepared for something else.
    """
    if recipe.data.train is None or recipe.data.valid is None:
        raise InputError(
            "no text to train on or none to validate with",
            field="data",
            remedy="name a data folder, or --source, --target, --valid-source and --valid-target",
        )
    for pairs in (recipe.data.train, recipe.data.valid):
        # A file that is missing, or of another kind, is said before any work is done.
        read_pairs(pairs)
    with told(progress):
        return _prepare(recipe, folder, workers, progress)


def with_texts(recipe: Recipe, train: TextPairs | None, valid: TextPairs | None) -> Recipe:
    """`recipe` with these texts in place of its own, where they are given."""
    data = replace(recipe.data, train=train or recipe.data.train, valid=valid or recipe.data.valid)
    return replace(recipe, data=data)


def _prepare(recipe: Recipe, folder: Path, workers: int, progress: Progress) -> Prepared:
    assert recipe.data.train is not None
    assert recipe.data.valid is not None
    progress("checksums of the texts", 0, None)
    wanted = _inputs(recipe)
    if (found := prepared_before(folder, wanted, _open, progress)) is not None:
        return found
    preparing = Preparing(folder, wanted, progress)
    known = noted_tokenizers(preparing, ("source", "target"))
    source, target = known or _tokenizers(recipe, preparing)
    for split, pairs in (("train", recipe.data.train), ("valid", recipe.data.valid)):
        draws = recipe.vocabulary.draws if split == "train" else 1
        # What is drawn comes after the whole text as it is usually split.
        once = preparing.facts["rows"] if draws > 1 else None
        preparing.store(
            split,
            functools.partial(
                write_store,
                pairs=itertools.chain.from_iterable(read_pairs(pairs) for _ in range(draws)),
                sampling=Sampling(recipe.vocabulary.dropout, first=once) if once else None,
                source_tokenizer=source,
                target_tokenizer=target,
                longest=recipe.train.longest,
                longest_ratio=recipe.data.longest_ratio if split == "train" else 0.0,
                truncate_source=recipe.data.truncate_source,
                workers=workers,
            ),
            rows=once and draws * once,
        )
    lines = (
        json.dumps({"source": s, "target": t}, ensure_ascii=False) for s, t in read_pairs(recipe.data.valid)
    )
    text = folder / DATA / "valid.jsonl"
    write_atomically(text, "".join(f"{line}\n" for line in lines).encode())
    return _open(folder, preparing.finish(valid_text=sha256_of_file(text)))


def _inputs(recipe: Recipe) -> dict[str, Any]:
    """What the prepared files depend on: the texts' checksums and everything that decides about tokens."""
    data = recipe.data
    assert data.train is not None
    assert data.valid is not None
    return {
        "train": _content(data.train),
        "valid": _content(data.valid),
        "vocabulary": vocabulary_facts(recipe.vocabulary),
        "longest": recipe.train.longest,
        "longest_ratio": data.longest_ratio,
        "truncate_source": data.truncate_source,
        "languages": [data.source_language, data.target_language],
    }


def vocabulary_facts(vocabulary: Vocabulary) -> dict[str, Any]:
    """`vocabulary` as records have it: they say nothing of random segmentation where there is none."""
    facts: dict[str, Any] = to_json(vocabulary)
    if vocabulary.draws == 1:
        del facts["dropout"], facts["draws"]
    return facts


def _content(pairs: TextPairs) -> list[str | None]:
    """What the pairs hold, wherever they stand: the files' checksums and which fields of them are read."""
    paths = [path for path in (pairs.source, pairs.target) if path is not None]
    return [*content_of(paths), pairs.source_field, pairs.target_field]


def noted_tokenizers(preparing: Preparing, sides: Sequence[str]) -> tuple[Tokenizer, ...] | None:
    """The tokenizers that a killed preparation left, if it left them all and they are as it wrote them."""
    try:
        noted = [from_json(preparing.facts.get(side), TokenizerFile) for side in sides]
        found = tuple(load_tokenizer(preparing.folder / file.file, digest=file.sha256) for file in noted)
    except InputError:
        return None
    preparing.progress("vocabulary: kept as it was learned before", 0, None)
    return found


def _tokenizers(recipe: Recipe, preparing: Preparing) -> tuple[Tokenizer, Tokenizer]:
    source, target = _learned(recipe, preparing)
    files = save_tokenizers(preparing.folder, source, target)
    preparing.note(source=to_json(files[0]), target=to_json(files[1]))
    return source, target


def _learned(recipe: Recipe, preparing: Preparing) -> tuple[Tokenizer, Tokenizer]:
    assert recipe.data.train is not None
    train, vocabulary = recipe.data.train, recipe.vocabulary
    if vocabulary.kind == "moses":
        from litetransformer.data.moses import train_moses

        return train_moses(
            preparing.read(read_pairs(train)),
            source_language=recipe.data.source_language,
            target_language=recipe.data.target_language,
            merges=vocabulary.size,
            lowercase=vocabulary.lowercase,
            joint=vocabulary.joint,
        )

    if vocabulary.joint:
        pairs = preparing.read(read_pairs(train))
        both = learn_tokenizer((text for pair in pairs for text in pair), vocabulary)
        return both, both
    sides = ((pair[side] for pair in preparing.read(read_pairs(train))) for side in (0, 1))
    source, target = (learn_tokenizer(lines, vocabulary) for lines in sides)
    return source, target


def learn_tokenizer(lines: Iterable[str], vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer of one vocabulary, learned from `lines`; not for ``moses``, which needs both sides."""
    if vocabulary.kind == "words":
        return train_words(lines, size=vocabulary.size)
    assert vocabulary.kind == "sentencepiece"
    normalization: Normalization = "nmt_nfkc_cf" if vocabulary.lowercase else "nmt_nfkc"
    return train_sentencepiece(lines, size=vocabulary.size, normalization=normalization)


def _open(folder: Path, facts: dict[str, Any]) -> Prepared:
    path = str(folder / RECORD)
    files = [from_json(facts[side], TokenizerFile, path=path) for side in ("source", "target")]
    source = load_tokenizer(folder / files[0].file, digest=files[0].sha256)
    target = (
        source if files[0] == files[1] else load_tokenizer(folder / files[1].file, digest=files[1].sha256)
    )
    train, valid = checked_stores(folder, facts)
    text = folder / DATA / "valid.jsonl"
    if not text.is_file() or sha256_of_file(text) != facts["valid_text"]:
        raise InputError("changed since it was prepared", path=text, remedy="prepare again")
    return Prepared(
        source=source,
        target=target,
        source_file=files[0],
        target_file=files[1],
        train=train,
        valid=valid,
        valid_pairs=list(read_pairs(TextPairs(source=str(text)))),
        digest=sha256_of_file(folder / RECORD),
    )
