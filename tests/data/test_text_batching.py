"""Running text in blocks: each token is predicted once from the one before it, always in the same order."""

import itertools
import random

import numpy as np
import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.store import write_sides
from litetransformer.data.text_batching import TextPlan
from litetransformer.data.words import train_words


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store of 60 lines, some of them empty."""
    return store_of(some_lines(60), tmp_path_factory.mktemp("text"))


def some_lines(count, seed=1):
    generator = random.Random(seed)
    return [" ".join(generator.choices("abcdefgh", k=generator.randrange(9))) for _ in range(count)]


def store_of(lines, folder, **options):
    tokenizer = train_words(lines, size=16)
    return write_sides(folder, ((line,) for line in lines), {"text": tokenizer}, longest=None, **options)


def stream_of(store):
    return np.array(store.sides["text"].tokens, np.int64)


def pairs(plan, batches):
    """(given, to predict) of every real token, and the number of rows."""
    found = []
    for batch in batches:
        inputs, outputs = (tensor.numpy() for tensor in plan.load(batch).tensors)
        assert inputs.shape == outputs.shape
        assert ((inputs == PAD) == (outputs == PAD)).all()
        found += zip(inputs[outputs != PAD].tolist(), outputs[outputs != PAD].tolist(), strict=True)
    return found


def test_every_line_is_kept_and_ends_in_its_end(store):
    lines = some_lines(60)
    assert "" in lines
    assert len(store) == len(lines)
    assert (stream_of(store) == EOS).sum() == len(lines)
    assert len(stream_of(store)) == sum(len(line.split()) + 1 for line in lines)
    assert store.index.dropped == ()


@pytest.mark.parametrize("length", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize("fixed", [False, True])
def test_every_token_is_predicted_once_from_the_one_before_it(store, length, fixed):
    stream = stream_of(store).tolist()
    plan = TextPlan(store, length=length, budget=48, fixed=fixed)
    expected = list(zip([EOS, *stream[:-1]], stream, strict=True))
    assert pairs(plan, plan.in_order()) == expected
    assert sorted(pairs(plan, plan.epoch(3))) == sorted(expected)


def test_blocks_are_as_long_as_told_and_only_the_last_is_padded(store):
    stream, length = stream_of(store), 16
    plan = TextPlan(store, length=length, budget=48)
    assert len(stream) % length
    rows = np.concatenate([plan.load(batch).tensors[1].numpy() for batch in plan.in_order()])
    assert rows.shape == (-(-len(stream) // length), length)
    assert (rows[:-1] != PAD).all()
    assert (rows[-1] != PAD).sum() == len(stream) % length
    assert np.array_equal(rows.flatten()[: len(stream)], stream)


def test_fixed_batches_have_one_shape_and_count_what_they_predict(store):
    plan = TextPlan(store, length=18, budget=80, fixed=True)
    assert plan.blocks % 4
    batches = [plan.load(batch) for batch in plan.epoch(0)]
    assert {tensor.shape for batch in batches for tensor in batch.tensors} == {(4, 18)}
    assert sum(batch.tokens for batch in batches) == len(stream_of(store))


def order(plan, epoch):
    return [batch.indices.tolist() for batch in plan.epoch(epoch)]


def test_the_order_follows_from_the_seed_and_the_epoch_alone(store):
    plan, again = (TextPlan(store, length=8, budget=24, seed=5) for _ in range(2))
    orders = [order(plan, epoch) for epoch in range(3)]
    assert [order(again, epoch) for epoch in (2, 0, 1)] == [orders[2], orders[0], orders[1]]
    assert order(TextPlan(store, length=8, budget=24, seed=6), 0) != orders[0]
    assert orders[0] != orders[1]
    for one in orders:
        assert sorted(itertools.chain.from_iterable(one)) == list(range(plan.blocks))


@pytest.mark.parametrize("world", [2, 3, 5])
@pytest.mark.parametrize("fixed", [False, True])
def test_ranks_share_a_batch(store, world, fixed):
    whole = TextPlan(store, length=8, budget=32, fixed=fixed)
    ranks = [
        TextPlan(store, length=8, budget=32, fixed=fixed, rank=rank, world=world) for rank in range(world)
    ]
    for batch in whole.epoch(1):
        together = sorted(pairs(whole, [batch]))
        assert sorted(pair for rank in ranks for pair in pairs(rank, [batch])) == together
        assert sum(rank.load(batch).tokens for rank in ranks) == whole.load(batch).tokens


def test_a_budget_smaller_than_a_block_holds_one(store):
    plan = TextPlan(store, length=16, budget=3)
    assert {len(batch.indices) for batch in plan.epoch(0)} == {1}


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_processes_changes_no_byte(tmp_path, workers, monkeypatch):
    monkeypatch.setattr("litetransformer.data.tokenise.CHUNK", 300)
    lines = some_lines(5000)
    one, several = store_of(lines, tmp_path / "one"), store_of(lines, tmp_path / "more", workers=workers)
    assert one.digest == several.digest
    for file in ("text.bin", "text.offsets", "index.json"):
        assert (one.folder / file).read_bytes() == (several.folder / file).read_bytes()


def test_a_text_of_no_lines_is_refused(tmp_path):
    tokenizer = train_words(["a"], size=8)
    with pytest.raises(InputError, match="nothing is left of the text"):
        write_sides(tmp_path, iter(()), {"text": tokenizer}, longest=None)
    assert len(write_sides(tmp_path, [("",)], {"text": tokenizer}, longest=None)) == 1
