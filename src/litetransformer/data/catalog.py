"""Named data sets: where each one comes from, what it consists of, and how to have it here.

Nothing is downloaded unless asked for. A set is a number of files at its home and, for each split, the parts
that it is put together from, as plain text, one text a line. A set without files at its home is put together
from those in a user's folder alone.
"""

import os
from pathlib import Path

from litetransformer.core.errors import InputError, nearest
from litetransformer.core.files import only_writer
from litetransformer.data.assemble import Dataset, Part, assemble, check_extras
from litetransformer.data.corpus import TextPairs
from litetransformer.data.download import Progress, Remote, check, fetch

_WMT = "https://huggingface.co/datasets/wmt"
_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_CNNDM = "https://huggingface.co/datasets/abisee/cnn_dailymail/resolve/main/3.0.0"

_EUROPARL = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-europarl-v7.zip",
    "5b2d8b32c2396da739b4e731871c597fcc6e75729becd74619d0712eecf7770e",
)
_COMMONCRAWL = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-commoncrawl.zip",
    "5ffe980072ea29adfd84568d099bea366d9f72772b988e670794ae851b4e5627",
)
_UN = Remote(
    f"{_WMT}/wmt13/resolve/main-zip/training-parallel-un.zip",
    "74f07002e053c81bc7f73b4fdab58e7987e831338748f264cbda82a8b062d2e2",
)
_NEWS_9 = Remote(
    f"{_WMT}/wmt14/resolve/main-zip/training-parallel-nc-v9.zip",
    "ce199f93ec56ff480137ba29f0819f9a22e70d88be6d7458f112303d67d623d5",
)
_NEWS_11 = Remote(
    f"{_WMT}/wmt16/resolve/main-zip/translation-task/training-parallel-nc-v11.zip",
    "8e8b063120c37511a6207b7a4bda9a981efc7df7e1e3c319cfaba774a762af34",
)
_GIGA = Remote(
    f"{_WMT}/wmt10/resolve/main-zip/training-giga-fren.zip",
    "9439f86523e5dff3f923526dbf6c6929da1786c18dbf64436d2b7564b83aaba3",
)
_WMT_TESTS = Remote(
    f"{_WMT}/wmt19/resolve/main-zip/translation-task/dev.zip",
    "d796e363740fdc4261aa6f5a3d2f8223e3adaee7d737b7724863325b8956dfd1",
)
_CNNDM_TRAIN = tuple(Remote(f"{_CNNDM}/train-0000{part}-of-00003.parquet") for part in range(3))
_CNNDM_VALID = Remote(f"{_CNNDM}/validation-00000-of-00001.parquet")
_CNNDM_TEST = Remote(
    f"{_CNNDM}/test-00000-of-00001.parquet",
    "04e322d2634a96dba76bf9a6294fbbe48e0b36abeae43f13d86ba2c3bebffe4e",
)
_WIKITEXT = Remote(
    "https://wikitext.smerity.com/wikitext-103-v1.zip",
    "242ba0f20b329cfdf1ccc61e9e9e5b59becf189db7f7a81cd2a0e2fc31539590",
)


def _multi30k(source: str, target: str) -> Dataset:
    tests = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
    names = {"train": "train", "valid": "val", "test": tests[0], **{name: name for name in tests[1:]}}
    sides = {split: (f"{name}.{source}.gz", f"{name}.{target}.gz") for split, name in names.items()}
    return Dataset(
        home="https://github.com/multi30k/dataset",
        licence="not stated by its home; the captions of Flickr30k are for research",
        sides=(source, target),
        files=tuple(Remote(f"{_MULTI30K}/{file}") for pair in sides.values() for file in pair),
        splits={split: (Part(pair),) for split, pair in sides.items()},
    )


def _tatoeba_and_documents(source: str, target: str) -> Dataset:
    def part(folder: str, split: str) -> Part:
        return Part((f"{folder}/{split}.{source}", f"{folder}/{split}.{target}"))

    both = ("tatoeba_deen", "techdocs_deen")
    return Dataset(
        home="sentences of tatoeba.org, the help of LibreOffice, descriptions of Debian's packages",
        licence="CC BY 2.0 FR (tatoeba.org), MPL-2.0 and what is free by Debian's guidelines",
        sides=(source, target),
        files=(),
        splits={
            **{split: tuple(part(folder, split) for folder in both) for split in ("train", "valid")},
            "test": (part(both[0], "test"),),
            "test_techdocs": (part(both[1], "test"),),
        },
    )


CATALOG: dict[str, Dataset] = {
    "iwslt14-de-en": Dataset(
        home="https://wit3.fbk.eu/2014-01",
        licence="CC BY-NC-ND 4.0 (TED)",
        sides=("de", "en"),
        files=(Remote("https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz"),),
        splits={
            "train": (Part(("train.tags.de-en.de", "train.tags.de-en.en"), "de-en.tgz", "tagged"),),
            "test": tuple(
                Part((f"IWSLT14.{talks}.de-en.de.xml", f"IWSLT14.{talks}.de-en.en.xml"), "de-en.tgz", "talks")
                for talks in ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
            ),
        },
        clean=True,
        valid_every=23,
    ),
    "wmt16-en-de": Dataset(
        home="https://www.statmt.org/wmt16/translation-task.html",
        licence="research; each corpus has its own terms",
        sides=("en", "de"),
        files=(_EUROPARL, _COMMONCRAWL, _NEWS_11, _WMT_TESTS),
        splits={
            "train": (
                Part(("europarl-v7.de-en.en", "europarl-v7.de-en.de"), _EUROPARL.name),
                Part(("commoncrawl.de-en.en", "commoncrawl.de-en.de"), _COMMONCRAWL.name),
                Part(("news-commentary-v11.de-en.en", "news-commentary-v11.de-en.de"), _NEWS_11.name),
            ),
            "valid": (Part(("newstest2013.en", "newstest2013.de"), _WMT_TESTS.name),),
            "test": (
                Part(
                    ("newstest2014-deen-ref.en.sgm", "newstest2014-deen-src.de.sgm"),
                    _WMT_TESTS.name,
                    "segments",
                ),
            ),
        },
    ),
    "wmt14-en-fr": Dataset(
        home="https://www.statmt.org/wmt14/translation-task.html",
        licence="research; each corpus has its own terms",
        sides=("en", "fr"),
        files=(_EUROPARL, _COMMONCRAWL, _UN, _NEWS_9, _GIGA, _WMT_TESTS),
        splits={
            "train": (
                Part(("europarl-v7.fr-en.en", "europarl-v7.fr-en.fr"), _EUROPARL.name),
                Part(("commoncrawl.fr-en.en", "commoncrawl.fr-en.fr"), _COMMONCRAWL.name),
                Part(("undoc.2000.fr-en.en", "undoc.2000.fr-en.fr"), _UN.name),
                Part(("news-commentary-v9.fr-en.en", "news-commentary-v9.fr-en.fr"), _NEWS_9.name),
                Part(("giga-fren.release2.fixed.en.gz", "giga-fren.release2.fixed.fr.gz"), _GIGA.name),
            ),
            "test": (
                Part(
                    ("newstest2014-fren-ref.en.sgm", "newstest2014-fren-src.fr.sgm"),
                    _WMT_TESTS.name,
                    "segments",
                ),
            ),
        },
        valid_every=1333,
    ),
    "multi30k-de-en": _multi30k("de", "en"),
    "multi30k-en-de": _multi30k("en", "de"),
    "multi30k-en-fr": _multi30k("en", "fr"),
    "tatoeba-de-en": Dataset(
        home="https://www.manythings.org/anki",
        licence="CC BY 2.0 FR (tatoeba.org)",
        sides=("de", "en"),
        files=(Remote("https://www.manythings.org/anki/deu-eng.zip"),),
        splits={"train": (Part(("deu.txt",), "deu-eng.zip", "flashcards"),)},
        divide=True,
    ),
    "tatoeba-techdocs-de-en": _tatoeba_and_documents("de", "en"),
    "tatoeba-techdocs-en-de": _tatoeba_and_documents("en", "de"),
    "canlaw-en-fr": Dataset(
        home="statutes and regulations of Canada, https://laws-lois.justice.gc.ca",
        licence="Open Government Licence – Canada",
        sides=("en", "fr"),
        files=(),
        splits={
            split: (Part((f"canlaw_enfr/{split}.en", f"canlaw_enfr/{split}.fr")),)
            for split in ("train", "valid", "test")
        },
    ),
    "cnndm": Dataset(
        home="https://huggingface.co/datasets/abisee/cnn_dailymail",
        licence="research; the articles belong to CNN and the Daily Mail",
        sides=("article", "highlights"),
        files=(*_CNNDM_TRAIN, _CNNDM_VALID, _CNNDM_TEST),
        splits={
            "train": tuple(Part(("article", "highlights"), file.name, "columns") for file in _CNNDM_TRAIN),
            "valid": (Part(("article", "highlights"), _CNNDM_VALID.name, "columns"),),
            "test": (Part(("article", "highlights"), _CNNDM_TEST.name, "columns"),),
        },
    ),
    "wikitext103": Dataset(
        home="https://wikitext.smerity.com",
        licence="CC BY-SA 3.0 (Wikipedia)",
        sides=("tokens",),
        files=(_WIKITEXT,),
        splits={
            split: (Part((f"wiki.{split}.tokens",), _WIKITEXT.name),) for split in ("train", "valid", "test")
        },
    ),
}

# What the files of a split may be called in a user's folder, besides the split's own name.
_ALSO_CALLED = {
    "train": ("wiki.train",),
    "valid": ("val", "dev", "validation", "wiki.valid"),
    "test": ("test_2016_flickr", "wiki.test"),
}


def data_folder() -> Path:
    """Where downloaded sets are kept: ``$LITETRANSFORMER_DATA``, or else ``~/.cache/litetransformer``."""
    return Path(os.environ.get("LITETRANSFORMER_DATA") or Path.home() / ".cache" / "litetransformer")


def resolve(
    name: str,
    *,
    folder: Path | None = None,
    offline: bool = False,
    download: bool = False,
    progress: Progress | None = None,
) -> dict[str, TextPairs]:
    """Where the texts of each split of the set `name` stand on this machine, fetched first if need be.

    With `folder` they are taken from there: the texts (``train.de``, ``valid.en`` …, compressed or not; some
    splits may be lacking), or the files of the set's home. Otherwise they are those of an earlier download,
    or, with `download`, of a new one. For a set with one side (``wikitext103``) each `TextPairs` has only a
    source, for `read_lines`. `progress` is told a file's name, the bytes received, and in all if known.

    Raises InputError for an unknown name (suggesting the nearest), for a folder without the texts, and, in
    one sentence that says what would be fetched, when the texts are not here and `download` is false or
    `offline` true.
    """
    if name not in CATALOG:
        raise InputError(f"no data set is called {name!r}", remedy=nearest(name, CATALOG))
    dataset = CATALOG[name]
    kept = data_folder() / name
    if folder is not None:
        if found := _splits_in(folder, dataset):
            return found
        downloads = folder
        missing = []
        if lacking := _lacking(dataset, folder):
            raise InputError(
                f"has neither texts of {name} ({_expected(dataset)}) nor {', '.join(lacking)}",
                path=folder,
                remedy="name the folder that has them",
            )
    else:
        found = _splits_in(kept, dataset)
        if len(found) == len(dataset.all_splits):
            return found
        downloads = kept / "downloads"
        missing = _missing(dataset, downloads)
        if not dataset.files or (missing and (offline or not download)):
            raise _not_here(name, dataset, missing, kept, offline)
    check_extras(dataset)
    with only_writer(kept, wait=True):
        if folder is None:
            # Another run may have made the same files while this one waited.
            found = _splits_in(kept, dataset)
            if len(found) == len(dataset.all_splits):
                return found
            missing = missing and _missing(dataset, downloads)
        for remote in missing:
            fetch(remote, downloads / remote.name, progress)
        for remote in dataset.files:
            check(remote, downloads / remote.name)
        assemble(dataset, downloads, kept)
    return _splits_in(kept, dataset)


def _splits_in(folder: Path, dataset: Dataset) -> dict[str, TextPairs]:
    found = {}
    for split in dataset.all_splits:
        for called in (split, *_ALSO_CALLED.get(split, ())):
            files = [_text_file(folder, f"{called}.{side}") for side in dataset.sides]
            if all(files):
                found[split] = TextPairs(
                    source=str(files[0]), target=str(files[1]) if len(files) > 1 else None
                )
                break
    return found


def _text_file(folder: Path, name: str) -> Path | None:
    paths = (folder / f"{name}{suffix}" for suffix in ("", ".gz", ".xz"))
    return next((path for path in paths if path.is_file()), None)


def _missing(dataset: Dataset, downloads: Path) -> list[Remote]:
    return [remote for remote in dataset.files if not (downloads / remote.name).is_file()]


def _expected(dataset: Dataset) -> str:
    return ", ".join(f"train.{side}" for side in dataset.sides) + " …"


def _lacking(dataset: Dataset, folder: Path) -> list[str]:
    """What must be in `folder`, for the set to be put together there, and isn't."""
    loose = (
        name for parts in dataset.splits.values() for part in parts if not part.archive for name in part.sides
    )
    wanted = dict.fromkeys([*(remote.name for remote in dataset.files), *loose])
    return [name for name in wanted if not (folder / name).is_file()]


def _not_here(name: str, dataset: Dataset, missing: list[Remote], kept: Path, offline: bool) -> InputError:
    if not dataset.files:
        first = _lacking(dataset, kept)[0]
        return InputError(
            f"the data set {name} ({dataset.home}) is not in {kept}, and no home has it to be fetched",
            remedy=f"name a folder that has {_expected(dataset)} or {first} … with --data",
        )
    why, how = ("offline", "") if offline else ("unless asked", "give --download, or ")
    files = ", ".join(remote.url for remote in missing)
    return InputError(
        f"the data set {name} ({dataset.home}) is not in {kept}; {why} nothing is fetched of {files}",
        remedy=f"{how}name a folder that has {_expected(dataset)} or these files with --data",
    )
