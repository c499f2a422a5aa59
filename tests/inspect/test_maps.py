"""Maps say which tokens their rows and columns are, and keep what is asked for."""

import json

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.inspect.maps import printable

PARTS = [
    *("encoder attention", "encoder convolution", "decoder attention", "decoder convolution"),
    "cross-attention",
]


def test_axes_are_the_tokens_of_the_matrix(maps):
    assert list(maps.parts()) == PARTS
    for layers in maps.parts().values():
        for one in layers:
            assert tuple(map(len, maps.axes(one.place))) == one.matrix.shape[1:]
    rows, columns = maps.axes(maps.parts()["cross-attention"][0].place)
    assert rows == ("▁dog", "-->", "&amp;", "</s>")
    assert columns[0] == "▁Hund"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" a b", "▁a▁b"),
        ("\x07", "\\x07"),
        ("\u2028x", "\\u2028x"),
        ("", "∅"),
        ("日本", "日本"),
        ("\xa0", "\\xa0"),
    ],
)
def test_tokens_are_made_printable(text, shown):
    assert printable(text) == shown


def test_a_part_a_layer_and_a_head_are_kept_as_they_were(maps):
    one = maps.keep(part="encoder convolution", layer=2, head=3)
    (kept,) = one.layers
    whole = maps.parts()["encoder convolution"][1]
    assert (kept.place, kept.heads) == (whole.place, (3,))
    assert torch.equal(kept.matrix[0], whole.matrix[2])
    assert kept.statistics() == whole.statistics()[2:3]
    assert len(maps.keep(layer=1).layers) == 5
    assert len(maps.keep(head=1).layers) == 10


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (
            {"part": "encoder atention"},
            "--part: the model has no 'encoder atention'; did you mean 'encoder att",
        ),
        ({"layer": 3}, "--layer: there is no layer 3; choose 1 to 2"),
        ({"head": 5}, "--head: there is no head 5; choose 1 to 4"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(maps, choice, said):
    with pytest.raises(InputError) as caught:
        maps.keep(**choice)
    assert str(caught.value).startswith(said)


def test_json_has_every_weight_and_statistic(maps):
    found = json.loads(json.dumps(maps.to_json(), allow_nan=False))
    assert found["tokens"]["source"] == list(maps.source)
    assert len(found["mixings"]) == len(maps.layers) == 10
    for facts, one in zip(found["mixings"], maps.layers, strict=True):
        assert (facts["part"], facts["layer"]) == (one.place.part, one.place.layer)
        assert [head["head"] for head in facts["heads"]] == [1, 2, 3, 4]
        matrices = torch.tensor([head["matrix"] for head in facts["heads"]], dtype=torch.float64)
        torch.testing.assert_close(matrices, one.matrix, rtol=0, atol=1e-6)
        assert {"entropy", "distance", "within_1", "mass"} <= set(facts["heads"][0]["statistics"])
