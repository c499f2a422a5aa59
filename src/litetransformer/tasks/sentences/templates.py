"""Sentences with named slots, and how a slot's words get into both languages.

What goes into the slots is drawn in `fillers.py`; nothing here is random or needs an extra.
"""

import re
from collections.abc import Mapping
from string import Formatter

from litetransformer.tasks.sentences.grammar import Phrase, Subject

TEMPLATES: dict[str, Phrase] = {
    "birth": Phrase(
        "{person} wurde {birthday} in {city} geboren und wohnt seit {year} {abroad}",
        "{person} was born in {city} {birthday} and has lived {abroad} since {year}",
    ),
    "ages": Phrase(
        "{person} ist erst {young} Jahre alt, aber {friend} ist schon {old}",
        "{person} is only {young} years old, but {friend} is already {old}",
    ),
    "languages": Phrase(
        "{person} spricht {languages}, lernt aber erst seit {span_dative} {language}",
        "{person} speaks {languages} but has only been learning {language} for {span_dative}",
    ),
    "studies": Phrase(
        "{person} hat {span} lang {language} gelernt, bevor {person_pronoun} {abroad} gearbeitet hat",
        "{person} studied {language} for {span} before {person_pronoun} worked {abroad}",
    ),
    "rain": Phrase(
        "{past_day} hat es in {city} {rained}, und abends ist die Temperatur auf {temperature} gefallen",
        "{past_day}, it {rained} in {city}, and in the evening the temperature fell to {temperature}",
    ),
    "forecast": Phrase(
        "{future_day} wird es in {city} {weather} bei Temperaturen zwischen {temperatures}",
        "{future_day}, it will be {weather} in {city} with temperatures between {temperatures}",
    ),
    "size": Phrase(
        "{thing} ist {length} lang und {short_length} breit und wiegt {weight}",
        "{thing} is {length} long and {short_length} wide and weighs {weight}",
    ),
    "comparison": Phrase(
        "{thing} ist {short_length} länger als {thing_2}, aber {thing_pronoun} kostet nur {low_price}",
        "{thing} is {short_length} longer than {thing_2}, but {thing_pronoun} costs only {low_price}",
    ),
    "percentages": Phrase(
        "{abroad} haben {percent} der Studenten {language} gelernt, aber nur {low_percent} {language_2}",
        "{abroad}, {percent} of the students learned {language}, but only {low_percent} {language_2}",
    ),
    "students": Phrase(
        "In {city} gibt es {large} Studenten, und {percent} von ihnen lernen {language}",
        "There are {large} students in {city}, and {percent} of them are learning {language}",
    ),
    "founding": Phrase(
        "{building} in {city} wurde im Jahr {year_words} eröffnet und hat jedes Jahr {large} Besucher",
        "{building} in {city} was opened in {year_words} and has {large} visitors every year",
    ),
    "hours": Phrase(
        "{building} ist von {weekday} bis {weekday_2} von {morning} bis {evening} Uhr geöffnet",
        "{building} is open from {weekday} to {weekday_2} from {morning} to {evening}",
    ),
    "train": Phrase(
        "Der Zug nach {city} fährt um {clock} Uhr von Gleis {small} ab und kommt um {clock_2} Uhr dort an",
        "The train to {city} leaves from platform {small} at {clock} and arrives there at {clock_2}",
    ),
    "journey": Phrase(
        "{person} ist {vehicle} von {city} nach {city_2} gefahren, und die Reise hat {duration} gedauert",
        "{person} went from {city} to {city_2} {vehicle}, and the trip took {duration}",
    ),
    "distance": Phrase(
        "Von {city} nach {city_2} sind es {distance}, deshalb will {person} nicht {vehicle} fahren",
        "It is {distance} from {city} to {city_2}, so {person} does not want to go {vehicle}",
    ),
    "anniversary": Phrase(
        "{person} wird {future_day} in {city} {person_possessive}en {ordinal}en Geburtstag feiern",
        "{person} will celebrate {person_possessive} {ordinal} birthday in {city} {future_day}",
    ),
    "floor": Phrase(
        "{person} wohnt seit {year} im {small_ordinal}en Stock eines Hauses in {city}",
        "{person} has lived on the {small_ordinal} floor of a building in {city} since {year}",
    ),
    "race": Phrase(
        "Beim Rennen in {city} hat {person} {past_day} den {ordinal}en Platz belegt",
        "At the race in {city}, {person} finished in {ordinal} place {past_day}",
    ),
    "beginning": Phrase(
        "{event} beginnt am {small_ordinal}en {month} {spoken_time} und dauert {duration}",
        "{event} begins on the {small_ordinal} of {month} {spoken_time} and lasts {duration}",
    ),
    "event": Phrase(
        "{event} findet {future_day} {place} statt, aber {person} kann leider nicht kommen",
        "{event} will take place {place} {future_day}, but unfortunately {person} cannot come",
    ),
    "postponement": Phrase(
        "{event} wurde vom {day_of_year} auf den {day_of_year_2} verschoben, weil {person} krank war",
        "{event} was moved from {day_of_year} to {day_of_year_2} because {person} was sick",
    ),
    "inventory": Phrase(
        "{indoors} gibt es {things}, aber {person} hat nur {counted_thing} gesehen",
        "There are {things} {indoors}, but {person} saw only {counted_thing}",
    ),
    "neighbors": Phrase(
        "{indoors} ist {new_thing} neben {counted_dative} zu sehen",
        "{indoors}, {new_thing} can be seen next to {counted_dative}",
    ),
    "shopping": Phrase(
        "{person} hat {past_day} {food} für {price} gekauft",
        "{person} bought {food} for {price} {past_day}",
    ),
    "exchange": Phrase(
        "{person} hat {past_day} {price} gegen {foreign_price} getauscht",
        "{person} exchanged {price} for {foreign_price} {past_day}",
    ),
    "bargain": Phrase(
        "Obwohl {thing} {price} kosten sollte, hat {person} nur {low_price} dafür bezahlt",
        "Although {thing} was supposed to cost {price}, {person} paid only {low_price} for it",
    ),
    "work": Phrase(
        "{person} arbeitet seit {year} als {profession} in {city}, würde aber lieber {abroad} arbeiten",
        "{person} has worked as {profession} in {city} since {year} but would rather work {abroad}",
    ),
    "pages": Phrase(
        "{person} hat schon {few_hundreds} Seiten gelesen, aber das Buch hat {many_hundreds} Seiten",
        "{person} has already read {few_hundreds} pages, but the book has {many_hundreds} pages",
    ),
    "call": Phrase(
        "Bitte rufen Sie {person} {future_day} zwischen {morning} und {evening} Uhr an",
        "Please call {person} between {morning} and {evening} {future_day}",
    ),
}
"""Sentences with named slots. ``{city_2}`` is another city; ``{person_pronoun}`` goes with ``{person}``."""
PREDICATES = [
    Phrase("kostet {price}", "costs {price}"),
    Phrase("wiegt {weight}", "weighs {weight}"),
    Phrase("ist {length} lang", "is {length} long"),
    Phrase("ist jetzt {indoors}", "is now {indoors}"),
]
"""What a relative clause's noun does, with slots like those of `TEMPLATES`."""


def slots(template: Phrase) -> list[str]:
    """The names that must be filled, in the German order; a pronoun or possessive comes with its subject."""
    names = [name for _, name, _, _ in Formatter().parse(template.german) if name]
    return list(dict.fromkeys(re.sub("_(pronoun|possessive)$", "", name) for name in names))


def fill(template: Phrase, fillers: Mapping[str, Phrase | Subject]) -> Phrase:
    """The template in both languages, with one filler a slot."""
    words: dict[str, Phrase] = {}
    for slot, filler in fillers.items():
        if isinstance(filler, Subject):
            words[slot] = filler.name
            words |= {f"{slot}_pronoun": filler.pronoun, f"{slot}_possessive": filler.possessive}
        else:
            words[slot] = filler
    return Phrase(
        template.german.format_map({slot: word.german for slot, word in words.items()}),
        template.english.format_map({slot: word.english for slot, word in words.items()}),
    )
