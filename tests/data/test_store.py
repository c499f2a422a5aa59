import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS
from litetransformer.data import tokenise
from litetransformer.data.store import INDEX, TokenStore, write_sides, write_store


def bytes_of(folder):
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def store(tmp_path, tokenizer, text):
    pairs = zip(text(50), text(50, 1), strict=True)
    return write_store(tmp_path / "train", pairs, tokenizer, tokenizer)


class Tokenizer:
    """Encodes "3 5" as [3, 5]."""

    digest = "0" * 64

    def __init__(self, size):
        self.size = size

    def encode(self, text):
        return [int(number) for number in text.split()]


def test_rows_hold_their_tokens_and_end_in_eos(store, tokenizer, text):
    assert len(store) == 50
    for row, (source, target) in enumerate(zip(text(50), text(50, 1), strict=True)):
        assert list(store.source(row)) == [*tokenizer.encode(source), EOS]
        assert list(store.target(row)) == [*tokenizer.encode(target), EOS]
        assert store.source_lengths[row] == len(store.source(row))
        assert store.target_lengths[row] == len(store.target(row))
    assert {side.tokenizer for side in store.index.sides} == {tokenizer.digest}
    with pytest.raises(IndexError):
        store.source(50)
    store.verify()


def test_a_side_alone_is_a_store_too(tmp_path):
    store = write_sides(tmp_path, [["3 4"], ["5"]], {"text": Tokenizer(8)})
    assert [list(store.sides["text"][row]) for row in (0, 1)] == [[3, 4, EOS], [5, EOS]]


@pytest.mark.parametrize(("size", "dtype"), [(2**16, "uint16"), (2**16 + 1, "uint32")])
def test_tokens_take_the_smaller_type_that_holds_them(tmp_path, size, dtype):
    store = write_sides(tmp_path, [[str(size - 1)]], {"text": Tokenizer(size)})
    assert store.sides["text"].tokens.dtype == dtype
    assert store.sides["text"][0][0] == size - 1


def test_rows_are_dropped_and_counted_by_reason(tmp_path):
    pairs = [("3", "4"), ("", "4"), ("3", " "), ("3 3 3", "4 4 4"), ("3 3 3 3", "4 4 4 4"), ("3", "4 4 4")]
    store = write_store(tmp_path, pairs, Tokenizer(9), Tokenizer(9), longest=4, longest_ratio=2.0)
    assert [list(store.source(row)) for row in range(len(store))] == [[3, EOS], [3, 3, 3, EOS]]
    assert {item.why: item.rows for item in store.index.dropped} == {"empty": 2, "too long": 1, "unequal": 1}


def test_text_of_which_nothing_is_left_is_refused_and_leaves_no_store(tmp_path):
    for rows, why in (([("", "")], "1 empty"), ([], "it was empty")):
        with pytest.raises(InputError, match=why):
            write_store(tmp_path, rows, Tokenizer(9), Tokenizer(9))
        assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_any_number_of_workers_writes_the_same_bytes(tmp_path, tokenizer, text, workers, monkeypatch):
    monkeypatch.setattr(tokenise, "CHUNK", 300)
    pairs = list(zip(text(9001, 2, 3), text(9001, 3, 3), strict=True))
    seen = []
    for count in (1, workers):
        write_store(
            tmp_path / str(count), pairs, tokenizer, tokenizer, longest=9, workers=count, progress=seen.append
        )
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / str(workers))
    assert sum(seen) == 2 * 9001


def test_a_source_is_cut_before_its_length_decides_whatever_the_workers(tmp_path, tokenizer, text):
    pairs = list(zip(text(3000, 2, 9), text(3000, 3, 3), strict=True))
    stores = [
        write_store(
            tmp_path / str(count), pairs, tokenizer, tokenizer, longest=7, truncate_source=4, workers=count
        )
        for count in (1, 2)
    ]
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2")
    kept = [(s, t) for s, t in pairs if len(tokenizer.encode(t)) < 7]
    for row, (source, target) in enumerate(kept):
        assert stores[0].source(row).tolist() == [*tokenizer.encode(source)[:4], EOS]
        assert stores[0].target(row).tolist() == [*tokenizer.encode(target), EOS]
    cut = sum(len(tokenizer.encode(source)) > 4 for source, _ in kept)
    assert (len(stores[0]), stores[0].index.truncated) == (len(kept), cut)
    assert 0 < cut < len(kept) <= len(pairs)


def test_an_error_in_the_text_leaves_no_store_and_an_older_one_is_gone(store, tokenizer):
    def rows():
        yield from [("a", "b")] * 5000
        raise InputError("bad line", path="t.de", line=5001)

    with pytest.raises(InputError, match=r"t\.de:5001: bad line"):
        write_store(store.folder, rows(), tokenizer, tokenizer)
    with pytest.raises(InputError, match="no prepared data here"):
        TokenStore(store.folder)


def test_an_error_in_a_worker_reaches_the_caller(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr(tokenise, "CHUNK", 1)
    with pytest.raises(InputError, match="surrogate"):
        write_store(tmp_path, [("a", "b")] * 9 + [("a", "\ud800")], tokenizer, tokenizer, workers=2)
    assert bytes_of(tmp_path) == {}


def test_a_little_text_is_tokenised_without_starting_processes(tmp_path, tokenizer, monkeypatch):
    started = []

    def pool(workers, *_, **__):
        started.append(workers)
        raise InputError("started")

    monkeypatch.setattr(tokenise, "ProcessPoolExecutor", pool)
    monkeypatch.setattr(tokenise, "CHUNK", 10)
    assert len(write_store(tmp_path, [("a", "b")] * 40, tokenizer, tokenizer, workers=9)) == 40
    for rows, workers in ((41, 2), (120, 3), (1000, 9)):
        with pytest.raises(InputError, match="started"):
            write_store(tmp_path, [("a", "b")] * rows, tokenizer, tokenizer, workers=9)
        assert started.pop() == workers


def test_no_workers_is_refused(tmp_path, tokenizer):
    with pytest.raises(InputError, match="workers: 0 processes"):
        write_store(tmp_path, [("a", "b")], tokenizer, tokenizer, workers=0)


KILLED = """
import sys, time
from pathlib import Path
from litetransformer.data import tokenise
from litetransformer.data.store import write_store
from litetransformer.data.tokenizer import load_tokenizer

def rows():
    for number in range(10**9):
        if number == 9000:
            print("half", flush=True)
        if number > 9000:
            time.sleep(0.001)
        yield "Das Haus", "ein Baum"

if __name__ == "__main__":
    tokenise.CHUNK = 300
    tokenizer = load_tokenizer(Path(sys.argv[1]))
    write_store(Path(sys.argv[2]), rows(), tokenizer, tokenizer, workers=int(sys.argv[3]))
"""


UNGUARDED = """
import sys
from pathlib import Path
from litetransformer.data import tokenise
from litetransformer.data.store import write_store
from litetransformer.data.tokenizer import load_tokenizer

tokenise.CHUNK = 100
tokenizer = load_tokenizer(Path(sys.argv[1]))
write_store(Path(sys.argv[2]), [("ein Haus", "a house")] * 5000, tokenizer, tokenizer, workers=2)
"""


@pytest.mark.parametrize("typed", [False, True])
def test_a_script_whose_processes_cannot_start_is_told_so(tmp_path, tokenizer, typed):
    # A process imports the script that started it: without a guard it would start others itself, and one
    # that was typed is nowhere.
    script, model = tmp_path / "prepare.py", tmp_path / "t.model"
    script.write_text(UNGUARDED)
    tokenizer.save(model)
    done = subprocess.run(
        [sys.executable, "-" if typed else script, model, tmp_path / "store"],
        input=UNGUARDED.encode() if typed else b"",
        stderr=subprocess.PIPE,
        timeout=100,
        check=False,
    )
    assert done.returncode
    told = b'or could not start; use fewer workers; a script does its work under `if __name__ == "__main__":`'
    assert told in done.stderr


def test_a_tokenizer_that_cannot_be_handed_to_a_process_is_an_error_at_once():
    tokenizer = SimpleNamespace(lock=threading.Lock())
    rows = [("ein Haus",)] * 30_000
    with pytest.raises(TypeError, match="cannot pickle"):
        next(tokenise.tokenise(rows, [tokenizer], longest=None, workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_preparation_leaves_no_store_no_process_and_no_litter(tmp_path, tokenizer, store, workers):
    script, model = tmp_path / "prepare.py", tmp_path / "t.model"
    script.write_text(KILLED)
    tokenizer.save(model)
    process = subprocess.Popen(
        [sys.executable, script, model, store.folder, str(workers)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"half\n"
    # The start of a new session makes a process group, which ends when the last worker has.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pytest.raises(InputError, match="no prepared data here"):
        TokenStore(store.folder)
    for _ in range(500):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.01)
    else:
        pytest.fail("a worker outlives the killed preparation")
    write_store(store.folder, [("a", "b")], tokenizer, tokenizer)
    assert sorted(bytes_of(store.folder)) == [
        INDEX,
        "source.bin",
        "source.offsets",
        "target.bin",
        "target.offsets",
    ]
    assert not list(store.folder.glob(".partial*"))


@pytest.mark.parametrize("name", ["source.bin", "source.offsets", "target.bin", "target.offsets"])
def test_a_flipped_bit_is_found_and_a_cut_file_does_not_open(store, name):
    path = store.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: damaged: its SHA-256"):
        TokenStore(store.folder).verify()
    path.write_bytes(content[:-2])
    with pytest.raises(InputError, match=f"{path}: damaged: .* bytes where"):
        TokenStore(store.folder)
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: damaged: missing"):
        TokenStore(store.folder)


def test_offsets_of_other_tokens_do_not_open(store):
    path = store.folder / "source.offsets"
    offsets = np.fromfile(path, "<i8")
    for place, value in ((-1, offsets[-1] - 1), (0, 1)):
        changed = offsets.copy()
        changed[place] = value
        changed.tofile(path)
        with pytest.raises(InputError, match=f"{path}: damaged: it does not fit the tokens"):
            TokenStore(store.folder)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("version", 3, "version 3 of the format"),
        ("rows", 0, "at least one row"),
        ("rows", -1, "at least one row"),
        ("rows", "5", "rows: '5' is not a whole number"),
        ("rows", 10**15, "bytes where"),
        ("sides", [], "at least one"),
        ("extra", 1, "no such field"),
    ],
)
def test_a_wrong_index_is_named(store, field, value, said):
    path = store.folder / INDEX
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(InputError, match=said):
        TokenStore(store.folder)


@pytest.mark.parametrize(("field", "value"), [("name", "../source"), ("tokens", -1), ("dtype", "float64")])
def test_an_index_points_at_nothing_but_token_files_in_its_folder(store, field, value):
    path = store.folder / INDEX
    facts = json.loads(path.read_text())
    facts["sides"][0][field] = value
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match=str(path)):
        TokenStore(store.folder)


def test_the_digest_changes_with_the_content(tmp_path, store, tokenizer, text):
    same = write_store(tmp_path / "b", zip(text(50), text(50, 1), strict=True), tokenizer, tokenizer)
    other = write_store(tmp_path / "c", zip(text(50), text(50, 2), strict=True), tokenizer, tokenizer)
    assert store.digest == same.digest != other.digest


def test_lengths_count_eos(tmp_path):
    store = write_store(tmp_path, [("3", "4 4")], Tokenizer(9), Tokenizer(9))
    assert np.array_equal(store.source_lengths, [2])
    assert np.array_equal(store.target_lengths, [3])
