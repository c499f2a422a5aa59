import gzip
import io
import json
import lzma
import os
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.spec import from_json, to_json
from litetransformer.data.corpus import TextPairs, decode_lines, read_lines, read_pairs
from litetransformer.data.filters import why_drop

ODD = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\rj\ufeff\x00"


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs_in(path, content, **fields):
    return list(read_pairs(TextPairs(source=str(write(path, content)), **fields)))


def test_only_a_line_feed_ends_a_line(tmp_path):
    assert list(read_lines(write(tmp_path / "t", f"{ODD}\n\nlast"))) == [ODD, "", "last"]


def test_one_carriage_return_before_the_line_feed_is_dropped(tmp_path):
    assert list(read_lines(write(tmp_path / "t", "a\r\nb\r\r\nc\r"))) == ["a", "b\r", "c\r"]


def test_a_byte_order_mark_is_dropped_at_the_start_only(tmp_path):
    assert list(read_lines(write(tmp_path / "t", "\ufeff\ufeffa\n\ufeffb\n"))) == ["\ufeffa", "\ufeffb"]
    assert list(read_lines(write(tmp_path / "u", "\ufeff"))) == []
    assert list(read_lines(write(tmp_path / "v", "\ufeff\n"))) == [""]


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
def test_any_lines_come_back_as_they_were_written(lines):
    # A carriage return at the end of a line belongs to its line end, so write one more.
    stream = io.BytesIO("".join(f"{line}\r\n" for line in lines).encode())
    expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
    assert list(decode_lines(stream)) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_read_whole_or_refused_with_their_place(content):
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        with pytest.raises(InputError, match=f" {wrong.start} of the file") as raised:
            list(decode_lines(io.BytesIO(content)))
        assert raised.value.line == content[: wrong.start].count(b"\n") + 1  # noqa: PT017
    else:
        lines = list(decode_lines(io.BytesIO(content)))
        assert len(lines) in (content.count(b"\n"), content.count(b"\n") + 1)


def test_invalid_utf8_names_file_line_and_byte(tmp_path):
    path = write(tmp_path / "t", "für\n".encode() + b"ab\xffc\n")
    with pytest.raises(InputError) as raised:
        list(read_lines(path))
    assert str(raised.value).startswith(f"{path}:2: invalid UTF-8: byte 0xff at offset 2 of the line, 7 of")


def test_a_stream_gives_each_line_before_the_next_one_comes():
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as stream, os.fdopen(writable, "wb", buffering=0) as sender:
        lines = decode_lines(stream)
        for text in ("one", "two"):
            sender.write(f"{text}\n".encode())
            assert next(lines) == text


def test_a_stream_is_called_stdin_in_errors():
    with pytest.raises(InputError, match="<stdin>:1:"):
        list(decode_lines(io.BytesIO(b"\xff")))


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_text_is_read_and_a_cut_file_is_named(tmp_path, suffix, compress):
    content = compress("\n".join(str(number) for number in range(5000)).encode())
    path = write(tmp_path / f"t{suffix}", content)
    assert len(list(read_lines(path))) == 5000
    write(path, content[: len(content) // 2])
    with pytest.raises(InputError, match=f"{path}: damaged"):
        list(read_lines(path))
    write(path, b"not compressed")
    with pytest.raises(InputError, match=f"{path}: damaged"):
        list(read_lines(path))


def test_a_missing_file_and_a_folder_are_named_at_once(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}/none: no such file"):
        read_lines(tmp_path / "none")
    with pytest.raises(InputError, match=f"{tmp_path}: is a folder"):
        read_lines(tmp_path)
    with pytest.raises(InputError, match="none: no such file"):
        read_pairs(TextPairs(source=str(write(tmp_path / "a", "x")), target=str(tmp_path / "none")))


def test_two_plain_files_are_paired_line_by_line(tmp_path):
    target = write(tmp_path / "t.en", "x\r\ny\n")
    assert pairs_in(tmp_path / "t.de", f"{ODD}\nb", target=str(target)) == [(ODD, "x"), ("b", "y")]
    assert pairs_in(tmp_path / "same", "a\nb\n", target=str(tmp_path / "same")) == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize(("source", "target"), [(3, 5), (5, 3), (0, 2)])
def test_unequal_numbers_of_lines_name_both_files_and_both_numbers(tmp_path, source, target):
    other = write(tmp_path / "b", "x\n" * target)
    with pytest.raises(InputError) as raised:
        pairs_in(tmp_path / "a", "x\n" * source, target=str(other))
    for path, lines in ((tmp_path / "a", source), (other, target)):
        assert re.search(rf"{path}:? has {lines}\b", str(raised.value))


def test_tsv_has_two_columns_and_a_wrong_number_names_its_line(tmp_path):
    assert pairs_in(tmp_path / "t.tsv", "a b\tc\n\t\n") == [("a b", "c"), ("", "")]
    with pytest.raises(InputError, match=r"t\.tsv:2: 3 columns"):
        pairs_in(tmp_path / "t.tsv", "a\tb\na\tb\tc\n")
    with pytest.raises(InputError, match=r"t\.tsv:1: 1 column where"):
        pairs_in(tmp_path / "t.tsv", "a\n")


def test_jsonl_fields_are_named_and_may_be_nested(tmp_path):
    flat = json.dumps({"source": "a\nb\u2028", "target": "c"})
    assert pairs_in(tmp_path / "a.jsonl", f"{flat}\n") == [("a b\u2028", "c")]
    nested = json.dumps({"translation": {"de": "a", "en": "b"}, "x.y": "c"})
    fields = {"source_field": "translation.de", "target_field": "x.y"}
    assert pairs_in(tmp_path / "b.jsonl", nested, **fields) == [("a", "c")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "source: missing"),
        ('{"source": "a"}', "target: missing"),
        ('{"source": "a", "targets": "b"}', "did you mean 'targets'"),
        ('{"source": 1, "target": "b"}', "source: int is not text"),
        ('{"source": "\\ud800", "target": "b"}', "surrogate"),
        ('{"source": "a", "source": "a", "target": "b"}', "twice"),
        ('{"source": ' + "1" * 5000 + "}", "digits"),
        ("", "not JSON"),
    ],
)
def test_a_wrong_json_line_is_named(tmp_path, line, said):
    good = '{"source": "a", "target": "b"}'
    with pytest.raises(InputError, match=said) as raised:
        pairs_in(tmp_path / "t.jsonl", f"{good}\n{line}\n")
    assert str(raised.value).startswith(f"{tmp_path}/t.jsonl:2:")


def test_parquet_columns_are_named_and_may_be_nested(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    rows = [{"de": f"a{number}\nb", "en": f"c{number}"} for number in range(5000)]
    parquet.write_table(pyarrow.table({"translation": rows, "id": range(5000)}), path)
    fields = {"source_field": "translation.de", "target_field": "translation.en"}
    pairs = list(read_pairs(TextPairs(source=str(path), **fields)))
    assert pairs == [(f"a{number} b", f"c{number}") for number in range(5000)]
    with pytest.raises(InputError, match=r"t\.parquet:source: no such column"):
        list(read_pairs(TextPairs(source=str(path))))
    with pytest.raises(InputError, match="int is not text"):
        list(read_pairs(TextPairs(source=str(path), source_field="id", target_field="id")))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"t\.parquet: not a readable Parquet file"):
        list(read_pairs(TextPairs(source=str(path), **fields)))


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="extra 'data'"):
        pairs_in(tmp_path / "t.parquet", b"")


def test_a_description_that_cannot_be_meant_is_refused(tmp_path):
    plain, table = str(write(tmp_path / "t.txt", "a\n")), str(write(tmp_path / "t.tsv", "a\tb\n"))
    for pairs, said in (
        (TextPairs(source=plain), "name the target too"),
        (TextPairs(source=plain, target=table), "holds both sides"),
        (TextPairs(source=plain, target=plain, source_field="x"), "only .jsonl and .parquet"),
        (TextPairs(source=table, target_field="x"), "only .jsonl and .parquet"),
    ):
        with pytest.raises(InputError, match=said):
            read_pairs(pairs)


def test_text_without_a_pair_is_refused(tmp_path):
    for name, fields in (("a.tsv", {}), ("a.jsonl", {}), ("a", {"target": str(write(tmp_path / "b", ""))})):
        with pytest.raises(InputError, match="holds no lines"):
            pairs_in(tmp_path / name, "", **fields)


def test_a_description_goes_through_json():
    pairs = TextPairs(source="a.jsonl.gz", source_field="x")
    assert from_json(json.loads(json.dumps(to_json(pairs))), TextPairs) == pairs


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ((1, 1), ""),
        ((175, 117), ""),
        ((175, 116), "unequal"),
        ((176, 170), "too long"),
        ((0, 3), "empty"),
        ((9,), ""),
    ],
)
def test_rows_are_dropped_as_the_papers_recipe_does(counts, why):
    assert why_drop(counts, longest=175, ratio=1.5) == why


def test_without_a_ratio_sides_may_differ():
    assert why_drop((1, 100), longest=100) == ""
