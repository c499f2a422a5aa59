"""Perplexity through a sliding window, against each token's probability from the definition."""

import math
import random

import numpy as np
import pytest
import torch

import litetransformer as lt
from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS
from litetransformer.data.words import WordTokenizer
from litetransformer.models.presets import lite_lm, transformer_lm
from litetransformer.tasks.perplexity import read_tokens, token_log_probs

VOCABULARY = 24
SPECS = {
    "lite": lite_lm(16, taps=(3, 5)),
    "transformer": transformer_lm(16, 32, layers=2, heads=2),
    "adaptive": lite_lm(16, taps=(3,), cutoffs=(9,)),
}


@pytest.fixture(scope="module", params=SPECS)
def model(request):
    torch.manual_seed(1)
    return SPECS[request.param].build(VOCABULARY).double().eval()


def some_tokens(count, seed=0):
    return np.random.default_rng(seed).integers(1, VOCABULARY, count).astype(np.uint32)


@torch.no_grad()
def defined(model, tokens, window, context):
    """log P of each token by itself, its window written out: what came before it, from where that begins."""
    found = []
    for place, token in enumerate(tokens):
        first = place - place % (window - context)
        begins = max(0, first - context)
        before = EOS if begins == 0 else int(tokens[begins - 1])
        given = torch.tensor([[before, *map(int, tokens[begins:place])]])
        found.append(float(model.log_probs(given)[0, -1, int(token)]))
    return found


@pytest.mark.parametrize(
    ("count", "window", "context"),
    [
        (41, 8, 0),
        (41, 8, 5),
        (41, 8, 7),
        (40, 8, 4),
        (7, 8, 4),
        (1, 8, 0),
        (9, 8, 3),
        (41, 64, 32),
        (41, 1, 0),
    ],
)
@pytest.mark.parametrize("batch_tokens", [1, 24, 10_000])
def test_each_token_is_predicted_once_from_what_its_window_has(model, count, window, context, batch_tokens):
    tokens = some_tokens(count)
    found = token_log_probs(model, tokens, window=window, context=context, batch_tokens=batch_tokens)
    assert found.tolist() == pytest.approx(defined(model, tokens, window, context), abs=1e-5)


@pytest.mark.parametrize(("window", "context"), [(8, 0), (8, 5), (8, 7), (16, 12)])
def test_each_token_has_the_context_before_it_where_the_text_has_it(model, window, context):
    """A token that is `context` places before another, or nearer, changes its probability."""
    tokens = some_tokens(30)
    found = token_log_probs(model, tokens, window=window, context=context)
    for place in range(context, 30, 3):
        changed = tokens.copy()
        changed[place - context] = 1 + changed[place - context] % (VOCABULARY - 1)
        other = token_log_probs(model, changed, window=window, context=context)
        assert other[place] != found[place]
        assert torch.equal(other[: place - context], found[: place - context])


def test_more_than_the_window_before_it_changes_nothing(model):
    tokens = some_tokens(40)
    found = token_log_probs(model, tokens, window=8, context=4)
    changed = np.concatenate([some_tokens(16, seed=9), tokens[16:]])
    other = token_log_probs(model, changed, window=8, context=4)
    # What is given for the first place of a window is the token before it.
    assert torch.equal(other[24:], found[24:])
    assert not torch.equal(other[16:20], found[16:20])


def test_the_loss_of_training_is_the_perplexity_of_blocks_without_context(model):
    tokens = some_tokens(32)
    outputs = torch.from_numpy(tokens.astype(np.int64)).view(4, 8)
    inputs = torch.from_numpy(np.concatenate([[EOS], tokens[:-1]]).astype(np.int64)).view(4, 8)
    found = token_log_probs(model, tokens, window=8)
    assert -float(found.double().sum()) == pytest.approx(model.loss(inputs, outputs).item(), abs=1e-4)


@pytest.mark.parametrize(("window", "context"), [(8, 8), (8, 9), (0, 0), (8, -1)])
def test_a_context_that_leaves_nothing_to_predict_is_refused(model, window, context):
    with pytest.raises(ValueError, match="must be from 0 to less than window"):
        token_log_probs(model, some_tokens(9), window=window, context=context)


def test_probabilities_that_are_not_numbers_are_refused():
    model = SPECS["lite"].build(VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(math.nan)
    with pytest.raises(InputError, match="not numbers"):
        token_log_probs(model, some_tokens(9), window=8)


def text_model(window=8, context=4):
    torch.manual_seed(2)
    words = WordTokenizer("abcdefghijklmnopqrst")
    return lt.TextModel(SPECS["lite"].build(words.size).eval(), words, window=window, context=context)


def some_lines(count=12, seed=4):
    generator = random.Random(seed)
    return [" ".join(generator.choices("abcdefgXY", k=generator.randrange(7))) for _ in range(count)]


def test_the_sums_are_those_of_the_text():
    model, lines = text_model(), some_lines()
    tokens, counts = read_tokens(lines, model.tokenizer)
    assert tokens.tolist() == [token for line in lines for token in (*model.tokenizer.encode(line), EOS)]
    found = model.perplexity(lines)
    nats = -sum(token_log_probs(model.model, tokens, window=8, context=4).tolist())
    words = sum(len(line.split()) for line in lines) + len(lines)
    characters = sum(map(len, lines)) + len(lines)
    assert (found.tokens, counts.words, counts.characters) == (len(tokens), words, characters)
    assert counts.unknown == sum(line.count("X") + line.count("Y") for line in lines)
    assert found.nats == pytest.approx(nats, rel=1e-6)
    assert found.per_token == pytest.approx(math.exp(nats / len(tokens)))
    assert found.per_word == pytest.approx(math.exp(nats / words))
    assert found.bits_per_token == pytest.approx(nats / math.log(2) / len(tokens))
    assert found.bits_per_character == pytest.approx(nats / math.log(2) / characters)


def test_lines_may_come_one_by_one_and_the_batch_changes_nothing():
    model, lines = text_model(), some_lines(40)
    found = model.perplexity(iter(lines))
    for batch_tokens in (1, 30, 10**6):
        assert model.perplexity(lines, batch_tokens=batch_tokens).nats == pytest.approx(found.nats, rel=1e-6)


def test_window_and_context_are_the_model_s_own_unless_given():
    model, lines = text_model(), some_lines()
    assert model.perplexity(lines, window=8, context=4) == model.perplexity(lines)
    assert model.perplexity(lines, context=0).nats != model.perplexity(lines).nats
    # A shorter window takes as much of the model's context as fits.
    assert model.perplexity(lines, window=3) == model.perplexity(lines, window=3, context=2)
    for options in ({"context": 8}, {"window": 4, "context": 4}, {"window": 0}, {"context": -1}):
        with pytest.raises(InputError, match="does not fit into a window"):
            model.perplexity(lines, **options)


def test_no_line_has_no_perplexity_and_an_empty_one_has():
    model = text_model()
    with pytest.raises(InputError, match="no text to predict"):
        model.perplexity([])
    assert model.perplexity([""]).tokens == 1


def test_a_perplexity_too_large_for_a_float_is_infinite_and_null_in_json():
    from litetransformer.tasks.perplexity import Counts, Perplexity

    counts = Counts(lines=1, words=2, characters=9000, unknown=0)
    found = Perplexity(nats=1e6, tokens=8000, counts=counts)
    assert found.per_word == math.inf
    facts = found.to_json()
    assert facts["per_word"] is None
    assert facts["per_token"] == pytest.approx(math.exp(125))
