"""What the quickstart trains on: generated sentences or the user's text; train, valid and test kept apart."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from litetransformer.core.errors import InputError
from litetransformer.core.files import write_atomically
from litetransformer.data.corpus import TextPairs, read_pairs
from litetransformer.tasks.recipe import Data
from litetransformer.tasks.sentences import generate_pairs

GENERATED = {"train": 30_000, "valid": 300, "test": 300}
FEWEST_PAIRS, MOST_PAIRS = 100, 100_000
HELD_OUT = 300
"""The most pairs of a user's text to validate and to test with each; a twentieth of a smaller text."""

Pairs = list[tuple[str, str]]


def generated(seed: int) -> dict[str, Pairs]:
    """Sentences composed from CLDR data, German and English, the splits apart."""
    return {
        split: list(generate_pairs(count, seed=seed, split=split))  # type: ignore[arg-type]
        for split, count in GENERATED.items()
    }


def own_text(source: Path, target: Path | None, seed: int) -> dict[str, Pairs]:
    """The user's text, at most `MOST_PAIRS` of it, split; all of it is checked."""
    rows = read_pairs(TextPairs(source=str(source), target=None if target is None else str(target)))
    pairs = list(itertools.islice(rows, MOST_PAIRS))
    # What is not used is read all the same: the files may differ in length or not be text further on.
    for _ in rows:
        pass
    return split_pairs(pairs, seed, path=source)


def write_splits(folder: Path, splits: Mapping[str, Pairs], languages: tuple[str, str]) -> Data:
    """Write each split as two plain files; InputError where another text is there already."""
    contents = {
        folder / f"{split}.{language}": "".join(f"{pair[side]}\n" for pair in pairs).encode()
        for split, pairs in splits.items()
        for side, language in enumerate(languages)
    }
    for path, content in contents.items():
        if path.is_file() and path.read_bytes() != content:
            raise InputError("holds the text of another quickstart", path=path, remedy="choose another --out")
    for path, content in contents.items():
        if not path.is_file():
            write_atomically(path, content)
    source, target = languages
    train, valid = (
        TextPairs(source=str(folder / f"{split}.{source}"), target=str(folder / f"{split}.{target}"))
        for split in ("train", "valid")
    )
    return Data(source_language=source, target_language=target, train=train, valid=valid)


def split_pairs(pairs: Sequence[tuple[str, str]], seed: int, *, path: Path | None = None) -> dict[str, Pairs]:
    """`pairs` as train, valid and test; no text of a pair that is held out occurs anywhere else.

    So only pairs whose two texts occur once (spaces apart) are held out, drawn by `seed`; all others stay in
    train, in order. Pairs with an empty side are left out.

    Raises InputError naming `path` and how many pairs are needed where there are too few.
    """
    pairs = [pair for pair in pairs if all(text.strip() for text in pair)]
    if len(pairs) < FEWEST_PAIRS:
        raise InputError(
            f"only {len(pairs)} pairs of lines that are not empty",
            path=path,
            remedy=f"give at least {FEWEST_PAIRS}, better thousands",
        )
    texts = [{" ".join(text.split()) for text in pair} for pair in pairs]
    counts = Counter(text for both in texts for text in both)
    unique = [number for number, both in enumerate(texts) if all(counts[text] == 1 for text in both)]
    held_out = min(HELD_OUT, len(pairs) // 20)
    if len(unique) < 2 * held_out:
        raise InputError(
            f"of {len(pairs):,} pairs of lines only {len(unique):,} share no line with another",
            path=path,
            remedy=f"give at least {2 * held_out:,} such pairs, to test on lines that are not learned",
        )
    drawn = Random(seed).sample(unique, 2 * held_out)
    split_of = dict.fromkeys(drawn[:held_out], "valid") | dict.fromkeys(drawn[held_out:], "test")
    splits: dict[str, Pairs] = {"train": [], "valid": [], "test": []}
    for number, pair in enumerate(pairs):
        splits[split_of.get(number, "train")].append(pair)
    return splits
