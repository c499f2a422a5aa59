import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.decode.beam import beam_search
from litetransformer.decode.constraints import (
    FREE,
    allowed_topk,
    banned_tokens,
    forced_prefixes,
    length_limits,
    repeats,
    required_tokens,
)
from litetransformer.decode.options import DecodingOptions, SearchOptions


@given(tokens=st.lists(st.integers(3, 5), max_size=8), size=st.integers(1, 4))
def test_repeats_are_the_tokens_that_would_make_an_n_gram_occur_twice(tokens, size):
    def twice(sequence):
        grams = [tuple(sequence[start : start + size]) for start in range(len(sequence) - size + 1)]
        return len(set(grams)) < len(grams)

    found = set(repeats(torch.tensor([tokens], dtype=torch.long), size)[0].tolist()) - {PAD}
    already = twice(tokens)
    if not already:
        assert found == {token for token in range(3, 6) if twice([*tokens, token])}


def test_rows_do_not_ban_for_each_other():
    rows = repeats(torch.tensor([[3, 4, 3], [5, 5, 6]]), 2)
    assert [set(row) - {PAD} for row in rows.tolist()] == [{4}, set()]


@pytest.mark.parametrize(
    ("options", "length", "expected"),
    [
        (DecodingOptions(), 0, {PAD}),
        (DecodingOptions(unknown=False), 0, {PAD, UNK}),
        (DecodingOptions(shortest=2), 1, {PAD, EOS}),
        (DecodingOptions(shortest=2), 2, {PAD}),
        (DecodingOptions(no_repeat_ngram=1), 2, {PAD, 7}),
    ],
)
def test_options_ban_tokens(options, length, expected):
    banned = banned_tokens(torch.full((2, length), 7), options)
    assert [set(row) for row in banned.tolist()] == [expected, expected]


@given(
    vocabulary=st.integers(3, 9),
    k=st.integers(1, 12),
    bans=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_the_best_allowed_are_the_best_after_masking(vocabulary, k, bans, seed):
    chance = torch.Generator().manual_seed(seed)
    log_probs = -torch.randint(4, (3, vocabulary), generator=chance).float()
    banned = torch.randint(vocabulary, (3, bans), generator=chance)
    before = log_probs.clone()
    values, tokens = allowed_topk(log_probs, banned, torch.tensor([FREE, FREE, 2]), k)
    masked = log_probs.scatter(1, banned, -math.inf)
    masked[2] = -math.inf
    masked[2, 2] = log_probs[2, 2]
    expected = masked.sort(dim=1, descending=True, stable=True)
    assert torch.equal(values, expected.values[:, :k])
    possible = values > -math.inf
    assert torch.equal(tokens[possible], expected.indices[:, :k][possible])
    assert torch.equal(log_probs, before)


def test_the_prefix_comes_first_and_the_end_at_the_limit():
    forced = forced_prefixes([[5, 6], [], [7]], 3, 9)
    limits = torch.tensor([2, 1, 4])
    assert [required_tokens(forced, limits, length).tolist() for length in range(5)] == [
        [5, FREE, 7],
        [6, EOS, FREE],
        [EOS, FREE, FREE],
        [FREE, FREE, FREE],
        [FREE, FREE, EOS],
    ]


@pytest.mark.parametrize(
    ("prefixes", "message"),
    [
        ([[5]], "1 prefixes for 2 sentences"),
        ([[5], [9]], "prefix 1 holds token 9"),
        ([[-1], []], "prefix 0 holds token -1"),
        ([[], [3, EOS]], "prefix 1 holds token 1"),
        ([[PAD], []], "prefix 0 holds token 0"),
    ],
)
def test_an_impossible_prefix_is_refused(prefixes, message):
    with pytest.raises(ValueError, match=message):
        forced_prefixes(prefixes, 2, 9)


def test_the_limit_follows_the_sentence():
    options = DecodingOptions(longest_ratio=1.5, longest_extra=2, longest=10, shortest=4)
    assert [options.limit(source) for source in (0, 1, 3, 4, 5, 6, 100)] == [4, 4, 6, 8, 9, 10, 10]


def test_a_prefix_beyond_the_limit_raises_it():
    limits = length_limits(
        torch.tensor([1, 1]), forced_prefixes([[5] * 9, []], 2, 9), DecodingOptions(longest=3)
    )
    assert limits.tolist() == [9, 3]


def test_forced_tokens_count_in_the_score_and_may_be_otherwise_forbidden(memoryless, sentences):
    model = memoryless([[0.1, 0.2, 0.1, 0.6], [0.1, 0.5, 0.2, 0.2]])
    options = SearchOptions(unknown=False, no_repeat_ngram=1, length_penalty=0.0)
    ((found,),) = beam_search(model, *sentences(1), options, prefix=[[2, 2]])
    assert found.tokens == (2, 2)
    assert found.log_probs == tuple(torch.tensor([0.1, 0.2, 0.5]).log().tolist())
    assert found.score == sum(found.log_probs)


def test_a_prefix_leaves_the_other_sentences_alone(memoryless, sentences):
    model = memoryless([[0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.1, 0.2]])
    ((alone,),) = beam_search(model, *sentences(1))
    together = beam_search(model, *sentences(3), prefix=[[2, 2, 2], [], [3]])
    assert together[1] == [alone]
    assert [
        found.tokens[: len(prefix)] for (found,), prefix in zip(together, [(2,) * 3, (), (3,)], strict=True)
    ]


def test_no_model_that_yields_nan_is_searched(memoryless, sentences):
    model = memoryless([[0.1, 0.2, 0.3, 0.4], [math.nan] * 4])
    with pytest.raises(InputError, match="NaN"):
        beam_search(model, *sentences(2))
