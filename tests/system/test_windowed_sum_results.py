"""What the benchmark of the windowed sum measures of its kernels adds up in one file, call by call."""

import contextlib
import importlib
import json
import sys
from types import SimpleNamespace

import pytest


@pytest.fixture
def measuring(programs, tmp_path, monkeypatch):
    """The benchmark without its clocks and kernels; each case takes ten seconds of a clock of its own."""
    program, clock = importlib.import_module("windowed_sum"), SimpleNamespace(now=0)
    case = program.Case
    there = SimpleNamespace(
        program=program,
        path=tmp_path / "kernels.json",
        begun=[],
        checked=set(),
        wrong=set(),
        dies=None,
        hardware="one",
    )
    there.cases = [
        (case(tokens=65536, length=256, channels=80, taps=taps), names)
        for taps, names in ((31, "bands"), (15, ""), (7, "8-shares bands"))
    ]

    def measure(one, device, repeats, found):
        if one.taps == there.dies:
            raise KeyboardInterrupt
        clock.now += 10
        there.begun.append(one.taps)
        implementations = {name: {"median_seconds": clock.now} for name in found}
        common = program.asdict(one) | {"implementations": implementations}
        return [common | {"direction": direction} for direction in ("backward", "forward")]

    def disagreement(one, name, device, tokens):
        there.checked.add(tokens)
        return float("nan") if name in there.wrong else 0.0

    def run(*more):
        there.begun.clear()
        monkeypatch.setattr(sys, "argv", ["x", "--variants", "--out", str(there.path), *more])
        return program.main()

    there.run = run
    there.rows = lambda: json.loads(there.path.read_text())["rows"]
    monkeypatch.setattr(program, "VARIED", there.cases)
    monkeypatch.setattr(program, "measure", measure)
    monkeypatch.setattr(program, "line", str)
    monkeypatch.setattr(
        program, "implementations", lambda one, _, names: {name: name for name in program.asked(names)}
    )
    monkeypatch.setattr(program, "disagreement", disagreement)
    monkeypatch.setattr(program, "chosen", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(program, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(program, "now", lambda: f"2026-01-01T{clock.now:06}")
    monkeypatch.setattr(program, "made_on", lambda _: {"hardware": there.hardware, "torch": "2"})
    return there


def test_what_a_killed_run_has_measured_is_kept_and_the_next_begins_with_the_rest(measuring):
    measuring.dies = 7
    with pytest.raises(KeyboardInterrupt):
        measuring.run()
    before = measuring.rows()
    assert [(row["taps"], row["direction"]) for row in before] == [
        *((15, "forward"), (15, "backward"), (31, "forward"), (31, "backward")),
    ]
    first = before[0]
    assert (first["date"], first["hardware"], first["torch"]) == ("2026-01-01T000020", "one", "2")
    assert [row["form"] for row in before] == ["short", "across", "across", "across"]
    measuring.dies = None
    assert measuring.run("--limit", "5") == 0
    assert measuring.begun == [7]
    assert [row for row in measuring.rows() if row["taps"] != 7] == before
    assert measuring.run("--limit", "15") == 0
    assert measuring.begun == [31, 15]


def test_a_choice_that_changed_or_a_variant_that_is_new_is_measured_first(measuring):
    assert measuring.run() == 0
    rows = measuring.rows()
    next(row for row in rows if row["taps"] == 15)["form"] = "bands"
    measuring.path.write_text(json.dumps({"rows": rows}))
    assert measuring.run("--limit", "5") == 0
    assert measuring.begun == [15]
    case, names = measuring.cases[2]
    measuring.cases[2] = case, f"{names} square"
    assert measuring.run("--limit", "5") == 0
    assert measuring.begun == [7]
    assert len(measuring.rows()) == len(rows)


def test_rows_of_another_machine_and_of_other_variants_stay(measuring):
    assert measuring.run() == 0
    before = measuring.rows()
    measuring.hardware = "another"
    assert measuring.run("--limit", "5") == 0
    assert measuring.begun == [31]
    assert [row for row in measuring.rows() if row["hardware"] == "one"] == before
    assert json.loads(measuring.path.read_text())["machine"] == "another, one"
    measuring.hardware = "one"
    measuring.cases[0] = measuring.cases[0][0], "square"
    assert measuring.run("--limit", "5") == 0
    rows = [row for row in measuring.rows() if (row["hardware"], row["taps"]) == ("one", 31)]
    dates, names = [before[-1]["date"], rows[1]["date"]], [["triton/bands"], ["triton", "triton/square"]]
    assert dates[0] < dates[1]
    assert [(row["direction"], row["date"], list(row["implementations"])) for row in rows] == [
        (direction, date, name)
        for direction in ("forward", "backward")
        for date, name in zip(dates, names, strict=True)
    ]


def test_what_turns_out_wrong_is_in_the_file_no_more(measuring):
    assert measuring.run() == 0
    measuring.wrong = {"triton/bands"}
    assert measuring.run() == 1
    assert {name for row in measuring.rows() for name in row["implementations"]} == {
        "triton",
        "triton/8-shares",
    }
    measuring.wrong.add("triton")
    assert measuring.run() == 1
    assert [row["taps"] for row in measuring.rows()] == [7, 7]


def test_variants_are_checked_at_the_size_that_is_measured(measuring):
    assert measuring.run() == 0
    assert measuring.checked == {65536}


def test_the_file_says_when_the_newest_was_measured(programs):
    rows = [{"hardware": "a", "date": f"2026-01-{day}T00:00:00"} for day in ("03", "05", "04")]
    assert importlib.import_module("windowed_sum_rows").content(rows, "x")["date"] == "2026-01-05"


def test_without_variants_nothing_is_reported_while_an_implementation_is_wrong(
    measuring, monkeypatch, capsys
):
    program = measuring.program
    monkeypatch.setattr(program, "implementations", lambda *_: {"right": "right", "wrong": "wrong"})
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(measuring.path)])
    monkeypatch.setattr(program, "CASES", [case for case, _ in measuring.cases])
    measuring.wrong = {"wrong"}
    assert program.main() == 1
    assert "nothing is reported while an implementation is wrong" in capsys.readouterr().err
    assert not measuring.begun
    assert not measuring.path.exists()


def test_results_of_another_kind_are_not_added_to(measuring, capsys):
    measuring.path.write_text(json.dumps({"rows": [{"taps": 3}]}))
    assert measuring.run() == 2
    assert "not of --variants" in capsys.readouterr().err
    assert measuring.rows() == [{"taps": 3}]
    assert not measuring.begun


def test_without_variants_a_limit_is_refused_and_small_cases_leave_the_results_alone(
    programs, monkeypatch, capsys, tmp_path
):
    program, written = importlib.import_module("windowed_sum"), []
    monkeypatch.setattr(sys, "argv", ["x", "--limit", "5"])
    with pytest.raises(SystemExit):
        program.main()
    assert "--limit" in capsys.readouterr().err
    monkeypatch.setattr(program, "write_json", lambda path, _: written.append(path))
    monkeypatch.setattr(program, "SMALL", program.SMALL[:1])
    small = ["x", "--small", "--repeats", "2"]
    for more in ([], ["--out", str(tmp_path / "out.json")]):
        monkeypatch.setattr(sys, "argv", [*small, *more])
        assert program.main() == 0
    assert written == [tmp_path / "out.json"]
