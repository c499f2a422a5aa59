"""Sentence pairs and the split that each belongs to; the patterns put clauses and templates together."""

import functools
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Literal

from litetransformer.core.errors import InputError, MissingExtraError, nearest
from litetransformer.tasks.sentences import words
from litetransformer.tasks.sentences.fillers import CLAUSE_KINDS, SLOTS, Fillers
from litetransformer.tasks.sentences.grammar import (
    FUTURE_TENSES,
    PAST_TENSES,
    Clause,
    Phrase,
    Tense,
    main_then_subordinate,
    relative,
    sentence,
    subordinate_then_main,
)
from litetransformer.tasks.sentences.templates import PREDICATES, TEMPLATES, fill, slots

Split = Literal["train", "valid", "test"]
_BUCKETS: dict[Split, range] = {"train": range(14), "valid": range(14, 17), "test": range(17, 20)}
_FEWEST_WORDS = 6
_SEQUENCES: tuple[tuple[Phrase, Tense], ...] = (
    (Phrase("nachdem", "after"), "past perfect"),
    (Phrase("bevor", "before"), "past"),
)


def generate_pairs(count: int, *, seed: int, split: Split) -> Iterator[tuple[str, str]]:
    """`count` pairs (German, English) of `split`, whose sentences are in no other split, and here once.

    A sentence belongs to one split by a checksum of its text alone, 70 : 15 : 15, and a pair is yielded only
    where both of its sentences belong to `split`. A sentence that two splits held would belong to both, so
    there is none, for any seeds and counts; every other pair is dropped.

    Sentences have 6 to about 30 words. The same `seed`, `split` and releases of babel and num2words give the
    same pairs.

    Raises InputError where `count` is negative or `split` unknown, MissingExtraError without ``quickstart``.
    """
    if count < 0:
        raise InputError(
            f"{count} sentence pairs can't be generated", remedy="ask for 0 or more", field="count"
        )
    if split not in _BUCKETS:
        raise InputError(f"there is no split {split!r}", remedy=nearest(split, _BUCKETS), field="split")
    try:
        import babel  # noqa: F401
        import num2words  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("the generated sentences of the quickstart", "quickstart") from error
    return _pairs(count, Random(f"{split} {seed}"), split)


def _pairs(count: int, random: Random, split: Split) -> Iterator[tuple[str, str]]:
    kinds = (tuple(CLAUSE_PATTERNS.values()), tuple(TEMPLATE_PATTERNS.values()))
    seen: tuple[set[str], set[str]] = (set(), set())
    while len(seen[0]) < count:
        pair = random.choice(random.choice(kinds))(Fillers(random))
        if all(
            split_of(text) == split and text.count(" ") + 1 >= _FEWEST_WORDS and text not in known
            for text, known in zip(pair, seen, strict=True)
        ):
            for text, known in zip(pair, seen, strict=True):
                known.add(text)
            yield pair.german, pair.english


def split_of(text: str) -> Split:
    """The one split that may hold a sentence, of either language."""
    bucket = zlib.crc32(text.encode()) % 20
    return next(split for split, buckets in _BUCKETS.items() if bucket in buckets)


def _filled(template: Phrase, draw: Fillers) -> Phrase:
    return fill(template, {slot: SLOTS[re.sub(r"_\d$", "", slot)](draw) for slot in slots(template)})


def _tense(draw: Fillers) -> Tense:
    return draw.random.choice(("past", "past", *PAST_TENSES, "present", "future", *FUTURE_TENSES))


def _clause(draw: Fillers, kinds: str = CLAUSE_KINDS) -> Clause:
    return draw.clause(draw.subject(), _tense(draw), kinds)


def _report(draw: Fillers) -> Phrase:
    teller, other = draw.subject(), draw.subject()
    same = other.name == teller.name or draw.chance(0.3)
    clause = draw.clause(teller if same else other, _tense(draw))
    tense: Tense = "past" if clause.tense in PAST_TENSES and draw.chance(0.5) else "present"
    said = Clause(teller, draw.pick(words.TELLING), tense)
    return main_then_subordinate(said.main(), clause.subordinate(Phrase("dass", "that"), pronoun=same))


def _reason(draw: Fillers) -> Phrase:
    main = _clause(draw)
    tense: Tense = "had to" if main.tense in PAST_TENSES else "must"
    reason = replace(draw.clause(main.subject, tense, "thing gift travel walk"), time=Phrase())
    return main_then_subordinate(main.main(), reason.subordinate(Phrase("weil", "because"), pronoun=True))


def _purpose(draw: Fillers) -> Phrase:
    main = replace(_clause(draw, "travel walk"), negated=False)
    purpose = draw.clause(main.subject, "present", "thing gift")
    return main_then_subordinate(main.main(), replace(purpose, time=Phrase(), place=Phrase()).purpose())


def _sequence(draw: Fillers) -> Phrase:
    subject = draw.subject()
    conjunction, tense = draw.random.choice(_SEQUENCES)
    second = replace(draw.clause(subject, "past"), time=Phrase())
    first = replace(draw.clause(subject, tense), negated=False)
    return subordinate_then_main(first.subordinate(conjunction), second)


def _condition(draw: Fillers) -> Phrase:
    subject = draw.subject()
    condition = draw.clause(subject, draw.random.choice(("can", "must", "want")))
    result = replace(draw.clause(subject, "future"), time=Phrase())
    return subordinate_then_main(condition.subordinate(Phrase("wenn", "if")), result)


def _relative(draw: Fillers) -> Phrase:
    noun, adjectives = draw.pick(words.THINGS), draw.adjectives(words.QUALITIES, words.COLORS)
    clause = replace(_clause(draw, "thing"), object=Phrase())
    return relative(noun, adjectives, clause, _filled(draw.random.choice(PREDICATES), draw))


def _doubt(draw: Fillers) -> Phrase:
    conjunction = draw.random.choice((Phrase("ob", "whether"), Phrase("warum", "why")))
    return main_then_subordinate(draw.pick(words.ASIDES), _clause(draw).subordinate(conjunction))


def _from_template(template: Phrase, draw: Fillers) -> Phrase:
    return sentence(_filled(template, draw))


CLAUSE_PATTERNS: dict[str, Callable[[Fillers], Phrase]] = {
    "statement": lambda draw: sentence(_clause(draw).main()),
    "time first": lambda draw: sentence(_clause(draw).time_first()),
    "question": lambda draw: sentence(_clause(draw).question(), "?"),
    "why": lambda draw: sentence(_clause(draw).question(Phrase("warum", "why")), "?"),
    "report": lambda draw: sentence(_report(draw)),
    "reason": lambda draw: sentence(_reason(draw)),
    "purpose": lambda draw: sentence(_purpose(draw)),
    "sequence": lambda draw: sentence(_sequence(draw)),
    "condition": lambda draw: sentence(_condition(draw)),
    "relative": lambda draw: sentence(_relative(draw)),
    "doubt": lambda draw: sentence(_doubt(draw)),
}
TEMPLATE_PATTERNS: dict[str, Callable[[Fillers], Phrase]] = {
    name: functools.partial(_from_template, template) for name, template in TEMPLATES.items()
}
