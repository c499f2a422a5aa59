"""`lite attend` and `lite plot` draw what they are asked for, or say in one line why not."""

import json
import sys

import pytest
import torch

import litetransformer as lt
from litetransformer.data.tokenizer import train_sentencepiece
from litetransformer.models.presets import lite_lm
from litetransformer.tasks.model_folder import LanguageCard, ModelCard, save_model, save_tokenizers

SENTENCE = "Hund <b>sieht</b> Katze."


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """The folder of a small model with random weights."""
    folder = tmp_path_factory.mktemp("untrained")
    tokenizer = train_sentencepiece(["Hund sieht Katze und Haus.", "dog sees cat and house."] * 20, size=290)
    source, target = save_tokenizers(folder, tokenizer, tokenizer)
    spec = lt.lite(16, taps=(3, 5), tied="all")
    torch.manual_seed(2)
    model = spec.build(tokenizer.size, tokenizer.size)
    card = ModelCard(model=spec, source=source, target=target)
    save_model(folder, card, dict(model.named_parameters()))
    return folder


@pytest.mark.parametrize("name", ["a.png", "a.svg", "new/a.html"])
def test_a_sentence_becomes_a_file_the_same_each_time(run, untrained, tmp_path, name):
    written = []
    for number in "12":
        out = tmp_path / number / name
        status = run("attend", "--model", untrained, SENTENCE, "--layer", 1, "--out", out)
        assert status == (0, "", "")
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        written.append(out.read_bytes())
    assert written[0] == written[1]
    assert b"<b>" not in written[0]


def test_json_has_the_matrices_of_the_model_s_own_translation(run, untrained):
    status, out, err = run("attend", "--model", untrained, SENTENCE, "--json")
    found = json.loads(out)
    translator = lt.load(untrained)
    best = translator.translations([SENTENCE])[0][0]
    assert (status, err, found["source"], found["target"]) == (0, "", SENTENCE, best.text)
    tokens = found["tokens"]
    assert len(tokens["source"]) == len(translator.source.encode(SENTENCE)) + 1
    assert len(tokens["read"]) == len(tokens["written"]) == len(best.tokens) + 1
    assert (tokens["read"][0], tokens["written"][-1]) == ("</s>", "</s>")
    assert tokens["read"][1:] == tokens["written"][:-1]
    assert len(found["mixings"]) == 10
    for mixing in found["mixings"]:
        for head in mixing["heads"]:
            if mixing["taps"] is None:
                assert [sum(row) for row in head["matrix"]] == pytest.approx(
                    [1.0] * len(head["matrix"]), abs=1e-4
                )


def test_a_target_may_be_given_and_one_head_chosen(run, untrained):
    choice = ("--part", "cross-attention", "--layer", 2, "--head", 3)
    _, out, _ = run("attend", "--model", untrained, "Hund.", "--target", "dog house", *choice, "--json")
    found = json.loads(out)
    (mixing,) = found["mixings"]
    assert (found["target"], mixing["layer"], [head["head"] for head in mixing["heads"]]) == (
        "dog house",
        2,
        [3],
    )
    matrix = mixing["heads"][0]["matrix"]
    assert (len(matrix), len(matrix[0])) == (len(found["tokens"]["written"]), len(found["tokens"]["source"]))


def test_a_model_of_attention_alone_and_an_unknown_script_are_drawn(run, model_folder, tmp_path):
    for ending in ("png", "html"):
        out = tmp_path / f"a.{ending}"
        assert run("attend", "--model", model_folder, "日本 $\\frac{1$ \x07", "--out", out) == (0, "", "")
        assert out.stat().st_size > 5000


def test_a_language_model_reads_the_text_itself(run, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer = train_sentencepiece(["dog sees cat and house."] * 20, size=280)
    file, _ = save_tokenizers(folder, tokenizer, tokenizer)
    spec = lite_lm(16, taps=(3, 5))
    card = LanguageCard(model=spec, tokenizer=file, window=32)
    save_model(folder, card, dict(spec.build(tokenizer.size).named_parameters()))
    status, out, err = run("attend", "--model", folder, "dog sees", "--json", "--out", tmp_path / "a.html")
    found = json.loads(out)
    assert (status, err, found["target"]) == (0, "", None)
    assert [mixing["part"] for mixing in found["mixings"]] == ["decoder attention", "decoder convolution"] * 2
    assert len(found["tokens"]["read"]) == len(found["mixings"][0]["heads"][0]["matrix"])
    assert b"null" in (tmp_path / "a.html").read_bytes()
    status, _, err = run("attend", "--model", folder, "dog", "--target", "cat", "--json")
    assert (status, err) == (2, "error: --target: a language model writes no target; leave it out\n")


INPUTS = {
    "empty sentence": (["attend", "--model", "MODEL", " ", "--out", "OUT.png"], "SENTENCE: is empty; "),
    "empty target": (
        ["attend", "--model", "MODEL", "a", "--target", "", "--out", "OUT.png"],
        "--target: is empty; ",
    ),
    "two lines": (["attend", "--model", "MODEL", "a\nb", "--json"], "SENTENCE: holds a line break"),
    "half a character": (["attend", "--model", "MODEL", "\udcff", "--json"], "SENTENCE: invalid UTF-8"),
    "long sentence": (
        ["attend", "--model", "MODEL", "Q" * 400, "--json"],
        "tokens, and at most 256 are drawn",
    ),
    "unknown ending": (["attend", "--model", "MODEL", "a", "--out", "OUT.pgn"], "did you mean '.png'?"),
    "no ending": (["attend", "--model", "MODEL", "a", "--out", "OUT"], "end it in .png, .svg, .html"),
    "nothing to do": (["attend", "--model", "MODEL", "a"], "--out: nothing to do"),
    "out is a folder": (["attend", "--model", "MODEL", "a", "--out", "MODEL"], "is a folder"),
    "no model": (["attend", "--model", "OUT", "a", "--json"], "no model here"),
    "unknown part": (["attend", "--model", "MODEL", "a", "--part", "cross", "--json"], "'cross-attention'"),
    "unknown layer": (["attend", "--model", "MODEL", "a", "--layer", "3", "--json"], "choose 1 to 2"),
    "unknown head": (["attend", "--model", "MODEL", "a", "--head", "9", "--out", "OUT.svg"], "choose 1 to 4"),
    "unknown figure": (["plot", "computaton", "--out", "OUT.svg"], "did you mean 'computation'?"),
    "figure as a page": (["plot", "tradeoff", "--out", "OUT.html"], "end it in .png, .svg"),
    "plot nothing": (["plot", "tradeoff"], "--out: nothing to do"),
    "no results": (["plot", "tradeoff", "--results", "OUT", "--json"], "no such folder"),
    "no results in it": (["plot", "tradeoff", "--results", "MODEL", "--json"], "holds no results"),
    "no points in it": (["plot", "compression", "--results", "MODEL", "--json"], "holds no results"),
    "idle results": (
        ["plot", "computation", "--results", "MODEL", "--json"],
        "--results: changes nothing here",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_wrong_input_is_one_line_and_leaves_nothing(run, fails, untrained, tmp_path, case):
    arguments, said = INPUTS[case]
    places = {"MODEL": str(untrained), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    fails(run(*arguments), said)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_a_picture_names_it_and_a_page_is_drawn(run, untrained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in (("attend", "--model", untrained, "Hund."), ("plot", "computation")):
        status, out, err = run(*command, "--out", tmp_path / "a.svg")
        assert (status, out) == (1, "")
        assert err == "error: a picture (.svg) needs the extra 'plot'; pip install 'litetransformer[plot]'\n"
    assert run("attend", "--model", untrained, "Hund.", "--out", tmp_path / "a.html") == (0, "", "")
    assert run("plot", "computation", "--json")[0] == 0


@pytest.mark.parametrize("name", ["computation", "tradeoff"])
def test_a_figure_of_the_paper_is_drawn_and_printed(run, tmp_path, name):
    out = tmp_path / "figure.svg"
    assert run("plot", name, "--out", out) == (0, "", "")
    assert out.read_bytes().startswith(b"<?xml")
    status, printed, err = run("plot", name, "--json")
    assert (status, err) == (0, "")
    assert json.loads(printed)


def test_measurements_reach_the_figure(run, tmp_path):
    runs = [{"system": "iwslt14-de-en/lite-160", "mult_adds": 54e6, "scores": {"test": {"paper": 31.25}}}]
    (tmp_path / "own.json").write_text(json.dumps({"runs": runs}))
    panels = json.loads(run("plot", "tradeoff", "--results", tmp_path, "--json")[1])
    assert panels[0]["measured"][0]["score"] == 31.25
    assert panels[1]["measured"] == "not run"


def test_without_a_folder_the_figure_has_what_the_tables_have_wherever_it_is_asked(
    run, tmp_path, monkeypatch
):
    from litetransformer.tables.results import results_folder

    monkeypatch.chdir(tmp_path)
    given = run("plot", "tradeoff", "--results", results_folder(), "--json")
    assert run("plot", "tradeoff", "--json") == given
    assert given[0] == 0
