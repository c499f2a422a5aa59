"""Pictures are the same bytes from the same numbers, and text in them is text."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.inspect.figures import check_format, maps_figure, render, save

matplotlib = pytest.importorskip("matplotlib")

TITLE = "Ein $x^2$ <b>&amp; 日本 -->"


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_the_same_maps_give_the_same_bytes_whatever_the_user_s_settings(maps, ending):
    draw = lambda: maps_figure(maps.keep(layer=2), title=TITLE)  # noqa: E731
    first = render(ending, draw)
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "mine", "axes.facecolor": "red"}):
        assert render(ending, draw) == first
        assert matplotlib.rcParams["font.size"] == 30
    assert first.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")
    assert len(first) > 5000


def test_a_picture_holds_no_date_and_no_version(maps):
    picture = render(".svg", lambda: maps_figure(maps.keep(layer=1), title=TITLE))
    assert matplotlib.__version__.encode() not in picture
    assert b"dc:date" not in picture
    text = render(".png", lambda: maps_figure(maps.keep(layer=1), title=TITLE))
    assert b"Software" not in text


def test_an_svg_is_well_formed_whatever_the_tokens(maps):
    picture = render(".svg", lambda: maps_figure(maps, title=TITLE))
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert b"<b>" not in picture


def test_each_part_has_its_mean_and_all_its_heads(maps):
    figure = maps_figure(maps)
    assert len(figure.axes) == 10
    means, mosaics = figure.axes[::2], figure.axes[1::2]
    assert [axes.get_images()[0].get_array().shape for axes in means] == [
        (6, 6),
        (6, 6),
        (4, 4),
        (4, 4),
        (4, 6),
    ]
    layers = maps.parts()["cross-attention"]
    expected = sum(one.matrix.sum(0) for one in layers) / 8
    assert means[-1].get_images()[0].get_array().data == pytest.approx(expected.numpy())
    assert [label.get_text() for label in means[-1].get_yticklabels()] == ["▁dog", "-->", "&amp;", "</s>"]
    assert [label.get_text() for label in mosaics[1].get_xticklabels()] == [
        "layer 1\n3 taps",
        "layer 2\n5 taps",
    ]
    assert mosaics[0].get_images()[0].get_array().max() == 1.0


def test_one_head_alone_is_one_large_map(maps):
    figure = maps_figure(maps.keep(part="cross-attention", layer=1, head=2))
    (axes,) = figure.axes
    assert axes.get_images()[0].get_array().shape == (4, 6)
    assert any("cross-attention, layer 1, head 2" in text.get_text() for text in figure.texts)


def test_a_save_leaves_the_picture_and_nothing_else(maps, tmp_path):
    save(tmp_path / "new" / "a.SVG", lambda: maps_figure(maps.keep(layer=1)))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.SVG"]


def test_an_ending_that_is_no_format_is_refused_with_those_that_are(tmp_path):
    for name, said in (("a.pmg", "did you mean '.png'?"), ("a", "a.png"), ("a.html", "end it in .png, .svg")):
        with pytest.raises(InputError) as caught:
            check_format(tmp_path / name)
        assert said in str(caught.value)
    assert check_format(tmp_path / "a.html", (".png", ".html")) == ".html"


def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'plot'; pip install"):
        check_format(tmp_path / "a.svg")
    assert check_format(tmp_path / "a.html", (".svg", ".html")) == ".html"


def test_importing_the_module_imports_neither_torch_nor_matplotlib():
    program = (
        "import sys, litetransformer.inspect.figures; "
        "assert not {'torch', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_characters_that_xml_cannot_hold_are_marked():
    from litetransformer.inspect.figures import _short

    assert _short("a\x1b\x00b") == "a\ufffd\ufffdb"
    assert _short("ü\t漢") == "ü\t漢"
