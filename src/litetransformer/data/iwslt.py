"""The talks of IWSLT'14: tagged training files, marked-up test files, and how the paper cleans them.

The paper's preparation keeps the talks' titles and descriptions, counts Moses words, drops pairs outside
1–175 words or with a ratio above 1.5, and holds out every 23rd pair that is left for validation.
"""

import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from litetransformer.data.corpus import read_lines
from litetransformer.data.filters import why_drop

LONGEST, RATIO = 175, 1.5

_ABOUT_THE_TALK = re.compile(r"\s*</?(url|keywords|speaker|talkid|reviewer|translator|doc)\b")
_KEPT_TAGS = re.compile(r"</?(title|description)>")
_SEGMENT = re.compile(r"<seg\s+id=\"?\d+\"?>(.*)</seg>", re.IGNORECASE)


def read_tagged(path: Path) -> Iterator[str]:
    """The texts of a training file (``train.tags.de-en.de``), without the lines about a talk."""
    for line in read_lines(path):
        if not _ABOUT_THE_TALK.match(line):
            yield _KEPT_TAGS.sub("", line).strip()


def read_segments(path: Path) -> Iterator[str]:
    """The texts of the ``<seg>`` lines of a test file (``IWSLT14.….xml``, WMT's ``….sgm``).

    These files are read line by line, as they are written, and not as XML: WMT's are none.
    """
    for line in read_lines(path):
        if found := _SEGMENT.search(line):
            yield html.unescape(found[1]).strip()


def read_talks(path: Path) -> Iterator[str]:
    """The texts of a test file of talks, with straight apostrophes, as the paper's preparation has them."""
    return (text.replace("’", "'") for text in read_segments(path))


def clean(
    pairs: Iterable[tuple[str, ...]], source_language: str, target_language: str
) -> Iterator[tuple[str, ...]]:
    """The pairs that the paper trains and validates on, as they were written. Needs the extra ``paper``."""
    from litetransformer.data.moses import moses_words

    source_words, target_words = moses_words(source_language), moses_words(target_language)
    for source, target in pairs:
        counts = (len(source_words(source)), len(target_words(target)))
        if not why_drop(counts, longest=LONGEST, ratio=RATIO):
            yield source, target
