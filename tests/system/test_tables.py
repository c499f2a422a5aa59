"""The tables: published, computed and measured, each from its one source; the docs show them as they are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from litetransformer import recipes, tables
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


def test_measured_compression_stands_below_the_papers_beside_its_transformer(own_results):
    def point(kind, size, score, **more):
        found = {"kind": kind, "plan": None, "lines": 1000, "bytes": size, "bytes_without_tables": size // 2}
        return {**found, "loss": 2.0, "BLEU": score, **more}

    points = [
        point("single precision", 12_000_000, 40.0),
        point("int8", 3_000_000, 40.1),
        point("rates", 1_000_000, 39.95, plan={"rate": 0.05, "sparsity": 0.0}),
        point("rates", 800_000, 39.75, plan={"rate": 0.1, "sparsity": 0.0}),
        point("rates", 700_000, 39.0, plan={"rate": 0.2, "sparsity": 0.0}),
        point("target", 900_000, 39.8, target="18.2x"),
        {"kind": "grid", "lines": 1000, "bytes": 5, "bytes_without_tables": 5, "loss": 9.0},
    ]
    against = {"name": "base", "bytes": 24_000_000, "bytes_without_tables": 16_380_000}
    facts = {"model": "set/lite", "data": "set", "points": points, "against": against}
    (own_results / "compression-set.json").write_text(json.dumps(facts))
    results.results.cache_clear()
    table = tables.table("compression")
    assert column(table, "times smaller: whole files") == {
        **dict.fromkeys([row[0] for row in table.rows[:4]], "–"),
        "base": "1×",
        "set/lite, set: single precision": "2×",
        "set/lite, set: affine int8": "8×",
        "set/lite, set: made to a size, 18.2x": "26.7×",
        "set/lite, set: entropy-constrained, rate 0.05": "24×",
        "set/lite, set: entropy-constrained, rate 0.1": "30×",
    }
    assert column(table, "times smaller")["set/lite, set: made to a size, 18.2x"] == "36.4×"
    assert column(table, "BLEU: measured here")["Lite, 8 bits"] == "not run"
    assert "compression-set" in tables.names()
    assert tables.table("compression-set").title == "set/lite, set, in ever fewer bytes"
    assert len(tables.table("compression-set").rows) == 6


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
    # That of another file which has more of them, some without a translation.
    more = [point("grid", 1_000_000 * bits, 300, bits=bits, sparsity=0.9) for bits in (2, 4, 6, 8)]
    del more[0]["BLEU"]
    content = {"points": more, "data": "another set", "model": "set/model"}
    (own_results / "compression-other.json").write_text(json.dumps(content))
    results.results.cache_clear()
    table = tables.table("compression-grid")
    assert column(table, "90% zeros") == {
        **{str(bits): f"{40 + bits}.0 at {bits}.00 MB" for bits in (4, 6, 8)},
        "2": "2.00 bits at 2.00 MB",
    }
    assert table.notes[0].startswith("another set, the first 300 lines")


def measured_runs(score, system, mult_adds, seeds=(1, 2), **facts):
    run = {"system": system, "mult_adds": mult_adds, "settings": [], **facts}
    return [{**run, "seed": seed, "scores": {"test": {"sacrebleu": score + seed}}} for seed in seeds]


def write_results(folder, name, **content):
    (folder / f"{name}.json").write_text(json.dumps(content))
    results.results.cache_clear()


def test_the_claim_has_a_row_for_each_set_of_the_paper_and_of_ours(own_results):
    assert tables.table("claim").notes[-1] == "Measured here: not run."
    runs = [
        *measured_runs(40.0, "multi30k-de-en/lite-160", 54e6),
        *measured_runs(38.0, "multi30k-de-en/transformer-120", 54e6),
        *measured_runs(50.0, "multi30k-de-en/lite-320", 209e6),
    ]
    write_results(own_results, "multi30k-de-en", runs=runs)
    table = tables.table("claim")
    rows = {row[1]: row for row in table.rows}
    assert rows["IWSLT'14 De-En"][3] == "27.8 → 30.9 (+3.1) at 54M"
    assert rows["Multi30k De-En"] == (
        *("measured here", "Multi30k De-En", "BLEU", "39.5 → 41.5 (+2.0) at 54M", "–", "–", "2"),
    )
    assert all("not run" not in note for note in table.notes)


def test_summaries_below_the_first_sentence_say_so(own_results):
    facts = {"first_sentence": {"test": {"rougeL": 14.0}}}
    runs = [
        {
            "system": "aeslc/lite-160",
            "seed": 1,
            "mult_adds": 1e8,
            "scores": {"test": {"rougeL": score}},
            **facts,
        }
        for score in (7.8, 9.0)
    ]
    write_results(own_results, "aeslc", runs=runs)
    assert "AESLC: the mail's first sentence alone has 14.0" in tables.table("claim").notes[1]
    runs[1]["scores"]["test"]["rougeL"] = 15.0
    write_results(own_results, "aeslc", runs=runs)
    assert not any("AESLC" in note for note in tables.table("claim").notes)


def test_every_row_of_the_results_has_its_own_command_and_what_it_took(own_results):
    (own_results / "iwslt14.json").unlink()
    facts = {"machine": "GPU", "date": "2026-01-02"}
    command = "python benchmarks/m.py --data FOLDER --seeds 1 2 --out docs/results/m.json --systems m/a m/b"
    runs = [
        *measured_runs(1.0, "m/a", 1e6, training_seconds=30.4, trainings_at_a_time=2),
        *measured_runs(1.0, "m/b", 1e6, seeds=(1,), settings=["train.peak=1e-3"]),
    ]
    write_results(own_results, "m", runs=runs, command=command, **facts)
    points = [
        {"kind": kind, "command": f"python c.py {kind}", "date": "2026-01-03", "seconds": 20.0}
        for kind in ("grid", "grid", "int8")
    ]
    write_results(own_results, "n-points", points=points, machine="CPU")
    write_results(own_results, "o", what="Odd", command="python o.py", parts=[{"seconds": 2}, {"seconds": 3}])
    write_results(own_results, "p")
    program = "python benchmarks/m.py --data FOLDER --out docs/results/m.json"
    assert tables.table("reproduce").rows == (
        *(
            (
                "m.json",
                "m/a",
                f"`{program} --seeds 1 2 --systems m/a`",
                "GPU",
                "2 × 30 s, up to 2 at a time",
                facts["date"],
            ),
            (
                *(
                    "m.json",
                    "m/b train.peak=1e-3",
                    f"`{program} --seeds 1 --systems m/b --set train.peak=1e-3`",
                ),
                *("GPU", "not recorded", facts["date"]),
            ),
            ("n-points.json", "grid: 2 points", "`python c.py grid`", "CPU", "40 s", "2026-01-03"),
            ("n-points.json", "int8: 1 point", "`python c.py int8`", "CPU", "20 s", "2026-01-03"),
            ("o.json", "Odd", "`python o.py`", "not recorded", "5 s", "not recorded"),
            ("p.json", "", *["not recorded"] * 4),
        ),
    )


def test_the_shipped_models_have_a_row_each_run_or_not(own_results):
    assert set(tables.table("shipped").rows[0][1:]) == {"not run"}
    test = {
        "domain": "in domain",
        "holds": "news",
        "lines": 60,
        "bleu": 20.04,
        "bleu_greedy": 19.0,
        "chrf": 50.0,
    }
    times = {"sentences": 9, "milliseconds": 31.6, "milliseconds_greedy": 12.1, "load_seconds": 0.254}
    facts = {
        **{
            "machine": "GPU",
            "cpu": "CPU",
            "date": "2026-01-02",
            "command": "python s.py",
            "beam": 4,
            "limit": 60,
        },
        **{"bytes": 1_234_567, "params_total": 3_000_000, "training": None, "latency": times},
        "tests": {"tatoeba": {**test, "signature": "s"}, "multi30k 2016": {**test, "signature": "s"}},
        "compression": {"before": {"score": 30.0}, "after": {"score": 29.5}},
    }
    write_results(own_results, "shipped-de-en", **facts)
    table = tables.table("shipped")
    assert table.rows[0] == (
        "German to English",
        "1.23",
        "3.00M",
        "20.0",
        "not run",
        "not run",
        "20.0",
        "32",
        "12",
    )
    assert "scores: the first 60 lines only" in table.notes[0]
    assert tables.table("shipped-tests").rows[1][:4] == (
        *("German to English", "multi30k 2016", "out of domain: news", "60"),
    )
    made = {row[0]: row[1:] for row in tables.table("shipped-making").rows}
    assert made["file"] == ("1,234,567 bytes", "not run")
    assert made["load"] == ("0.25 s", "not run")
    assert made["training"] == ("–", "not run")
    assert made["validation BLEU before and after compression"] == ("30.00, 29.50", "not run")


def test_a_comparison_has_every_system_by_size_and_lites_lead(own_results):
    def run(model, seed, **facts):
        return {"system": f"multi30k-en-fr/{model}", "seed": seed, "scores": {}, **facts}

    def scored(score):
        lengths = {"≤10": {"lines": 1200, "sacrebleu": score}}
        return {"scores": {"test": {"sacrebleu": score}}, "by_length": lengths}

    pair = {
        "system": "multi30k-en-fr/transformer-120",
        "split": "test",
        "lite_ahead": 1.84,
        "lite_ahead_95": [0.96, 2.71],
        "p_value": 0.001,
    }
    runs = [
        *(run("lite-160", seed, **scored(50.0 + seed), date=f"2026-0{seed}") for seed in (1, 2)),
        run("transformer-120", 1, **scored(49.0), machine="another", date="2026-03"),
        run("transformer-120", 2, failed="the loss is not finite"),
    ]
    content = {"machine": "a machine", "runs": runs, "significance": [pair]}
    (own_results / "multi30k-en-fr.json").write_text(json.dumps(content))
    results.results.cache_clear()
    table = tables.table("comparison-multi30k-en-fr")
    assert len(table.rows) == 15
    models = [(row[0], row[1]) for row in table.rows]
    assert models[:5:4] == [("54M", "transformer-120"), ("54M", "lite-160")]

    def cells(heading):
        return {row[1]: row[table.columns.index(heading)] for row in table.rows}

    assert cells("mult-adds")["lite-160"] == "54.3M"
    assert cells("test 2016")["lite-160"] == "51.5 ± 0.7 (2 seeds)"
    assert cells("test 2016")["transformer-120"] == "49.0 (1 seed), 1 failed"
    assert cells("test 2016")["lite-240"] == "not run"
    ahead = cells("Lite ahead: test 2016")
    assert ahead["transformer-120"] == "1.8 (1.0 to 2.7), p = 0.001"
    assert (ahead["lite-160"], ahead["evolved-96"]) == ("–", "not run")
    assert table.notes[1:] == (
        "a machine and another · 2026-01 to 2026-03.",
        "transformer-120, seed 2, failed: the loss is not finite.",
    )
    lengths = tables.table("length-multi30k-en-fr")
    assert lengths.columns == ("size", "model", "≤10 (1,200 lines)")
    assert lengths.rows == (("54M", "transformer-120", "49.0"), ("54M", "lite-160", "51.5"))


def test_without_results_a_comparison_claims_nothing(own_results):
    table = tables.table("comparison-canlaw-en-fr")
    assert [row[4:] for row in table.rows if row[0] == "90M"] == [("not run", "not run"), ("not run", "–")]
    assert table.notes[-1] == "not run."
    assert tables.table("length-canlaw-en-fr").rows == ()


def test_beside_what_was_published_stands_the_row_that_validation_chooses(own_results):
    def run(row, seed, valid, test):
        value = {"sacrebleu": test, "paper": test + 0.25}
        tests = dict.fromkeys(("test", "test_2017_flickr", "test_2017_mscoco"), value)
        scores = {"valid": {"sacrebleu": valid}, **tests}
        return {"system": "multi30k-en-de/lite-160-plus", "row": row, "seed": seed, "scores": scores}

    runs = [
        *(run("plus", seed, 42.0, 50.0) for seed in (1, 2)),
        *(run("plus-ema-0", seed, 43.0, 40.0 + seed) for seed in (1, 2)),
        run("base", 1, 44.0, 45.0),
        {**run("plus", 3, 0.0, 0.0), "failed": "the loss is not finite", "scores": {}},
    ]
    (own_results / "ablation-multi30k-en-de.json").write_text(json.dumps({"machine": "one", "runs": runs}))
    results.results.cache_clear()
    table = tables.table("published")
    assert [row[:4] for row in table.rows] == [
        ("Multi30k En-De", "a Transformer, published", "2.6M", "41.0"),
        ("Multi30k En-De", "Lite, plus-ema-0", "2.99M", "41.8 (41.5)"),
        ("Multi30k En-Fr", "a Transformer, published", "2.6M", "61.8"),
        ("Multi30k En-Fr", "Lite, plus", "not run", "not run"),
    ]
    assert table.notes[1:] == ("one.",)


def test_a_speedrun_says_what_it_took_and_whether_it_reached_its_quality(own_results):
    assert tables.table("speedrun").rows == ()
    assert tables.table("speedrun").notes[-1] == "not run."
    phases = {"importing": 1.0, "preparing": 2.0, "training": 3.0, "validating": 4.0}
    run = {"seconds_in_all": 10.0, "seconds_by_phase": phases, "updates": 5000, "scores": {"valid": 42.25}}
    starts = [{"start": "cold", "reached": True, **run}, {"start": "warm", "reached": False, **run}]
    facts = {"machine": "one", "date": "a day", "command": "a command"}
    facts["rows"] = [{"recipe": "a/b", "reach": 42.5, "starts": starts}]
    (own_results / "speedrun.json").write_text(json.dumps(facts))
    results.results.cache_clear()
    table = tables.table("speedrun")
    assert table.rows[0] == ("a/b", "cold", "10", "1", "2", "3", "4", "5,000", "42.2", "42.5")
    assert table.rows[1][-1] == "42.5, missed"
    assert table.notes[-1] == "one · a day · a command."


def test_every_family_of_recipes_has_its_tables():
    for home in recipes.families():
        assert {f"comparison-{home}", f"length-{home}"} <= set(tables.names())


def test_kernels_of_the_windowed_sum_stand_by_case_and_what_is_far_from_a_copy_is_marked(own_results):
    assert tables.table("windowed-sum").notes == ("not run.",)
    case = {"dtype": "bfloat16", "dynamic": False, "softmax": False, "channels": 80, "taps": 15}
    case |= {"length": 32, "tokens": 65536, "heads": 4, "hardware": "GPU", "torch": "2"}

    def row(direction, form, day, shares, **more):
        found = {
            name: share and {"of_copy": share, "median_seconds": 1e-5 / share}
            for name, share in shares.items()
        }
        facts = {"direction": direction, "form": form, "date": f"2026-01-{day:02}", "implementations": found}
        return case | facts | more

    rows = [
        row("forward", "short", 2, {"triton": 0.95}),
        row("forward", "bands", 1, {"triton": 0.5, "triton/bands": 0.625}),
        row("backward", "across", 2, {"triton": 0.796, "triton/square": 0.5, "triton/bands": None}),
        row("forward", "square", 3, {"triton": 0.8}, dynamic=True, softmax=True, dtype="float32"),
        row("forward", "short", 1, {"triton": 0.1}, hardware="older", taps=7),
        row("backward", "short", 2, {"triton/8-shares": 0.5}, taps=7),
    ]
    write_results(own_results, "windowed-sum-kernels", rows=rows)
    table = tables.table("windowed-sum")
    shape = ("80", "15", "32", "65,536")
    assert table.rows == (
        (
            *("static", "80", "7", "32", "65,536", "not run", "not run", "not run", "not run", "not run"),
            "8-shares – / 50%",
        ),
        (
            *("static", *shape, "short / across", "95%", "**80%**", "10.5", "12.6"),
            "bands 62% / out of memory, square – / 50%",
        ),
        (
            *("per position, softmax, fp32", *shape, "square / not run", "80%", "not run", "12.5", "not run"),
            "–",
        ),
    )
    assert table.notes[0].startswith("GPU, PyTorch 2, 2026-01-01 to 2026-01-03; medians.")
    assert table.notes[1:] == ("Rows of older, PyTorch 2, stand in the file.",)


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
    assert main(["table", "iwslt14", "--json", "--markdown"]) == 2
    assert capfd.readouterr().err == "error: --markdown: contradicts --json; give one of them\n"


def test_readme_and_docs_show_the_tables_as_they_are():
    program = [sys.executable, ROOT / "scripts" / "docs", "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
