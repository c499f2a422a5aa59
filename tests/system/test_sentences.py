"""The quickstart's generated sentences: splits that share nothing, correct grammar, the same text again."""

import sys
import unicodedata
from datetime import date
from itertools import combinations
from random import Random

import pytest

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.tasks.sentences import (
    CLAUSE_PATTERNS,
    TEMPLATE_PATTERNS,
    generate,
    generate_pairs,
    split_of,
)
from litetransformer.tasks.sentences.cldr import percent
from litetransformer.tasks.sentences.fillers import SLOTS, Fillers
from litetransformer.tasks.sentences.grammar import (
    FIRST,
    PLURAL,
    THIRD,
    Clause,
    Noun,
    Phrase,
    Subject,
    Verb,
    counted,
    definite,
    indefinite,
    main_then_subordinate,
    relative,
    sentence,
    subordinate_then_main,
    with_preposition,
)
from litetransformer.tasks.sentences.templates import PREDICATES, TEMPLATES, fill, slots

SPLITS = ("train", "valid", "test")

ANNA = Subject(Phrase("Anna", "Anna"), THIRD, Phrase("sie", "she"), Phrase("ihr", "her"))
BOTH = Subject(
    Phrase("Anna und Paul", "Anna and Paul"), PLURAL, Phrase("sie", "they"), Phrase("ihr", "their")
)
ME = Subject(Phrase("ich", "I"), FIRST, Phrase("ich", "I"), Phrase("mein", "my"))

TABLE = Noun("m", "Tisch", "Tische", "table", "tables")
LAMP = Noun("f", "Lampe", "Lampen", "lamp", "lamps")
BOOK = Noun("n", "Buch", "Bücher", "book", "books")
COLLEAGUE = Noun("w", "Kollege", "Kollegen", "colleague", "colleagues")
OLD, RED, USEFUL = Phrase("alt", "old"), Phrase("rot", "red"), Phrase("nützlich", "useful")

BUY = Verb("kaufen", "kauft", "gekauft", "haben", "buy", "buys", "bought", "bought")
FETCH = Verb("ab|holen", "holt", "abgeholt", "haben", "pick", "picks", "picked", "picked", "up")
FLY = Verb("fliegen", "fliegt", "geflogen", "sein", "fly", "flies", "flew", "flown")

MONDAY = Phrase("am Montag, dem 3. März 2025, um 14:30 Uhr", "on Monday, March 3, 2025 at 2:30 PM")
TOMORROW = Phrase("morgen", "tomorrow")
YESTERDAY = Phrase("gestern", "yesterday")
TO_PRAGUE = Phrase("nach Prag", "to Prague")
A_LAMP = indefinite(LAMP, "accusative", [RED])
THE_TABLE = definite(TABLE, "accusative")


@pytest.fixture(scope="module")
def pairs():
    counts = {"train": 19_000, "valid": 500, "test": 500}
    return {split: list(generate_pairs(counts[split], seed=1, split=split)) for split in SPLITS}


def test_the_same_seed_gives_the_same_pairs_and_another_seed_others():
    first, again, other = (list(generate_pairs(200, seed=seed, split="train")) for seed in (3, 3, 4))
    assert first == again
    assert len(set(first) & set(other)) < 5


def test_a_longer_run_begins_with_the_shorter_one():
    short, long = (list(generate_pairs(count, seed=3, split="valid")) for count in (50, 100))
    assert long[:50] == short


@pytest.mark.parametrize("side", [0, 1], ids=["german", "english"])
def test_no_sentence_of_one_split_is_in_another(pairs, side):
    texts = {split: {pair[side] for pair in pairs[split]} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not texts[one] & texts[other]


def test_splits_share_nothing_whatever_their_seeds(pairs):
    for seed in range(5):
        for pair in generate_pairs(50, seed=seed, split="test"):
            assert [split_of(text) for text in pair] == ["test", "test"]
    assert all(split_of(text) == split for split in SPLITS for pair in pairs[split] for text in pair)


@pytest.mark.parametrize("side", [0, 1], ids=["german", "english"])
def test_no_sentence_comes_twice(pairs, side):
    for split in SPLITS:
        assert len({pair[side] for pair in pairs[split]}) == len(pairs[split])


def test_every_sentence_is_one_clean_line_of_plausible_length(pairs):
    for pair in pairs["train"] + pairs["test"]:
        for text in pair:
            assert text == " ".join(text.split(" ")).strip()
            assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in text)
            assert not any(letter.isspace() and letter != " " for letter in text)
            assert unicodedata.is_normalized("NFC", text)
            assert text[0] == text[0].upper()
            assert text[-1] in ".?"
            assert not set("{}|") & set(text)
            assert ",," not in text
            assert ",." not in text
            assert 6 <= len(text.split()) <= 35


def test_short_sentences_are_left_out(monkeypatch):
    short = {"short": lambda draw: Phrase(*[f"Just {draw.number(1, 9999)} or so."] * 2)}
    monkeypatch.setattr(generate, "CLAUSE_PATTERNS", short)
    assert all(len(text.split()) >= 6 for pair in generate_pairs(50, seed=1, split="train") for text in pair)


def test_both_sides_ask_or_state_together(pairs):
    assert all(german[-1] == english[-1] for german, english in pairs["train"])


def test_every_pattern_is_reached(monkeypatch):
    reached = set()

    def noting(name, pattern):
        def noted(draw):
            reached.add(name)
            return pattern(draw)

        return noted

    for patterns in (CLAUSE_PATTERNS, TEMPLATE_PATTERNS):
        for name, pattern in list(patterns.items()):
            monkeypatch.setitem(patterns, name, noting(name, pattern))
    list(generate_pairs(1000, seed=1, split="train"))
    assert reached == {*CLAUSE_PATTERNS, *TEMPLATE_PATTERNS}
    assert set(TEMPLATE_PATTERNS) == set(TEMPLATES)


@pytest.mark.parametrize("name", [*CLAUSE_PATTERNS, *TEMPLATE_PATTERNS])
def test_a_pattern_is_not_soon_exhausted(name):
    pattern = (CLAUSE_PATTERNS | TEMPLATE_PATTERNS)[name]
    random = Random(1)
    assert len({pattern(Fillers(random)).german for _ in range(100)}) > 90


def test_both_sides_of_a_template_name_the_same_slots_and_every_slot_is_named():
    named = set()
    for template in (*TEMPLATES.values(), *PREDICATES):
        assert set(slots(template)) == set(slots(Phrase(template.english, "")))
        named |= {slot.removesuffix("_2") for slot in slots(template)}
    assert named == set(SLOTS)


def test_a_sentence_never_names_the_same_city_twice():
    for seed in range(300):
        draw = Fillers(Random(seed))
        assert len({draw.city() for _ in range(5)}) == 5


@pytest.mark.parametrize("package", ["babel", "num2words"])
def test_without_the_extra_the_error_names_it(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"litetransformer\[quickstart\]") as raised:
        generate_pairs(1, seed=1, split="train")
    assert raised.value.extra == "quickstart"


def test_an_unknown_split_and_a_negative_count_are_refused_at_once():
    with pytest.raises(InputError, match=r"did you mean 'train'\?"):
        generate_pairs(1, seed=1, split="training")
    with pytest.raises(InputError, match="count"):
        generate_pairs(-1, seed=1, split="train")
    assert list(generate_pairs(0, seed=1, split="train")) == []


def test_cldr_s_narrow_spaces_become_plain_ones():
    assert Fillers(Random(1)).clock(14, 14).english.endswith(" PM")
    assert percent(0.125) == ("12,5 %", "12.5%")


def test_a_full_date_is_set_off_by_commas_in_german():
    draw = Fillers(Random(1))
    draw.any_day = lambda first, last: date(2025, 3, 3)
    assert draw.day(2025, 2025, "full") == ("am Montag, dem 3. März 2025,", "on Monday, March 3, 2025")


@pytest.mark.parametrize(
    ("case", "german"),
    [
        ("nominative", ["der alte Tisch", "die alte Lampe", "das alte Buch", "der alte Kollege"]),
        ("accusative", ["den alten Tisch", "die alte Lampe", "das alte Buch", "den alten Kollegen"]),
        ("dative", ["dem alten Tisch", "der alten Lampe", "dem alten Buch", "dem alten Kollegen"]),
    ],
)
def test_definite_phrases_agree_in_case_and_gender(case, german):
    assert [definite(noun, case, [OLD]).german for noun in (TABLE, LAMP, BOOK, COLLEAGUE)] == german


@pytest.mark.parametrize(
    ("case", "german"),
    [
        ("nominative", ["ein alter Tisch", "eine alte Lampe", "ein altes Buch", "ein alter Kollege"]),
        ("accusative", ["einen alten Tisch", "eine alte Lampe", "ein altes Buch", "einen alten Kollegen"]),
        ("dative", ["einem alten Tisch", "einer alten Lampe", "einem alten Buch", "einem alten Kollegen"]),
    ],
)
def test_indefinite_phrases_agree_in_case_and_gender(case, german):
    assert [indefinite(noun, case, [OLD]).german for noun in (TABLE, LAMP, BOOK, COLLEAGUE)] == german


def test_counted_and_owned_things_are_inflected():
    three = Phrase("drei", "three")
    assert counted(TABLE, three, "accusative", [OLD]) == ("drei alte Tische", "three old tables")
    assert counted(TABLE, three, "dative", [OLD]).german == "drei alten Tischen"
    assert counted(LAMP, three, "dative").german == "drei Lampen"
    assert indefinite(TABLE, "accusative", owner=ME.possessive) == ("meinen Tisch", "my table")
    assert indefinite(LAMP, "dative", [RED], BOTH.possessive) == ("ihrer roten Lampe", "their red lamp")


def test_english_says_an_before_a_vowel_that_is_heard():
    phrases = [indefinite(BOOK, "accusative", adjectives) for adjectives in ([], [OLD], [USEFUL])]
    assert [phrase.english for phrase in phrases] == ["a book", "an old book", "a useful book"]


def test_in_contracts_with_the_article():
    places = [
        definite(noun, case) for noun, case in ((BOOK, "dative"), (BOOK, "accusative"), (LAMP, "dative"))
    ]
    assert [with_preposition("in", "in", place).german for place in places] == [
        "im Buch",
        "ins Buch",
        "in der Lampe",
    ]


@pytest.mark.parametrize(
    ("tense", "german", "english"),
    [
        ("present", "Anna holt den Tisch ab", "Anna picks up the table"),
        ("past", "Anna hat den Tisch abgeholt", "Anna picked up the table"),
        ("past perfect", "Anna hatte den Tisch abgeholt", "Anna had picked up the table"),
        ("future", "Anna wird den Tisch abholen", "Anna will pick up the table"),
        ("want", "Anna will den Tisch abholen", "Anna wants to pick up the table"),
        ("must", "Anna muss den Tisch abholen", "Anna has to pick up the table"),
        ("can", "Anna kann den Tisch abholen", "Anna can pick up the table"),
        ("wanted", "Anna wollte den Tisch abholen", "Anna wanted to pick up the table"),
        ("had to", "Anna musste den Tisch abholen", "Anna had to pick up the table"),
        ("was able", "Anna konnte den Tisch abholen", "Anna was able to pick up the table"),
    ],
)
def test_each_tense_puts_its_verbs_in_place(tense, german, english):
    assert Clause(ANNA, FETCH, tense, object=THE_TABLE).main() == (german, english)


@pytest.mark.parametrize(
    ("tense", "german", "english"),
    [
        ("present", "dass sie den Tisch nicht abholt", "that she does not pick up the table"),
        ("past", "dass sie den Tisch nicht abgeholt hat", "that she did not pick up the table"),
        ("future", "dass sie den Tisch nicht abholen wird", "that she will not pick up the table"),
        ("want", "dass sie den Tisch nicht abholen will", "that she does not want to pick up the table"),
        ("must", "dass sie den Tisch nicht abholen muss", "that she does not have to pick up the table"),
        ("can", "dass sie den Tisch nicht abholen kann", "that she cannot pick up the table"),
        ("wanted", "dass sie den Tisch nicht abholen wollte", "that she did not want to pick up the table"),
        ("had to", "dass sie den Tisch nicht abholen musste", "that she did not have to pick up the table"),
        ("was able", "dass sie den Tisch nicht abholen konnte", "that she was not able to pick up the table"),
    ],
)
def test_a_subordinate_clause_ends_with_its_verbs(tense, german, english):
    clause = Clause(ANNA, FETCH, tense, object=THE_TABLE, negated=True)
    assert clause.subordinate(Phrase("dass", "that"), pronoun=True) == (german, english)


@pytest.mark.parametrize(
    ("subject", "german", "english"),
    [
        (ME, "Ich kaufe morgen in Prag eine rote Lampe.", "I buy a red lamp in Prague tomorrow."),
        (ANNA, "Anna kauft morgen in Prag eine rote Lampe.", "Anna buys a red lamp in Prague tomorrow."),
        (
            BOTH,
            "Anna und Paul kaufen morgen in Prag eine rote Lampe.",
            "Anna and Paul buy a red lamp in Prague tomorrow.",
        ),
    ],
)
def test_the_verb_agrees_and_time_and_place_come_before_the_object_in_german_only(subject, german, english):
    clause = Clause(subject, BUY, "present", TOMORROW, Phrase("in Prag", "in Prague"), A_LAMP)
    assert sentence(clause.main()) == (german, english)


def test_whatever_comes_first_the_german_verb_is_second():
    clause = Clause(ANNA, FLY, "past", MONDAY, TO_PRAGUE)
    assert sentence(clause.time_first()) == (
        "Am Montag, dem 3. März 2025, um 14:30 Uhr ist Anna nach Prag geflogen.",
        "On Monday, March 3, 2025 at 2:30 PM, Anna flew to Prague.",
    )


@pytest.mark.parametrize(
    ("subject", "tense", "german", "english"),
    [
        (ANNA, "past", "Warum ist Anna nach Prag geflogen?", "Why did Anna fly to Prague?"),
        (
            BOTH,
            "want",
            "Warum wollen Anna und Paul nach Prag fliegen?",
            "Why do Anna and Paul want to fly to Prague?",
        ),
        (ME, "was able", "Warum konnte ich nach Prag fliegen?", "Why was I able to fly to Prague?"),
        (
            BOTH,
            "was able",
            "Warum konnten Anna und Paul nach Prag fliegen?",
            "Why were Anna and Paul able to fly to Prague?",
        ),
    ],
)
def test_questions_invert(subject, tense, german, english):
    clause = Clause(subject, FLY, tense, place=TO_PRAGUE)
    assert sentence(clause.question(Phrase("warum", "why")), "?") == (german, english)


def test_a_negated_question_keeps_not_before_a_direction_in_german():
    clause = Clause(ANNA, FLY, "must", TOMORROW, TO_PRAGUE, negated=True)
    assert sentence(clause.question(), "?") == (
        "Muss Anna morgen nicht nach Prag fliegen?",
        "Does Anna not have to fly to Prague tomorrow?",
    )


def test_a_subordinate_clause_in_front_inverts_the_german_main_clause():
    before = Clause(ANNA, BUY, "past perfect", YESTERDAY, object=A_LAMP)
    then = Clause(ANNA, FLY, "past", place=TO_PRAGUE)
    pair = subordinate_then_main(before.subordinate(Phrase("nachdem", "after")), then)
    assert sentence(pair) == (
        "Nachdem Anna gestern eine rote Lampe gekauft hatte, ist sie nach Prag geflogen.",
        "After Anna had bought a red lamp yesterday, she flew to Prague.",
    )


def test_a_purpose_puts_zu_inside_a_separable_verb():
    main = Clause(ANNA, FLY, "past", YESTERDAY, TO_PRAGUE).main()
    fetch, buy = (Clause(ANNA, verb, "present", object=THE_TABLE).purpose() for verb in (FETCH, BUY))
    assert main_then_subordinate(main, fetch).german.endswith("geflogen, um den Tisch abzuholen")
    assert buy == ("um den Tisch zu kaufen", "to buy the table")


@pytest.mark.parametrize(
    ("noun", "opening"), [(TABLE, "der Tisch, den"), (LAMP, "die Lampe, die"), (BOOK, "das Buch, das")]
)
def test_a_relative_pronoun_agrees_with_its_noun(noun, opening):
    german, english = relative(noun, [], Clause(ME, BUY, "past", YESTERDAY), Phrase("ist neu", "is new"))
    assert german == f"{opening} ich gestern gekauft habe, ist neu"
    assert english == f"the {noun.english} that I bought yesterday is new"


@pytest.mark.parametrize(
    ("name", "fillers", "german", "english"),
    [
        (
            "anniversary",
            {
                "person": ANNA,
                "future_day": TOMORROW,
                "city": Phrase("Wien", "Vienna"),
                "ordinal": Phrase("dreißigst", "thirtieth"),
            },
            "Anna wird morgen in Wien ihren dreißigsten Geburtstag feiern.",
            "Anna will celebrate her thirtieth birthday in Vienna tomorrow.",
        ),
        (
            "comparison",
            {
                "thing": Subject(definite(TABLE, "nominative", [OLD]), THIRD, Phrase("er", "it"), Phrase()),
                "short_length": Phrase("12 Zentimeter", "12 centimeters"),
                "thing_2": definite(LAMP, "nominative"),
                "low_price": Phrase("12,50 Euro", "12.50 euros"),
            },
            "Der alte Tisch ist 12 Zentimeter länger als die Lampe, aber er kostet nur 12,50 Euro.",
            "The old table is 12 centimeters longer than the lamp, but it costs only 12.50 euros.",
        ),
        (
            "train",
            {
                "city": Phrase("Wien", "Vienna"),
                "clock": Phrase("14:05", "2:05 PM"),
                "clock_2": Phrase("17:30", "5:30 PM"),
                "small": Phrase("7", "7"),
            },
            "Der Zug nach Wien fährt um 14:05 Uhr von Gleis 7 ab und kommt um 17:30 Uhr dort an.",
            "The train to Vienna leaves from platform 7 at 2:05 PM and arrives there at 5:30 PM.",
        ),
    ],
)
def test_templates_give_the_expected_sentences(name, fillers, german, english):
    assert sentence(fill(TEMPLATES[name], fillers)) == (german, english)
