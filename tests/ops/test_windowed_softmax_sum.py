"""`windowed_softmax_sum`: a softmax, a dropout that follows its seed alone, the windowed sum."""

import pytest
import torch

from litetransformer.ops.dispatch import use
from litetransformer.ops.windowed_softmax_sum import windowed_softmax_sum
from litetransformer.ops.windowed_softmax_sum.reference import dropped
from litetransformer.ops.windowed_sum import reference as windowed_sum


def seed(number):
    return torch.tensor([number])


@pytest.mark.parametrize("name", ["reference", "separate"])
@pytest.mark.parametrize("size", [(2, 5), (3, 9, 2, 5)])
def test_it_is_the_windowed_sum_of_the_softmax(name, size):
    x, logits = torch.randn(3, 9, 6), torch.randn(size)
    with use(windowed_softmax_sum, name):
        found = windowed_softmax_sum(x, logits, 2)
        half = windowed_softmax_sum(x, logits, 2, 0.5, seed(3))
    torch.testing.assert_close(found, windowed_sum(x, logits.softmax(-1), 2))
    torch.testing.assert_close(half, windowed_sum(x, dropped(logits.softmax(-1), 0.5, seed(3)), 2))


def test_dropout_keeps_its_share_and_the_expectation():
    weights = torch.ones(40, 50, 20)
    kept = dropped(weights, 0.3, seed(7))
    assert kept.unique().tolist() == [0.0, pytest.approx(1 / 0.7)]
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    for dim in range(3):
        # No position, head or tap drops more than another.
        share = (kept == 0).float().mean(tuple(other for other in range(3) if other != dim))
        assert (share - 0.3).abs().max().item() < 0.08


def test_the_seed_alone_decides_what_drops():
    weights = torch.ones(8, 31)
    assert torch.equal(dropped(weights, 0.1, seed(5)), dropped(weights, 0.1, seed(5)))
    one, other = (dropped(weights, 0.5, seed(number)) == 0 for number in (5, 6))
    assert 0.3 < (one == other).float().mean().item() < 0.7


@pytest.mark.parametrize("name", ["reference", "separate"])
def test_without_a_seed_pytorchs_generator_says_what_drops(name):
    x, logits, found = torch.ones(1, 8, 4), torch.zeros(2, 3), []
    with use(windowed_softmax_sum, name):
        for start in (1, 1, 2):
            torch.manual_seed(start)
            found.append(windowed_softmax_sum(x, logits, 1, 0.5))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_dropout_sends_gradients_through_what_it_kept():
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 6, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda taps: windowed_softmax_sum(x, taps, 2, 0.4, seed(1)), logits)
