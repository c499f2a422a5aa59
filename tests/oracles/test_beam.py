"""Beam search against its definition, written down literally and run on thousands of tiny random models."""

import functools
import math
import random
import zlib

import numpy as np
import pytest
import torch

from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.decode.beam import beam_search
from litetransformer.decode.greedy import greedy_search
from litetransformer.decode.options import SearchOptions

COARSE = (0.0, -0.25, -0.25, -0.5, -1.0, -1.0, -2.0, -math.inf)


@functools.cache
def log_probs_after(key, vocabulary, source, tokens):
    """The model as a table: what follows `tokens`, a pure function of everything that may matter."""
    seed, kind = key
    chance = random.Random(zlib.crc32(repr((seed, source, tokens)).encode()))
    if kind == "coarse":  # Few values, so that ties abound, and all sums are exact.
        return tuple(chance.choice(COARSE) for _ in range(vocabulary))
    logits = np.array([chance.gauss(0, 2) for _ in range(vocabulary)])
    return tuple((logits - np.log(np.exp(logits).sum())).astype(np.float32).tolist())


class TableModel:
    """Decodes from a table. Its state is every token so far, so one that is mixed up shows in the results."""

    def __init__(self, vocabulary, seed=0, kind="coarse"):
        self.vocabulary, self.key, self.rows = vocabulary, (seed, kind), []

    def begin(self, source, pad):
        return (torch.empty(len(source), 0, dtype=torch.long), (torch.zeros(len(source)),)), (source, (pad,))

    def advance(self, tokens, state, memory):
        (so_far, (steps,)), (source, (pad,)) = state, memory
        so_far = torch.cat([so_far, tokens.cpu()[:, None]], 1)
        self.rows.append(len(tokens))
        assert len(so_far) == len(steps) == len(source) == len(pad)
        table = [
            log_probs_after(self.key, self.vocabulary, tuple(words[~padding].tolist()), tuple(row.tolist()))
            for row, words, padding in zip(so_far, source, pad, strict=True)
        ]
        return torch.tensor(table, device=tokens.device), (so_far, (steps + 1,))


def repeats_ngram(tokens, size):
    last = tokens[len(tokens) - size :]
    return 0 < size <= len(tokens) and any(
        tokens[start : start + size] == last for start in range(len(tokens) - size)
    )


def allowed(token, tokens, prefix, limit, options):
    if len(tokens) < len(prefix):
        return token == prefix[len(tokens)]
    if len(tokens) == limit:
        return token == EOS
    if token == EOS:
        return len(tokens) >= options.shortest
    if token == PAD or (token == UNK and not options.unknown):
        return False
    return not repeats_ngram((*tokens, token), options.no_repeat_ngram)


def defined_search(model, source, options, prefix):
    """The definition in `beam_search`'s docstring for one sentence: (tokens, score, log_probs, finished) …"""
    limit = min(math.floor(options.longest_ratio * len(source)) + options.longest_extra, options.longest)
    limit = max(limit, options.shortest, len(prefix))
    live, finished = [((), (), 0.0)], []
    while True:
        candidates = []
        for rank, (tokens, _, total) in enumerate(live):
            row = log_probs_after(model.key, model.vocabulary, source, (EOS, *tokens))
            for token, log_prob in enumerate(row):
                if log_prob > -math.inf and allowed(token, tokens, prefix, limit, options):
                    candidates.append((-(total + log_prob), rank, token, log_prob))
        candidates.sort()
        for negative, rank, token, log_prob in candidates[: options.beam]:
            if token == EOS:
                tokens, log_probs, _ = live[rank]
                score = -negative / (len(tokens) + 1) ** options.length_penalty
                finished.append((tokens, score, (*log_probs, log_prob), len(tokens) < limit))
        finished = sorted(finished, key=lambda found: -found[1])[: options.beam]
        onwards = [candidate for candidate in candidates if candidate[2] != EOS][: options.beam]
        if not onwards:
            break
        live = [
            ((*live[rank][0], token), (*live[rank][1], log_prob), -negative)
            for negative, rank, token, log_prob in onwards
        ]
        scores = [total / len(tokens) ** options.length_penalty for tokens, _, total in live]
        if len(finished) == options.beam and max(scores) <= finished[-1][1]:
            break
    if not finished:
        finished = [
            (tokens, total / max(len(tokens), 1) ** options.length_penalty, log_probs, False)
            for tokens, log_probs, total in live
        ]
    return sorted(finished, key=lambda found: -found[1])[: options.n_best]


def padded(sources, left=False, extra=0):
    width = max(map(len, sources), default=0) + extra
    rows = [
        [PAD] * (width - len(words)) + [*words] if left else [*words] + [PAD] * (width - len(words))
        for words in sources
    ]
    source = torch.tensor(rows, dtype=torch.long).view(len(sources), width)
    return source, source == PAD


def as_tuples(found):
    return [(one.tokens, one.score, one.log_probs, one.finished) for one in found]


def random_case(seed):
    chance = random.Random(seed)
    vocabulary, beam = chance.randint(3, 7), chance.randint(1, 9)
    model = TableModel(vocabulary, seed, chance.choice(("coarse", "coarse", "fine")))
    longest = chance.randint(1, 6)
    options = SearchOptions(
        beam=beam,
        n_best=chance.randint(1, beam),
        length_penalty=chance.choice((0.0, 0.6, 1.0, 2.0, 1.3)),
        shortest=chance.choice((0, 0, 1, longest)),
        longest=longest,
        longest_ratio=chance.choice((0.5, 1.0, 1.7)),
        longest_extra=chance.randint(0, 4),
        no_repeat_ngram=chance.choice((0, 0, 1, 2, 3)),
        unknown=chance.random() < 0.7,
    )
    sentences = chance.randint(1, 4)
    sources = [tuple(chance.choices(range(2, 9), k=chance.randint(0, 4))) for _ in range(sentences)]
    prefixes = [chance.choices(range(2, vocabulary), k=chance.choice((0, 0, 1, 3))) for _ in sources]
    if vocabulary == 3 or chance.random() < 0.5:
        prefixes = [[] for _ in sources]
    return model, sources, options, prefixes, chance.random() < 0.5


def check_case(seed):
    model, sources, options, prefixes, left = random_case(seed)
    source, pad = padded(sources, left)
    found = beam_search(model, source, pad, options, prefix=prefixes)
    expected = [
        defined_search(model, words, options, tuple(prefix))
        for words, prefix in zip(sources, prefixes, strict=True)
    ]
    assert [as_tuples(one) for one in found] == expected, f"case {seed}: {options}"
    assert all(found)


@pytest.mark.parametrize("block", range(4))
def test_search_is_the_defined_search(block):
    for seed in range(250 * block, 250 * (block + 1)):
        check_case(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_search_is_the_defined_search_on_many_more_models(block):
    for seed in range(1000 * (block + 1), 1000 * (block + 2)):
        check_case(seed)


def test_the_random_cases_reach_every_part_of_the_definition():
    seen = set()
    for seed in range(300):
        model, sources, options, prefixes, _ = random_case(seed)
        for words, prefix in zip(sources, prefixes, strict=True):
            found = defined_search(model, words, options, tuple(prefix))
            for tokens, _, log_probs, finished in found:
                seen.add("finished" if finished else "cut" if len(log_probs) > len(tokens) else "dead end")
            scores = [score for _, score, _, _ in found]
            seen.add("tied" if len(set(scores)) < len(scores) else "apart")
    assert seen == {"finished", "cut", "dead end", "tied", "apart"}


@pytest.mark.parametrize("kind", ["coarse", "fine"])
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_holds_everything_finds_every_sequence_in_order(seed, kind):
    model = TableModel(5, seed, kind)
    options = SearchOptions(beam=200, n_best=200, longest=4, longest_extra=4, length_penalty=0.7)
    every = []

    def enumerate_from(tokens, log_probs):
        row = log_probs_after(model.key, model.vocabulary, (7, 8), (EOS, *tokens))
        every.append((tokens, (*log_probs, row[EOS])))
        if len(tokens) < options.longest:
            for token in range(UNK, model.vocabulary):
                enumerate_from((*tokens, token), (*log_probs, row[token]))

    enumerate_from((), ())
    expected = {
        tokens: sum(log_probs) / len(log_probs) ** 0.7
        for tokens, log_probs in every
        if sum(log_probs) > -math.inf
    }
    (found,) = beam_search(model, *padded([(7, 8)]), options)
    assert {one.tokens: one.score for one in found} == expected
    assert [one.score for one in found] == sorted(expected.values(), reverse=True)


@pytest.fixture
def twenty():
    chance = random.Random(3)
    sources = [tuple(chance.choices(range(2, 9), k=chance.randint(1, 6))) for _ in range(20)]
    model = TableModel(7, 3, "fine")
    options = SearchOptions(n_best=4, longest_ratio=1.0, longest_extra=2)
    alone = [as_tuples(beam_search(model, *padded([words]), options)[0]) for words in sources]
    return model, sources, options, alone


@pytest.mark.parametrize("left", [False, True], ids=["padded right", "padded left"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_neighbours_order_and_padding_change_nothing(twenty, size, left):
    model, sources, options, alone = twenty
    order = random.Random(size).sample(range(20), 20)
    for start in range(0, 20, size):
        batch = order[start : start + size]
        found = beam_search(model, *padded([sources[index] for index in batch], left, extra=start), options)
        assert [as_tuples(one) for one in found] == [alone[index] for index in batch]


def test_sentences_that_stop_leave_the_batch(twenty):
    model, sources, options, alone = twenty
    model.rows.clear()
    beam_search(model, *padded(sources), options)
    steps = [max(len(tokens) for tokens, *_ in found) + 1 for found in alone]
    assert model.rows[0] == 20
    for step, rows in enumerate(model.rows):
        limits = [math.floor(len(words)) + options.longest_extra for words in sources]
        assert rows <= options.beam * sum(step <= limit for limit in limits)
    assert len(model.rows) >= max(steps)
    assert model.rows[-1] < model.rows[1]


@pytest.mark.parametrize("seed", range(50))
def test_greedy_takes_the_likeliest_token_and_of_equal_ones_the_lowest(seed):
    model = TableModel(6, seed, "coarse")
    options = SearchOptions(beam=5, n_best=3, longest=5)
    tokens, log_probs = (), ()
    while True:
        row = list(log_probs_after(model.key, 6, (4,), (EOS, *tokens)))
        row[PAD] = -math.inf
        best = EOS if len(tokens) == 5 else max(range(6), key=lambda token: (row[token], -token))
        if row[best] == -math.inf:
            break
        log_probs += (row[best],)
        if best == EOS:
            break
        tokens += (best,)
    (found,) = greedy_search(model, *padded([(4,)]), options)
    assert (found.tokens, found.log_probs) == (tokens, log_probs)


def test_an_empty_batch_finds_nothing():
    assert beam_search(TableModel(5), *padded([])) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_the_same(twenty):
    _, sources, options, alone = twenty
    source, pad = padded(sources)

    class OnTheGpu(TableModel):
        def advance(self, tokens, state, memory):
            assert tokens.is_cuda
            assert all(tensor.is_cuda for tensor in (state[0], state[1][0], memory[0], memory[1][0]))
            log_probs, state = super().advance(
                tokens, (state[0].cpu(), (state[1][0].cpu(),)), (memory[0].cpu(), (memory[1][0].cpu(),))
            )
            return log_probs, (state[0].cuda(), (state[1][0].cuda(),))

        def begin(self, source, pad):
            (so_far, (steps,)), memory = super().begin(source, pad)
            return (so_far.cuda(), (steps.cuda(),)), memory

    found = beam_search(OnTheGpu(7, 3, "fine"), source.cuda(), pad.cuda(), options)
    assert [as_tuples(one) for one in found] == alone
