"""Coded codes come back exactly, the package and the plain loop write the same bytes, no bit is wasted."""

import math

import numpy as np
import pytest

from litetransformer.compress import entropy


def draws(seed, levels, count, skew):
    generator = np.random.default_rng(seed)
    return generator.choice(levels, count, p=generator.dirichlet(np.full(levels, skew))).astype(np.uint8)


@pytest.mark.parametrize("levels", [2, 3, 16, 31, 256])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 3000])
def test_codes_come_back_and_the_plain_loop_writes_the_same_bytes(levels, count):
    for seed, skew in enumerate((0.01, 0.3, 10.0)):
        codes = draws(seed, levels, count, skew)
        for freq in (entropy.frequencies(codes, levels), entropy.flat(levels)):
            content = entropy.encode(codes, freq)
            assert content == entropy.encode(codes, freq, plain=True)
            assert np.array_equal(entropy.decode(content, freq, count), codes)
            assert np.array_equal(entropy.decode(content, freq, count, plain=True), codes)


def test_any_words_become_that_many_codes_the_same_both_ways():
    for seed in range(50):
        generator = np.random.default_rng(seed)
        levels = int(generator.integers(2, 257))
        freq = entropy.frequencies(draws(seed, levels, 100, 0.5), levels)
        junk = generator.integers(0, 2**32, int(generator.integers(0, 20)), dtype=np.uint32).tobytes()
        found = entropy.decode(junk, freq, 60)
        assert np.array_equal(found, entropy.decode(junk, freq, 60, plain=True))
        assert len(found) == 60
        assert found.max() < levels


@pytest.mark.parametrize("codes", [[0] * 9, [255] * 9, [3], [0, 255], list(range(256))])
def test_frequencies_add_up_and_leave_no_code_out_that_occurs(codes):
    codes = np.array(codes, np.uint8)
    freq = entropy.frequencies(codes, 256)
    assert freq.sum() == entropy.TOTAL
    assert freq.max() < entropy.TOTAL
    assert freq.min() >= 0
    assert (freq[codes] > 0).all()


def test_a_code_takes_what_its_frequency_says():
    codes = draws(5, 16, 100_000, 0.5)
    counts = np.bincount(codes)[np.bincount(codes) > 0]
    ideal = -sum(count * math.log2(count / len(codes)) for count in counts.tolist()) / 8
    assert ideal <= len(entropy.encode(codes, entropy.frequencies(codes, 16))) <= 1.001 * ideal + 8
