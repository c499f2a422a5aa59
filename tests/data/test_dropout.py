"""BPE-dropout: what is drawn is the text, by the algorithm of the paper, and the same for everyone."""

import itertools
import pickle
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import UNK
from litetransformer.data.dropout import MergeDropout
from litetransformer.data.store import write_sides, write_store
from litetransformer.data.tokenise import Sampling
from litetransformer.data.tokenizer import train_sentencepiece
from litetransformer.data.words import train_words

ANY_LINE = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))
CHUNK = 50


@pytest.fixture(scope="module")
def exact(text):
    return train_sentencepiece(
        [*text(200), "日本語の文は空白がない。"] * 5, size=360, normalization="identity"
    )


@given(line=ANY_LINE, seed=st.integers(0, 3))
def test_without_dropout_it_is_the_usual_segmentation(tokenizer, exact, line, seed):
    for one in (tokenizer, exact):
        assert MergeDropout(one, 0.0)(line, random.Random(seed)) == one.encode(line)


def test_real_sentences_without_dropout_are_as_usual_and_with_it_longer(tokenizer, text):
    lines = text(300, 8)
    usual = [tokenizer.encode(line) for line in lines]
    assert [MergeDropout(tokenizer, 0.0)(line, random.Random(1)) for line in lines] == usual
    lengths = [
        sum(len(MergeDropout(tokenizer, dropout)(line, random.Random(1))) for line in lines)
        for dropout in (0.0, 0.1, 0.3, 0.999999)
    ]
    assert lengths == sorted(set(lengths))
    sentence = tokenizer.decode(usual[0])
    pieces = MergeDropout(tokenizer, 0.999999)(lines[0], random.Random(1))
    assert [tokenizer.piece(number) for number in pieces] == list(f" {sentence}")


@given(line=ANY_LINE, dropout=st.sampled_from([0.1, 0.5, 0.9]), seed=st.integers(0, 2**32))
def test_what_is_drawn_is_the_same_text(tokenizer, exact, line, dropout, seed):
    for one in (tokenizer, exact):
        drawn = MergeDropout(one, dropout)(line, random.Random(seed))
        assert one.decode(drawn) == one.decode(one.encode(line))
        assert all(UNK < number < one.size for number in drawn)


def test_text_without_spaces_and_a_huge_line_are_drawn_too(tokenizer, exact):
    for line in ("日本語の文は空白がない。" * 20, "Haus" * 20_000, "日" * 2000 + " " * 9):
        for one in (tokenizer, exact):
            drawn = MergeDropout(one, 0.2)(line, random.Random(4))
            assert one.decode(drawn) == one.decode(one.encode(line))
    assert len(MergeDropout(exact, 0.2)("Haus" * 500, random.Random(4))) > len(exact.encode("Haus" * 500))


def literal(tokenizer, word, dropout, generator):
    """Algorithm 1 of the paper, each merge drawn for, on text."""
    pieces = {piece: number for number, piece in enumerate(tokenizer.pieces()) if piece}
    split = list(word)
    while True:
        merges = [
            (pieces[left + right], place)
            for place, (left, right) in enumerate(itertools.pairwise(split))
            if left + right in pieces
        ]
        merges = [merge for merge in merges if generator.random() >= dropout]
        if not merges:
            return tuple(pieces[piece] for piece in split)
        _, place = min(merges)
        split[place : place + 2] = [split[place] + split[place + 1]]


@pytest.mark.parametrize("dropout", [0.1, 0.4])
def test_draws_are_as_frequent_as_those_of_the_papers_algorithm(tokenizer, dropout):
    count, sampler = 6000, MergeDropout(tokenizer, dropout)
    ours = Counter(tuple(sampler("Straße", random.Random(seed))) for seed in range(count))
    generator = random.Random(0)
    theirs = Counter(literal(tokenizer, "▁Straße", dropout, generator) for _ in range(count))
    assert len(ours) > 5
    apart = sum(abs(ours[one] - theirs[one]) for one in ours | theirs) / (2 * count)
    assert apart < 0.04
    assert ours.most_common(1)[0][0] == tuple(tokenizer.encode("Straße"))


def test_a_draw_depends_on_nothing_that_was_drawn_before(tokenizer, text):
    lines = text(50)
    sampler, copy = MergeDropout(tokenizer, 0.2), pickle.loads(pickle.dumps(MergeDropout(tokenizer, 0.2)))
    drawn = [sampler(line, random.Random(number)) for number, line in enumerate(lines)]
    again = [copy(line, random.Random(number)) for number, line in reversed(list(enumerate(lines)))]
    assert drawn == again[::-1]
    assert drawn != [sampler(line, random.Random(number + 50)) for number, line in enumerate(lines)]


def test_draws_stay_what_they_were(tokenizer):
    """Of the generator's numbers Python says that they stay: a text prepared again is the same."""
    sampler = MergeDropout(tokenizer, 0.3)
    drawn = [[tokenizer.piece(number) for number in sampler("das Haus", random.Random(n))] for n in (1, 3)]
    assert drawn == [[" d", "as", " ", "H", "aus"], [" das", " ", "H", "au", "s"]]


@pytest.fixture
def pairs(text):
    return list(zip(text(330, 2, 9), text(330, 3, 9), strict=True))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("litetransformer.data.tokenise.CHUNK", CHUNK)
    monkeypatch.setattr("litetransformer.data.store.CHUNK", CHUNK)


def write(folder, rows, tokenizer, *, draws=3, count=330, **options):
    options = {"longest": 64, "sampling": Sampling(0.2, first=count), **options}
    return write_store(folder, itertools.chain(*[rows] * draws), tokenizer, tokenizer, **options)


def rows_of(store):
    return [(store.source(row).tolist(), store.target(row).tolist()) for row in range(len(store))]


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.mark.usefixtures("small_chunks")
def test_the_first_draw_is_the_usual_one_and_each_other_its_own(tmp_path, tokenizer, pairs):
    drawn = rows_of(write(tmp_path / "drawn", pairs, tokenizer))
    usual = rows_of(write_store(tmp_path / "usual", pairs, tokenizer, tokenizer, longest=64))
    assert drawn[:330] == usual
    assert len(drawn) == 990
    first, second = drawn[330:660], drawn[660:]
    assert first != second
    for side in (0, 1):
        texts = [[tokenizer.decode(row[side]) for row in rows] for rows in (usual, first, second)]
        assert texts[0] == texts[1] == texts[2]
        assert sum(one[side] != other[side] for one, other in zip(first, usual, strict=True)) > 200
        assert sum(one[side] != other[side] for one, other in zip(first, second, strict=True)) > 200


@pytest.mark.usefixtures("small_chunks")
def test_drawing_begins_with_the_row_that_is_named(tmp_path, tokenizer, pairs):
    usual = rows_of(write(tmp_path / "usual", pairs, tokenizer, draws=1, sampling=None, longest=None))
    late = Sampling(0.999999, first=57)
    drawn = rows_of(write(tmp_path / "drawn", pairs, tokenizer, draws=1, sampling=late, longest=None))
    assert [one == other for one, other in zip(usual, drawn, strict=True)] == [row < 57 for row in range(330)]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_workers_and_shards_change_no_draw(tmp_path, tokenizer, pairs, workers):
    one = write(tmp_path / "one", pairs, tokenizer)
    write(tmp_path / "many", pairs, tokenizer, workers=workers)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "many")
    sharded = write(tmp_path / "sharded", pairs, tokenizer, shard_tokens=2000, workers=workers)
    assert len(sharded.shards) > 3
    assert rows_of(sharded) == rows_of(one)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("stop", [200, 700])
def test_what_goes_on_later_draws_the_same_and_nothing_of_other_draws(tmp_path, tokenizer, pairs, stop):
    def until(rows):
        yield from itertools.islice(itertools.chain(*[rows] * 3), stop)
        raise KeyboardInterrupt

    options = {"shard_tokens": 1000, "resume": "pairs"}
    write(tmp_path / "whole", pairs, tokenizer, **options)
    for sampling in (Sampling(0.2, first=330), Sampling(0.3, first=330), Sampling(0.2, first=300), None):
        folder, told = tmp_path / f"{sampling}", []
        with pytest.raises(KeyboardInterrupt):
            write(folder, until(pairs), tokenizer, draws=1, sampling=sampling, **options)
        write(folder, pairs, tokenizer, progress=told.append, **options)
        assert bytes_of(folder) == bytes_of(tmp_path / "whole")
        # What was finished is kept if it was drawn alike.
        assert (told[0] > CHUNK) == (sampling == Sampling(0.2, first=330))


def test_each_draw_is_too_long_or_not_by_itself(tmp_path, tokenizer, pairs):
    store = write(tmp_path / "drawn", pairs, tokenizer, longest=20)
    usual = write_store(tmp_path / "usual", pairs, tokenizer, tokenizer, longest=20)
    assert rows_of(store)[: len(usual)] == rows_of(usual)
    everything = rows_of(write(tmp_path / "long", pairs, tokenizer, longest=1000))
    assert rows_of(store) == [row for row in everything if max(map(len, row)) <= 20]
    assert len(usual) < len(store) < 3 * len(usual)
    assert store.index.read == 990


def test_without_sampling_repeated_rows_are_alike(tmp_path, tokenizer, pairs):
    rows = rows_of(write(tmp_path, pairs, tokenizer, draws=2, sampling=None))
    assert rows[:330] == rows[330:]


def test_other_vocabularies_have_nothing_to_leave_out(tmp_path, text):
    words = train_words(text(50), size=40)
    with pytest.raises(InputError, match=r"vocabulary\.dropout: only SentencePiece's merges can be left out"):
        write_sides(tmp_path, [("a",)], {"text": words}, sampling=Sampling(0.1, first=0))
    assert not list(tmp_path.glob("*.bin"))
