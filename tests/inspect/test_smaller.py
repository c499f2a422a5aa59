"""Curves of quality over bytes have the measured points, and say so where nothing was measured."""

import json

import pytest

from litetransformer.core.errors import InputError
from litetransformer.inspect.smaller import compression_figure, curves


def point(kind, size, score, *, zeros=0.0, lines=1000):
    plan = None if kind == "single precision" else {"sparsity": zeros}
    return {"kind": kind, "plan": plan, "bytes": size, "BLEU": score, "lines": lines}


@pytest.fixture
def results(tmp_path):
    points = [
        point("rates", 2_000_000, 43.0),
        point("rates", 1_000_000, 42.0),
        point("grid", 1_500_000, 41.0, zeros=0.2, lines=300),
        point("single precision", 12_000_000, 43.4),
        {"kind": "rates", "bytes": 5, "BLEU": None},
        {"kind": "unheard of", "bytes": 5, "BLEU": 1.0},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"model": "lite", "data": "some", "points": points}))
    (tmp_path / "b.json").write_text(json.dumps({"runs": []}))
    (tmp_path / "c.json").write_text("[]")
    return tmp_path


def test_points_of_a_kind_are_one_rising_curve(results):
    found = {(curve.name, curve.lines): curve for curve in curves(results)}
    assert found["entropy-constrained", 1000].points == ((1_000_000, 42.0), (2_000_000, 43.0))
    assert found["k-means", 300].zeros == 0.2
    assert found["single precision", 1000].points == ((12_000_000, 43.4),)
    assert len(found) == 3


def test_the_chart_draws_each_curve_in_its_panel(results):
    pytest.importorskip("matplotlib")
    figure = compression_figure(curves(results))
    assert [len(axes.lines) for axes in figure.axes] == [2, 1]
    assert list(figure.axes[0].lines[0].get_xdata()) == [1.0, 2.0]


def test_without_results_the_chart_says_so(tmp_path):
    pytest.importorskip("matplotlib")
    assert curves(None) == curves(tmp_path) == []
    assert [text.get_text() for text in compression_figure([]).axes[0].texts] == ["not run"]
    with pytest.raises(InputError, match="no such folder"):
        curves(tmp_path / "missing")
