"""The tables: published, computed and measured, each from its one source; the docs show them as they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from litetransformer import tables
from litetransformer.cli import main
from litetransformer.core.errors import InputError
from litetransformer.tables import results
from litetransformer.tables.results import Measured, measured
from litetransformer.tables.table import Table, stated

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["iwslt14", "wmt16-en-de", "wmt14-en-fr", "cnndm", "wikitext103", "automl", "compression"]


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """A results folder of the test's own."""
    runs = [
        {"system": "iwslt14-de-en/lite-160", "seed": seed, "scores": {"test": {"paper": score}}}
        for seed, score in ((1, 30.0), (2, 32.0))
    ]
    (tmp_path / "iwslt14.json").write_text(json.dumps({"runs": runs}))
    monkeypatch.setattr(results, "_PLACES", (tmp_path / "nowhere", tmp_path))
    results.results.cache_clear()
    yield tmp_path
    results.results.cache_clear()


def column(table, heading):
    return {row[0]: row[table.columns.index(heading)] for row in table.rows}


@pytest.mark.parametrize("name", tables.names())
def test_every_table_has_rows_as_wide_as_its_headings_and_distinct_headings(name):
    table = tables.table(name)
    assert table.title
    assert len(set(table.columns)) == len(table.columns)
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert all(row for row in table.to_json()["rows"])


def test_the_papers_tables_are_there():
    assert tables.names()[: len(NAMES)] == NAMES


def test_a_row_states_computes_and_shows_what_was_measured(own_results):
    table = tables.table("iwslt14")
    assert column(table, "params: paper")["lite-160"] == "2.8M"
    assert column(table, "params: computed")["lite-160"] == "2.77M"
    assert column(table, "mult-adds: computed")["lite-160"] == "54.3M"
    assert column(table, "all params")["lite-160"] == "5.25M"
    assert column(table, "BLEU: paper")["lite-160"] == "30.9"
    assert column(table, "BLEU: measured here")["lite-160"] == "31.0 ± 1.4 (2 seeds)"
    assert column(table, "BLEU: measured here")["lite-240"] == "not run"


def test_baselines_come_first_each_kind_from_small_to_large():
    models = [row[0] for row in tables.table("iwslt14").rows]
    assert models[:3] == ["transformer-128", "transformer-192", "transformer-240"]
    assert models[-3:] == ["lite-160", "lite-240", "lite-320"]


def test_the_compression_table_has_the_papers_ratio():
    assert column(tables.table("compression"), "times smaller")["Lite, 8 bits, pruned"] == "18.2×"


def test_the_automl_table_shows_the_later_estimate_beside_the_one_that_the_paper_used():
    table = tables.table("automl")
    hours = column(table, "GPU hours: derived")
    assert hours["Evolved Transformer"] == "2.2e6"
    assert float(hours["its search, by those who ran it"]) < 1e5
    assert column(table, "params")["Evolved Transformer"] == "3.0M"
    assert column(table, "BLEU")["Evolved Transformer"] == "22.0"
    assert any("Patterson" in note for note in table.notes)


def test_compressed_models_stand_from_large_to_small_and_by_bits_and_zeros(own_results):
    def point(kind, size, lines, **plan):
        facts = {"kind": kind, "plan": plan or None, "lines": lines, "bytes": size}
        return {**facts, "bytes_without_tables": size // 2, "loss": 2.0, "BLEU": 40.0 + size / 1e6}

    plan = {"rate": 0.02, "sparsity": 0.0, "updates": 0}
    points = [
        point("rates", 1_500_000, 1000, **plan),
        point("single precision", 12_000_000, 1000),
        point("grid", 1_800_000, 300, bits=4, sparsity=0.2),
        point("grid", 2_000_000, 300, bits=4, sparsity=0.0),
        point("grid", 900_000, 300, bits=2, sparsity=0.0),
    ]
    (own_results / "compression-multi30k.json").write_text(json.dumps({"points": points}))
    results.results.cache_clear()
    table = tables.table("compression-multi30k")
    assert column(table, "smaller") == {"single precision": "1.0×", "entropy-constrained": "8.0×"}
    assert column(table, "rate") == {"single precision": "–", "entropy-constrained": "0.02"}
    assert tables.table("compression-grid").columns == ("bits", "0% zeros", "20% zeros")
    assert tables.table("compression-grid").rows == (
        ("4", "42.0 at 2.00 MB", "41.8 at 1.80 MB"),
        ("2", "40.9 at 0.90 MB", "–"),
    )


def test_without_results_nothing_is_claimed(own_results):
    assert tables.table("ptb").rows == ()
    assert tables.table("ptb").notes == ("not run.",)
    assert str(measured("iwslt14-de-en/lite-160", "test", "sacrebleu")) == "not run"


@pytest.mark.parametrize(
    ("values", "text"),
    [((), "not run"), ((31.26,), "31.3 (1 seed)"), ((30.0, 31.0, 32.0), "31.0 ± 1.0 (3 seeds)")],
)
def test_a_mean_says_over_how_many_seeds(values, text):
    assert str(Measured(values)) == text


def test_an_unknown_table_suggests_the_nearest():
    with pytest.raises(InputError, match=r"no table is called 'iwslt'; .*iwslt14"):
        tables.table("iwslt")


def test_markdown_keeps_a_bar_inside_its_cell():
    table = Table(title="t", columns=("a", "b"), rows=(("x|y", stated(None)),), notes=("note",))
    assert table.markdown() == "| a | b |\n| --- | --- |\n| x¦y | – |\n\nnote"


def test_lite_table_prints_names_text_markdown_and_json(capfdbinary):
    def out(*arguments):
        assert main(["table", *arguments]) == 0
        return capfdbinary.readouterr().out.decode()

    assert out().split() == tables.names()
    assert json.loads(out("--json")) == tables.names()
    assert "lite-160" in out("iwslt14")
    assert out("iwslt14", "--markdown").startswith("| model |")
    rows = json.loads(out("iwslt14", "--json"))["rows"]
    assert {row["model"]: row["BLEU: paper"] for row in rows}["lite-160"] == "30.9"


def test_lite_table_refuses_what_contradicts(capfd):
    assert main(["table", "iwslt14", "--json", "--markdown"]) == 1
    assert capfd.readouterr().err == "error: --markdown: contradicts --json; give one of them\n"


def test_readme_and_docs_show_the_tables_as_they_are():
    program = [sys.executable, ROOT / "scripts" / "docs", "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
