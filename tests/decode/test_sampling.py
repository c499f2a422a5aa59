from collections import Counter

import pytest
import torch

from litetransformer.core.tokens import EOS
from litetransformer.decode.options import SamplingOptions
from litetransformer.decode.sampling import draw, sample

PROBABILITIES = (0.02, 0.08, 0.1, 0.15, 0.05, 0.35, 0.25)


def first_tokens(model, sentences, options, draws=4000):
    found = sample(model, *sentences(draws), options, seeds=range(draws))
    return Counter(one.tokens[0] if one.tokens else EOS for (one,) in found)


def chi_square(counts, probabilities):
    total, draws = sum(probabilities.values()), sum(counts.values())
    assert set(counts) == set(probabilities)
    return sum(
        (counts[token] - draws * p / total) ** 2 / (draws * p / total) for token, p in probabilities.items()
    )


@pytest.mark.parametrize(
    ("options", "support", "power"),
    [
        ({}, range(1, 7), 1.0),
        ({"temperature": 2.0}, range(1, 7), 0.5),
        ({"temperature": 0.5}, range(1, 7), 2.0),
        ({"top_k": 3}, (3, 5, 6), 1.0),
        ({"top_p": 0.75}, (3, 5, 6), 1.0),  # 0.35 + 0.25 of 0.98 are not enough, with 0.15 they are.
        ({"top_p": 0.01}, (5,), 1.0),
        ({"top_k": 3, "top_p": 0.7}, (5, 6), 1.0),  # Of the three kept, two hold 0.6 / 0.75.
        ({"unknown": False}, (1, 3, 4, 5, 6), 1.0),
        ({"shortest": 1}, range(2, 7), 1.0),
    ],
)
def test_tokens_are_drawn_in_proportion_to_their_probabilities(
    memoryless, sentences, options, support, power
):
    counts = first_tokens(memoryless([PROBABILITIES]), sentences, SamplingOptions(longest=1, **options))
    # 99.9% of samples stay below this for 5 degrees of freedom, more for fewer.
    assert chi_square(counts, {token: PROBABILITIES[token] ** power for token in support}) < 20.5


def test_equally_likely_tokens_are_cut_in_the_order_of_their_ids(memoryless, sentences):
    model = memoryless([[0.0, 0.1, 0.3, 0.3, 0.3]])
    assert set(first_tokens(model, sentences, SamplingOptions(longest=1, top_k=2), draws=200)) == {2, 3}


def test_the_same_seed_draws_the_same_whatever_the_neighbours(memoryless, sentences):
    model = memoryless([PROBABILITIES, (0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.2)])
    options = SamplingOptions(samples=3, longest=8)
    seeds = [5, 3, 11, 3, 0, 2**40]
    together = sample(model, *sentences(6), options, seeds=seeds)
    assert [sample(model, *sentences(1), options, seeds=[seed])[0] for seed in seeds] == together
    assert together[1] == together[3]
    assert len({one.tokens for found in together for one in found}) > 10


def test_samples_of_a_sentence_differ_and_the_first_do_not_depend_on_how_many(memoryless, sentences):
    model = memoryless([PROBABILITIES])
    (many,) = sample(model, *sentences(1), SamplingOptions(samples=9), seeds=[1])
    (few,) = sample(model, *sentences(1), SamplingOptions(samples=2), seeds=[1])
    assert many[:2] == few
    assert len({one.tokens for one in many}) > 5


def test_log_probabilities_are_the_models_own(memoryless, sentences):
    model = memoryless([PROBABILITIES])
    options = SamplingOptions(temperature=3.0, top_k=4, samples=20, longest=5)
    for one in sample(model, *sentences(1), options, seeds=[1])[0]:
        expected = model.log_probs[0][[*one.tokens, EOS]].tolist()
        assert list(one.log_probs) == expected
        assert one.score == sum(expected)
        assert one.finished == (len(one.tokens) < 5)


def test_a_prefix_and_the_limit_are_kept(memoryless, sentences):
    found = sample(
        memoryless([PROBABILITIES]),
        *sentences(3),
        SamplingOptions(longest=4, shortest=4),
        seeds=[1, 2, 3],
        prefix=[[6, 6], [], [2] * 7],
    )
    assert [len(one.tokens) for (one,) in found] == [4, 4, 7]
    assert found[0][0].tokens[:2] == (6, 6)
    assert found[2][0].tokens == (2,) * 7


def test_a_dead_end_is_returned_unfinished(memoryless, sentences):
    model = memoryless([[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    ((found,), _) = sample(model, *sentences(2), seeds=[1, 2])
    assert (found.tokens, found.log_probs, found.finished) == ((3,), (0.0,), False)


def test_nothing_to_sample(memoryless, sentences):
    assert sample(memoryless([PROBABILITIES]), *sentences(0), seeds=[]) == []


@pytest.mark.parametrize("seeds", [[1], [1, -1]])
def test_every_sentence_needs_a_seed(memoryless, sentences, seeds):
    with pytest.raises(ValueError, match="seeds for 2 sentences"):
        sample(memoryless([PROBABILITIES]), *sentences(2), seeds=seeds)


def test_the_number_picks_the_place_and_just_below_one_a_possible_one():
    log_probs = torch.tensor([[0.4, 0.3, 0.2, 0.1, 0.0, 0.0]]).log()
    for number, place in ((1.0 - 2.0**-53, 3), (0.0, 0), (0.399999, 0), (0.400001, 1), (0.75, 2)):
        uniform = torch.tensor([number], dtype=torch.float64)
        assert draw(log_probs, uniform, SamplingOptions()).tolist() == [place]


def test_top_p_keeps_no_more_than_it_needs():
    uniform = torch.linspace(0, 1 - 2.0**-53, 100, dtype=torch.float64)
    assert set(draw(torch.zeros(100, 4), uniform, SamplingOptions(top_p=0.5)).tolist()) == {0, 1}
