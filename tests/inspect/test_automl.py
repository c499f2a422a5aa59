"""The paper's numbers against AutoML follow from their sources, and where they don't, it is said."""

import re

import pytest

from litetransformer.inspect.automl import later, pounds, printed, rows, search_hours

PUBLISHED = {
    "Transformer": ("1.0e2", "2.6e1", "2.3e2"),
    "Evolved Transformer": ("2.2e6", "6.3e5", "5.5e6"),
    "Lite Transformer": ("1.1e2", "3.2e1", "2.8e2"),
}
OFF = {("Transformer", 0), ("Transformer", 2), ("Evolved Transformer", 2)}
"""The cells that the sources alone give with another last digit."""
CELLS = [(row, number) for row in rows() for number in range(3)]


def cell(row, number):
    return (row.gpu_hours, row.co2_pounds, row.usd)[number]


def test_the_rows_are_the_paper_s():
    assert [row.model for row in rows()] == list(PUBLISHED)
    assert [(row.params, row.mult_adds, row.bleu) for row in rows()] == [
        (2.8, 87, 21.3),
        (3.0, 94, 22.0),
        (2.9, 90, 22.5),
    ]


@pytest.mark.parametrize(("row", "number"), CELLS, ids=[f"{row.model}-{number}" for row, number in CELLS])
def test_each_cell_reproduces_to_the_printed_digits_or_says_what_does(row, number):
    found = cell(row, number)
    assert found.published == PUBLISHED[row.model][number]
    assert found.reproduces == ((row.model, number) not in OFF)
    if not found.reproduces:
        assert printed(found.by_note) == found.published
        assert found.note
        assert found.value == pytest.approx(float(found.published), rel=0.05)
    assert found.how
    assert re.match("(Strubell|Wu)", found.source)


def test_what_the_sources_print_themselves_is_derived_to_their_last_digit():
    assert search_hours() == 274_120
    assert round(pounds(search_hours(), 1515.43)) == 626_155
    assert round(pounds(84, 1515.43)) == 192
    assert round(pounds(12, 1415.78)) == 26
    assert pounds(1 / 8, 1515.43) == pytest.approx(0.2855, abs=5e-5)


def test_money_is_a_range_of_which_the_paper_prints_the_upper_end():
    assert [round(row.usd.low) for row in rows()] == [71, 1_622_790, 83]
    assert all(row.usd.low < row.usd.value for row in rows())
    assert all(row.gpu_hours.low is None for row in rows())


def test_the_search_s_later_estimate_stands_beside_the_one_that_the_paper_used():
    row = rows()[1]
    assert row.later == later()
    assert all(other.later is None for other in (rows()[0], rows()[2]))
    assert row.later.kwh == pytest.approx(7_500, abs=50)
    assert row.later.co2_pounds * 0.45359237 == pytest.approx(3_200, abs=50)
    assert int(row.later.overestimate) == 88
    assert row.later.chip_hours == pytest.approx(32_640)
    assert "Patterson et al. 2021" in row.later.source


@pytest.mark.parametrize(
    ("value", "text"), [(96, "9.6e1"), (5.456e6, "5.5e6"), (1, "1.0e0"), (0.032, "3.2e-2")]
)
def test_numbers_print_as_the_paper_prints_them(value, text):
    assert printed(value) == text
