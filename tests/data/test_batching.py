import itertools
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.batching import BatchPlan, collate
from litetransformer.data.epochs import Batch, epoch_batches, in_order_batches, length_ladder
from litetransformer.data.store import write_store


class Sides(NamedTuple):
    source: torch.Tensor
    target_in: torch.Tensor
    target_out: torch.Tensor


def sides(batch):
    return Sides(*batch.tensors)


class Digits:
    size, digest = 64, "0" * 64

    def encode(self, text):
        return [int(number) for number in text.split()]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    generator = np.random.default_rng(0)

    def line():
        return " ".join(map(str, generator.integers(3, 64, generator.integers(1, 40))))

    return write_store(
        tmp_path_factory.mktemp("store"), [(line(), line()) for _ in range(300)], Digits(), Digits()
    )


def rows_of(batches):
    return np.concatenate([batch.indices for batch in batches])


@pytest.mark.parametrize("longest", [1, 8, 9, 100, 175, 256, 1024])
def test_the_ladder_climbs_in_eighths_to_a_quarter_by_multiples_of_eight(longest):
    ladder = length_ladder(longest)
    assert ladder[0] == 8
    assert longest <= ladder[-1] < longest + 8
    assert all(length % 8 == 0 for length in ladder)
    steps = list(itertools.pairwise(ladder))
    assert all(low < high <= max(low + 8, 1.25 * low) for low, high in steps)
    assert all(high >= 1.125 * low for low, high in steps[:-1])


@given(
    lengths=st.lists(st.integers(1, 200), min_size=1, max_size=200),
    budget=st.integers(1, 1000),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 100),
)
def test_every_row_is_in_one_batch_of_its_length_within_the_budget(lengths, budget, seed, epoch):
    lengths, ladder = np.array(lengths), length_ladder(200)
    for batches in (
        epoch_batches(lengths, budget, ladder, seed, epoch),
        in_order_batches(lengths, budget, ladder),
    ):
        assert sorted(rows_of(batches)) == list(range(len(lengths)))
        for batch in batches:
            assert 1 <= len(batch.indices) <= batch.rows == max(1, budget // batch.length)
            shorter = [length for length in ladder if length < batch.length]
            assert (lengths[batch.indices] <= batch.length).all()
            assert (lengths[batch.indices] > max(shorter, default=0)).all()
        # One batch of each length may be left unfilled, no more.
        unfilled = [batch.length for batch in batches if len(batch.indices) < batch.rows]
        assert len(unfilled) == len(set(unfilled))


def test_a_row_longer_than_the_ladder_is_refused():
    with pytest.raises(InputError, match="a row of 9 tokens"):
        epoch_batches(np.array([9]), 100, (8,), 0, 0)


def test_batches_follow_seed_and_epoch_alone(store):
    plan = BatchPlan(store, budget=200, seed=1)
    first = [batch.indices.tolist() for batch in plan.epoch(0)]
    assert first == [batch.indices.tolist() for batch in BatchPlan(store, budget=200, seed=1).epoch(0)]
    for other in (plan.epoch(1), BatchPlan(store, budget=200, seed=2).epoch(0)):
        assert first != [batch.indices.tolist() for batch in other]
        assert sorted(rows_of(other)) == list(range(len(store)))


def test_the_order_of_an_epoch_never_changes_between_versions():
    batches = epoch_batches(np.array([3, 9, 4, 20, 8, 17, 2, 11]), 32, length_ladder(20), 7, 3)
    assert [(batch.length, batch.indices.tolist()) for batch in batches] == [
        (24, [5]),
        (24, [3]),
        (8, [2, 4, 0, 6]),
        (16, [7, 1]),
    ]


def test_going_on_in_the_middle_of_an_epoch_gives_the_rest_of_it(store):
    def tensors(plan, batches):
        return [sides(plan.load(batch)).source.tolist() for batch in batches]

    plan = BatchPlan(store, budget=200, seed=1)
    whole = tensors(plan, plan.epoch(2))
    again = BatchPlan(store, budget=200, seed=1)
    assert tensors(again, again.epoch(2)[5:]) == whole[5:]


def test_short_rows_come_first_in_order(store):
    plan = BatchPlan(store, budget=200)
    lengths = plan.lengths[rows_of(plan.in_order())]
    assert (np.diff(lengths) >= 0).all()


def test_a_batch_holds_source_shifted_target_and_target(store):
    batch = Batch(np.array([3, 5, 7]), 64, 4)
    loaded = collate(store, batch)
    source_in, target_in, target_out = loaded.tensors
    assert source_in.dtype == target_in.dtype == target_out.dtype == torch.int64
    assert source_in.shape == (3, max(len(store.source(row)) for row in (3, 5, 7)))
    assert target_in.shape == target_out.shape
    for place, row in enumerate((3, 5, 7)):
        source, target = store.source(row).tolist(), store.target(row).tolist()
        assert source_in[place].tolist() == source + [PAD] * (source_in.shape[1] - len(source))
        rest = [PAD] * (target_out.shape[1] - len(target))
        assert target_out[place].tolist() == target + rest
        assert target_in[place].tolist() == [EOS, *target[:-1], *rest]
    assert loaded.tokens == sum(len(store.target(row)) for row in (3, 5, 7))


def test_a_fixed_batch_has_the_shape_of_a_full_one_and_its_extra_rows_no_loss(store):
    batch = Batch(np.array([3, 5, 7]), 48, 5)
    free, fixed = collate(store, batch), collate(store, batch, fixed=True)
    assert (
        sides(fixed).source.shape == sides(fixed).target_in.shape == sides(fixed).target_out.shape == (5, 48)
    )
    assert torch.equal(sides(fixed).source[:3, : sides(free).source.shape[1]], sides(free).source)
    assert torch.equal(sides(fixed).target_in[:3, : sides(free).target_in.shape[1]], sides(free).target_in)
    for row in (3, 4):
        assert sides(fixed).source[row].tolist() == sides(fixed).target_in[row].tolist() == [EOS] + [PAD] * 47
        assert sides(fixed).target_out[row].tolist() == [PAD] * 48
    assert fixed.tokens == free.tokens


@settings(max_examples=30)
@given(world=st.integers(1, 5), fixed=st.booleans(), rows=st.integers(1, 6))
def test_ranks_share_the_rows_of_one_global_batch(store, world, fixed, rows):
    batch = Batch(np.arange(rows), 48, 6)
    shares = [collate(store, batch, fixed=fixed, rank=rank, world=world) for rank in range(world)]
    found = [
        row[row != PAD].tolist() for share in shares for row in sides(share).target_out if (row != PAD).any()
    ]
    assert sorted(found) == sorted(store.target(row).tolist() for row in range(rows))
    assert sum(share.tokens for share in shares) == collate(store, batch).tokens
    assert all(len(sides(share).source) >= 1 and (sides(share).source[:, 0] != PAD).all() for share in shares)
    assert all((sides(share).target_in[:, 0] == EOS).all() for share in shares)
    if fixed:
        assert [len(sides(share).source) for share in shares] == [
            len(range(rank, 6, world)) for rank in range(world)
        ]


def test_a_batch_moves_to_a_device(store):
    moved = collate(store, Batch(np.array([0]), 48, 1)).to("meta")
    assert {
        tensor.device.type
        for tensor in (sides(moved).source, sides(moved).target_in, sides(moved).target_out)
    } == {"meta"}
    assert moved.tokens == len(store.target(0))
