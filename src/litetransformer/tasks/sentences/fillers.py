"""The words of a sentence, drawn at random, and what fills each slot of a template.

Names of countries, cities and languages, dates, times, prices, units and numbers come from CLDR (`babel`),
number words from `num2words` (`cldr.py`).
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import date, time
from random import Random
from typing import TypeVar

from litetransformer.tasks.sentences import cldr, words
from litetransformer.tasks.sentences.grammar import (
    PAST_TENSES,
    PLURAL,
    THIRD,
    Case,
    Clause,
    Noun,
    Phrase,
    Subject,
    Tense,
    counted,
    definite,
    indefinite,
    with_preposition,
)

CLAUSE_KINDS = "thing thing gift travel walk stay"
"""What a clause may be about, the likeliest twice."""

_Choice = TypeVar("_Choice", bound=Hashable)


class Fillers:
    """The words of one sentence, drawn at random; none is picked twice, so no city is both start and goal."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._used: set[Hashable] = set()
        self.person = self.pick(words.PEOPLE)
        self.currency = random.choice(words.CURRENCIES)

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of `choices` that this sentence has not picked yet."""
        while (choice := self.random.choice(choices)) in self._used:
            pass
        self._used.add(choice)
        return choice

    def number(self, first: int, last: int) -> int:
        """A whole number from `first` to `last`, both included."""
        return self.random.randint(first, last)

    def chance(self, probability: float) -> bool:
        """True with a `probability`."""
        return self.random.random() < probability

    def subject(self) -> Subject:
        """Someone: a name, two names, I, we, a relative of mine, or a person by profession."""
        kind = self.random.choice(("name", "name", "name", "pronoun", "pair", "relative", "profession"))
        if kind == "name":
            return self.person
        if kind == "pronoun":
            return self.pick((words.ICH, words.WIR))
        if kind == "pair":
            names = cldr.listed([self.person.name, self.pick(words.PEOPLE).name])
            return Subject(names, PLURAL, Phrase("sie", "they"), Phrase("ihr", "their"))
        if kind == "relative":
            noun = self.pick(words.RELATIVES)
            name = indefinite(noun, "nominative", owner=words.ICH.possessive)
        else:
            noun = self.pick(words.PROFESSIONS)
            name = definite(noun, "nominative", self.adjectives(words.CHARACTERS))
        return Subject(name, THIRD, *(words.SHE if noun.gender == "f" else words.HE))

    def clause(self, subject: Subject, tense: Tense, kinds: str = CLAUSE_KINDS) -> Clause:
        """Something that `subject` does, at a time that suits the tense."""
        negated = tense != "past perfect" and self.chance(0.15)
        place = thing = Phrase()
        match self.random.choice(kinds.split()):
            case "thing":
                verb, thing = self.pick(words.TRANSITIVE), self.object(subject, specific=negated)
                place = self.place() if self.chance(0.3) else place
            case "gift":
                verb, receiver = self.pick(words.GIVING), self.receiver(subject)
                gift = self.object(subject, specific=negated)
                thing = Phrase(f"{receiver.german} {gift.german}", f"{receiver.english} {gift.english}")
            case "travel":
                verb, place = self.pick(words.TRAVELING), self.destination()
            case "walk":
                building = definite(self.pick(words.BUILDINGS), "accusative")
                verb, place = self.pick(words.WALKING), with_preposition("in", "to", building)
            case _:
                verb, place = self.pick(words.STAYING), self.place()
        return Clause(subject, verb, tense, self.when(tense), place, thing, negated)

    def object(self, owner: Subject, *, specific: bool) -> Phrase:
        """A thing in the accusative: some, this one, or one's own, and not just any if it is `specific`."""
        noun, adjectives = self.pick(words.THINGS), self.adjectives(words.QUALITIES, words.COLORS)
        match self.random.choice(("own", "this", "any", "several")):
            case "own":
                return indefinite(noun, "accusative", adjectives, owner.possessive)
            case "any" if not specific:
                return indefinite(noun, "accusative", adjectives)
            case "several" if not specific:
                return counted(noun, self.some(), "accusative", adjectives)
        return definite(noun, "accusative", adjectives)

    def receiver(self, owner: Subject) -> Phrase:
        """Someone in the dative: ``ihrem Bruder``, ``der alten Ärztin``."""
        if self.chance(0.5):
            return indefinite(self.pick(words.RELATIVES), "dative", owner=owner.possessive)
        return definite(self.pick(words.PROFESSIONS), "dative", self.adjectives(words.CHARACTERS))

    def adjectives(self, *kinds: Sequence[Phrase]) -> list[Phrase]:
        """For each kind one adjective or none."""
        return [self.pick(choices) for choices in kinds if self.chance(0.4)]

    def some(self) -> Phrase:
        """A number above one, in words if they are short."""
        return cldr.spoken(self.number(2, 12)) if self.chance(0.6) else cldr.number(self.number(2, 99))

    def counted(
        self, nouns: Sequence[Noun], adjectives: Sequence[Phrase], case: Case = "accusative"
    ) -> Phrase:
        """``drei rote Lampen``, ``three red lamps``."""
        return counted(self.pick(nouns), self.some(), case, self.adjectives(adjectives))

    def counted_list(self, nouns: Sequence[Noun], adjectives: Sequence[Phrase]) -> Phrase:
        """``drei rote Lampen, 12 Hüte und einen Tisch``; the first are several, for *there are*."""
        items = [self.counted(nouns, adjectives) for _ in range(self.number(1, 2))]
        return cldr.listed([*items, indefinite(self.pick(nouns), "accusative", self.adjectives(adjectives))])

    def thing(self) -> Subject:
        """``die rote Lampe``, ``the red lamp``, with its pronoun."""
        noun = self.pick(words.THINGS)
        name = definite(noun, "nominative", self.adjectives(words.QUALITIES, words.COLORS))
        return Subject(name, THIRD, words.THING_PRONOUNS[noun.gender], Phrase())

    def profession(self) -> Phrase:
        """What the person is, which German says without an article: ``Ärztin``, ``a doctor``."""
        genders = "f" if self.person.pronoun.english == "she" else "mw"
        noun = self.pick([noun for noun in words.PROFESSIONS if noun.gender in genders])
        return Phrase(noun.german, indefinite(noun, "nominative").english)

    def city(self) -> Phrase:
        """A city by its bare name."""
        return cldr.phrase("dates.get_timezone_location", self.pick(words.CITIES), return_city=True)

    def country(self, german: str, english: str, case: Case) -> Phrase:
        """``nach Italien`` or ``in die Schweiz``: the few countries with an article are feminine."""
        code = self.pick(words.COUNTRIES)
        name = cldr.named("territories", code)
        if code in words.COUNTRIES_WITH_ARTICLE:
            german = "in die" if case == "accusative" else "in der"
        return Phrase(f"{german} {name.german}", f"{english} {name.english}")

    def indoors(self) -> Phrase:
        """``im Museum``, ``in the museum``."""
        return with_preposition("in", "in", definite(self.pick(words.BUILDINGS), "dative"))

    def place(self) -> Phrase:
        """Where something happens."""
        if self.chance(0.5):
            return with_preposition("in", "in", self.city())
        return self.indoors() if self.chance(0.6) else self.country("in", "in", "dative")

    def destination(self) -> Phrase:
        """``nach Prag``, ``in die Schweiz``."""
        if self.chance(0.5):
            return with_preposition("nach", "to", self.city())
        return self.country("nach", "to", "accusative")

    def any_day(self, first: int, last: int) -> date:
        """A day of the years from `first` to `last`."""
        return date.fromordinal(self.number(date(first, 1, 1).toordinal(), date(last, 12, 31).toordinal()))

    def weekday(self) -> Phrase:
        """``Montag``, ``Monday``."""
        return cldr.dated(date(2024, 1, self.pick(range(1, 8))), "EEEE")

    def year(self) -> Phrase:
        """A recent year in digits."""
        year = str(self.pick(range(2000, 2025)))
        return Phrase(year, year)

    def day(self, first: int, last: int, formats: str = "weekday full long medium") -> Phrase:
        """``am Montag, dem 3. März 2025``, ``on Monday, March 3, 2025``, or in a shorter form."""
        day = self.any_day(first, last)
        match self.random.choice(formats.split()):
            case "full":
                phrase = cldr.dated(day, "full")
                # The date explains the weekday, so German sets it off by commas on both sides.
                phrase = phrase._replace(german=phrase.german.replace(", ", ", dem ", 1) + ",")
            case "weekday":
                phrase = cldr.day_of_year(day)
            case form:
                phrase = cldr.dated(day, form)
        return with_preposition("am", "on", phrase)

    def past_day(self) -> Phrase:
        """A day that is over."""
        if self.chance(0.3):
            return with_preposition("letzten", "last", self.weekday())
        return Phrase("gestern", "yesterday") if self.chance(0.1) else self.day(2000, 2024)

    def future_day(self) -> Phrase:
        """A day to come."""
        if self.chance(0.3):
            return with_preposition("nächsten", "next", self.weekday())
        return Phrase("morgen", "tomorrow") if self.chance(0.1) else self.day(2026, 2049)

    def when(self, tense: Tense) -> Phrase:
        """A time that suits the tense, the present being for habits."""
        if tense == "present":
            return self.at_hour(with_preposition("jeden", "every", self.weekday()))
        past = tense in PAST_TENSES or tense == "past perfect"
        match self.number(0, 4):
            case 0:
                span = self.span(dative=True)
                german = f"vor {span.german}" if past else f"in {span.german}"
                return Phrase(german, f"{span.english} ago" if past else f"in {span.english}")
            case 1:
                first, last = (1990, 2024) if past else (2026, 2049)
                return with_preposition(
                    "im", "in", cldr.dated(self.any_day(first, last).replace(day=1), "MMMM y")
                )
            case 2 if past:
                return with_preposition("im Jahr", "in", self.year())
        return self.at_hour(self.past_day() if past else self.future_day())

    def at_hour(self, day: Phrase) -> Phrase:
        """The day, in half of the cases with a time in words or digits."""
        match self.number(0, 3):
            case 0:
                hour = self.spoken_time()
            case 1:
                clock = self.clock(0, 23)
                hour = Phrase(f"um {clock.german} Uhr", f"at {clock.english}")
            case _:
                return day
        return Phrase(f"{day.german} {hour.german}", f"{day.english} {hour.english}")

    def spoken_time(self) -> Phrase:
        """``um halb drei``, ``at half past two``: German counts the half hour towards the hour to come."""
        hour = self.number(1, 12)
        german, english = cldr.spoken(hour)
        minutes = cldr.spoken(self.random.choice((5, 10, 20)))
        options = (
            Phrase(f"um {'ein' if hour == 1 else german} Uhr", f"at {english} o'clock"),
            Phrase(f"um halb {cldr.spoken(hour % 12 + 1).german}", f"at half past {english}"),
            Phrase(f"um Viertel nach {german}", f"at a quarter past {english}"),
            Phrase(f"um Viertel vor {german}", f"at a quarter to {english}"),
            Phrase(f"um {minutes.german} nach {german}", f"at {minutes.english} past {english}"),
            Phrase(f"um {minutes.german} vor {german}", f"at {minutes.english} to {english}"),
        )
        return self.random.choice(options)

    def clock(self, first: int, last: int) -> Phrase:
        """``14:30``, ``2:30 PM``, with an hour from `first` to `last`."""
        return cldr.phrase(
            "dates.format_time", time(self.number(first, last), 5 * self.number(0, 11)), "short"
        )

    def span(self, *, dative: bool = False) -> Phrase:
        """``3 Monate``, ``3 months``, or ``3 Monaten``; never one, for which German has other forms."""
        unit = self.random.choice(("duration-day", "duration-week", "duration-month", "duration-year"))
        german, english = cldr.unit(self.number(2, 30), unit)
        return Phrase(german + ("n" if dative and german[-1] != "n" else ""), english)

    def duration(self) -> Phrase:
        """``3 Stunden und 20 Minuten``, ``3 hours and 20 minutes``."""
        hours = cldr.unit(self.number(2, 9), "duration-hour")
        return cldr.listed([hours, cldr.unit(5 * self.number(1, 11), "duration-minute")])

    def age(self, first: int, last: int) -> Phrase:
        """A number from `first` to `last`, in words or digits."""
        return (cldr.spoken if self.chance(0.5) else cldr.number)(self.number(first, last))

    def hundreds(self, first: int, last: int) -> Phrase:
        """`first` to `last` hundred in words; never a number that ends in one, which German inflects."""
        number = self.number(100 * first, 100 * last)
        return cldr.spoken(number + (number % 100 == 1))

    def ordinal(self, last: int) -> Phrase:
        """``dreiundzwanzigst``, to which German adds an ending, and ``twenty-third``."""
        german, english = cldr.spoken(self.number(1, last), "ordinal")
        return Phrase(german.removesuffix("e"), english)

    def price(self, first: int, last: int) -> Phrase:
        """``12,50 Euro``, ``12.50 euros``, for tenths from `first` to `last`, in the sentence's currency."""
        return cldr.phrase(
            "numbers.format_currency", self.number(first, last) / 10, self.currency, format_type="name"
        )

    def foreign_price(self) -> Phrase:
        """A price in another currency from now on."""
        self.currency = self.random.choice([code for code in words.CURRENCIES if code != self.currency])
        return self.price(20, 20_000)

    def temperatures(self) -> Phrase:
        """``3 und 12 Grad Celsius``, ``3 and 12 degrees Celsius``."""
        low = self.number(-10, 20)
        high = cldr.unit(low + self.number(12, 19), "temperature-celsius")
        return cldr.listed([cldr.number(low), high])


SLOTS: dict[str, Callable[[Fillers], Phrase | Subject]] = {
    "person": lambda draw: draw.person,
    "friend": lambda draw: indefinite(draw.pick(words.FRIENDS), "nominative", owner=draw.person.possessive),
    "profession": Fillers.profession,
    "thing": Fillers.thing,
    "building": lambda draw: definite(
        draw.pick(words.BUILDINGS), "nominative", draw.adjectives(words.QUALITIES[:5])
    ),
    "event": lambda draw: definite(draw.pick(words.EVENTS), "nominative"),
    "new_thing": lambda draw: indefinite(
        draw.pick(words.THINGS), "nominative", draw.adjectives(words.QUALITIES, words.COLORS)
    ),
    "counted_dative": lambda draw: draw.counted(words.THINGS, words.COLORS, "dative"),
    "counted_thing": lambda draw: draw.counted(words.THINGS, words.COLORS),
    "things": lambda draw: draw.counted_list(words.THINGS, words.COLORS),
    "food": lambda draw: draw.counted_list(words.FOOD, words.FOOD_QUALITIES),
    "vehicle": lambda draw: draw.pick(words.VEHICLES),
    "weather": lambda draw: draw.pick(words.WEATHER),
    "rained": lambda draw: draw.pick(words.RAINED),
    "city": Fillers.city,
    "abroad": lambda draw: draw.country("in", "in", "dative"),
    "indoors": Fillers.indoors,
    "place": Fillers.place,
    "birthday": lambda draw: draw.day(1950, 1999, "long medium"),
    "day_of_year": lambda draw: cldr.day_of_year(draw.any_day(2000, 2000)),
    "past_day": Fillers.past_day,
    "future_day": Fillers.future_day,
    "weekday": Fillers.weekday,
    "month": lambda draw: cldr.dated(date(2024, draw.number(1, 12), 1), "LLLL"),
    "year": Fillers.year,
    "year_words": lambda draw: cldr.spoken(draw.number(1800, 2019), "year"),
    "span": Fillers.span,
    "span_dative": lambda draw: draw.span(dative=True),
    "duration": Fillers.duration,
    "clock": lambda draw: draw.clock(0, 23),
    "morning": lambda draw: draw.clock(6, 11),
    "evening": lambda draw: draw.clock(13, 22),
    "spoken_time": Fillers.spoken_time,
    "language": lambda draw: cldr.named("languages", draw.pick(words.LANGUAGES)),
    "languages": lambda draw: cldr.listed(
        [cldr.named("languages", draw.pick(words.LANGUAGES)) for _ in range(draw.number(2, 3))]
    ),
    "small": lambda draw: cldr.number(draw.number(1, 24)),
    "large": lambda draw: cldr.number(draw.number(1000, 10 ** draw.number(4, 7))),
    "young": lambda draw: draw.age(18, 39),
    "old": lambda draw: draw.age(40, 99),
    "few_hundreds": lambda draw: draw.hundreds(1, 5),
    "many_hundreds": lambda draw: draw.hundreds(5, 10),
    "ordinal": lambda draw: draw.ordinal(99),
    "small_ordinal": lambda draw: draw.ordinal(28),
    "percent": lambda draw: cldr.percent(draw.number(250, 999) / 1000),
    "low_percent": lambda draw: cldr.percent(draw.number(20, 249) / 1000),
    "price": lambda draw: draw.price(300, 20_000),
    "low_price": lambda draw: draw.price(20, 299),
    "foreign_price": Fillers.foreign_price,
    "length": lambda draw: cldr.unit(draw.number(20, 250), "length-centimeter"),
    "short_length": lambda draw: cldr.unit(draw.number(2, 19), "length-centimeter"),
    "weight": lambda draw: cldr.unit(draw.number(11, 499) / 10, "mass-kilogram"),
    "distance": lambda draw: cldr.unit(draw.number(100, 2999), "length-kilometer"),
    "temperature": lambda draw: cldr.unit(
        draw.random.choice((-1, 1)) * draw.number(2, 9), "temperature-celsius"
    ),
    "temperatures": Fillers.temperatures,
}
"""How each slot of `TEMPLATES` is filled."""
