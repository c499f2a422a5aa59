"""A store in shards: the same rows as in one, and a killed writing goes on after the last whole shard."""

import itertools
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.data.batching import BatchPlan
from litetransformer.data.side import Joined
from litetransformer.data.store import INDEX, TokenStore, write_sides, write_store
from litetransformer.data.text_batching import TextPlan
from litetransformer.data.unfinished import UNFINISHED

CHUNK = 100


class Digits:
    """Encodes "3 5" as [3, 5]."""

    size, digest = 64, "0" * 64

    def encode(self, text):
        return [int(number) for number in text.split()]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("litetransformer.data.tokenise.CHUNK", CHUNK)


@pytest.fixture(scope="module")
def pairs():
    generator = np.random.default_rng(0)

    def line():
        return " ".join(map(str, generator.integers(3, 64, generator.integers(0, 12))))

    return [(line(), line()) for _ in range(1730)]


def write(folder, pairs, **options):
    return write_store(folder, pairs, Digits(), Digits(), **{"longest": 9, "shard_tokens": 1500, **options})


@pytest.fixture
def sharded(tmp_path, pairs):
    return write(tmp_path / "sharded", pairs)


@pytest.fixture
def whole(tmp_path, pairs):
    return write(tmp_path / "whole", pairs, shard_tokens=10**9)


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


def test_a_shard_ends_with_the_chunk_that_fills_it(sharded, pairs):
    assert len(sharded.shards) > 2
    for shard in sharded.shards[:-1]:
        assert shard.read % CHUNK == 0
        assert 1500 <= max(side.tokens for side in shard.sides) < 1500 + 9 * CHUNK
    assert sum(shard.read for shard in sharded.shards) == len(pairs)
    names = {f"{side}{number}" for side in ("source", "target") for number in ("", "-00001", "-00002")}
    assert names <= {path.stem for path in sharded.folder.glob("*.bin")}


def test_shards_hold_what_one_store_holds(sharded, whole):
    assert len(whole.shards) == 1
    assert len(sharded) == len(whole) == len(sharded.sides["source"])
    for row in range(len(whole)):
        assert sharded.source(row).tolist() == whole.source(row).tolist()
        assert sharded.target(row).tolist() == whole.target(row).tolist()
    assert np.array_equal(sharded.source_lengths, whole.source_lengths)
    assert np.array_equal(sharded.target_lengths, whole.target_lengths)
    for name in ("rows", "dropped", "truncated", "longest"):
        assert getattr(sharded.index, name) == getattr(whole.index, name)
    for ours, theirs in zip(sharded.index.sides, whole.index.sides, strict=True):
        assert (ours.name, ours.tokens, ours.dtype) == (theirs.name, theirs.tokens, theirs.dtype)
        side = sharded.sides[ours.name]
        assert np.array_equal(np.array(side.tokens), whole.sides[ours.name].tokens)
        assert np.array_equal(np.array(side.offsets), whole.sides[ours.name].offsets)
    with pytest.raises(IndexError):
        sharded.source(len(whole))
    sharded.verify()


@pytest.mark.parametrize("at_once", [10**9, 100])
def test_the_batches_of_shards_are_those_of_one_store(sharded, whole, at_once):
    ours, theirs = (BatchPlan(store, budget=100, seed=3, at_once=at_once) for store in (sharded, whole))
    assert len(ours.epoch(2)) == len(theirs.epoch(2)) > 50
    for one, other in zip(ours.epoch(2), theirs.epoch(2), strict=True):
        assert one.indices.tolist() == other.indices.tolist()
        first, second = ours.load(one), theirs.load(other)
        assert all(a.equal(b) for a, b in zip(first.tensors, second.tensors, strict=True))
        assert first.tokens == second.tokens
    shares = [BatchPlan(sharded, budget=100, rank=rank, world=2).load(one) for rank in (0, 1)]
    assert {share.all_tokens for share in shares} == {first.tokens}


def test_running_text_goes_on_over_the_end_of_a_shard(tmp_path, pairs):
    stores = [
        write_sides(
            tmp_path / str(tokens),
            ((source,) for source, _ in pairs),
            {"text": Digits()},
            longest=None,
            shard_tokens=tokens,
        )
        for tokens in (1000, 10**9)
    ]
    assert [len(store.shards) > 1 for store in stores] == [True, False]
    ours, theirs = (TextPlan(store, length=7, budget=21) for store in stores)
    for one, other in zip(ours.epoch(1), theirs.epoch(1), strict=True):
        loaded = zip(ours.load(one).tensors, theirs.load(other).tensors, strict=True)
        assert all(a.equal(b) for a, b in loaded)


def test_rows_that_are_all_left_out_are_no_shard_of_their_own(tmp_path, pairs):
    empty = [("", "")] * CHUNK
    store = write(tmp_path, [*empty, *pairs[:800], *empty * 3], shard_tokens=1)
    assert [shard.rows > 0 for shard in store.shards] == [True] * len(store.shards)
    assert store.index.read == 800 + 4 * CHUNK
    assert [shard.read for shard in store.shards][::7] == [2 * CHUNK, 4 * CHUNK]


def test_an_old_store_of_one_shard_opens(tmp_path):
    """The bytes that version 1 of the format wrote for two rows, the second with the longer target."""
    files = {
        "source.bin": (b"\3\0\4\0\1\0\6\0\1\0", np.array([0, 3, 5], "<i8").tobytes()),
        "target.bin": (b"\5\0\1\0\7\0\x08\0\3\0\1\0", np.array([0, 2, 6], "<i8").tobytes()),
    }
    checksums = {
        "source": (
            "02db2304790fba2401a0be72e6313679a927c7f63f275fb55d49b2edbeffe15b",
            "ca3ce338f5111180d8ab7eebde2d90081121af12238a0b5a4419f8ebaa19e6f4",
        ),
        "target": (
            "ea54bc129e44b548f8713e9bbf963cc9fe9451640039f2a5bdd3e5a1f0583df6",
            "12585bb74d9f20ff8f5caa15f3c82f5b61bc1348ac25154fffa6a754d14a0675",
        ),
    }
    sides = []
    for name, (tokens, offsets) in files.items():
        (tmp_path / name).write_bytes(tokens)
        (tmp_path / name).with_suffix(".offsets").write_bytes(offsets)
        side = name.removesuffix(".bin")
        sides.append(
            {
                "type": "SideIndex",
                "name": side,
                "tokenizer": "0" * 64,
                "dtype": "uint16",
                "tokens": len(tokens) // 2,
                "tokens_sha256": checksums[side][0],
                "offsets_sha256": checksums[side][1],
            }
        )
    index = {
        "type": "StoreIndex",
        "version": 1,
        "rows": 2,
        "longest": 9,
        "longest_ratio": 0.0,
        "dropped": [{"type": "Dropped", "why": "empty", "rows": 1}],
        "sides": sides,
        "truncated": 0,
    }
    (tmp_path / INDEX).write_text(json.dumps(index, indent=2) + "\n")
    store = TokenStore(tmp_path)
    store.verify()
    assert [store.source(row).tolist() for row in (0, 1)] == [[3, 4, 1], [6, 1]]
    assert [store.target(row).tolist() for row in (0, 1)] == [[5, 1], [7, 8, 3, 1]]
    # What is small is still written so, to the bit.
    write(tmp_path / "now", [("3 4", "5"), ("6", "7 8 3"), ("", "4")])
    assert bytes_of(tmp_path / "now") == {
        path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()
    }


KILLED = """
import os, signal, sys
from pathlib import Path
from litetransformer.data import tokenise
from litetransformer.data.store import write_store
from litetransformer.data.tokenizer import load_tokenizer

tokenise.CHUNK = 100

def rows():
    for number, line in enumerate(Path(sys.argv[3]).read_text().splitlines()):
        if number == 3000:
            os.kill(os.getpid(), signal.SIGKILL)
        yield tuple(line.split("|"))

if __name__ == "__main__":
    known = load_tokenizer(Path(sys.argv[1]))
    options = {"workers": int(sys.argv[4]), "resume": "text", "shard_tokens": 2000, "longest": 9}
    write_store(Path(sys.argv[2]), rows(), known, known, **options)
"""


SLOW = [pytest.param(workers, marks=pytest.mark.slow) for workers in (3, 7)]


@pytest.mark.parametrize("workers", [1, 2, *SLOW])
def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(tmp_path, tokenizer, text, workers):
    pairs = list(zip(text(4000, 2, 5), text(4000, 3, 5), strict=True))
    options = {"longest": 9, "shard_tokens": 2000, "resume": "text"}
    whole = write_store(tmp_path / "whole", pairs, tokenizer, tokenizer, **options)
    tokenizer.save(tmp_path / "t.model")
    (tmp_path / "lines").write_text("".join(f"{source}|{target}\n" for source, target in pairs))
    (tmp_path / "killed.py").write_text(KILLED)
    arguments = [tmp_path / name for name in ("killed.py", "t.model", "killed", "lines")]
    done = subprocess.run([sys.executable, *arguments, str(workers)], stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match="no prepared data here"):
        TokenStore(tmp_path / "killed")
    read, progress = [], []

    def rows():
        for pair in pairs:
            read.append(pair)
            yield pair

    write_store(
        tmp_path / "killed",
        rows(),
        tokenizer,
        tokenizer,
        progress=progress.append,
        workers=workers,
        **options,
    )
    assert bytes_of(tmp_path / "killed") == bytes_of(whole.folder)
    # The shards that were whole are not made again: their rows are told of at once.
    ends = list(itertools.accumulate(shard.read for shard in whole.shards))
    assert progress[0] in ends[:-1]
    assert progress[0] >= ends[0]
    assert sum(progress) == len(read) == 4000


def stopped(folder, pairs, at, **options):
    """Write until row `at` fails; what has been finished stays, if it may."""

    def rows():
        yield from pairs[:at]
        raise InputError("bad line")

    with pytest.raises(InputError, match="bad line"):
        write(folder, rows(), **options)


def test_what_was_stopped_is_gone_on_with_only_if_nothing_has_changed(tmp_path, pairs):
    stopped(tmp_path / "stopped", pairs, 1200, resume="a")
    assert (tmp_path / "stopped" / UNFINISHED).is_file()
    other = [(target, source) for source, target in pairs]
    for number, (rows, options) in enumerate(
        [
            (pairs, {"resume": "a"}),
            (other, {"resume": "b"}),
            (other, {}),
            (pairs, {"resume": "a", "longest": 7}),
            (pairs, {"resume": "a", "longest_ratio": 1.5}),
            (pairs, {"resume": "a", "truncate_source": 3}),
            (pairs, {"resume": "a", "shard_tokens": 900}),
        ]
    ):
        folder, progress = shutil.copytree(tmp_path / "stopped", tmp_path / str(number)), []
        write(folder, rows, progress=progress.append, **options)
        fresh = write(tmp_path / f"fresh{number}", rows, **options)
        assert bytes_of(folder) == bytes_of(fresh.folder)
        assert (progress[0] > CHUNK) == (number == 0)


def test_without_leave_to_go_on_nothing_stays(tmp_path, pairs):
    stopped(tmp_path, pairs, 1200)
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_shard_is_made_again_and_those_before_it_are_kept(tmp_path, pairs, sharded, harm):
    stopped(tmp_path / "stopped", pairs, 1700, resume="a")
    path = tmp_path / "stopped" / "target-00001.bin"
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content if harm == "flip" else content[:-2])
    if harm == "remove":
        path.unlink()
    progress = []
    write(path.parent, pairs, progress=progress.append, resume="a")
    assert progress[0] == sharded.shards[0].read
    assert bytes_of(path.parent) == bytes_of(sharded.folder)


def test_a_damaged_note_begins_again(tmp_path, pairs, sharded):
    stopped(tmp_path / "stopped", pairs, 1700, resume="a")
    note = tmp_path / "stopped" / UNFINISHED
    for number, content in enumerate((note.read_text().replace('"rows"', '"rose"', 1), "[]", "{", "")):
        folder = shutil.copytree(note.parent, tmp_path / str(number))
        (folder / UNFINISHED).write_text(content)
        progress = []
        write(folder, pairs, progress=progress.append, resume="a")
        assert progress[0] == CHUNK
        assert bytes_of(folder) == bytes_of(sharded.folder)


@pytest.mark.parametrize("name", ["source-00001.bin", "source-00002.offsets", "target.bin"])
def test_the_damaged_file_of_a_shard_is_named(sharded, name):
    path = sharded.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: damaged: its SHA-256"):
        TokenStore(sharded.folder).verify()
    path.write_bytes(content[:-2])
    with pytest.raises(InputError, match=f"{path}: damaged: .* bytes where"):
        TokenStore(sharded.folder)
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: damaged: missing"):
        TokenStore(sharded.folder)


def test_shards_that_do_not_go_together_are_no_store(sharded):
    path = sharded.folder / INDEX
    facts = json.loads(path.read_text())
    facts["shards"][1]["sides"][0]["tokenizer"] = "1" * 64
    path.write_text(json.dumps(facts))
    with pytest.raises(InputError, match=f"{path}: shards of one store have the same sides"):
        TokenStore(sharded.folder)
    path.write_text(json.dumps({**facts, "shards": []}))
    with pytest.raises(InputError, match=str(path)):
        TokenStore(sharded.folder)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), data=st.data())
def test_arrays_end_to_end_read_as_one(sizes, data):
    parts = [np.arange(size, dtype="<u2") + 10 * number for number, size in enumerate(sizes)]
    added = [100 * number for number in range(len(parts))]
    joined = Joined(parts, added)
    expected = np.concatenate([part + extra for part, extra in zip(parts, added, strict=True)])
    assert len(joined) == len(expected)
    assert np.array_equal(np.array(joined), expected)
    first, end = (data.draw(st.integers(0, len(expected))) for _ in range(2))
    assert np.array_equal(joined[first:end], expected[first:end])
    places = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=9))
    assert np.array_equal(joined[np.array(places, int)], expected[places])
    assert [int(joined[place]) for place in places] == expected[places].tolist()
    for outside in (-1, len(expected)):
        with pytest.raises(IndexError):
            joined[outside]
        with pytest.raises(IndexError):
            joined[np.array([0, outside])]
