"""The loss of a batch that was run twice equals its equation, and so do the gradients made chunk by chunk."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from litetransformer.core.tokens import PAD
from litetransformer.ops import vocabulary
from litetransformer.ops.consistency import chunked, consistent_cross_entropy
from litetransformer.ops.cross_entropy import cross_entropy
from litetransformer.ops.dispatch import use

NAMES = ["reference", "chunked"]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(vocabulary, "CHUNKS", {"cpu": 1, "cuda": 1})


def slow_loss(logits, targets, smoothing, weight):
    """The definition, a target at a time."""
    first, second = (half.log_softmax(-1).flatten(0, -2).tolist() for half in logits.chunk(2))
    total = 0.0
    for own, other, target in zip(first, second, targets.flatten().tolist(), strict=True):
        if target == PAD:
            continue
        for one, two in ((own, other), (other, own)):
            total -= ((1 - smoothing) * one[target] + smoothing * sum(one) / len(one)) / 2
            pairs = zip(one, two, strict=True)
            total += weight / 2 * sum(math.exp(here) * (here - there) for here, there in pairs)
    return total


def many(rows, dtype=torch.float64):
    """Features of both halves, a table and targets, several chunks of 64 of them, some of them padding."""
    features = (2 * torch.randn(2, rows, 6, dtype=dtype)).requires_grad_()
    table = torch.randn(11, 6, dtype=dtype, requires_grad=True)
    return (features, table), torch.randint(0, 11, (1, rows))


def loss_and_gradients(name, inputs, targets, *settings):
    with use(consistent_cross_entropy, name):
        loss = consistent_cross_entropy(*inputs, targets, *settings)
    return loss, *torch.autograd.grad(loss / 7, inputs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 1.0), (0.1, 2.5), (0.1, 0.0)])
def test_the_loss_is_both_means_and_the_divergence_over_real_tokens_in_nats(name, smoothing, weight):
    features, table = 3 * torch.randn(6, 5, 4, dtype=torch.float64), torch.randn(7, 4, dtype=torch.float64)
    targets = torch.randint(0, 7, (3, 5))
    targets[0, 2:] = PAD
    with use(consistent_cross_entropy, name):
        found = consistent_cross_entropy(features, table, targets, smoothing, weight)
    expected = slow_loss(features @ table.T, targets, smoothing, weight)
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_halves_that_agree_have_the_loss_of_one_of_them(name):
    features, table, targets = torch.randn(3, 5, 4), torch.randn(7, 4), torch.randint(0, 7, (3, 5))
    with use(consistent_cross_entropy, name):
        found = consistent_cross_entropy(torch.cat([features, features]), table, targets, 0.1, 5.0)
    torch.testing.assert_close(found, cross_entropy(features, table, targets, 0.1))


@pytest.mark.parametrize("name", NAMES)
def test_which_half_comes_first_does_not_matter(name):
    (features, table), targets = many(9)
    with use(consistent_cross_entropy, name):
        found = consistent_cross_entropy(features, table, targets, 0.1, 2.0)
        swapped = consistent_cross_entropy(features.flip(0), table, targets, 0.1, 2.0)
    torch.testing.assert_close(found, swapped)


@pytest.mark.parametrize("rows", [1, 128, 300])
@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 1.0), (0.1, 2.5)])
def test_gradients_by_chunks_equal_the_references(rows, smoothing, weight):
    inputs, targets = many(rows)
    expected = loss_and_gradients("reference", inputs, targets, smoothing, weight)
    found = loss_and_gradients("chunked", inputs, targets, smoothing, weight)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_gradients_by_chunks_are_those_of_small_differences():
    inputs, targets = many(4)
    with use(consistent_cross_entropy, "chunked"):
        assert torch.autograd.gradcheck(
            lambda *inputs: consistent_cross_entropy(*inputs, targets, 0.1, 2.0), inputs
        )


@pytest.mark.parametrize("name", NAMES)
def test_padding_alone_has_no_loss_and_no_gradient(name):
    inputs, targets = many(5)
    loss, *slopes = loss_and_gradients(name, inputs, torch.zeros_like(targets), 0.1, 2.0)
    assert loss.item() == 0.0
    assert not any(slope.any() for slope in slopes)


@pytest.mark.parametrize("name", NAMES)
def test_logits_of_any_size_stay_finite(name):
    (features, table), targets = many(8, torch.float32)
    inputs = ((1e3 * features).detach().requires_grad_(), table)
    assert all(each.isfinite().all() for each in loss_and_gradients(name, inputs, targets, 0.1, 2.0))


def test_a_step_along_the_gradient_brings_the_halves_together():
    (features, table), targets = many(50)

    def apart(features):
        losses = [consistent_cross_entropy(features, table, targets, 0.0, weight) for weight in (1.0, 0.0)]
        return losses[0] - losses[1]

    (slope,) = torch.autograd.grad(apart(features), features)
    assert 0 < apart(features - 0.01 * slope) < apart(features)


def test_under_autocast_chunks_multiply_in_bfloat16_and_gradients_are_in_full():
    inputs, targets = many(300, torch.float32)
    exact = loss_and_gradients("reference", inputs, targets, 0.1, 2.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss_and_gradients("chunked", inputs, targets, 0.1, 2.0)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert 1e-5 < float((one - other).detach().norm() / other.detach().norm()) < 3e-2


@pytest.mark.parametrize("name", NAMES)
def test_features_that_are_not_two_for_each_target_are_refused(name):
    with use(consistent_cross_entropy, name), pytest.raises(ValueError, match="5 rows of features for 3"):
        consistent_cross_entropy(torch.randn(5, 4), torch.randn(7, 4), torch.tensor([1, 2, 3]))


def test_no_shape_and_no_decision_follows_from_a_value():
    # Fake tensors have none: asking for one raises, as it would while a CUDA graph is recorded.
    with FakeTensorMode():
        inputs, targets = many(300)
        loss, *slopes = loss_and_gradients("chunked", inputs, targets, 0.1, 2.0)
    assert [each.shape for each in (loss, *slopes)] == [(), *(each.shape for each in inputs)]


def test_without_gradients_none_are_made(monkeypatch):
    made = []
    inner = chunked.loss_in_place
    monkeypatch.setattr(chunked, "loss_in_place", lambda *args: made.append(args[-1]) or inner(*args))
    inputs, targets = many(3)
    with torch.no_grad():
        consistent_cross_entropy(*inputs, targets)
    consistent_cross_entropy(*inputs, targets)
    assert made == [False, True]
