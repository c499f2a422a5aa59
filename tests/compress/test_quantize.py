"""Quantized weights are values of a small table, zeros stay zero, and k-means is the one of the textbook."""

import itertools

import numpy as np
import pytest
import torch

from litetransformer.compress.quantize import Codebooks, affine, codebook, entropy, from_codes, lloyd
from litetransformer.core.errors import InputError

TENSORS = {
    "normal": lambda g: torch.randn(40, 30, generator=g),
    "sparse": lambda g: torch.randn(40, 30, generator=g) * (torch.rand(40, 30, generator=g) > 0.7),
    "constant": lambda g: torch.full((5, 4), 0.3),
    "all_zero": lambda g: torch.zeros(6, 7),
    "one": lambda g: torch.tensor([[-2.5]]),
    "empty": lambda g: torch.zeros(0, 3),
    "scalar": lambda g: torch.tensor(1.5),
    "vector": lambda g: torch.randn(17, generator=g),
    "few_values": lambda g: torch.randint(-1, 2, (50, 5), generator=g).float(),
    "symmetric": lambda g: torch.tensor([[-1.0, 1.0, -1.0, 1.0]] * 9),
    "huge": lambda g: 1e30 * torch.randn(20, 20, generator=g),
    "minute": lambda g: 1e-30 * torch.randn(20, 20, generator=g),
    "subnormal": lambda g: 1e-42 * torch.randn(20, 20, generator=g),
    "outlier": lambda g: torch.cat([torch.randn(200, generator=g) * 1e-6, torch.tensor([1e4])])[:, None],
}


@pytest.fixture(params=TENSORS)
def weights(request):
    return TENSORS[request.param](torch.Generator().manual_seed(3))


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("rate", [0.0, 0.05])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_codebook_is_few_values_and_keeps_the_zeros(weights, bits, rate, rows):
    found = codebook(weights, bits=bits, rate=rate, rows=rows)
    dequantized = found.dequantize()
    assert dequantized.shape == weights.shape
    assert dequantized.isfinite().all()
    assert torch.equal(dequantized == 0, weights == 0)
    for group in range(len(found.values)):
        part = dequantized[group * rows : (group + 1) * rows] if rows and weights.ndim else dequantized
        assert len(part.unique()) <= 2**bits
    flat = torch.from_numpy(found.values.reshape(-1))
    assert torch.equal(flat[found.indices()].view(weights.shape), dequantized)


def test_values_are_as_a_file_holds_them(weights):
    found = codebook(weights, bits=3)
    stored = found.values.astype(found.precision).astype(np.float32)
    assert np.array_equal(stored, found.values)


@pytest.mark.parametrize("seed", range(4))
def test_few_different_weights_come_back_exactly(seed):
    values = torch.randn(16, generator=torch.Generator().manual_seed(seed)).half().float()
    weights = values[torch.randint(0, 16, (30, 10))]
    assert torch.equal(codebook(weights, bits=4).dequantize(), weights)


@pytest.mark.parametrize("seed", range(8))
def test_lloyd_has_converged(seed):
    points = np.random.default_rng(seed).standard_normal(500)
    centres, labels = lloyd(points, 8)
    nearest = np.abs(points[:, None] - centres).argmin(1)
    assert np.array_equal(nearest, labels)
    means = [points[labels == label].mean() for label in range(8)]
    np.testing.assert_allclose(centres, means, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_points_that_differ_by_less_than_their_sums_can_tell_keep_their_order(rate):
    """Centres are differences of sums, so rounding can make one fall below the centre before it."""
    for seed in range(5):
        points = 1e8 + 3e-7 * np.sort(np.random.default_rng(seed).standard_normal(2000))
        labels = lloyd(points, 64, rate=rate)[1]
        assert (np.diff(labels) >= 0).all()
        assert 1 < len(set(labels)) <= 64


def test_lloyd_is_near_the_best_of_all_partitions():
    for seed in range(20):
        points = np.sort(np.random.default_rng(seed).standard_normal(12))

        def error(cuts, points=points):
            parts = np.split(points, cuts)
            return sum(((part - part.mean()) ** 2).sum() for part in parts)

        best = min(error(cuts) for cuts in itertools.combinations(range(1, 12), 2))
        centres, labels = lloyd(points, 3)
        ours = ((points - centres[labels]) ** 2).sum()
        assert best - 1e-9 <= ours <= 1.5 * best


def test_equal_weights_give_equal_codes_in_any_order():
    weights = torch.randn(3000)
    order = torch.randperm(3000)
    ours, shuffled = codebook(weights, bits=4), codebook(weights[order], bits=4)
    assert np.array_equal(ours.codes[order.numpy()], shuffled.codes)
    assert np.array_equal(ours.values, shuffled.values)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("bits", [3, 5, 8])
def test_a_value_that_many_weights_have_is_one_code_at_any_rate(bits, share):
    """Quantiles part equal weights, so that neighbouring cells begin with the same centre."""
    weights = torch.randn(4000, generator=torch.Generator().manual_seed(bits))
    weights[: int(share * 4000)] = 0.5
    for rate in (0.0, 0.02, 0.3):
        found = codebook(weights, bits=bits, rate=rate)
        assert len(set(found.codes[: int(share * 4000)])) == 1
        error = (found.dequantize() - weights).square().mean()
        assert error < 0.5 * weights.var()


@pytest.mark.parametrize("rows", [0, 7])
def test_weights_are_sorted_once_for_all_codebooks(weights, rows, monkeypatch):
    options = [{"bits": 2}, {"bits": 5, "rate": 0.02}, {"bits": 5, "rate": 0.3}, {"bits": 2}]
    expected = [codebook(weights, rows=rows, **each) for each in options]
    many = Codebooks(weights, rows=rows)
    monkeypatch.setattr(np, "argsort", lambda *_, **__: pytest.fail("sorted again"))
    for each, other in zip(options, expected, strict=True):
        found = many.at(**each)
        assert np.array_equal(found.codes, other.codes)
        assert np.array_equal(found.values, other.values)


def test_a_rate_saves_bits_that_k_means_needs_for_the_same_error():
    weights = torch.randn(20_000)

    def measured(**options):
        found = codebook(weights, **options)
        return entropy(found.codes), float((found.dequantize() - weights).square().mean())

    bits, error = measured(bits=4)
    fewer, smaller = measured(bits=6, rate=0.015)
    assert fewer < bits - 0.1
    assert smaller < error
    rates = [measured(bits=6, rate=rate)[0] for rate in (0.001, 0.01, 0.1, 1.0)]
    assert rates == sorted(rates, reverse=True)


def test_affine_is_within_half_a_step_and_keeps_zeros(weights):
    found = affine(weights)
    dequantized = found.dequantize()
    assert len(dequantized.unique()) <= 256
    assert (dequantized[weights == 0] == 0).all()
    if weights.numel():
        low, high = min(float(weights.min()), 0.0), max(float(weights.max()), 0.0)
        step = max((high - low) / 255, 1e-44)
        assert (
            float((dequantized.double() - weights.double()).abs().max())
            <= 0.502 * step + 1e-6 * (high - low) + 1e-42
        )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    for quantizer in (lambda w: codebook(w, bits=4), affine):
        with pytest.raises(InputError, match="NaN or infinite"):
            quantizer(torch.tensor([[1.0, value]]))


@pytest.mark.parametrize("bits", [0, 9, -1])
def test_bits_are_from_1_to_8(bits):
    with pytest.raises(ValueError, match=f"bits={bits} must be from 1 to 8"):
        codebook(torch.randn(3, 3), bits=bits)


@pytest.mark.parametrize("rows", [0, 3])
def test_codes_in_any_order_with_values_that_nothing_has_are_written_as_a_codebook(weights, rows):
    found = codebook(weights, bits=3, rows=rows)
    generator = np.random.default_rng(1)
    groups, levels = found.values.shape
    order = generator.permutation(levels + 2)
    shuffled = np.full((groups, levels + 2), 7.5, np.float32)
    shuffled[:, order[:levels]] = found.values
    again = from_codes(order[found.codes], shuffled, rows=rows)
    assert torch.equal(again.dequantize(), found.dequantize())
    assert again.values.shape[1] <= max(2, levels)
    assert (again.values.shape == found.values.shape) == np.array_equal(again.codes, found.codes) or rows
    if bool((weights == 0).any()):
        assert np.array_equal(again.codes == 0, weights.numpy() == 0)
