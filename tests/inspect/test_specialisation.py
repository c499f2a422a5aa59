"""Entropy, distance and shares are those of the definition, of real positions only, whatever the batches."""

import json
import math

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.inspect.mixing import Mixing, sentence_mixings, text_mixings
from litetransformer.inspect.specialisation import (
    NEAR,
    STATISTICS,
    row_statistics,
    specialisation,
    text_specialisation,
)
from litetransformer.models.presets import lite, lite_lm, transformer

PAIRS = [
    ([5, 9, 4, 7], [8, 3, 6]),
    ([6], [7, 2]),
    ([], []),
    (list(range(3, 15)), list(range(3, 18))),
    ([4, 4, 5], [3, 9, 9, 4, 5, 7, 11]),
]


def one_by_one(matrix, rows, columns, causal=False):
    """The statistics of a single matrix by loops, as the definitions say; a list of rows."""
    found = []
    for i in range(rows):
        weights = [float(matrix[i][j]) for j in range(columns)]
        mass = sum(weights)
        share = [weight / mass for weight in weights]
        visible = min(i + 1, columns) if causal else columns
        entropy = -sum(part * math.log2(part) for part in share if part > 0)
        found.append(
            {
                "entropy": entropy,
                "relative_entropy": entropy / math.log2(visible) if visible > 1 else math.nan,
                "distance": sum(part * abs(i - j) for j, part in enumerate(share)),
                **{
                    f"within_{near}": sum(part for j, part in enumerate(share) if abs(i - j) <= near)
                    for near in NEAR
                },
                "mass": mass,
            }
        )
    return found


def mean(values):
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known)


@pytest.mark.parametrize("causal", [False, True])
def test_rows_have_the_statistics_of_the_definition(causal):
    matrix = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    matrix = matrix.tril() if causal else matrix
    real = torch.ones(2, 12, dtype=bool)
    real[1, 7:] = False
    found = row_statistics(matrix, real, real, causal=causal)
    assert tuple(found) == STATISTICS
    for row, length in ((0, 12), (1, 7)):
        for head in range(3):
            expected = one_by_one(matrix[row, head], length, length, causal)
            for name, values in found.items():
                assert values[row, head, :length].tolist() == pytest.approx(
                    [one[name] for one in expected], nan_ok=True
                )
    assert all(values[1, :, 7:].isnan().all() for values in found.values())


def test_known_rows_have_known_values():
    real = torch.ones(1, 8, dtype=bool)
    even = row_statistics(torch.full((1, 1, 8, 8), 1 / 8), real, real)
    assert even["entropy"].tolist() == [[[3.0] * 8]]
    assert even["relative_entropy"].tolist() == [[[1.0] * 8]]
    assert even["distance"][0, 0, 0] == 3.5
    assert even["within_1"][0, 0].tolist() == [0.25, *[0.375] * 6, 0.25]
    itself = row_statistics(torch.eye(8)[None, None] / 2, real, real)
    assert itself["mass"].tolist() == [[[0.5] * 8]]
    assert itself["within_1"].tolist() == [[[1.0] * 8]]
    assert not itself["entropy"].any()
    assert not itself["distance"].any()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    model = lite(16, taps=(3, 31)).build(20, 20).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def test_a_text_has_the_mean_over_its_positions_and_the_spread_over_its_sentences(model):
    found = specialisation(model, PAIRS).to_json()
    assert found["sentences"] == len(PAIRS)
    sentences = [sentence_mixings(model, source, target) for source, target in PAIRS]
    for row in found["heads"]:
        mine = [next(one for one in mixings if one.place.name == row["name"]) for mixings in sentences]
        rows = [statistics_of(one, row["head"] - 1) for one in mine]
        for name in STATISTICS:
            everywhere = mean([one[name] for sentence in rows for one in sentence])
            means = [
                mean(own)
                for sentence in rows
                if not all(map(math.isnan, own := [one[name] for one in sentence]))
            ]
            centre = mean(means)
            deviation = math.sqrt(mean([(value - centre) ** 2 for value in means]))
            assert row[name]["mean"] == pytest.approx(everywhere, abs=1e-6)
            assert row[name]["deviation"] == pytest.approx(deviation, abs=1e-6)


def statistics_of(mixing: Mixing, head):
    matrix = mixing.matrix[0, head]
    return one_by_one(matrix, *matrix.shape, mixing.place.causal)


def test_batches_and_order_change_nothing(model):
    expected = specialisation(model, PAIRS).to_json()
    for batch_tokens in (1, 20, 1000):
        found = specialisation(model, PAIRS[::-1], batch_tokens=batch_tokens).to_json()
        assert [row["name"] for row in found["heads"]] == [row["name"] for row in expected["heads"]]
        for mine, theirs in zip(found["heads"], expected["heads"], strict=True):
            for name in STATISTICS:
                assert mine[name] == pytest.approx(theirs[name], abs=2e-6)
        assert found["parts"].keys() == expected["parts"].keys()


def test_no_batch_is_larger_than_asked(model, monkeypatch):
    shapes, features = [], model.features

    def spy(source, target):
        shapes.append((source.shape, target.shape))
        return features(source, target)

    monkeypatch.setattr(model, "features", spy)
    specialisation(model, PAIRS * 10, batch_tokens=64)
    assert sum(source[0] for source, _ in shapes) == 50
    assert max(rows * length for pair in shapes for rows, length in pair) <= 64
    assert len(shapes) < 50


def test_the_parts_are_the_means_of_their_heads_beside_those_of_even_rows(model):
    found = json.loads(json.dumps(specialisation(model, PAIRS).to_json(), allow_nan=False))
    assert set(found["parts"]) == {
        *("encoder attention", "encoder convolution", "decoder attention", "decoder convolution"),
        "cross-attention",
    }
    positions = sum(len(source) + 1 for source, _ in PAIRS)
    part = found["parts"]["encoder convolution"]
    assert (part["heads"], part["positions"]) == (8, positions)
    heads = [row["distance"]["mean"] for row in found["heads"] if row["part"] == "encoder convolution"]
    assert part["distance"]["mean"] == pytest.approx(sum(heads) / 8, abs=1e-6)
    assert (part["distance"]["smallest"], part["distance"]["largest"]) == (min(heads), max(heads))
    lengths = [len(source) + 1 for source, _ in PAIRS]
    apart = [abs(i - j) / n for n in lengths for i in range(n) for j in range(n)]
    assert part["even"]["distance"] == pytest.approx(sum(apart) / positions, abs=1e-6)
    assert part["even"]["relative_entropy"] == pytest.approx(1.0)


def test_three_taps_look_no_further_than_three_taps(model):
    rows = specialisation(model, PAIRS).to_json()["heads"]
    narrow = [row for row in rows if row["taps"] == 3 and row["side"] == "encoder"]
    assert len(narrow) == 4
    assert all(row["within_1"]["mean"] == 1.0 for row in narrow)
    assert all(row["mass"]["mean"] < 1.0 for row in narrow)
    attention = [row for row in rows if row["kind"] == "attention"]
    assert all(row["mass"]["mean"] == 1.0 for row in attention)


def test_it_leaves_the_model_as_it_was(model):
    for training in (True, False):
        model.train(training)
        specialisation(model, PAIRS)
        assert model.training is training


def test_a_model_without_convolutions_has_no_such_part():
    parts = specialisation(transformer(8, 8, layers=1, heads=2).build(20, 20), PAIRS).to_json()["parts"]
    assert set(parts) == {"encoder attention", "decoder attention", "cross-attention"}


def test_a_language_model_s_texts_are_measured_alike():
    model = lite_lm(16, taps=(3, 31)).build(20).double()
    texts = [source for source, _ in PAIRS]
    found = text_specialisation(model, texts, batch_tokens=20).to_json()
    assert set(found["parts"]) == {"decoder attention", "decoder convolution"}
    mixings = [text_mixings(model, text) for text in texts]
    for row in found["heads"]:
        mine = [next(one for one in own if one.place.name == row["name"]) for own in mixings]
        distances = [one["distance"] for mixing in mine for one in statistics_of(mixing, row["head"] - 1)]
        assert row["distance"]["mean"] == pytest.approx(mean(distances), abs=1e-6)


def test_no_sentences_are_refused(model):
    with pytest.raises(InputError, match="no sentences to measure on"):
        specialisation(model, [])
