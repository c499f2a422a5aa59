"""Generated German-English sentence pairs: the text that the quickstart learns to translate.

Names of countries, cities and languages, dates, times, prices, units and numbers come from CLDR (`babel`),
number words from `num2words`; the grammar that joins them is in `sentence_patterns.py`.
"""

import functools
import importlib
import re
import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from datetime import date, time
from random import Random
from typing import Any, Literal, TypeVar

from litetransformer.core.errors import InputError, MissingExtraError, nearest
from litetransformer.tasks.sentence_patterns import (
    FIRST,
    PLURAL,
    TEMPLATES,
    THIRD,
    Case,
    Clause,
    Noun,
    Phrase,
    Subject,
    Tense,
    Verb,
    counted,
    definite,
    fill,
    indefinite,
    main_then_subordinate,
    relative,
    sentence,
    slots,
    subordinate_then_main,
    with_preposition,
)

Split = Literal["train", "valid", "test"]
_BUCKETS: dict[Split, range] = {"train": range(14), "valid": range(14, 17), "test": range(17, 20)}
_FEWEST_WORDS = 6
_Choice = TypeVar("_Choice", bound=Hashable)


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


@functools.lru_cache(maxsize=200_000)
def _cldr(function: str, *arguments: Any, **options: Any) -> Phrase:
    """What a function of `babel` gives in German and English, CLDR's special spaces made plain ones."""
    module, _, name = function.rpartition(".")
    call = getattr(importlib.import_module(f"babel.{module}"), name)
    german, english = (call(*arguments, locale=locale, **options) for locale in ("de", "en"))
    return Phrase(" ".join(german.split()), " ".join(english.split()))


@functools.cache
def _named(kind: str, code: str) -> Phrase:
    """The name of one of CLDR's ``territories`` or ``languages``."""
    from babel import Locale

    german, english = (getattr(Locale.parse(language), kind)[code] for language in ("de", "en"))
    return Phrase(german, english)


def _date(day: date, pattern: str) -> Phrase:
    return _cldr("dates.format_date", day, pattern)


def _day_of_year(day: date) -> Phrase:
    return _cldr("dates.format_skeleton", "MMMMd", day.replace(year=2000))


def _number(number: int) -> Phrase:
    return _cldr("numbers.format_decimal", number)


def _percent(share: float) -> Phrase:
    return _cldr("numbers.format_percent", share, decimal_quantization=False)


def _unit(amount: float, unit: str) -> Phrase:
    return _cldr("units.format_unit", amount, unit)


def _list(items: Sequence[Phrase]) -> Phrase:
    from babel.lists import format_list

    german, english = zip(*items, strict=True)
    return Phrase(format_list(german, locale="de"), format_list(english, locale="en"))


@functools.cache
def _spoken(number: int, kind: str = "cardinal") -> Phrase:
    from num2words import num2words

    return Phrase(num2words(number, lang="de", to=kind), num2words(number, lang="en", to=kind))


def _lines(table: str) -> list[str]:
    return [row.strip() for row in table.replace(";", "\n").split("\n") if row.strip()]


def _nouns(table: str) -> list[Noun]:
    """Nouns with both plurals, the English one given where it isn't just an s; three words: never counted."""
    nouns = []
    for row in _lines(table):
        gender, german, *plural, english = row.split()[:4]
        more = row.split()[4:]
        nouns.append(Noun(gender, german, "".join(plural), english, more[0] if more else f"{english}s"))
    return nouns


def _phrases(table: str) -> list[Phrase]:
    return [Phrase(*row.split(" = ")) for row in _lines(table)]


def _verbs(table: str) -> list[Verb]:
    """Verbs with their German forms and auxiliary; English ones with all forms unless regular."""
    verbs = []
    for *german, english in (row.split(maxsplit=4) for row in _lines(table)):
        forms = english.split()
        if len(forms) < 4:
            base = forms[0]
            past = f"{base}d" if base.endswith("e") else f"{base}ed"
            forms[1:1] = [f"{base}s", past, past]
        verbs.append(Verb(*german, *forms))
    return verbs


_WOMEN = _lines("Anna; Maria; Julia; Laura; Sophie; Clara; Emma; Lena; Ingrid; Martha")
_MEN = _lines("Peter; Paul; Thomas; Max; Felix; Jonas; David; Karl; Otto; Martin")
_SHE, _HE = (Phrase("sie", "she"), Phrase("ihr", "her")), (Phrase("er", "he"), Phrase("sein", "his"))
_PEOPLE = [
    Subject(Phrase(name, name), THIRD, *words)
    for names, words in ((_WOMEN, _SHE), (_MEN, _HE))
    for name in names
]
_I = Subject(Phrase("ich", "I"), FIRST, Phrase("ich", "I"), Phrase("mein", "my"))
_WE = Subject(Phrase("wir", "we"), PLURAL, Phrase("wir", "we"), Phrase("unser", "our"))
_PRONOUNS = {"m": Phrase("er", "it"), "f": Phrase("sie", "it"), "n": Phrase("es", "it")}

_THINGS = _nouns("""
    m Tisch Tische table; m Stuhl Stühle chair; m Koffer Koffer suitcase; m Schlüssel Schlüssel key
    m Mantel Mäntel coat; m Hut Hüte hat; m Ball Bälle ball; m Spiegel Spiegel mirror
    m Teppich Teppiche carpet; m Ring Ringe ring; m Schrank Schränke cabinet
    m Regenschirm Regenschirme umbrella; m Rucksack Rucksäcke backpack; m Computer Computer computer
    f Lampe Lampen lamp; f Uhr Uhren clock; f Tasche Taschen bag; f Kamera Kameras camera
    f Gitarre Gitarren guitar; f Flasche Flaschen bottle; f Karte Karten map; f Jacke Jacken jacket
    f Vase Vasen vase; f Tasse Tassen cup; f Decke Decken blanket; f Kiste Kisten box boxes
    f Leiter Leitern ladder; n Buch Bücher book; n Fahrrad Fahrräder bicycle; n Auto Autos car
    n Bild Bilder picture; n Sofa Sofas sofa; n Kleid Kleider dress dresses; n Hemd Hemden shirt
    n Klavier Klaviere piano; n Messer Messer knife knives; n Radio Radios radio; n Zelt Zelte tent
    n Boot Boote boat; n Regal Regale shelf shelves
""")
_FOOD = _nouns("""
    m Apfel Äpfel apple; m Kuchen Kuchen cake; m Pfirsich Pfirsiche peach peaches
    m Kürbis Kürbisse pumpkin; f Orange Orangen orange; f Banane Bananen banana; f Zitrone Zitronen lemon
    f Kartoffel Kartoffeln potato potatoes; f Tomate Tomaten tomato tomatoes; f Birne Birnen pear
    f Gurke Gurken cucumber; f Melone Melonen melon; f Zwiebel Zwiebeln onion; n Ei Eier egg
    n Brötchen Brötchen roll
""")
_BUILDINGS = _nouns("""
    f Bibliothek library; n Museum museum; n Theater theater; n Hotel hotel; f Schule school
    n Restaurant restaurant; n Krankenhaus hospital; f Fabrik factory; n Café café; m Park park
    m Garten garden; f Kirche church; n Kino cinema; m Supermarkt supermarket; f Werkstatt workshop
""")
_EVENTS = _nouns("""
    f Besprechung meeting; f Prüfung exam; n Konzert concert; f Ausstellung exhibition; f Hochzeit wedding
    n Fest party; m Kurs course; f Vorlesung lecture; n Spiel game
""")
_RELATIVES = _nouns("""
    m Bruder brother; f Schwester sister; f Mutter mother; m Vater father; m Freund friend
    w Nachbar Nachbarn neighbor; w Kollege Kollegen colleague; f Kollegin colleague; f Tochter daughter
    m Sohn son; m Onkel uncle; f Tante aunt; f Großmutter grandmother; m Großvater grandfather
""")
_FRIENDS = [
    noun for noun in _RELATIVES if noun.english in {"brother", "sister", "friend", "neighbor", "colleague"}
]
_PROFESSIONS = _nouns("""
    m Lehrer teacher; f Lehrerin teacher; m Arzt doctor; f Ärztin doctor; m Koch cook; f Köchin cook
    m Maler painter; f Malerin painter; m Bäcker baker; f Bäckerin baker; m Ingenieur engineer
    f Ingenieurin engineer; m Richter judge; f Richterin judge; w Fotograf Fotografen photographer
    f Fotografin photographer; w Journalist Journalisten journalist; f Journalistin journalist
    w Architekt Architekten architect; f Architektin architect; m Schauspieler actor
    f Schauspielerin actor; m Musiker musician; f Musikerin musician; w Pilot Piloten pilot
    f Pilotin pilot; m Zahnarzt dentist; f Zahnärztin dentist
""")
_QUALITIES = _phrases(
    "groß = big; klein = small; alt = old; neu = new; schön = beautiful; teur = expensive; billig = cheap;"
    "schwer = heavy; leicht = light; modern = modern; seltsam = strange; praktisch = practical; rund = round;"
    "hässlich = ugly; schmutzig = dirty; sauber = clean; nützlich = useful; wertvoll = valuable;"
    "einfach = simple; elegant = elegant"
)
_COLORS = _phrases(
    "rot = red; blau = blue; grün = green; schwarz = black; weiß = white; gelb = yellow;"
    "grau = gray; braun = brown"
)
_FOOD_QUALITIES = _phrases(
    "groß = big; klein = small; frisch = fresh; gut = good; teur = expensive; billig = cheap"
)
_CHARACTERS = _phrases(
    "alt = old; jung = young; freundlich = friendly; klug = clever; müd = tired; berühmt = famous;"
    "streng = strict; höflich = polite; neugierig = curious; fleißig = hard-working; reich = rich"
)
_VEHICLES = _phrases(
    "mit dem Zug = by train; mit dem Auto = by car; mit dem Bus = by bus; mit dem Fahrrad = by bike;"
    "mit dem Schiff = by ship"
)
_RAINED = _phrases("geregnet = rained; geschneit = snowed")
_WEATHER = _phrases(
    "sonnig = sunny; windig = windy; neblig = foggy; heiß = hot; kalt = cold; stürmisch = stormy"
)
_ASIDES = _phrases(
    "ich weiß nicht = I do not know; niemand weiß = nobody knows; bitte sagen Sie mir = please tell me;"
    "die Polizei möchte wissen = the police would like to know; es ist nicht klar = it is not clear"
)

_TRANSITIVE = _verbs("""
    kaufen kauft gekauft haben buy buys bought bought; finden findet gefunden haben find finds found found
    verkaufen verkauft verkauft haben sell sells sold sold; putzen putzt geputzt haben clean
    suchen sucht gesucht haben look for; benutzen benutzt benutzt haben use
    reparieren repariert repariert haben repair
    vergessen vergisst vergessen haben forget forgets forgot forgotten
    verlieren verliert verloren haben lose loses lost lost; bestellen bestellt bestellt haben order
    malen malt gemalt haben paint; zeichnen zeichnet gezeichnet haben draw draws drew drawn
    ab|holen holt abgeholt haben pick up
    mit|bringen bringt mitgebracht haben bring brings brought brought along
    zurück|geben gibt zurückgegeben haben return; ein|packen packt eingepackt haben pack
    aus|packen packt ausgepackt haben unpack
    weg|werfen wirft weggeworfen haben throw throws threw thrown away
    um|tauschen tauscht umgetauscht haben exchange; aus|leihen leiht ausgeliehen haben borrow
""")
_GIVING = _verbs("""
    schenken schenkt geschenkt haben give gives gave given
    zeigen zeigt gezeigt haben show shows showed shown; leihen leiht geliehen haben lend lends lent lent
    schicken schickt geschickt haben send sends sent sent
    bringen bringt gebracht haben bring brings brought brought
    verkaufen verkauft verkauft haben sell sells sold sold
""")
_TRAVELING = _verbs("""
    fahren fährt gefahren sein travel; fliegen fliegt geflogen sein fly flies flew flown
    zurück|kehren kehrt zurückgekehrt sein return; um|ziehen zieht umgezogen sein move
""")
_WALKING = _verbs("""
    gehen geht gegangen sein go goes went gone; laufen läuft gelaufen sein run runs ran run
    zurück|gehen geht zurückgegangen sein go goes went gone back
""")
_STAYING = _verbs("""
    arbeiten arbeitet gearbeitet haben work; warten wartet gewartet haben wait
    schlafen schläft geschlafen haben sleep sleeps slept slept; tanzen tanzt getanzt haben dance
    singen singt gesungen haben sing sings sang sung; kochen kocht gekocht haben cook
    an|kommen kommt angekommen sein arrive
    ein|schlafen schläft eingeschlafen sein fall falls fell fallen asleep
    ein|kaufen kauft eingekauft haben go goes went gone shopping
""")
_TELLING = _verbs("""
    sagen sagt gesagt haben say says said said; glauben glaubt geglaubt haben believe
    hoffen hofft gehofft haben hope; schreiben schreibt geschrieben haben write writes wrote written
    hören hört gehört haben hear hears heard heard
    vergessen vergisst vergessen haben forget forgets forgot forgotten
""")

_KINDS = "thing thing gift travel walk stay"
_PAST_TENSES: tuple[Tense, ...] = ("past", "had to", "was able", "wanted")
_FUTURE_TENSES: tuple[Tense, ...] = ("future", "want", "must", "can")
_SEQUENCES: tuple[tuple[Phrase, Tense], ...] = (
    (Phrase("nachdem", "after"), "past perfect"),
    (Phrase("bevor", "before"), "past"),
)
_PREDICATES = _phrases(
    "kostet {price} = costs {price}; wiegt {weight} = weighs {weight};"
    "ist {length} lang = is {length} long; ist jetzt {indoors} = is now {indoors}"
)

_CURRENCIES = _lines("EUR; EUR; EUR; EUR; USD; GBP; CHF; JPY; SEK; PLN; CZK; DKK; NOK; CAD")
_LANGUAGES = _lines("""
    en; fr; es; it; pt; nl; sv; da; fi; pl; cs; hu; ro; bg; el; tr; ru; uk; ar; he; ja; zh; ko; th; vi; is; ga
    et; lv; lt; sk; hr
""")
_COUNTRIES = _lines("""
    DE; FR; IT; ES; PT; AT; PL; DK; SE; NO; FI; GR; IE; IS; HU; RO; BG; HR; CZ; JP; CN; IN; TH; VN; KR; MX; BR
    AR; CL; PE; CA; AU; NZ; EG; MA; KE; ZA; IL; BE; CH; TR; UA; SK
""")
_WITH_ARTICLE = {"CH", "TR", "UA", "SK"}
_CITIES = _lines("""
    Europe/Vienna; Europe/Rome; Europe/Lisbon; Europe/Athens; Europe/Prague; Europe/Warsaw; Europe/Moscow
    Europe/Brussels; Europe/Copenhagen; Europe/Zurich; Europe/Berlin; Europe/Paris; Europe/London
    Europe/Madrid; Europe/Stockholm; Europe/Oslo; Europe/Helsinki; Europe/Dublin; Europe/Budapest
    Europe/Bucharest; Europe/Belgrade; Europe/Istanbul; Africa/Cairo; Africa/Nairobi; Asia/Tokyo
    Asia/Singapore; America/New_York; America/Chicago; America/Lima; America/Mexico_City; America/Toronto
    Australia/Sydney
""")
"""CLDR names cities by the time zones that they stand for."""


class Fillers:
    """The words of one sentence, drawn at random; none is picked twice, so no city is both start and goal."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._used: set[Hashable] = set()
        self.person = self.pick(_PEOPLE)
        self.currency = random.choice(_CURRENCIES)

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
            return self.pick((_I, _WE))
        if kind == "pair":
            names = _list([self.person.name, self.pick(_PEOPLE).name])
            return Subject(names, PLURAL, Phrase("sie", "they"), Phrase("ihr", "their"))
        if kind == "relative":
            noun = self.pick(_RELATIVES)
            name = indefinite(noun, "nominative", owner=_I.possessive)
        else:
            noun = self.pick(_PROFESSIONS)
            name = definite(noun, "nominative", self.adjectives(_CHARACTERS))
        return Subject(name, THIRD, *(_SHE if noun.gender == "f" else _HE))

    def clause(self, subject: Subject, tense: Tense, kinds: str = _KINDS) -> Clause:
        """Something that `subject` does, at a time that suits the tense."""
        negated = tense != "past perfect" and self.chance(0.15)
        place = thing = Phrase()
        match self.random.choice(kinds.split()):
            case "thing":
                verb, thing = self.pick(_TRANSITIVE), self.object(subject, specific=negated)
                place = self.place() if self.chance(0.3) else place
            case "gift":
                verb, receiver = self.pick(_GIVING), self.receiver(subject)
                gift = self.object(subject, specific=negated)
                thing = Phrase(f"{receiver.german} {gift.german}", f"{receiver.english} {gift.english}")
            case "travel":
                verb, place = self.pick(_TRAVELING), self.destination()
            case "walk":
                building = definite(self.pick(_BUILDINGS), "accusative")
                verb, place = self.pick(_WALKING), with_preposition("in", "to", building)
            case _:
                verb, place = self.pick(_STAYING), self.place()
        return Clause(subject, verb, tense, self.when(tense), place, thing, negated)

    def object(self, owner: Subject, *, specific: bool) -> Phrase:
        """A thing in the accusative: some, this one, or one's own, and not just any if it is `specific`."""
        noun, adjectives = self.pick(_THINGS), self.adjectives(_QUALITIES, _COLORS)
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
            return indefinite(self.pick(_RELATIVES), "dative", owner=owner.possessive)
        return definite(self.pick(_PROFESSIONS), "dative", self.adjectives(_CHARACTERS))

    def adjectives(self, *kinds: Sequence[Phrase]) -> list[Phrase]:
        """For each kind one adjective or none."""
        return [self.pick(words) for words in kinds if self.chance(0.4)]

    def some(self) -> Phrase:
        """A number above one, in words if they are short."""
        return _spoken(self.number(2, 12)) if self.chance(0.6) else _number(self.number(2, 99))

    def counted(
        self, nouns: Sequence[Noun], adjectives: Sequence[Phrase], case: Case = "accusative"
    ) -> Phrase:
        """``drei rote Lampen``, ``three red lamps``."""
        return counted(self.pick(nouns), self.some(), case, self.adjectives(adjectives))

    def counted_list(self, nouns: Sequence[Noun], adjectives: Sequence[Phrase]) -> Phrase:
        """``drei rote Lampen, 12 Hüte und einen Tisch``; the first are several, for *there are*."""
        items = [self.counted(nouns, adjectives) for _ in range(self.number(1, 2))]
        return _list([*items, indefinite(self.pick(nouns), "accusative", self.adjectives(adjectives))])

    def thing(self) -> Subject:
        """``die rote Lampe``, ``the red lamp``, with its pronoun."""
        noun = self.pick(_THINGS)
        name = definite(noun, "nominative", self.adjectives(_QUALITIES, _COLORS))
        return Subject(name, THIRD, _PRONOUNS[noun.gender], Phrase())

    def profession(self) -> Phrase:
        """What the person is, which German says without an article: ``Ärztin``, ``a doctor``."""
        genders = "f" if self.person.pronoun.english == "she" else "mw"
        noun = self.pick([noun for noun in _PROFESSIONS if noun.gender in genders])
        return Phrase(noun.german, indefinite(noun, "nominative").english)

    def city(self) -> Phrase:
        """A city by its bare name."""
        return _cldr("dates.get_timezone_location", self.pick(_CITIES), return_city=True)

    def country(self, german: str, english: str, case: Case) -> Phrase:
        """``nach Italien`` or ``in die Schweiz``: the few countries with an article are feminine."""
        code = self.pick(_COUNTRIES)
        name = _named("territories", code)
        if code in _WITH_ARTICLE:
            german = "in die" if case == "accusative" else "in der"
        return Phrase(f"{german} {name.german}", f"{english} {name.english}")

    def indoors(self) -> Phrase:
        """``im Museum``, ``in the museum``."""
        return with_preposition("in", "in", definite(self.pick(_BUILDINGS), "dative"))

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
        return _date(date(2024, 1, self.pick(range(1, 8))), "EEEE")

    def year(self) -> Phrase:
        """A recent year in digits."""
        year = str(self.pick(range(2000, 2025)))
        return Phrase(year, year)

    def day(self, first: int, last: int, formats: str = "weekday full long medium") -> Phrase:
        """``am Montag, dem 3. März 2025``, ``on Monday, March 3, 2025``, or in a shorter form."""
        day = self.any_day(first, last)
        match self.random.choice(formats.split()):
            case "full":
                phrase = _date(day, "full")
                # The date explains the weekday, so German sets it off by commas on both sides.
                phrase = phrase._replace(german=phrase.german.replace(", ", ", dem ", 1) + ",")
            case "weekday":
                phrase = _day_of_year(day)
            case form:
                phrase = _date(day, form)
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
        past = tense in _PAST_TENSES or tense == "past perfect"
        match self.number(0, 4):
            case 0:
                span = self.span(dative=True)
                german = f"vor {span.german}" if past else f"in {span.german}"
                return Phrase(german, f"{span.english} ago" if past else f"in {span.english}")
            case 1:
                first, last = (1990, 2024) if past else (2026, 2049)
                return with_preposition("im", "in", _date(self.any_day(first, last).replace(day=1), "MMMM y"))
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
        german, english = _spoken(hour)
        minutes = _spoken(self.random.choice((5, 10, 20)))
        options = (
            Phrase(f"um {'ein' if hour == 1 else german} Uhr", f"at {english} o'clock"),
            Phrase(f"um halb {_spoken(hour % 12 + 1).german}", f"at half past {english}"),
            Phrase(f"um Viertel nach {german}", f"at a quarter past {english}"),
            Phrase(f"um Viertel vor {german}", f"at a quarter to {english}"),
            Phrase(f"um {minutes.german} nach {german}", f"at {minutes.english} past {english}"),
            Phrase(f"um {minutes.german} vor {german}", f"at {minutes.english} to {english}"),
        )
        return self.random.choice(options)

    def clock(self, first: int, last: int) -> Phrase:
        """``14:30``, ``2:30 PM``, with an hour from `first` to `last`."""
        return _cldr("dates.format_time", time(self.number(first, last), 5 * self.number(0, 11)), "short")

    def span(self, *, dative: bool = False) -> Phrase:
        """``3 Monate``, ``3 months``, or ``3 Monaten``; never one, for which German has other forms."""
        unit = self.random.choice(("duration-day", "duration-week", "duration-month", "duration-year"))
        german, english = _unit(self.number(2, 30), unit)
        return Phrase(german + ("n" if dative and german[-1] != "n" else ""), english)

    def duration(self) -> Phrase:
        """``3 Stunden und 20 Minuten``, ``3 hours and 20 minutes``."""
        hours = _unit(self.number(2, 9), "duration-hour")
        return _list([hours, _unit(5 * self.number(1, 11), "duration-minute")])

    def age(self, first: int, last: int) -> Phrase:
        """A number from `first` to `last`, in words or digits."""
        return (_spoken if self.chance(0.5) else _number)(self.number(first, last))

    def hundreds(self, first: int, last: int) -> Phrase:
        """`first` to `last` hundred in words; never a number that ends in one, which German inflects."""
        number = self.number(100 * first, 100 * last)
        return _spoken(number + (number % 100 == 1))

    def ordinal(self, last: int) -> Phrase:
        """``dreiundzwanzigst``, to which German adds an ending, and ``twenty-third``."""
        german, english = _spoken(self.number(1, last), "ordinal")
        return Phrase(german.removesuffix("e"), english)

    def price(self, first: int, last: int) -> Phrase:
        """``12,50 Euro``, ``12.50 euros``, for tenths from `first` to `last`, in the sentence's currency."""
        return _cldr(
            "numbers.format_currency", self.number(first, last) / 10, self.currency, format_type="name"
        )

    def foreign_price(self) -> Phrase:
        """A price in another currency from now on."""
        self.currency = self.random.choice([code for code in _CURRENCIES if code != self.currency])
        return self.price(20, 20_000)

    def temperatures(self) -> Phrase:
        """``3 und 12 Grad Celsius``, ``3 and 12 degrees Celsius``."""
        low = self.number(-10, 20)
        high = _unit(low + self.number(12, 19), "temperature-celsius")
        return _list([_number(low), high])


SLOTS: dict[str, Callable[[Fillers], Phrase | Subject]] = {
    "person": lambda draw: draw.person,
    "friend": lambda draw: indefinite(draw.pick(_FRIENDS), "nominative", owner=draw.person.possessive),
    "profession": Fillers.profession,
    "thing": Fillers.thing,
    "building": lambda draw: definite(draw.pick(_BUILDINGS), "nominative", draw.adjectives(_QUALITIES[:5])),
    "event": lambda draw: definite(draw.pick(_EVENTS), "nominative"),
    "new_thing": lambda draw: indefinite(
        draw.pick(_THINGS), "nominative", draw.adjectives(_QUALITIES, _COLORS)
    ),
    "counted_dative": lambda draw: draw.counted(_THINGS, _COLORS, "dative"),
    "counted_thing": lambda draw: draw.counted(_THINGS, _COLORS),
    "things": lambda draw: draw.counted_list(_THINGS, _COLORS),
    "food": lambda draw: draw.counted_list(_FOOD, _FOOD_QUALITIES),
    "vehicle": lambda draw: draw.pick(_VEHICLES),
    "weather": lambda draw: draw.pick(_WEATHER),
    "rained": lambda draw: draw.pick(_RAINED),
    "city": Fillers.city,
    "abroad": lambda draw: draw.country("in", "in", "dative"),
    "indoors": Fillers.indoors,
    "place": Fillers.place,
    "birthday": lambda draw: draw.day(1950, 1999, "long medium"),
    "day_of_year": lambda draw: _day_of_year(draw.any_day(2000, 2000)),
    "past_day": Fillers.past_day,
    "future_day": Fillers.future_day,
    "weekday": Fillers.weekday,
    "month": lambda draw: _date(date(2024, draw.number(1, 12), 1), "LLLL"),
    "year": Fillers.year,
    "year_words": lambda draw: _spoken(draw.number(1800, 2019), "year"),
    "span": Fillers.span,
    "span_dative": lambda draw: draw.span(dative=True),
    "duration": Fillers.duration,
    "clock": lambda draw: draw.clock(0, 23),
    "morning": lambda draw: draw.clock(6, 11),
    "evening": lambda draw: draw.clock(13, 22),
    "spoken_time": Fillers.spoken_time,
    "language": lambda draw: _named("languages", draw.pick(_LANGUAGES)),
    "languages": lambda draw: _list(
        [_named("languages", draw.pick(_LANGUAGES)) for _ in range(draw.number(2, 3))]
    ),
    "small": lambda draw: _number(draw.number(1, 24)),
    "large": lambda draw: _number(draw.number(1000, 10 ** draw.number(4, 7))),
    "young": lambda draw: draw.age(18, 39),
    "old": lambda draw: draw.age(40, 99),
    "few_hundreds": lambda draw: draw.hundreds(1, 5),
    "many_hundreds": lambda draw: draw.hundreds(5, 10),
    "ordinal": lambda draw: draw.ordinal(99),
    "small_ordinal": lambda draw: draw.ordinal(28),
    "percent": lambda draw: _percent(draw.number(250, 999) / 1000),
    "low_percent": lambda draw: _percent(draw.number(20, 249) / 1000),
    "price": lambda draw: draw.price(300, 20_000),
    "low_price": lambda draw: draw.price(20, 299),
    "foreign_price": Fillers.foreign_price,
    "length": lambda draw: _unit(draw.number(20, 250), "length-centimeter"),
    "short_length": lambda draw: _unit(draw.number(2, 19), "length-centimeter"),
    "weight": lambda draw: _unit(draw.number(11, 499) / 10, "mass-kilogram"),
    "distance": lambda draw: _unit(draw.number(100, 2999), "length-kilometer"),
    "temperature": lambda draw: _unit(draw.random.choice((-1, 1)) * draw.number(2, 9), "temperature-celsius"),
    "temperatures": Fillers.temperatures,
}
"""How each slot of `TEMPLATES` is filled."""


def _filled(template: Phrase, draw: Fillers) -> Phrase:
    return fill(template, {slot: SLOTS[re.sub(r"_\d$", "", slot)](draw) for slot in slots(template)})


def _tense(draw: Fillers) -> Tense:
    return draw.random.choice(("past", "past", *_PAST_TENSES, "present", "future", *_FUTURE_TENSES))


def _clause(draw: Fillers, kinds: str = _KINDS) -> Clause:
    return draw.clause(draw.subject(), _tense(draw), kinds)


def _report(draw: Fillers) -> Phrase:
    teller, other = draw.subject(), draw.subject()
    same = other.name == teller.name or draw.chance(0.3)
    clause = draw.clause(teller if same else other, _tense(draw))
    tense: Tense = "past" if clause.tense in _PAST_TENSES and draw.chance(0.5) else "present"
    said = Clause(teller, draw.pick(_TELLING), tense)
    return main_then_subordinate(said.main(), clause.subordinate(Phrase("dass", "that"), pronoun=same))


def _reason(draw: Fillers) -> Phrase:
    main = _clause(draw)
    tense: Tense = "had to" if main.tense in _PAST_TENSES else "must"
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
    noun, adjectives = draw.pick(_THINGS), draw.adjectives(_QUALITIES, _COLORS)
    clause = replace(_clause(draw, "thing"), object=Phrase())
    return relative(noun, adjectives, clause, _filled(draw.random.choice(_PREDICATES), draw))


def _doubt(draw: Fillers) -> Phrase:
    words = draw.random.choice((Phrase("ob", "whether"), Phrase("warum", "why")))
    return main_then_subordinate(draw.pick(_ASIDES), _clause(draw).subordinate(words))


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
