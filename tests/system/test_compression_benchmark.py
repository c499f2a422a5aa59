"""The benchmark of compression: what it compares with, what it measures, and that it goes on where it was."""

import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import litetransformer as lt

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    known = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("compression")
    for name in {"compression", "machines"} & (set(sys.modules) - known):
        del sys.modules[name]


def test_sizes_are_compared_with_a_folder_a_recipe_or_a_number(benchmark, model_folder):
    weights = sum(tensor.numel() for tensor in lt.load(model_folder).model.parameters())
    folder = benchmark.against(str(model_folder))
    assert folder["bytes"] == 4 * weights > folder["bytes_without_tables"]
    recipe = benchmark.against("wmt14-en-fr/transformer-512")
    assert recipe["bytes_without_tables"] == pytest.approx(176.6e6, rel=1e-3)
    assert recipe["bytes"] > recipe["bytes_without_tables"]
    number = benchmark.against("44M")
    assert (number["bytes"], number["bytes_without_tables"]) == (None, 176_000_000)
    point = {"bytes": 20_000_000, "bytes_without_tables": 9_700_000}
    assert benchmark.times_smaller(point, number) == {"paper": pytest.approx(18.144, abs=1e-3)}
    assert benchmark.times_smaller(point, recipe).keys() == {"paper", "all"}
    assert benchmark.times_smaller(point, None) == {}


def test_targets_are_reached_and_not_measured_again(
    benchmark, model_folder, texts, tmp_path, monkeypatch, capsys
):
    out, against = tmp_path / "compression-x.json", benchmark.against(str(model_folder))
    arguments = [
        *("compression.py", "--model", str(model_folder), "--source", str(texts / "test.de")),
        *("--target", str(texts / "test.en"), "--data", "small", "--name", "x", "--out", str(out)),
        *("--against", str(model_folder), "--points", "targets", "int8", "--targets", "5x", "1MB"),
        *("--updates", "2", "--lines", "4", "--untested", "--keep", str(tmp_path / "kept")),
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, "--seconds", "0"])
    benchmark.main()
    assert "seconds are over" in capsys.readouterr().out
    assert not out.exists()
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", arguments)
        benchmark.main()
        facts = json.loads(out.read_text())
        kinds = [(point["kind"], point.get("target")) for point in facts["points"]]
        assert kinds == [("single precision", None), ("target", "5x"), ("target", "1MB"), ("int8", None)]
        first = facts["points"][1]
        assert first["bytes_without_tables"] <= against["bytes_without_tables"] / 5
        assert first["times_smaller"]["paper"] >= 5
        assert first["plan"]["updates"] == 2
        assert facts["against"] == against
        assert all("FOLDER" in point["command"] and "BLEU" in point for point in facts["points"])
    out.write_text(json.dumps(facts | {"weights": "those of another training"}))
    with pytest.raises(SystemExit, match=r"compression-x\.json is of another model"):
        benchmark.main()
    kept = sorted((tmp_path / "kept").iterdir())
    assert len(kept) == 2
    assert lt.load(kept[0]).translate(["Hund."])


def test_calls_at_a_time_write_one_file_and_rates_can_be_chosen(
    benchmark, model_folder, texts, tmp_path, monkeypatch
):
    out = tmp_path / "new" / "compression-x.json"
    arguments = [
        *("compression.py", "--model", str(model_folder), "--source", str(texts / "test.de")),
        *("--target", str(texts / "test.en"), "--data", "small", "--name", "x", "--out", str(out)),
        *("--lines", "4", "--untested", "--updates", "2", "--table-rate", "0.006"),
    ]
    own, other = benchmark.Measuring.point, [*arguments, "--points", "rates", "--rates", "0.3", "0.1"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--points", "rates", "tuned", "--rates", "0.1"])

    def meanwhile(self, point):
        """Between the reading and the writing of this call, another one measures and writes, the same too."""
        found = own(self, point)
        monkeypatch.setattr(benchmark.Measuring, "point", own)
        monkeypatch.setattr(sys, "argv", other)
        benchmark.main()
        return found

    monkeypatch.setattr(benchmark.Measuring, "point", meanwhile)
    benchmark.main()
    found = json.loads(out.read_text())["points"]
    plans = [(point["kind"], point["plan"] and point["plan"]["rate"]) for point in found]
    assert plans == [("single precision", None), ("rates", 0.3), ("rates", 0.1), ("tuned", 0.1)]
    assert {point["plan"]["table_rate"] for point in found[1:]} == {0.006}
    assert [point["plan"]["updates"] for point in found[1:]] == [0, 0, 2]
    assert all("--rates 0." in point["command"] for point in found)
    assert all("--table-rate 0.006" in point["command"] for point in found)
    assert list(out.parent.iterdir()) == [out]
    targets = ["--points", "targets", "--targets", "3x", "--against", str(model_folder)]
    monkeypatch.setattr(sys, "argv", [*arguments, *targets])
    benchmark.main()
    assert json.loads(out.read_text())["points"][-1]["plan"]["table_rate"] == 0.006


def test_points_with_zeros_are_of_pruned_weights(benchmark, model_folder, texts, monkeypatch):
    given = ["--points", "pruned", "--lines", "2", "--data", "small", "--name", "x", "--untested"]
    folders = ["--model", str(model_folder), "--source", str(texts / "test.de")]
    monkeypatch.setattr(sys, "argv", ["x", *folders, "--target", str(texts / "test.en"), *given])
    made, points = [], []

    def measure(work, options, began):
        monkeypatch.setattr(work, "swept", lambda: dict.fromkeys(benchmark.large_tensors(work.own)))
        monkeypatch.setattr(benchmark, "allocate", lambda _, large, share: dict.fromkeys(large, share))
        put = benchmark.put_weights
        monkeypatch.setattr(
            benchmark, "put_weights", lambda to, weights: made.append(weights) or put(to, weights)
        )
        points.extend(point for point in benchmark.points(options) if point["plan"])
        work.point(points[0])

    monkeypatch.setattr(benchmark, "measure", measure)
    benchmark.main()
    zeros = sum(int((tensor == 0).sum()) for tensor in made[-1].values())
    assert zeros / sum(tensor.numel() for tensor in made[-1].values()) == pytest.approx(0.2, abs=0.02)


def test_a_call_waits_while_another_one_writes(benchmark, tmp_path):
    def write():
        with benchmark._alone(tmp_path):
            return "written"

    with ThreadPoolExecutor(1) as other:
        with benchmark._alone(tmp_path):
            waiting = other.submit(write)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
        assert waiting.result(timeout=20) == "written"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--points", "grid", "--rates", "0.1"], "--rates: only the points rates and tuned"),
        (
            ["--points", "grid", "--table-rate", "0.1"],
            "--table-rate: only the points rates, tuned and targets",
        ),
        (
            ["--points", "targets", "--targets", "3x", "1MB", "--table-rate", "0.1"],
            "--table-rate: of a target",
        ),
    ],
)
def test_rates_that_no_point_takes_are_refused(benchmark, monkeypatch, capsys, given, message):
    needed = ["x", "--model", "m", "--source", "s", "--target", "t", "--data", "d", "--name", "n"]
    monkeypatch.setattr(sys, "argv", [*needed, *given])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert message in capsys.readouterr().err


def test_the_grid_has_bits_2_to_8_and_zeros_to_90_percent(benchmark):
    class Options:
        points, targets, updates, peak = ("grid",), (), 1, 1e-3
        rates = table_rate = None

    plans = [point["plan"] for point in benchmark.points(Options) if point["plan"]]
    found = {(plan["bits"], plan["sparsity"]) for plan in plans}
    assert found == {(bits, tenth / 10) for bits in range(2, 9) for tenth in range(10)}
