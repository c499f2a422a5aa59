"""The loss behind the vocabulary equals its equation, term by term."""

import math
import subprocess
import sys

import pytest
import torch

from litetransformer.core.tokens import PAD
from litetransformer.ops import vocabulary
from litetransformer.ops.cross_entropy import chunked, cross_entropy
from litetransformer.ops.dispatch import use


def slow_loss(logits, targets, smoothing):
    """The definition, a token at a time."""
    total = 0.0
    for row, target in zip(logits.flatten(0, 1).tolist(), targets.flatten().tolist(), strict=True):
        if target == PAD:
            continue
        top = max(row)
        normaliser = top + math.log(sum(math.exp(value - top) for value in row))
        losses = [normaliser - value for value in row]
        total += (1 - smoothing) * losses[target] + smoothing * sum(losses) / len(losses)
    return total


NAMES = ["reference", "chunked"]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(vocabulary, "CHUNKS", {"cpu": 1, "cuda": 1})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_smoothed_sum_over_real_tokens_in_nats(smoothing, name):
    features, table, targets = 3 * torch.randn(3, 5, 4), torch.randn(7, 4), torch.randint(0, 7, (3, 5))
    targets[0, 2:] = PAD
    with use(cross_entropy, name):
        found = cross_entropy(features, table, targets, smoothing)
    assert float(found) == pytest.approx(slow_loss(features @ table.T, targets, smoothing), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_padding_alone_has_no_loss_and_no_gradient(name):
    features = torch.randn(2, 3, 4, requires_grad=True)
    with use(cross_entropy, name):
        loss = cross_entropy(features, torch.randn(7, 4), torch.zeros(2, 3, dtype=torch.long), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert not features.grad.any()


def many(rows):
    """Features, table and targets of so many rows, several chunks of 64, some of them padding."""
    features, table = torch.randn(rows, 6, requires_grad=True), torch.randn(11, 6, requires_grad=True)
    return (features, table), torch.randint(0, 11, (rows,))


@pytest.mark.parametrize("rows", [1, 256, 600])
def test_gradients_by_chunks_equal_the_references(rows):
    inputs, targets = many(rows)
    with use(cross_entropy, "reference"):
        expected = torch.autograd.grad(cross_entropy(*inputs, targets, 0.1) / 7, inputs)
    with use(cross_entropy, "chunked"):
        found = torch.autograd.grad(cross_entropy(*inputs, targets, 0.1) / 7, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_double_precision_stays_double():
    inputs, targets = many(100)
    doubled = [tensor.detach().double().requires_grad_() for tensor in inputs]
    losses = -(doubled[0] @ doubled[1].T).log_softmax(-1)
    exact = (0.9 * losses.gather(1, targets[:, None])[:, 0] + 0.1 * losses.mean(1))[targets != PAD].sum()
    with use(cross_entropy, "chunked"):
        loss = cross_entropy(*doubled, targets, 0.1)
    assert abs(loss.item() - exact.item()) < 1e-11 * exact.item()
    torch.testing.assert_close(
        torch.autograd.grad(loss, doubled), torch.autograd.grad(exact, doubled), rtol=1e-11, atol=1e-11
    )


def test_under_autocast_chunks_multiply_in_bfloat16_and_gradients_are_in_full():
    inputs, targets = many(300)
    with use(cross_entropy, "reference"):
        exact = torch.autograd.grad(cross_entropy(*inputs, targets, 0.1), inputs)
    with use(cross_entropy, "chunked"), torch.autocast("cpu", torch.bfloat16):
        loss = cross_entropy(*inputs, targets, 0.1)
    found = torch.autograd.grad(loss, inputs)
    assert loss.dtype == torch.float32
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert 1e-5 < float((one - other).norm() / other.norm()) < 2e-2


TRACED = """
import torch
from litetransformer.ops import vocabulary
from litetransformer.ops.cross_entropy import chunked
vocabulary.CHUNKS["cpu"] = 1
features, table = torch.randn(600, 6, requires_grad=True), torch.randn(11, 6, requires_grad=True)
targets = torch.randint(0, 11, (600,))
loss = torch.compile(chunked.cross_entropy, backend="aot_eager", fullgraph=True)
found = torch.autograd.grad(loss(features, table, targets, 0.1), (features, table))
expected = torch.autograd.grad(chunked.cross_entropy(features, table, targets, 0.1), (features, table))
torch.testing.assert_close(found, expected)
"""


@pytest.mark.slow
def test_a_compiler_traces_through_the_chunks():
    # In a process of its own: the shape checks of this one are nothing that a compiler could trace.
    subprocess.run([sys.executable, "-c", TRACED], check=True)


def test_without_gradients_none_are_made(monkeypatch):
    made = []
    inner = chunked.loss_in_place
    monkeypatch.setattr(chunked, "loss_in_place", lambda *args: made.append(args[-1]) or inner(*args))
    inputs, targets = many(3)
    with use(cross_entropy, "chunked"):
        with torch.no_grad():
            cross_entropy(*inputs, targets)
        cross_entropy(*inputs, targets)
    assert made == [False, True]
