"""German and English grammar, just enough to write the quickstart's sentences correctly in both languages.

A `Clause` knows its verb's place in either language: second or last in German, after the subject in English.
Noun phrases carry German case, gender and adjective endings. Nothing here is random or needs an extra.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Case = Literal["nominative", "accusative", "dative"]
Tense = Literal[
    "present", "past", "past perfect", "future", "want", "must", "can", "wanted", "had to", "was able"
]
PAST_TENSES: tuple[Tense, ...] = ("past", "had to", "was able", "wanted")
FUTURE_TENSES: tuple[Tense, ...] = ("future", "want", "must", "can")
FIRST, THIRD, PLURAL = range(3)
"""The persons that occur: ich, er/sie/es, and wir/sie, as indices into rows of verb forms."""


class Phrase(NamedTuple):
    """The same words in both languages."""

    german: str = ""
    english: str = ""


_NOTHING = Phrase()
_A = Phrase("ein", "a")


class Noun(NamedTuple):
    """A noun and its plural; `gender` is m, f, n, or w: a weak masculine, in other cases like its plural."""

    gender: str
    german: str
    german_plural: str
    english: str
    english_plural: str


class Verb(NamedTuple):
    """A verb's forms; a bar marks a separable prefix (``ab|holen``), `particle` follows the English verb."""

    infinitive: str
    third: str
    participle: str
    auxiliary: str
    english: str
    english_third: str
    english_past: str
    english_participle: str
    particle: str = ""


class Subject(NamedTuple):
    """Who or what a sentence is about; its possessive is without an ending (``ihr``, ``her``)."""

    name: Phrase
    agreement: int
    pronoun: Phrase
    possessive: Phrase


_GENDERS = {"m": 0, "w": 0, "f": 1, "n": 2}
_DER = {
    "nominative": ("der", "die", "das"),
    "accusative": ("den", "die", "das"),
    "dative": ("dem", "der", "dem"),
}
_EIN = {"nominative": ("", "e", ""), "accusative": ("en", "e", ""), "dative": ("em", "er", "em")}
_ADJECTIVE_AFTER_DER = {
    "nominative": ("e", "e", "e"),
    "accusative": ("en", "e", "e"),
    "dative": ("en", "en", "en"),
}
_ADJECTIVE_AFTER_EIN = {
    "nominative": ("er", "e", "es"),
    "accusative": ("en", "e", "es"),
    "dative": ("en", "en", "en"),
}
_CONTRACTIONS = {"in dem": "im", "in das": "ins"}
_TAKES_AN = re.compile(r"[aeio]|u(?!s|ni)|hour|honest")


def article(noun: Noun, case: Case) -> str:
    """The German definite article, which is the relative pronoun too."""
    return _DER[case][_GENDERS[noun.gender]]


def definite(noun: Noun, case: Case, adjectives: Sequence[Phrase] = ()) -> Phrase:
    """``den alten Tisch``, ``the old table``."""
    ending = _ADJECTIVE_AFTER_DER[case][_GENDERS[noun.gender]]
    german = _joined(
        article(noun, case), *(word.german + ending for word in adjectives), _singular(noun, case)
    )
    return Phrase(german, _joined("the", *(word.english for word in adjectives), noun.english))


def indefinite(noun: Noun, case: Case, adjectives: Sequence[Phrase] = (), owner: Phrase = _A) -> Phrase:
    """``einen alten Tisch``, ``an old table``; or of an `owner`: ``ihren alten Tisch``, ``her old table``."""
    gender = _GENDERS[noun.gender]
    ending = _ADJECTIVE_AFTER_EIN[case][gender]
    german = _joined(
        owner.german + _EIN[case][gender],
        *(word.german + ending for word in adjectives),
        _singular(noun, case),
    )
    english = _joined(*(word.english for word in adjectives), noun.english)
    determiner = "an" if owner.english == "a" and _TAKES_AN.match(english) else owner.english
    return Phrase(german, f"{determiner} {english}")


def counted(noun: Noun, number: Phrase, case: Case, adjectives: Sequence[Phrase] = ()) -> Phrase:
    """``drei alte Tische``, ``three old tables``."""
    dative = case == "dative"
    plural = noun.german_plural + ("n" if dative and noun.german_plural[-1] not in "ns" else "")
    ending = "en" if dative else "e"
    return Phrase(
        _joined(number.german, *(word.german + ending for word in adjectives), plural),
        _joined(number.english, *(word.english for word in adjectives), noun.english_plural),
    )


def with_preposition(german: str, english: str, phrase: Phrase) -> Phrase:
    """The phrase behind a preposition, contracted with a German article where that is the rule: ``im``."""
    first, second, *rest = f"{german} {phrase.german}".split(" ")
    opening = f"{first} {second}"
    return Phrase(_joined(_CONTRACTIONS.get(opening, opening), *rest), f"{english} {phrase.english}")


def _singular(noun: Noun, case: Case) -> str:
    return noun.german_plural if noun.gender == "w" and case != "nominative" else noun.german


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Clause:
    """Who does what, where and when; its methods put that into each order that it can take."""

    subject: Subject
    verb: Verb
    tense: Tense
    time: Phrase = _NOTHING
    place: Phrase = _NOTHING
    object: Phrase = _NOTHING
    negated: bool = False

    def main(self, *, pronoun: bool = False) -> Phrase:
        """The subject first: ``Anna holt morgen den Tisch ab``, ``Anna picks up the table tomorrow``."""
        finite, closing, _ = _german_verb(self.verb, self.tense, self.subject.agreement)
        who = self._who(pronoun)
        return Phrase(
            _joined(who.german, finite, self._middle(), closing),
            _joined(who.english, self._english_predicate(), self.time.english),
        )

    def time_first(self) -> Phrase:
        """The time first, the German verb still second: ``Morgen holt Anna …``, ``Tomorrow, Anna …``."""
        rest = replace(self, time=Phrase())
        german = rest.question().german
        return Phrase(f"{self.time.german} {german}", f"{self.time.english}, {rest.main().english}")

    def question(self, word: Phrase = _NOTHING, *, pronoun: bool = False) -> Phrase:
        """The verb first, or behind a question word: ``Holt Anna … ab``, ``Does Anna pick up …``."""
        finite, closing, _ = _german_verb(self.verb, self.tense, self.subject.agreement)
        _, helper, rest = _english_verb(self.verb, self.tense, self.subject.agreement)
        who, negation = self._who(pronoun), "not" if self.negated else ""
        english = (word.english, helper, who.english, negation, rest, self.object.english, self.place.english)
        return Phrase(
            _joined(word.german, finite, who.german, self._middle(), closing),
            _joined(*english, self.time.english),
        )

    def subordinate(self, conjunction: Phrase, *, pronoun: bool = False) -> Phrase:
        """The German verb last: ``dass Anna morgen den Tisch abholt``, ``that Anna picks up …``."""
        _, _, closing = _german_verb(self.verb, self.tense, self.subject.agreement)
        who = self._who(pronoun)
        return Phrase(
            _joined(conjunction.german, who.german, self._middle(), closing),
            _joined(conjunction.english, who.english, self._english_predicate(), self.time.english),
        )

    def purpose(self) -> Phrase:
        """Without a subject: ``um morgen den Tisch abzuholen``, ``to pick up the table tomorrow``."""
        prefix, _, stem = self.verb.infinitive.rpartition("|")
        infinitive = f"{prefix}zu{stem}" if prefix else f"zu {stem}"
        return Phrase(
            _joined("um", self._middle(), infinitive),
            _joined(
                "to",
                self.verb.english,
                self.verb.particle,
                self.object.english,
                self.place.english,
                self.time.english,
            ),
        )

    def _who(self, pronoun: bool) -> Phrase:
        return self.subject.pronoun if pronoun else self.subject.name

    def _middle(self) -> str:
        negation = "nicht" if self.negated else ""
        if self.object.german:
            return _joined(self.time.german, self.place.german, self.object.german, negation)
        return _joined(self.time.german, negation, self.place.german)

    def _english_predicate(self) -> str:
        affirmative, helper, rest = _english_verb(self.verb, self.tense, self.subject.agreement)
        if self.negated:
            affirmative = f"cannot {rest}" if helper == "can" else f"{helper} not {rest}"
        return _joined(affirmative, self.object.english, self.place.english)


_GERMAN_FINITE = {
    "past haben": ("habe", "hat", "haben"),
    "past sein": ("bin", "ist", "sind"),
    "past perfect haben": ("hatte", "hatte", "hatten"),
    "past perfect sein": ("war", "war", "waren"),
    "future": ("werde", "wird", "werden"),
    "want": ("will", "will", "wollen"),
    "must": ("muss", "muss", "müssen"),
    "can": ("kann", "kann", "können"),
    "wanted": ("wollte", "wollte", "wollten"),
    "had to": ("musste", "musste", "mussten"),
    "was able": ("konnte", "konnte", "konnten"),
}


def _german_verb(verb: Verb, tense: Tense, agreement: int) -> tuple[str, str, str]:
    """The finite verb, what closes a main clause, and what closes a subordinate one."""
    prefix, _, stem = verb.infinitive.rpartition("|")
    if tense == "present":
        finite = (stem[:-1], verb.third, stem)[agreement]
        return finite, prefix, prefix + finite
    if tense in ("past", "past perfect"):
        finite, closing = _GERMAN_FINITE[f"{tense} {verb.auxiliary}"][agreement], verb.participle
    else:
        finite, closing = _GERMAN_FINITE[tense][agreement], prefix + stem
    return finite, closing, f"{closing} {finite}"


def _english_verb(verb: Verb, tense: Tense, agreement: int) -> tuple[str, str, str]:
    """The affirmative verb; then the helper and the rest that questions and negations split it into."""
    third = agreement == THIRD
    base = _joined(verb.english, verb.particle)
    does = "does" if third else "do"
    match tense:
        case "present":
            return _joined(verb.english_third if third else verb.english, verb.particle), does, base
        case "past":
            return _joined(verb.english_past, verb.particle), "did", base
        case "past perfect":
            rest = _joined(verb.english_participle, verb.particle)
            return f"had {rest}", "had", rest
        case "want":
            return f"{'wants' if third else 'want'} to {base}", does, f"want to {base}"
        case "must":
            return f"{'has' if third else 'have'} to {base}", does, f"have to {base}"
        case "wanted":
            return f"wanted to {base}", "did", f"want to {base}"
        case "had to":
            return f"had to {base}", "did", f"have to {base}"
        case "future":
            return f"will {base}", "will", base
        case "can":
            return f"can {base}", "can", base
        case "was able":
            was = "were" if agreement == PLURAL else "was"
            return f"{was} able to {base}", was, f"able to {base}"


def main_then_subordinate(main: Phrase, subordinate: Phrase) -> Phrase:
    """``Anna glaubt, dass …``, ``Anna believes that …``: the comma is German only."""
    return Phrase(f"{main.german}, {subordinate.german}", f"{main.english} {subordinate.english}")


def subordinate_then_main(subordinate: Phrase, main: Clause) -> Phrase:
    """``Nachdem Anna …, ist sie …``, ``After Anna …, she …``: the German verb comes before its subject."""
    inverted, plain = main.question(pronoun=True), main.main(pronoun=True)
    return Phrase(f"{subordinate.german}, {inverted.german}", f"{subordinate.english}, {plain.english}")


def relative(noun: Noun, adjectives: Sequence[Phrase], clause: Clause, predicate: Phrase) -> Phrase:
    """``Der Tisch, den Anna gekauft hat, ist …``: the clause lacks its object, which is the noun."""
    head = definite(noun, "nominative", adjectives)
    inner = clause.subordinate(Phrase(article(noun, "accusative"), "that"))
    return Phrase(
        f"{head.german}, {inner.german}, {predicate.german}",
        f"{head.english} {inner.english} {predicate.english}",
    )


def sentence(phrase: Phrase, mark: str = ".") -> Phrase:
    """The phrase with a capital at its start and a mark at its end."""
    german, english = (text[:1].upper() + text[1:] + mark for text in phrase)
    return Phrase(german, english)
