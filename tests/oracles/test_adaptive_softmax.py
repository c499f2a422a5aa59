"""The adaptive input and softmax against their equations, a token at a time (Baevski, Auli; Grave et al.)."""

import math

import pytest
import torch

from litetransformer.core.tokens import PAD
from litetransformer.layers.adaptive_softmax import AdaptiveEmbedding, AdaptiveSoftmax, clusters
from litetransformer.ops.embedding.reference import sinusoids

VOCABULARY, DIM = 29, 16
CUTOFFS = {"two": (6,), "three": (7, 19), "singles": (3, 4, 28)}
every = pytest.mark.parametrize("cutoffs", CUTOFFS.values(), ids=CUTOFFS.keys())


def pair(cutoffs, tied, dtype=torch.float64):
    torch.manual_seed(4)
    size = {"cutoffs": cutoffs, "factor": 2}
    embedding = AdaptiveEmbedding(VOCABULARY, DIM, **size)
    softmax = AdaptiveSoftmax(VOCABULARY, DIM, tied=embedding if tied else None, **size)
    return embedding.to(dtype), softmax.to(dtype)


def cluster_of(token, cutoffs):
    return sum(token >= cutoff for cutoff in cutoffs)


def log_softmax(scores):
    largest = max(scores)
    total = largest + math.log(sum(math.exp(score - largest) for score in scores))
    return [score - total for score in scores]


@torch.no_grad()
def slow_log_probs(softmax, x, cutoffs):
    """log p of every token: the head's own tokens, then gate times each tail."""
    edges = [0, *cutoffs, VOCABULARY]
    rows = [*softmax.tables[0], *softmax.gates]
    head = log_softmax([float(row @ x) for row in rows])
    found = head[: cutoffs[0]]
    for index in range(len(cutoffs)):
        narrow = softmax.projections[index].T @ x
        tail = log_softmax([float(row @ narrow) for row in softmax.tables[index + 1]])
        assert len(tail) == edges[index + 2] - edges[index + 1]
        found += [head[cutoffs[0] + index] + score for score in tail]
    return torch.tensor(found, dtype=torch.float64)


@every
def test_the_input_is_each_tokens_own_row_projected_to_the_width(cutoffs):
    embedding, _ = pair(cutoffs, tied=False)
    tokens = torch.randperm(VOCABULARY).view(1, -1)
    found = embedding(tokens, torch.arange(VOCABULARY))[0]
    for position, token in enumerate(tokens[0].tolist()):
        index = cluster_of(token, cutoffs)
        row = embedding.tables[index][token - (0, *cutoffs)[index]]
        assert row.shape == (DIM // 2**index,)
        expected = math.sqrt(DIM) * embedding.projections[index] @ row
        expected = expected + sinusoids(torch.tensor(position), DIM)
        torch.testing.assert_close(found[position], expected, rtol=0, atol=1e-6)


@every
@pytest.mark.parametrize("tied", [True, False])
def test_log_probabilities_are_those_of_the_equations(cutoffs, tied):
    _, softmax = pair(cutoffs, tied)
    features = torch.randn(2, 3, DIM, dtype=torch.float64)
    found = softmax.log_probs(features)
    for place in ((0, 0), (1, 2)):
        expected = slow_log_probs(softmax, features[place], cutoffs)
        torch.testing.assert_close(found[place], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(2, 3, dtype=torch.float64))


@every
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_smoothed_cross_entropy_of_those_probabilities(cutoffs, smoothing):
    _, softmax = pair(cutoffs, tied=True)
    features = torch.randn(VOCABULARY, DIM, dtype=torch.float64)
    targets = torch.arange(VOCABULARY)
    expected = 0.0
    for row, target in zip(features, targets.tolist(), strict=True):
        log_probs = slow_log_probs(softmax, row, cutoffs)
        if target != PAD:
            expected -= (1 - smoothing) * log_probs[target] + smoothing / VOCABULARY * log_probs.sum()
    torch.testing.assert_close(
        softmax.loss(features, targets, smoothing).detach(), expected, rtol=0, atol=1e-9
    )


@every
def test_one_tokens_log_probability_is_its_entry_among_all(cutoffs):
    _, softmax = pair(cutoffs, tied=True)
    features = torch.randn(3, VOCABULARY, DIM, dtype=torch.float64)
    tokens = torch.stack([torch.randperm(VOCABULARY) for _ in range(3)])
    expected = softmax.log_probs(features).gather(-1, tokens[..., None])[..., 0]
    torch.testing.assert_close(softmax.token_log_probs(features, tokens), expected, rtol=0, atol=1e-12)


@every
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("tokens", ["all", "frequent", "rare"])
def test_by_cluster_and_in_fixed_shape_are_equal_in_value_and_gradients(cutoffs, tied, tokens):
    _, softmax = pair(cutoffs, tied)
    span = {"all": (0, VOCABULARY), "frequent": (0, cutoffs[0]), "rare": (cutoffs[-1], VOCABULARY)}[tokens]
    chosen, results = torch.randint(*span, (4, 5)), []
    features = torch.randn(4, 5, DIM, dtype=torch.float64, requires_grad=True)
    parameters = [features, *softmax.parameters()]
    for form in (softmax.token_log_probs, softmax.token_log_probs_in_fixed_shape):
        found = form(features, chosen)
        weighted = (found * torch.linspace(1, 2, 20, dtype=torch.float64).view(4, 5)).sum()
        results.append([found.detach(), *torch.autograd.grad(weighted, parameters)])
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)


def test_off_the_cpu_no_shape_follows_the_tokens():
    embedding, softmax = (part.to("meta") for part in pair((7, 19), tied=True))
    tokens = torch.empty(2, 5, dtype=torch.long, device="meta")
    features = embedding(tokens, torch.arange(5, device="meta"))
    # A tensor without values can't tell how many of its tokens a cluster has.
    softmax.loss(features, tokens).backward()
    assert all(parameter.grad is not None for parameter in softmax.parameters())
    with pytest.raises(NotImplementedError):
        softmax.token_log_probs(features, tokens)


def test_a_table_meets_its_own_tokens_alone():
    """By cluster, the mult-adds of the tails follow their tokens."""
    from torch.utils.flop_counter import FlopCounterMode

    _, softmax = pair((7, 19), tied=True)
    features = torch.randn(10, DIM, dtype=torch.float64)
    with FlopCounterMode(display=False) as none:
        softmax.token_log_probs(features, torch.full((10,), 6))
    with FlopCounterMode(display=False) as three:
        softmax.token_log_probs(features, torch.tensor([6] * 7 + [19] * 3))
    assert none.get_total_flops() == 2 * 10 * DIM * (7 + 2)
    assert three.get_total_flops() - none.get_total_flops() == 2 * 3 * (DIM * 4 + 4 * 10)


@every
def test_the_mult_adds_are_those_of_a_counted_run(cutoffs):
    from torch.utils.flop_counter import FlopCounterMode

    _, softmax = pair(cutoffs, tied=True)
    with FlopCounterMode(display=False) as counter:
        softmax.log_probs(torch.randn(11, DIM, dtype=torch.float64))
    assert counter.get_total_flops() == 2 * softmax.mult_adds(11)["output"]


def test_dropout_falls_in_training_alone():
    _, softmax = pair((7, 19), tied=True)
    softmax.dropout.p = 0.5
    features, tokens = torch.randn(4, DIM, dtype=torch.float64), torch.tensor([1, 8, 20, 3])
    assert not torch.equal(
        softmax.token_log_probs(features, tokens), softmax.token_log_probs(features, tokens)
    )
    softmax.eval()
    assert torch.equal(softmax.token_log_probs(features, tokens), softmax.token_log_probs(features, tokens))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_probabilities_are_normalised_in_fp32(dtype):
    _, softmax = pair((7, 19), tied=True, dtype=dtype)
    features = torch.randn(5, DIM, dtype=dtype)
    found = softmax.log_probs(features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(5), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cutoffs", [(), (2,), (7, 7), (9, 7), (29,), (7, 40)])
def test_cutoffs_that_do_not_part_the_vocabulary_are_refused(cutoffs):
    with pytest.raises(
        ValueError, match=r"must rise from above 2 to below the vocabulary, 29 tokens; choose"
    ):
        clusters(29, DIM, cutoffs, 4)


def test_a_width_that_runs_out_is_refused():
    with pytest.raises(ValueError, match="dim=16 is too narrow for 4 clusters of factor 4"):
        clusters(29, 16, (5, 6, 7), 4)
    assert [cluster.width for cluster in clusters(29, 16, (5, 6), 4)] == [16, 4, 1]
