"""What is packed comes back bit by bit; what was damaged, cut or forged is refused by name."""

import hashlib
import json
import lzma
import os
import resource
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

from litetransformer.compress import container, pack
from litetransformer.compress.character_map import RULES, character_map
from litetransformer.compress.container import Contents, FileEntry, TensorEntry
from litetransformer.compress.pack import Pack, Plain
from litetransformer.compress.quantize import affine, codebook
from litetransformer.core.errors import InputError

FILES = {"model.json": b'{"format": 1}\n' * 20, "tokenizer.model": bytes(range(256)) * 5, "empty": b""}


def tensors(seed=0):
    torch.manual_seed(seed)
    sparse = torch.randn(30, 20) * (torch.rand(30, 20) > 0.8)
    return {
        "layer.weight": codebook(torch.randn(40, 30), bits=4),
        "layer.rows": codebook(torch.randn(40, 3), bits=2, rows=7),
        "layer.sparse": codebook(sparse, bits=3, rate=0.02),
        "layer.minute": codebook(1e-30 * torch.randn(9, 9), bits=8),
        "layer.affine": affine(torch.randn(25, 4), rows=10),
        "layer.bias": affine(torch.randn(17)),
        "norm.weight": Plain(weights=torch.randn(9), precision="float16"),
        "norm.bias": Plain(weights=torch.randn(9)),
        "constant": codebook(torch.full((4, 4), 0.1), bits=2),
        "zero": codebook(torch.zeros(5, 5), bits=2),
        "nothing": codebook(torch.zeros(0, 5), bits=2),
        "no.rows": affine(torch.zeros(0, 5), rows=2),
        "scalar": codebook(torch.tensor(2.0), bits=1),
        "plain.scalar": Plain(weights=torch.tensor(0.5)),
    }


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "model.lite"
    place.write_bytes(pack.to_bytes(FILES, tensors()))
    return place


def test_everything_comes_back_bit_by_bit(path):
    found = Pack(path)
    assert {name: found.file(name) for name in FILES} == FILES
    assert list(found.outline()) == list(tensors())
    for name, tensor in tensors().items():
        ours, weights = found.tensor(name), tensor.dequantize()
        assert found.outline()[name] == tuple(weights.shape)
        assert torch.equal(ours.dequantize(), weights)
        assert torch.equal(ours.dequantize().signbit(), weights.signbit())
        if not isinstance(tensor, Plain):
            assert np.array_equal(ours.codes, tensor.codes)
            assert np.array_equal(ours.values, tensor.values)
            assert (ours.rows, ours.precision) == (tensor.rows, tensor.precision)
    assert found.dequantized().keys() == tensors().keys()


def test_equal_input_gives_equal_bytes_with_and_without_the_package(path, monkeypatch):
    content = path.read_bytes()
    assert pack.to_bytes(FILES, tensors()) == content
    monkeypatch.setitem(__import__("sys").modules, "constriction", None)
    assert pack.to_bytes(FILES, tensors()) == content
    found = Pack(path)
    assert all(torch.equal(found.tensor(n).dequantize(), t.dequantize()) for n, t in tensors().items())


def test_one_order_of_the_parts_decides_the_bytes(path):
    assert pack.to_bytes(FILES, dict(reversed(tensors().items()))) != path.read_bytes()


def small_file():
    torch.manual_seed(0)
    few = {"a": codebook(torch.randn(6, 6), bits=2), "b": affine(torch.randn(4))}
    return pack.to_bytes({"card": b"{}"}, few)


def test_a_flip_of_any_bit_is_found_and_named(tmp_path):
    content, place = small_file(), tmp_path / "model.lite"
    for position in range(8 * len(content)):
        changed = bytearray(content)
        changed[position // 8] ^= 1 << position % 8
        place.write_bytes(changed)
        with pytest.raises(InputError) as caught:
            Pack(place)
        assert caught.value.path == str(place)


def test_a_cut_anywhere_and_anything_added_are_found_and_named(tmp_path):
    content, place = small_file(), tmp_path / "model.lite"
    for damaged in (*(content[:end] for end in range(len(content))), content + b"\0", content * 2):
        place.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            Pack(place)
        assert caught.value.path == str(place)


def forged(header, body=b"", *, version=container.VERSION, raw=None, stored=None, size=None):
    """A file with a right checksum and whatever else."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    packed = container.packed(text)
    raw, stored = len(text) if raw is None else raw, len(packed) if stored is None else stored
    whole = 28 + len(packed) + len(body) + 32 if size is None else size
    content = struct.pack("<8sIIIQ", container.MAGIC, version, stored, raw, whole) + packed + body
    return content + hashlib.sha256(content).digest()


def tensor(**changes):
    return {"type": "TensorEntry", "name": "a", "shape": [4], "kind": "float32", "stored": 16, **changes}


def contents(*entries, files=()):
    return {"type": "Contents", "files": list(files), "tensors": list(entries)}


CODES = {"kind": "codebook", "levels": 4, "precision": "float32", "flat": True}
NAN = struct.pack("<4f", 1.0, float("nan"), 0.0, 0.0)
HOSTILE = {
    "another_version": (forged(contents(), version=2), "version 2"),
    "a_header_that_is_longer_than_the_file": (forged(contents(), stored=2**31), "longer than the file"),
    "a_header_that_unpacks_to_gigabytes": (forged(contents(), raw=2**32 - 1), "none of ours"),
    "a_bomb": (forged(b" " * 4_000_000), "none of ours"),
    "a_header_that_is_not_packed": (forged(contents(), raw=3), "unpacks to something else"),
    "no_json": (forged(b"}{"), "not JSON"),
    "no_text": (forged(b"\xff\xfe"), "invalid start byte"),
    "nested": (forged(b"[" * 60_000), "nested too deeply"),
    "a_key_twice": (forged(b'{"files": [], "files": []}'), "stands twice"),
    "an_unknown_key": (forged({**contents(), "more": 1}), "no such field"),
    "a_name_twice": (forged(contents(tensor(), tensor()), bytes(32)), "stands twice"),
    "a_negative_size": (forged(contents(tensor(shape=[-4])), bytes(16)), "negative"),
    "a_negative_section": (forged(contents(tensor(stored=-1))), "negative"),
    "too_many_weights": (forged(contents(tensor(shape=[2**20]))), "more weights than a file"),
    "far_too_many_weights": (forged(contents(tensor(shape=[10**9] * 40))), "more weights than a file"),
    "many_small_shares": (
        forged(contents(*(tensor(name=str(n), shape=[9**4], **CODES, stored=16) for n in range(99)))),
        "more weights",
    ),
    "a_section_beyond_the_end": (forged(contents(tensor()), bytes(12)), "longer than the file"),
    "something_after_the_end": (forged(contents(), b"12345678"), "after its last section"),
    "a_file_that_unpacks_to_gigabytes": (
        forged(contents(files=[{"type": "FileEntry", "name": "x", "size": 2**40, "stored": 10}]), bytes(10)),
        "none of ours",
    ),
    "an_unknown_rule": (
        forged(contents(files=[{"type": "FileEntry", "name": "x", "size": 9, "stored": 9, "rule": "y"}])),
        "none of ours",
    ),
    "one_level": (forged(contents(tensor(**{**CODES, "levels": 1}))), "levels=1 must be"),
    "many_levels": (forged(contents(tensor(**{**CODES, "levels": 2**40}))), "must be from 2 to 256"),
    "an_unknown_kind": (forged(contents(tensor(kind="pickle"))), "is not a choice"),
    "wrong_bytes": (forged(contents(tensor(shape=[5])), bytes(16)), "16 bytes for 5 weights"),
    "no_values": (forged(contents(tensor(**{**CODES, "stored": 8})), bytes(8)), "none of its kind"),
    "odd_words": (forged(contents(tensor(**{**CODES, "stored": 17})), bytes(17)), "none of its kind"),
    "many_groups": (forged(contents(tensor(**{**CODES, "rows": 1})), bytes(16)), "none of its kind"),
    "affine_of_few_levels": (
        forged(contents(tensor(**{**CODES, "kind": "affine"})), bytes(16)),
        "none of its kind",
    ),
    "nan": (forged(contents(tensor()), NAN), "NaN"),
    "nan_in_values": (forged(contents(tensor(**CODES)), NAN), "NaN"),
    "infinite_scale": (
        forged(
            contents(tensor(kind="affine", levels=256, flat=True, stored=5)),
            struct.pack("<fB", float("inf"), 0),
        ),
        "NaN",
    ),
    "overflowing_scale": (
        forged(contents(tensor(kind="affine", levels=256, flat=True, stored=5)), struct.pack("<fB", 3e38, 0)),
        "NaN",
    ),
    "frequencies": (
        forged(contents(tensor(**{**CODES, "flat": False, "stored": 22})), bytes(16) + b"\xff" * 6),
        "add up",
    ),
    "no_frequencies": (
        forged(contents(tensor(**{**CODES, "flat": False, "stored": 22})), bytes(22)),
        "add up",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_forged_file_is_refused_soon_and_in_little_memory(name, tmp_path):
    content, what = HOSTILE[name]
    place = tmp_path / "model.lite"
    place.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        Pack(place).dequantized()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert caught.value.path == str(place)
    assert what in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(InputError, match="no such file"):
            Pack(place)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not a compressed model, or damaged"):
        Pack(tmp_path / "text")


def test_a_packed_file_of_another_content_is_named(tmp_path):
    place = tmp_path / "model.lite"
    entry = {"type": "FileEntry", "name": "card", "size": 10, "stored": 7}
    place.write_bytes(forged(contents(files=[entry]), b"\x01\x00\x00garb"))
    with pytest.raises(InputError) as caught:
        Pack(place).file("card")
    assert str(caught.value).startswith(f"{place}:card: ")
    with pytest.raises(InputError, match="missing"):
        Pack(place).file("tokenizer")


@pytest.mark.parametrize("rule", RULES)
def test_a_map_that_the_library_has_is_left_out(rule, tmp_path):
    content = b"before" + character_map(rule) + b"after"
    place = tmp_path / "model.lite"
    place.write_bytes(written := pack.to_bytes({"tokenizer.model": content, "card": content[:99]}, {}))
    assert len(written) < 1000
    assert Pack(place).file("tokenizer.model") == content
    assert Pack(place).file("card") == content[:99]


def test_a_map_that_this_library_has_otherwise_is_named(tmp_path, monkeypatch):
    place = tmp_path / "model.lite"
    place.write_bytes(pack.to_bytes({"tokenizer.model": character_map("nfkc")}, {}))
    monkeypatch.setattr(pack, "character_map", lambda rule: b"a newer one")
    with pytest.raises(InputError, match="install the version of sentencepiece that it"):
        Pack(place).file("tokenizer.model")


def test_a_file_of_zeros_alone_is_filled_up_and_loads(tmp_path):
    place = tmp_path / "model.lite"
    place.write_bytes(content := pack.to_bytes({}, {"a": codebook(torch.zeros(1000, 1000), bits=4)}))
    assert len(content) * container.WEIGHTS_PER_BYTE >= 10**6
    assert not Pack(place).tensor("a").dequantize().any()


def test_entries_are_written_as_they_are_read():
    entry = TensorEntry(name="a", shape=(2, 3), kind="codebook", stored=5, levels=4)
    assert entry.count == 6
    assert replace(entry, shape=()).count == 1
    whole = container.to_bytes(Contents(files=(), tensors=()), [])
    assert whole == container.to_bytes(Contents(files=(), tensors=()), [])
    with pytest.raises(ValueError, match="none of ours"):
        FileEntry(name="x", size=2**30, stored=2)


def test_packed_is_what_lzma_unpacks():
    content = b"some text " * 500
    raw = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]
    assert lzma.decompress(container.packed(content), lzma.FORMAT_RAW, filters=raw) == content
    assert container.unpacked(container.packed(content), len(content)) == content
