import builtins
import dataclasses
import json

import pytest
import sacrebleu

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.decode import score
from litetransformer.decode.score import bleu, chrf, compare, split_compounds

HYPOTHESES = [
    "The state-of-the-art model wins, doesn't it?",
    "A dog runs through the snow.",
    'He said: "Yes & no".',
    "",
]
REFERENCES = [
    "The state-of-the-art System wins, doesn't it?",
    "A dog is running through the deep snow.",
    'He said: "Yes & no".',
    "Nothing here.",
]
OTHERS = [
    "the well-known model won, didn't it?",
    "A dog runs in the snow.",
    "He said yes and no.",
    "Nothing.",
]


def test_sacrebleu_is_sacrebleu():
    ours = bleu(HYPOTHESES, [REFERENCES, OTHERS])
    theirs = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES, OTHERS])
    assert (ours.name, ours.value) == ("BLEU", theirs.score)
    assert ours.signature == f"nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"


def test_chrf_is_sacrebleus():
    ours = chrf(HYPOTHESES, [REFERENCES])
    assert (ours.name, ours.value) == ("chrF2", sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score)
    assert ours.signature.startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0")


def test_the_papers_scores_are_bleu_on_moses_tokens():
    hypothesis = ["The state-of-the-art model wins , doesn &apos;t it ?"]
    reference = ["The state-of-the-art System wins , doesn &apos;t it ?"]

    def on_tokens(split, lowercase):
        lines = [[split_compounds(lines[0])] if split else lines for lines in (hypothesis, reference)]
        return sacrebleu.corpus_bleu(
            lines[0], [lines[1]], tokenize="none", lowercase=lowercase, smooth_method="none", force=True
        ).score

    one = (HYPOTHESES[:1], [REFERENCES[:1]])
    assert bleu(*one, mode="paper").value == on_tokens(False, True)
    assert bleu(*one, mode="paper-cased").value == on_tokens(False, False)
    assert bleu(*one, mode="paper-compound").value == on_tokens(True, False)
    assert on_tokens(True, False) != on_tokens(False, False)


def test_references_are_tokenised_once_for_many_models(monkeypatch):
    first = bleu(HYPOTHESES, [REFERENCES], mode="paper-cased", language="en")
    tokenizer = score._moses_tokenizer("en")
    asked = []
    monkeypatch.setattr(type(tokenizer), "tokenize", lambda _self, line, **_: asked.append(line) or line)
    assert bleu(HYPOTHESES, [REFERENCES], mode="paper-cased", language="en") == first
    assert asked == []
    bleu(["Another one."] * 4, [REFERENCES], mode="paper-cased", language="en")
    assert asked == ["Another one."]
    score._moses_tokens.cache_clear()


def test_the_papers_scores_are_not_smoothed():
    without_a_common_4_gram = (["a b c x"], [["a b c d"]])
    assert bleu(*without_a_common_4_gram).value > 0.0
    assert bleu(*without_a_common_4_gram, mode="paper").value == 0.0


def test_tokens_raise_no_doubt_about_tokenisation(caplog):
    bleu(["It is ."] * 200, [["It is ."] * 200], mode="paper")
    assert not caplog.records


def test_only_the_lowercase_mode_ignores_case():
    upper = ([line.upper() for line in OTHERS], [OTHERS])
    values = {mode: bleu(*upper, mode=mode).value for mode in ("paper", "paper-cased", "paper-compound")}
    assert values["paper"] == pytest.approx(100.0)
    assert max(values["paper-cased"], values["paper-compound"]) < 50.0


def test_signatures_tell_the_modes_apart():
    signatures = {
        mode: bleu(HYPOTHESES, [REFERENCES], mode=mode, language="de").signature
        for mode in ("sacrebleu", "paper", "paper-cased", "paper-compound")
    }
    assert len(set(signatures.values())) == 4
    assert signatures["paper"].startswith("sacremoses:")
    assert ".de|compounds:whole|nrefs:1|case:lc|" in signatures["paper"]
    assert "|compounds:split|nrefs:1|case:mixed|" in signatures["paper-compound"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("up-to-date", "up ##AT##-##AT## to ##AT##-##AT## date"),
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("a - b -c d-", "a - b -c d-"),
        ("3-4 Straßen-Ä", "3 ##AT##-##AT## 4 Straßen ##AT##-##AT## Ä"),
        ("--", "--"),
        ("---", "- ##AT##-##AT## -"),
        ("", ""),
    ],
)
def test_compounds_split_at_hyphens_between_two_characters(line, expected):
    assert split_compounds(line) == expected


@pytest.mark.parametrize("score", [bleu, chrf, lambda ours, theirs: compare(REFERENCES, ours, theirs)])
def test_unequal_line_counts_name_both(score):
    with pytest.raises(InputError, match="3 hypotheses but 4 references"):
        score(HYPOTHESES[:3], [REFERENCES])


@pytest.mark.parametrize("nothing", [([], [[]]), (HYPOTHESES, [])])
def test_nothing_to_score_is_an_error(nothing):
    with pytest.raises(InputError, match="nothing to score"):
        bleu(*nothing)


def test_a_missing_tokeniser_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without_moses(name, *rest, **more):
        if name == "sacremoses":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_moses)
    with pytest.raises(MissingExtraError, match="paper"):
        bleu(HYPOTHESES, [REFERENCES], mode="paper")


def test_a_comparison_tells_a_real_difference_from_none():
    good = [f"sentence number {index} is exactly as it should be" for index in range(60)]
    bad = [
        line.replace("exactly", "not").replace("should", "ought to") if i % 2 else line
        for i, line in enumerate(good)
    ]
    clear = compare(good, bad, [good], resamples=200)
    assert clear.p_value < 0.05
    assert clear.system == pytest.approx(100.0)
    assert clear.baseline == sacrebleu.corpus_bleu(bad, [good]).score
    assert clear.baseline_interval[0] < clear.baseline < clear.baseline_interval[1] < clear.system
    assert "bs:200|seed:12345" in clear.signature
    assert compare(good, good, [bad], resamples=200).p_value == 1.0
    as_bad = [line.replace("exactly", "not") if index % 4 < 2 else line for index, line in enumerate(good)]
    other = [line.replace("exactly", "not") if index % 4 > 1 else line for index, line in enumerate(good)]
    assert compare(as_bad, other, [good], resamples=200).p_value > 0.3


def test_scores_are_json():
    score = bleu(HYPOTHESES, [REFERENCES])
    assert json.loads(json.dumps(dataclasses.asdict(score)))["value"] == score.value
    assert str(score).startswith(f"BLEU {score.value:.2f} (nrefs:1|")
    json.dumps(dataclasses.asdict(compare(HYPOTHESES, HYPOTHESES, [REFERENCES], resamples=10)))


def test_a_code_with_a_region_scores_as_its_language():
    texts = ["我喜欢茶。"], [["我喜欢茶。"]]
    assert bleu(*texts, language="zh-CN").signature == bleu(*texts, language="zh").signature
    assert "tok:zh" in bleu(*texts, language="ZH_cn").signature


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_a_language_that_needs_another_package_says_which(language, monkeypatch):
    def refuse(**_):
        raise RuntimeError("\nextra dependencies\n")

    monkeypatch.setattr("litetransformer.decode.score.BLEU", refuse)
    with pytest.raises(InputError, match=rf"not installed: {language}; pip install 'sacrebleu\[{language}"):
        bleu(["a"], [["a"]], language=language)
