"""A file of tensors is what was written, to the last bit, or it is refused by name."""

import hashlib
import json
import os
import random
import struct

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.models.tensors import check_tensors, load_tensors, read_facts, save_tensors

TENSORS = {"b": torch.randn(3, 4), "a": torch.arange(5), "e": torch.empty(0, 2), "s": torch.tensor(1.5)}
FACTS = {"update": 3, "text": "ü\u2028" + "0" * 64, "nested": {"x": [1, None, 0.1]}}


@pytest.fixture
def path(tmp_path):
    save_tensors(tmp_path / "t.safetensors", TENSORS, FACTS)
    return tmp_path / "t.safetensors"


def test_tensors_and_facts_come_back_as_they_were(path):
    tensors, facts = load_tensors(path)
    assert facts == read_facts(path) == FACTS
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)


def test_the_same_tensors_give_the_same_bytes(path, tmp_path):
    backwards = {name: TENSORS[name].clone() for name in reversed(TENSORS)}
    save_tensors(tmp_path / "again.safetensors", backwards, FACTS)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_other_programs_can_read_the_file(path):
    from safetensors.torch import load_file

    torch.testing.assert_close(load_file(path)["b"], TENSORS["b"], rtol=0, atol=0)


def test_slices_and_parameters_are_written_as_what_they_show(tmp_path):
    whole = torch.nn.Parameter(torch.randn(4, 6))
    save_tensors(tmp_path / "x.safetensors", {"part": whole[:, 1:3], "turned": whole.T}, {})
    found, _ = load_tensors(tmp_path / "x.safetensors")
    torch.testing.assert_close(found["part"], whole.detach()[:, 1:3], rtol=0, atol=0)
    torch.testing.assert_close(found["turned"], whole.detach().T, rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_anywhere_is_found(path, seed):
    content, generator = path.read_bytes(), random.Random(seed)
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << generator.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(InputError) as caught:
            load_tensors(path)
        assert caught.value.path == str(path)


def test_a_cut_anywhere_and_anything_added_are_found(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            load_tensors(path)
    for added in (b"\0", b" " * 8, content):
        path.write_bytes(content + added)
        with pytest.raises(InputError):
            load_tensors(path)


def test_a_file_longer_than_its_header_says_is_refused_before_it_is_read(path):
    os.truncate(path, 10**12)
    with pytest.raises(InputError, match="cut, or longer than its header says; restore it from a copy"):
        read_facts(path)


def test_two_files_swapped_in_part_are_found(path):
    first = path.read_bytes()
    save_tensors(path, {name: tensor + 1 for name, tensor in TENSORS.items()}, FACTS)
    second = path.read_bytes()
    length = struct.unpack("<Q", first[:8])[0] + 8
    path.write_bytes(first[:length] + second[length:])
    with pytest.raises(InputError, match="damaged: its checksum does not match; restore it from a copy"):
        load_tensors(path)


def written(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def checked(header, data=b"", **facts):
    """A file with a right checksum over whatever `header` says."""
    facts = json.dumps({"sha256": "0" * 64, **facts})
    content = written({"__metadata__": {"litetransformer": facts}, **header}, data)
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "empty": b"",
    "short": b"\1\0\0\0",
    "pickle": b"\x80\x04\x95" + b"x" * 100,
    "zip": b"PK\x03\x04" + b"x" * 100,
    "huge_header": written(b"{}", length=2**63),
    "long_header": written(b"{}", length=2**24 + 1) + bytes(2**24),
    "no_json": written(b"{{{}"),
    "no_object": written([1, 2]),
    "metadata_no_object": written({"__metadata__": [1]}),
    "metadata_number": written({"__metadata__": {"litetransformer": 3}}),
    "facts_no_object": written({"__metadata__": {"litetransformer": "[]"}}),
    "facts_no_json": written({"__metadata__": {"litetransformer": "{"}}),
    "no_checksum": written({"__metadata__": {"litetransformer": "{}"}}),
    "checksum_number": written({"__metadata__": {"litetransformer": '{"sha256": 3}'}}),
    "plain_safetensors": written({"a": ENTRY}, bytes(8)),
    "twice": written(b'{"__metadata__": {}, "__metadata__": {}}'),
    "deep": written(b"[" * 10_000 + b"]" * 10_000),
    "deep_facts": written({"__metadata__": {"litetransformer": "[" * 10_000}}),
    "digits": written(b"1" * 5000),
    "offsets_outside": checked({"a": ENTRY | {"data_offsets": [0, 2**60], "shape": [2**58]}}, bytes(8)),
    "offsets_backwards": checked({"a": ENTRY | {"data_offsets": [8, 0]}}, bytes(8)),
    "offsets_overlap": checked({"a": ENTRY, "b": ENTRY}, bytes(8)),
    "shape_too_large": checked({"a": ENTRY | {"shape": [2**62, 2**62]}}, bytes(8)),
    "shape_negative": checked({"a": ENTRY | {"shape": [-2]}}, bytes(8)),
    "dtype_unknown": checked({"a": ENTRY | {"dtype": "X9"}}, bytes(8)),
    "entry_no_object": checked({"a": 3}, bytes(8)),
    "offsets_no_numbers": checked({"a": ENTRY | {"data_offsets": [0.0, "8"]}}, bytes(8)),
    "offsets_true": checked({"a": ENTRY | {"data_offsets": [False, True]}}, bytes(1)),
    "offsets_negative": checked({"a": ENTRY | {"data_offsets": [-8, 8]}}, bytes(8)),
    "offsets_nested": checked({"a": ENTRY | {"data_offsets": [[0, 8], {}]}}, bytes(8)),
    "offsets_three": checked({"a": ENTRY | {"data_offsets": [0, 4, 8]}}, bytes(8)),
    "offsets_number": checked({"a": ENTRY | {"data_offsets": 8}}, bytes(8)),
    "offsets_huge": checked({"a": ENTRY | {"data_offsets": [0, 10**400]}}, bytes(8)),
    "hole": checked({"a": ENTRY | {"data_offsets": [8, 16]}}, bytes(16)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_tensors(path)
    assert str(caught.value).startswith(f"{path}:")
    assert len(str(caught.value)) < 500


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "missing", "."):
        with pytest.raises(InputError, match="no such file"):
            load_tensors(tmp_path / name)


def test_facts_that_no_reader_would_accept_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        save_tensors(tmp_path / "t.safetensors", {}, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": None}, "t.safetensors:a: missing; the file belongs to another model"),
        ({"a": torch.zeros(3, 2)}, "t.safetensors:a: has the shape (3, 2), not (2, 3)"),
        ({"c": torch.zeros(1)}, "t.safetensors:c: unexpected; the file belongs to another model"),
        ({"a": torch.full((2, 3), float("nan"))}, "t.safetensors:a: holds NaN or infinite weights"),
        ({"a": torch.full((2, 3), -float("inf"))}, "t.safetensors:a: holds NaN or infinite weights"),
        (
            {"a": torch.zeros(2, 3, dtype=torch.long)},
            "t.safetensors:a: holds torch.int64, which are no weights",
        ),
        ({"a": torch.zeros(2, 3, dtype=torch.complex64)}, "t.safetensors:a: holds torch.complex64, which"),
    ],
)
def test_weights_of_another_model_are_refused_by_name(tmp_path, change, message):
    expected = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    path = tmp_path / "t.safetensors"
    given = {name: tensor for name, tensor in (expected | change).items() if tensor is not None}
    with pytest.raises(InputError) as caught:
        check_tensors(given, expected, path)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
    check_tensors(expected, expected, path)
