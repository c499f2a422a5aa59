"""The paper's charts pass through the paper's points and show what was measured, or that nothing was."""

import json

import pytest

from litetransformer.core.errors import InputError
from litetransformer.inspect.computation import COMPONENTS, computation, lengths
from litetransformer.inspect.tradeoff import PAPER, tradeoff

SHARES = {
    ("Transformer-base", "encoder", "feed_forward"): 66.0,
    ("Transformer-base", "whole", "feed_forward"): 56.4,
    ("flattened", "encoder", "feed_forward"): 32.7,
    ("flattened", "whole", "feed_forward"): 24.5,
    ("Lite-496", "whole", "feed_forward"): 33.5,
    ("Lite-496", "whole", "cross_attention"): 34.5,
    ("Lite-496", "whole", "attention"): 17.8,
    ("Lite-496", "whole", "convolution"): 14.2,
}


@pytest.fixture(scope="module")
def found():
    return computation()


@pytest.mark.parametrize("place", SHARES, ids="-".join)
def test_the_curves_pass_through_the_paper_s_shares_at_30_tokens(found, place):
    model, part, component = place
    at_30 = found["lengths"].index(30)
    assert round(100 * found["models"][model][part][component][at_30], 1) == SHARES[place]


def test_shares_add_up_and_attention_s_grows_with_length(found):
    assert found["lengths"] == lengths() == sorted(set(lengths()))
    assert (found["lengths"][0], found["lengths"][-1]) == (10, 1000)
    for parts in found["models"].values():
        for shares in parts.values():
            for column in zip(*(shares[name] for name in COMPONENTS), strict=True):
                assert sum(column) == pytest.approx(1.0)
        assert parts["encoder"]["attention"] == sorted(parts["encoder"]["attention"])


def run(system, score, *, seed=1, mult_adds=54e6, settings=(), split="test"):
    facts = {"system": system, "seed": seed, "mult_adds": mult_adds, "settings": list(settings)}
    return {**facts, "scores": {split: {"paper": score, "sacrebleu": score - 1}}}


@pytest.fixture
def results(tmp_path):
    runs = [
        run("iwslt14-de-en/lite-160", 30.0),
        run("iwslt14-de-en/lite-160", 31.0, seed=2),
        run("iwslt14-de-en/lite-160", 25.0, settings=["train.updates=10"]),
        run("iwslt14-de-en/transformer-128", 27.0, split="valid"),
        run("tatoeba-de-en/lite-160", 50.0),
    ]
    (tmp_path / "b.json").write_text(json.dumps({"runs": runs}))
    (tmp_path / "a.json").write_text(
        json.dumps({"models": {}, "runs": [3, {"system": "x"}, {"system": "a/b"}]})
    )
    (tmp_path / "list.json").write_text("[1]")
    tried = {"runs": [run("tatoeba-de-en/lite-160", 1.0), run("tried/lite-160", 1.0)]}
    (tmp_path / "trial-of-a-rate.json").write_text(json.dumps(tried))
    return tmp_path


def test_what_was_measured_is_beside_the_paper_s_points(results):
    panels = {panel.name: panel for panel in tradeoff(results)}
    assert list(panels) == [*(panel.name for panel in PAPER), "tatoeba-de-en"]
    mean, other = panels["iwslt14-de-en"].measured
    assert (mean.label, mean.system, mean.score, mean.mult_adds) == ("lite-160", "lite", 30.5, 54.0)
    assert (mean.lowest, mean.highest, mean.seeds) == (30.0, 31.0, 2)
    assert (other.score, other.seeds) == (25.0, 1)
    assert panels["tatoeba-de-en"].measured[0].score == 49.0
    assert panels["tatoeba-de-en"].paper == ()


def test_what_was_not_run_says_so(results):
    for panels in (tradeoff(None), tradeoff(results)[1:5]):
        assert all(panel.to_json()["measured"] == "not run" for panel in panels)
    assert tradeoff(None) == list(PAPER)


def test_the_paper_s_points_are_those_of_its_tables():
    points = {
        panel.name: {(point.system, point.mult_adds): point.score for point in panel.paper} for panel in PAPER
    }
    assert points["iwslt14-de-en"]["lite", 54] == 30.9
    assert points["wmt16-en-de"]["evolved", 94] == 22.0
    assert points["wmt14-en-fr"]["lite", 527] == 39.6
    assert points["wikitext103"]["lite", 1148] == 22.2
    assert sum(map(len, points.values())) == 9 + 7 + 6 + 8 + 2


def test_a_folder_that_is_none_and_a_file_that_is_no_json_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        tradeoff(tmp_path / "nowhere")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json:1: not JSON"):
        tradeoff(tmp_path)


def test_charts_are_drawn_with_every_curve_and_point(found, results):
    pytest.importorskip("matplotlib")
    from litetransformer.inspect.charts import computation_figure, tradeoff_figure
    from litetransformer.inspect.figures import render

    for draw in (lambda: computation_figure(found), lambda: tradeoff_figure(tradeoff(results))):
        assert render(".svg", draw) == render(".svg", draw)
    figure = tradeoff_figure(tradeoff(results))

    def labels(legends):
        return [text.get_text() for legend in legends if legend for text in legend.get_texts()]

    # What all panels share stands below them, and in a panel only what is its own.
    systems = ["Transformer", "LightConv", "Evolved Transformer", "Lite Transformer"]
    forms = ["the paper", "measured here", "lowest to highest of several seeds"]
    assert labels(figure.legends) == [*systems, *forms]
    own = [labels([axes.get_legend()]) for axes in figure.axes]
    assert own[0] == ["Lite Transformer, train.updates=10"]
    assert own[1] == ["measured here: not run"]
    assert own[-1] == []
    assert labels(tradeoff_figure(tradeoff(None)).legends) == [*systems, "the paper"]
    assert len(computation_figure(found).axes) == 6
