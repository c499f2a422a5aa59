"""Every error is one line that says where, what and what to do."""

import pytest

from litetransformer.core.errors import InputError, MissingExtraError, nearest


def test_an_error_reads_file_line_field_what_remedy():
    error = InputError("is wrong", remedy="mend it", path="a.json", line=3, field="train.lr")
    assert str(error) == "a.json:3:train.lr: is wrong; mend it"
    assert (error.what, error.remedy, error.path, error.line, error.field) == (
        *("is wrong", "mend it", "a.json", 3, "train.lr"),
    )


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "is wrong"),
        ({"field": "x"}, "x: is wrong"),
        ({"path": "a"}, "a: is wrong"),
        ({"path": "a", "line": 1}, "a:1: is wrong"),
    ],
)
def test_what_is_not_known_is_left_out(place, text):
    assert str(InputError("is wrong", **place)) == text


@pytest.mark.parametrize("character", [chr(code) for code in range(0xA0)] + ["\u2028", "\u2029", "\ud800"])
def test_an_error_is_one_line_whatever_it_quotes(character):
    message = str(
        InputError(f"a{character}b", path=f"c{character}d", field=f"e{character}", remedy=character)
    )
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    message.encode()


def test_letters_of_every_script_stay_readable():
    assert str(InputError("größer", path="мир/日本.txt")) == "мир/日本.txt: größer"


def test_a_missing_extra_says_how_to_get_it():
    assert str(MissingExtraError("reading .parquet", "data")) == (
        "reading .parquet needs the extra 'data'; pip install 'litetransformer[data]'"
    )


def test_the_nearest_name_is_suggested_or_all_are_listed():
    assert nearest("updats", ["updates", "clip"]) == "did you mean 'updates'?"
    assert nearest("zzz", ["b", "a"]) == "one of: a, b"
    assert nearest("zzz", []) == "there are none"
