"""References from a file: one a line, or a list of them a line."""

from pathlib import Path

import pytest

from litetransformer.core.errors import InputError
from litetransformer.data.references import references_in


def test_a_line_of_text_is_a_reference():
    assert references_in(["a", "", '["b"]'], Path("test.en")) == [["a", "", '["b"]']]


@pytest.mark.parametrize("name", ["test.jsonl", "test.jsonl.gz"])
def test_a_line_of_json_is_a_list_of_references(name):
    lines = ['["a", "b"]', '["c"]', '["d", "", "f"]']
    expected = [["a", "c", "d"], ["b", None, ""], [None, None, "f"]]
    assert references_in(lines, Path(name)) == expected
    assert references_in([], Path(name)) == []


@pytest.mark.parametrize("line", ["[]", '"a"', '["a", 1]', "{}", "null", "a", "", '["a"'])
def test_anything_else_names_the_line(line):
    with pytest.raises(InputError, match=r"^test.jsonl:2: ") as caught:
        references_in(['["a"]', line], Path("test.jsonl"))
    assert caught.value.line == 2
