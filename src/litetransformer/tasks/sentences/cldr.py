"""Phrases in German and English from CLDR (`babel`) and `num2words`, imported at their first use."""

import functools
import importlib
from collections.abc import Sequence
from datetime import date
from typing import Any

from litetransformer.tasks.sentences.grammar import Phrase


@functools.lru_cache(maxsize=200_000)
def phrase(function: str, *arguments: Any, **options: Any) -> Phrase:
    """What a function of `babel` gives in German and English, CLDR's special spaces made plain ones."""
    module, _, name = function.rpartition(".")
    call = getattr(importlib.import_module(f"babel.{module}"), name)
    german, english = (call(*arguments, locale=locale, **options) for locale in ("de", "en"))
    return Phrase(" ".join(german.split()), " ".join(english.split()))


@functools.cache
def named(kind: str, code: str) -> Phrase:
    """The name of one of CLDR's ``territories`` or ``languages``."""
    from babel import Locale

    german, english = (getattr(Locale.parse(language), kind)[code] for language in ("de", "en"))
    return Phrase(german, english)


def dated(day: date, pattern: str) -> Phrase:
    """`day` in one of CLDR's patterns (``long``, ``d MMMM`` …)."""
    return phrase("dates.format_date", day, pattern)


def day_of_year(day: date) -> Phrase:
    """Day and month, without the year."""
    return phrase("dates.format_skeleton", "MMMMd", day.replace(year=2000))


def number(number: int) -> Phrase:
    """A number in digits, each language's separators in it."""
    return phrase("numbers.format_decimal", number)


def percent(share: float) -> Phrase:
    """A share as a percentage."""
    return phrase("numbers.format_percent", share, decimal_quantization=False)


def unit(amount: float, unit: str) -> Phrase:
    """An amount of one of CLDR's units (``length-kilometer`` …)."""
    return phrase("units.format_unit", amount, unit)


def listed(items: Sequence[Phrase]) -> Phrase:
    """Items joined as a list: a, b and c."""
    from babel.lists import format_list

    german, english = zip(*items, strict=True)
    return Phrase(format_list(german, locale="de"), format_list(english, locale="en"))


@functools.cache
def spoken(number: int, kind: str = "cardinal") -> Phrase:
    """A number in words, or with ``kind="ordinal"`` its ordinal."""
    from num2words import num2words

    return Phrase(num2words(number, lang="de", to=kind), num2words(number, lang="en", to=kind))
