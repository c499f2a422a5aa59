"""`lite translate` between other programs: lines are lines, none waits, and pipes may close."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from litetransformer.cli.lines import GROUP, lines_as_they_come
from litetransformer.cli.stopping import Stopped, stopped_by_signals

FULL = Path("/dev/full")
ODD = [
    *("", " ", "\t", "\u2028", "a\u2029b", "\u0085", "a\x0bb", "\x0c", "\x1c\x1d\x1e", "\r", "a\rb", "a\r\r"),
    *("<pad>", "</s>", "<unk>", "@@", "▁", "▁▁ ▁", "\ue000", "\0", "﻿", "🦀" * 20, "日本語", "x" * 2000),
]


def test_lines_in_are_lines_out_whatever_they_hold(lite, model_folder):
    content = "".join(f"{line}\n" for line in ODD).encode()
    done = lite("translate", "--model", model_folder, "--max-length", 20, stdin=content)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == len(ODD)
    assert done.stdout.startswith(b"\n")
    as_json = lite("translate", "--model", model_folder, "--max-length", 20, "--json", stdin=content)
    objects = [json.loads(line) for line in as_json.stdout.decode().split("\n")[:-1]]
    # One CR before the line end belongs to the line end.
    assert [one["source"] for one in objects] == [line.removesuffix("\r") for line in ODD]
    assert [one["translations"][0]["text"] for one in objects] == done.stdout.decode().split("\n")[:-1]


def test_one_line_in_gets_its_line_out_before_the_end(start_lite, model_folder):
    with start_lite("translate", "--model", model_folder) as process:
        answers = []
        for line in (b"Hund und Katze.\n", b"\n", b"Haus.\n"):
            process.stdin.write(line)
            process.stdin.flush()
            answers.append(process.stdout.readline())
        process.stdin.write(b"kein Zeilenende")
        process.stdin.close()
        answers += process.stdout.readlines()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""
    assert len(answers) == 4
    assert all(answer.endswith(b"\n") for answer in answers)


def test_no_input_is_no_output(lite, model_folder):
    for content in (b"", b"\xef\xbb\xbf"):
        done = lite("translate", "--model", model_folder, stdin=content)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_lines_before_a_wrong_one_are_translated(lite, model_folder):
    done = lite("translate", "--model", model_folder, stdin=b"Ja.\nNein.\n\xff\nJa.\n")
    assert (done.returncode, done.stdout.count(b"\n")) == (1, 2)
    assert done.stderr.startswith(b"error: <stdin>:3: invalid UTF-8")
    assert done.stderr.count(b"\n") == 1


def test_a_closed_pipe_is_silent(start_lite, model_folder):
    with start_lite("translate", "--model", model_folder) as process:
        process.stdin.write(b"Haus.\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"Nein.\n")
        process.stdin.flush()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize("arguments", [["--help"], ["recipes"], ["show", "iwslt14-de-en/lite-160"]])
def test_a_reader_that_is_gone_is_silent_for_every_verb(lite, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        options = {"capture_output": False, "stdout": pipe, "stderr": subprocess.PIPE}
        done = lite(*arguments, **options)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(lite, model_folder):
    with FULL.open("wb") as full:
        options = {"capture_output": False, "stdout": full, "stderr": subprocess.PIPE}
        done = lite("translate", "--model", model_folder, "Haus.", **options)
    assert (done.returncode, done.stderr) == (1, b"error: <stdout>: No space left on device\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_without_a_traceback_or_litter(start_lite, model_folder, tmp_path, number, status):
    output = tmp_path / "out.en"
    with start_lite("translate", "--model", model_folder, "--output", output) as process:
        process.stdin.write(b"Haus.\n")
        process.stdin.flush()
        wait_until(lambda: any(tmp_path.iterdir()))
        process.send_signal(number)
        assert process.wait(60) == status
        err = process.stderr.read().decode()
    assert err == f"error: stopped by {number.name}\n"
    assert not list(tmp_path.iterdir())


class Interrupted:
    """What a signal interrupts at its end, where Python drops exceptions."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Stopped)]
)
def test_a_signal_whose_exception_was_dropped_ends_it_before_it_waits(number, raised):
    reading, writing = os.pipe()
    before = signal.getsignal(number)
    with stopped_by_signals():
        Interrupted(number)
        with pytest.raises(raised):
            next(lines_as_they_come(reading))
    # None of it is left for what comes after.
    assert signal.getsignal(number) == before
    os.write(writing, b"a\n")
    os.close(writing)
    assert list(lines_as_they_come(reading)) == [["a"]]


def test_lines_that_are_there_come_together_and_a_partial_one_is_waited_for():
    reading, writing = os.pipe()
    os.write(writing, b"a\nb\nc")
    groups = lines_as_they_come(reading)
    assert next(groups) == ["a", "b"]
    os.write(writing, b"d\n")
    assert next(groups) == ["cd"]
    os.write(writing, b"e\n" * (GROUP + 1))
    assert len(next(groups)) == GROUP
    assert next(groups) == ["e"]
    os.write(writing, b"f\n\ng")
    os.close(writing)
    assert [line for group in groups for line in group] == ["f", "", "g"]
    os.close(reading)


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
