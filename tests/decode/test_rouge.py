"""ROUGE: values worked out by hand, and a signature that says how they came about."""

import builtins
import itertools
import random

import pytest

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.decode.rouge import rouge


def values(hypotheses, references, **options):
    return [round(score.value, 2) for score in rouge(hypotheses, references, **options)]


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        # Five of six words in common, three of five pairs, and "the cat on the mat" in order.
        ("the cat sat on the mat", "the cat was on the mat", [83.33, 60.0, 83.33, 83.33]),
        # P 2/2, R 2/5; pairs: P 1/1, R 1/4. "Barked" and "bark", "dogs" and "dog" have one stem.
        ("Dogs bark!", "the dog barked at dogs", [57.14, 40.0, 57.14, 57.14]),
        # A word counts as often as the other side has it: P 1/3, R 1/2.
        ("a a a", "a b", [40.0, 0.0, 40.0, 40.0]),
        # In another order: the longest common subsequence of the texts is one sentence; sentence by
        # sentence it is everything.
        ("Snow fell. Dogs ran.", "Dogs ran. Snow fell.", [100.0, 66.67, 50.0, 100.0]),
        # A point within a number ends no sentence: "say 3 5 now" is one.
        ("Say 3.5 now! So?", "So? Say 3.5 now!", [100.0, 75.0, 80.0, 100.0]),
        ("", "anything", [0.0, 0.0, 0.0, 0.0]),
        ("…", "…", [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_values_are_those_worked_out_by_hand(hypothesis, reference, expected):
    assert values([hypothesis], [[reference]]) == expected


def test_a_closing_quote_belongs_to_the_sentence_that_it_ends():
    assert values(['He said "no." We left.'], [['We left. He said "no."']])[2:] == [60.0, 100.0]


def test_each_score_is_that_of_the_best_reference_for_it():
    # One reference has all the words, the other one the pair "a b" and the longer subsequence.
    assert values(["a b c d"], [["a b x y"]]) == [50.0, 33.33, 50.0, 50.0]
    assert values(["a b c d"], [["d c b a"]]) == [100.0, 0.0, 25.0, 25.0]
    assert values(["a b c d"], [["a b x y"], ["d c b a"]]) == [100.0, 33.33, 50.0, 50.0]


def test_a_score_is_the_mean_over_lines():
    assert values(["a b", "x"], [["a b", "y"]]) == [50.0] * 4


def test_lines_may_have_different_numbers_of_references():
    hypotheses, references = ["a b c d", "a b"], [["a b x y", "a b"], ["d c b a", None]]
    assert values(hypotheses, references) == [100.0, 66.67, 75.0, 75.0]
    signatures = {score.signature.partition("|")[0] for score in rouge(hypotheses, references)}
    assert signatures == {"nrefs:var"}


def test_english_is_compared_as_the_original_rouge_does_it():
    assert values(["Ünïque RUNNING-shoes"], [["n que run shoe"]])[0] == 100.0
    assert values(["running"], [["runs"]], language="en_GB")[0] == 100.0


def test_other_languages_keep_their_letters_and_their_endings():
    assert values(["Die Straße, naß!"], [["die straße naß"]], language="de")[0] == 100.0
    assert values(["Strasse"], [["Straße"]], language="de")[0] == 0.0
    assert values(["running"], [["runs"]], language="de")[0] == 0.0
    assert values(["улица"], [["улица"]], language="ru")[0] == 100.0
    assert values(["e\u0301t\u00e9"], [["\u00e9te\u0301"]], language="fr")[0] == 100.0


def test_signatures_say_how_it_was_computed():
    english, german = (rouge(["a"], [["a"], ["b"]], language=language) for language in ("en", "de"))
    assert [score.name for score in english] == ["ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum"]
    how = "nrefs:2|case:lc|tok:ascii|stem:porter|score:f1|version:rouge-score-"
    assert all(score.signature.startswith(how) for score in english[:3])
    assert "|stem:porter|sent:punct|score:f1|" in english[3].signature
    assert "|tok:unicode|stem:no|" in german[0].signature


def _longest_common_subsequence(left, right):
    """By trying every choice of words."""
    for size in range(min(len(left), len(right)), 0, -1):
        if set(itertools.combinations(left, size)) & set(itertools.combinations(right, size)):
            return size
    return 0


def test_rouge_l_is_the_longest_common_subsequence():
    generator = random.Random(2)
    for _ in range(40):
        left, right = (generator.choices("abcd", k=generator.randint(1, 7)) for _ in range(2))
        common = _longest_common_subsequence(left, right)
        found = rouge([" ".join(left)], [[" ".join(right)]])[2]
        assert found.value == pytest.approx(100 * 2 * common / (len(left) + len(right)))


def test_what_is_not_aligned_is_refused():
    with pytest.raises(InputError, match="2 hypotheses but 1 references"):
        rouge(["a", "b"], [["a"]])
    with pytest.raises(InputError, match="nothing to score"):
        rouge([], [[]])
    with pytest.raises(InputError, match="line 2 has no reference"):
        rouge(["a", "b"], [["a", None]])


def test_without_the_extra_one_sentence_names_it(monkeypatch):
    real = builtins.__import__

    def without_rouge(name, *rest, **more):
        if name.startswith("rouge_score"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_rouge)
    with pytest.raises(MissingExtraError, match=r"ROUGE needs the extra 'eval'; pip install") as caught:
        rouge(["a"], [["a"]])
    assert caught.value.extra == "eval"
