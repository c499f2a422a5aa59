"""The loss behind the vocabulary equals its equation, term by term."""

import math

import pytest
import torch

from litetransformer.core.tokens import PAD
from litetransformer.ops.cross_entropy import cross_entropy


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


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_smoothed_sum_over_real_tokens_in_nats(smoothing):
    features, table, targets = 3 * torch.randn(3, 5, 4), torch.randn(7, 4), torch.randint(0, 7, (3, 5))
    targets[0, 2:] = PAD
    found = cross_entropy(features, table, targets, smoothing)
    assert float(found) == pytest.approx(slow_loss(features @ table.T, targets, smoothing), rel=1e-5)


def test_padding_alone_has_no_loss_and_no_gradient():
    features = torch.randn(2, 3, 4, requires_grad=True)
    loss = cross_entropy(features, torch.randn(7, 4), torch.zeros(2, 3, dtype=torch.long), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert not features.grad.any()
