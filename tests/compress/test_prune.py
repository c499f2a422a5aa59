"""The smallest weights go, exactly as many as asked; the sweep leaves no trace; masks hold."""

import pytest
import torch

from litetransformer.compress.prune import Curve, Masks, allocate, cubic, magnitude_mask, sweep


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_the_smallest_go(sparsity):
    weights = torch.randn(30, 20)
    mask = magnitude_mask(weights, sparsity)
    assert int((~mask).sum()) == int(sparsity * 600)
    if 0 < sparsity < 1:
        assert weights[~mask].abs().max() <= weights[mask].abs().min()


def test_ties_go_from_the_front_and_zeros_are_never_kept():
    assert magnitude_mask(torch.ones(4), 0.5).tolist() == [False, False, True, True]
    assert magnitude_mask(torch.tensor([0.0, 0.0, 0.0, 1.0]), 0.25).tolist() == [False, False, False, True]


@pytest.mark.parametrize("sparsity", [-0.1, 1.1])
def test_a_share_is_from_0_to_1(sparsity):
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        magnitude_mask(torch.ones(3), sparsity)


def test_the_schedule_is_the_cubic_one():
    shares = [cubic(update, begin=10, end=110, final=0.8) for update in range(130)]
    assert shares[:11] == [0.0] * 11
    assert shares[60] == pytest.approx(0.8 * (1 - 0.5**3))
    assert shares[110:] == [0.8] * 20
    assert shares == sorted(shares)
    assert cubic(0, begin=0, end=0, final=0.5) == 0.5


def test_a_sweep_measures_one_tensor_at_a_time_and_restores_it():
    tensors = {"a": torch.nn.Parameter(torch.randn(20, 5)), "b": torch.nn.Parameter(torch.randn(7, 7))}
    before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    seen = []

    def loss():
        changed = [name for name in tensors if not torch.equal(tensors[name], before[name])]
        zeros = {name: int((tensors[name] == 0).sum()) for name in changed}
        seen.append(zeros)
        return float(sum(zeros.values()))

    curves = sweep(tensors, loss, levels=(0.5, 0.9))
    assert seen == [{}, {"a": 50}, {"a": 90}, {"b": 24}, {"b": 44}]
    assert curves["a"] == Curve(weights=100, sparsity=(0.0, 0.5, 0.9), loss=(0.0, 50.0, 90.0))
    assert all(torch.equal(tensors[name], before[name]) for name in tensors)


def test_a_sweep_that_fails_restores_too():
    tensor = torch.nn.Parameter(torch.randn(9))
    before, calls = tensor.detach().clone(), []

    def loss():
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        sweep({"a": tensor}, loss)
    assert torch.equal(tensor, before)


def curve(weights, *rises):
    return Curve(
        weights=weights.numel(), sparsity=(0.0, 0.5, 0.8), loss=(2.0, *(2.0 + rise for rise in rises))
    )


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 0.5, 0.9])
def test_shares_add_up_to_what_was_asked_for(sparsity):
    weights = {name: torch.randn(size) for name, size in (("a", 1000), ("b", 3000), ("c", 50))}
    curves = {name: curve(tensor, 0.01, 0.2) for name, tensor in weights.items()}
    shares = allocate(curves, weights, sparsity)
    zeros = sum(shares[name] * len(weights[name]) for name in weights)
    assert zeros == pytest.approx(int(sparsity * 4050))


def test_the_sensitive_tensor_keeps_more():
    weights = {name: torch.randn(2000) for name in "abc"}
    rises = {"a": (0.5, 9.0), "b": (0.01, 0.1), "c": (-0.01, 0.0)}
    shares = allocate({name: curve(weights[name], *rises[name]) for name in "abc"}, weights, 0.5)
    assert shares["a"] < shares["b"] - 0.1
    # A sweep that found no rise at all empties no tensor.
    assert shares["c"] < 0.75


def test_a_zero_tensor_and_curves_without_a_rise_need_no_special_care():
    weights = {"a": torch.zeros(10), "b": torch.randn(10)}
    shares = allocate({name: curve(weights[name], 0.0, 0.0) for name in "ab"}, weights, 0.5)
    assert shares["a"] == 1.0


def test_masks_keep_zeros_zero_whatever_updates_do():
    weights = {"a": torch.nn.Parameter(torch.randn(8, 8)), "b": torch.nn.Parameter(torch.randn(4))}
    masks = Masks.of(weights, {"a": 0.5})
    masks.apply(weights)
    optimizer = torch.optim.AdamW(weights.values(), lr=0.1)
    for _ in range(5):
        (weights["a"].sum() + weights["b"].sum()).square().backward()
        optimizer.step()
        masks.apply(weights)
        assert torch.equal(weights["a"] != 0, masks.masks["a"])
    assert (weights["b"] != 0).all()
    assert masks.sparsity() == 0.5
