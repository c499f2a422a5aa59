"""The page is one file that asks for nothing, in which text is never markup."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
import torch

from litetransformer.inspect.page import attention_page, json_in_html

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028&lt;<!--"


class Elements(HTMLParser):
    """Every element with its attributes, and the content of scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.found, self.inside, self.policy, self.open = [], [], None, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.open = tag
        if tag in ("script", "style"):
            self.inside.append("")
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open in ("script", "style"):
            self.inside[-1] += data


@pytest.fixture
def page(maps):
    return attention_page(maps, model=HOSTILE, source=HOSTILE, target=HOSTILE)


def test_text_of_the_user_and_of_the_model_is_never_markup(page):
    elements = Elements(page)
    assert [tag for tag, _ in elements.found if tag in ("script", "style", "img", "iframe", "link", "b")] == [
        "style",
        "script",
        "script",
    ]
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert not any(
        name in ("src", "href", "style") for _, attributes in elements.found for name in attributes
    )
    assert "<img" not in page
    assert "\u2028" not in elements.inside[1]


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(page):
    elements = Elements(page)
    style, _, script = elements.inside
    digests = [
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    assert elements.policy == (
        f"default-src 'none'; style-src '{digests[0]}'; script-src '{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"https?:|//[a-z]|fetch|XMLHttp|import\(|eval|innerHTML|document\.write", script)


def test_the_page_holds_the_texts_the_tokens_and_the_weights(page, maps):
    facts = json.loads(Elements(page).inside[1])
    assert (facts["model"], facts["source"], facts["target"]) == (HOSTILE,) * 3
    assert [part["name"] for part in facts["parts"]] == list(maps.parts())
    cross = facts["parts"][-1]
    assert (tuple(cross["rows"]), tuple(cross["columns"])) == (maps.written, maps.source)
    for part, layers in zip(facts["parts"], maps.parts().values(), strict=True):
        for shown, one in zip(part["layers"], layers, strict=True):
            assert (shown["label"], shown["taps"]) == (one.place.label, one.place.taps)
            for head, matrix in zip(shown["heads"], one.matrix, strict=True):
                cells = torch.tensor(head["cells"], dtype=torch.float64).view(matrix.shape)
                torch.testing.assert_close(cells / 10_000, matrix, rtol=0, atol=6e-5)


def test_equal_maps_give_equal_pages(maps, page):
    assert attention_page(maps, model=HOSTILE, source=HOSTILE, target=HOSTILE) == page


@pytest.mark.parametrize("value", [HOSTILE, {"<": ["]]>", "\u2029"]}])
def test_json_in_html_is_the_same_value_without_a_character_of_markup(value):
    text = json_in_html(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")
