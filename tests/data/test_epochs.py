"""Epochs of more rows than are shuffled at once: the same promises, and batches that take no memory."""

import itertools
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.data import batching, epochs
from litetransformer.data.batching import BatchPlan
from litetransformer.data.epochs import LargeEpoch, Rungs, epoch_batches, epoch_generator, length_ladder
from litetransformer.data.permutation import Permutation


class Lengths:
    """A side of which only the lengths are there, computed when they are asked for."""

    def __init__(self, rows):
        self.rows = rows

    def lengths_of(self, first, end):
        return 2 + np.arange(first, end) * 7919 % 100


class Store:
    def __init__(self, rows):
        self.sides = {"source": Lengths(rows), "target": Lengths(rows)}
        self.rows = rows

    def __len__(self):
        return self.rows


def large(lengths, budget, ladder, seed, epoch):
    return LargeEpoch(Rungs(lengths, ladder), budget, seed, epoch)


@given(count=st.integers(1, 3000), seed=st.integers(0, 2**40))
def test_a_permutation_has_every_number_once(count, seed):
    permutation = Permutation(count, epoch_generator(seed, 0))
    assert len(permutation) == count
    numbers = permutation(np.arange(count))
    assert sorted(numbers.tolist()) == list(range(count))
    some = np.arange(count)[:: max(1, count // 7)]
    assert permutation(some).tolist() == numbers[some].tolist()


def test_a_permutation_never_changes_between_versions():
    assert Permutation(10, epoch_generator(7, 3))(np.arange(10)).tolist() == [9, 5, 7, 8, 1, 6, 4, 0, 2, 3]
    large = Permutation(40_000_000, epoch_generator(7, 3))
    assert large(np.arange(3)).tolist() == [13991797, 23192562, 16705058]


def surprise(times, expected):
    """How many deviations chi-squared is above its mean, for counts that should all be about `expected`."""
    degrees = times.size - 1
    return (((times - expected) ** 2 / expected).sum() - degrees) / np.sqrt(2 * degrees)


def test_every_order_is_drawn_equally_often():
    seeds = 3000
    found = [tuple(Permutation(5, epoch_generator(seed, 1))(np.arange(5))) for seed in range(seeds)]
    orders = list(itertools.permutations(range(5)))
    assert surprise(np.array([found.count(order) for order in orders]), seeds / len(orders)) < 4


def test_every_number_comes_to_every_place_equally_often():
    count, seeds = 64, 1500
    found = np.array(
        [Permutation(count, epoch_generator(seed, 1))(np.arange(count)) for seed in range(seeds)]
    )
    times = np.array([np.bincount(found[:, place], minlength=count) for place in range(count)])
    assert surprise(times, seeds / count) < 4
    follows = np.mean(found[:, 1:] == found[:, :-1] + 1)
    assert follows == pytest.approx(1 / count, rel=0.1)


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=200),
    budget=st.integers(1, 1000),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 100),
)
def test_every_row_is_in_one_batch_of_its_length_within_the_budget(lengths, budget, seed, epoch):
    lengths, ladder = np.array(lengths), length_ladder(200)
    found = large(lengths, budget, ladder, seed, epoch)
    batches = list(found)
    assert len(found) == len(batches) == len(epoch_batches(lengths, budget, ladder, seed, epoch))
    assert sorted(np.concatenate([batch.indices for batch in batches])) == list(range(len(lengths)))
    for batch in batches:
        assert batch.indices.dtype == np.int64
        assert 1 <= len(batch.indices) <= batch.rows == max(1, budget // batch.length)
        shorter = [length for length in ladder if length < batch.length]
        assert (lengths[batch.indices] <= batch.length).all()
        assert (lengths[batch.indices] > max(shorter, default=0)).all()
    unfilled = [batch.length for batch in batches if len(batch.indices) < batch.rows]
    assert len(unfilled) == len(set(unfilled))


def test_a_large_epoch_reads_as_a_list_does():
    epoch = large(np.arange(1, 100), 64, length_ladder(100), 1, 0)
    batches = [batch.indices.tolist() for batch in epoch]
    for place in (slice(3, None), slice(None, 5), slice(2, 9, 3), slice(5, 5), slice(-3, None)):
        assert [batch.indices.tolist() for batch in epoch[place]] == batches[place]
    assert epoch[-1].indices.tolist() == batches[-1]
    with pytest.raises(IndexError):
        epoch[len(batches)]


def test_a_large_epoch_follows_seed_and_epoch_alone():
    def batches(seed, epoch):
        plan = BatchPlan(Store(500), budget=200, seed=seed, at_once=10)
        return [batch.indices.tolist() for batch in plan.epoch(epoch)]

    assert batches(1, 2) == batches(1, 2)
    assert all(
        first != second for first, second in itertools.pairwise([batches(1, 2), batches(1, 3), batches(2, 3)])
    )


def test_the_order_of_a_large_epoch_never_changes_between_versions():
    batches = large(np.array([3, 9, 4, 20, 8, 17, 2, 11]), 32, length_ladder(20), 7, 3)
    assert [(batch.length, batch.indices.tolist()) for batch in batches] == [
        (16, [7, 1]),
        (8, [4, 0, 6, 2]),
        (24, [3]),
        (24, [5]),
    ]


def test_a_row_longer_than_the_ladder_is_refused():
    with pytest.raises(InputError, match="a row of 9 tokens"):
        large(np.array([9]), 100, (8,), 0, 0)


def test_up_to_a_number_of_rows_the_batches_are_those_of_ever():
    store = Store(300)
    plan = BatchPlan(store, budget=200, seed=5, at_once=300)
    expected = epoch_batches(plan.lengths, 200, plan.ladder, 5, 1)
    assert [batch.indices.tolist() for batch in plan.epoch(1)] == [
        batch.indices.tolist() for batch in expected
    ]
    assert isinstance(BatchPlan(store, budget=200, seed=5, at_once=299).epoch(1), LargeEpoch)
    assert batching.AT_ONCE >= 4_000_000


@pytest.mark.parametrize(("longest", "bytes_each"), [(127, 1), (128, 2), (32767, 2), (32768, 4)])
def test_lengths_take_the_smallest_type_that_holds_them(longest, bytes_each):
    side = SimpleNamespace(lengths_of=lambda first, end: np.array([1, longest])[first:end])

    class Two(Store):
        def __init__(self):
            self.sides, self.rows = {"source": side, "target": side}, 2

    lengths = batching.longer_sides(Two())
    assert (lengths.tolist(), lengths.itemsize) == ([1, longest], bytes_each)
    assert np.diff(lengths[::-1])[0] < 0


def test_a_plan_keeps_five_bytes_a_row_and_an_epoch_nothing(monkeypatch):
    """By what is allocated, not by a time: with blocks of a fixed size, 40 million rows would take 200 MB."""
    monkeypatch.setattr(batching, "_BLOCK", 2**12)
    monkeypatch.setattr(epochs, "_BLOCK", 2**12)

    def peaks(rows):
        tracemalloc.start()
        try:
            plan = BatchPlan(Store(rows), budget=256, at_once=10)
            building = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            kept = tracemalloc.get_traced_memory()[0]
            epoch = plan.epoch(3)
            for place in range(0, len(epoch), len(epoch) // 20):
                plan.epoch(3)[place : place + 2]
            return building, kept, tracemalloc.get_traced_memory()[1] - kept
        finally:
            tracemalloc.stop()

    small, big = 2**15, 2**19
    peaks(small)
    (building, kept, reading), (building_big, kept_big, reading_big) = peaks(small), peaks(big)
    for first, second in ((building, building_big), (kept, kept_big)):
        assert (second - first) / (big - small) < 5.2
    assert reading_big < reading + 20_000
