"""Lite stands beside the Transformer of equal mult-adds, trained alike, and ahead by what the scores say."""

import pytest

from litetransformer.inspect.claim import EQUAL, pairs
from litetransformer.inspect.tradeoff import PAPER, Panel, Point


def point(system, mult_adds, score, **facts):
    return Point(system=system, label=f"{system}-1", mult_adds=mult_adds, score=score, **facts)


def panel(*measured, falling=False):
    return Panel(
        name="m-de-en", title="M De-En", metric="BLEU", key="sacrebleu", falling=falling, measured=measured
    )


def test_the_papers_pairs_are_those_of_its_claim():
    found = [pair for pair in pairs(PAPER) if pair.title in ("IWSLT'14 De-En", "WMT'14 En-Fr")]
    shown = [(pair.lite.mult_adds, pair.transformer.mult_adds, round(pair.ahead, 1)) for pair in found]
    assert shown == [
        *((54, 63, 3.1), (119, 139, 1.6), (209, 215, 0.9)),
        *((90, 87, 1.7), (360, 338, 1.5), (527, 527, 1.2)),
    ]
    assert {pair.whose for pair in found} == {"paper"}
    language = [pair for pair in pairs(PAPER) if pair.falling]
    assert [round(pair.ahead, 1) for pair in language] == [5.0, 3.2, 1.8]
    assert language[0].ahead_in_per_cent == pytest.approx(100 * 5 / 32.3)
    assert not [pair for pair in pairs(PAPER) if pair.title == "CNN/DailyMail"]


def test_the_nearest_of_equal_mult_adds_is_taken_and_none_that_is_not_equal():
    far = 100 * EQUAL * 1.01
    points = (
        *(point("lite", 100, 30.0), point("lite", 300, 40.0)),
        *(point("transformer", 90, 28.0), point("transformer", 99, 31.0), point("lightconv", 100, 1.0)),
        point("transformer", far, 35.0),
    )
    (pair,) = pairs([panel(*points)])
    assert (pair.transformer.mult_adds, pair.whose) == (99, "measured here")
    assert pair.ahead == -1.0
    assert pair.to_json()["ahead"] == -1.0
    assert pairs([panel(point("lite", 100, 30.0), point("transformer", far, 31.0))]) == []


def test_other_settings_are_another_training():
    changed = point("transformer", 100, 31.0, settings=("train.updates=9",))
    assert pairs([panel(point("lite", 100, 30.0), changed)]) == []
    lite = point("lite", 100, 32.0, settings=("train.updates=9",))
    assert pairs([panel(lite, changed)])[0].ahead == 1.0


def test_the_figure_has_a_line_for_each_set_and_says_what_was_not_run():
    pytest.importorskip("matplotlib")
    from litetransformer.inspect.claim import claim_figure
    from litetransformer.inspect.figures import render

    found = pairs([*PAPER, panel(point("lite", 100, 30.0), point("transformer", 100, 28.5))])
    assert render(".svg", lambda: claim_figure(found)) == render(".svg", lambda: claim_figure(found))
    translation, language = claim_figure(found).axes
    labels = [text.get_text() for text in translation.get_legend().get_texts()]
    assert labels[-1] == "M De-En: measured here"
    assert "IWSLT'14 De-En: paper" in labels
    assert list(translation.get_lines()[3].get_ydata()) == [1.5]
    assert "measured here: not run" in [text.get_text() for text in language.get_legend().get_texts()]
