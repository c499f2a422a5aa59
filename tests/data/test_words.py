"""Whole words as tokens: the most frequent have a number, the others are unknown, and damage is found."""

import pickle
import random

import pytest

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.data.tokenizer import load_tokenizer
from litetransformer.data.words import WordTokenizer, train_words

LINES = ["the cat sat", "the cat", " the <unk> N\t<unk> ", "", "zebra <unk>"]


def test_words_are_numbered_by_frequency_and_then_by_their_characters():
    tokenizer = train_words(LINES, size=100)
    assert tokenizer.words == ("the", "cat", "N", "sat", "zebra")
    assert tokenizer.encode("the cat N sat zebra") == [3, 4, 5, 6, 7]


def test_rare_words_and_the_corpus_s_own_unknown_are_the_unknown_token():
    tokenizer = train_words(LINES, size=5)
    assert tokenizer.words == ("the", "cat")
    assert tokenizer.encode("the <unk> sat cat") == [3, UNK, UNK, 4]
    assert tokenizer.decode([3, UNK, UNK, 4]) == "the <unk> <unk> cat"


def test_white_space_of_any_kind_separates_and_comes_back_as_one_space():
    tokenizer = train_words(["a b"], size=10)
    assert tokenizer.encode("\ta\u2028b \xa0 a\x85\r") == [3, 4, 3]
    assert tokenizer.decode([3, 4, 3]) == "a b a"
    assert tokenizer.encode(" \u3000") == []


def test_text_that_looks_like_a_special_token_is_a_word():
    tokenizer = train_words(["<pad> </s> <pad>"], size=10)
    assert tokenizer.encode("<pad> </s>") == [3, 4]
    assert tokenizer.decode([PAD, EOS, 3, EOS, 4, 999]) == "<pad> </s>"
    assert [tokenizer.piece(number) for number in range(6)] == ["<pad>", "</s>", "<unk>", "<pad>", "</s>", ""]


@pytest.mark.parametrize(("words", "size"), [(1, 8), (5, 8), (6, 16), (13, 16), (14, 24)])
def test_the_size_is_rounded_up_to_a_multiple_of_8(words, size):
    tokenizer = WordTokenizer(map(str, range(words)))
    assert tokenizer.size == size
    assert max(tokenizer.encode(" ".join(map(str, range(words))))) < size


def test_a_saved_tokenizer_is_loaded_as_it_was(tmp_path):
    tokenizer = train_words(["Straße 日本 <s> a\u0301 the the"], size=100)
    path = tmp_path / "tokenizer.txt"
    tokenizer.save(path)
    assert path.read_text() == "the\n<s>\nStraße\na\u0301\n日本\n"
    for other in (load_tokenizer(path, digest=tokenizer.digest), pickle.loads(pickle.dumps(tokenizer))):
        assert (other.words, other.size, other.digest) == (tokenizer.words, tokenizer.size, tokenizer.digest)


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_or_a_cut_is_found_by_the_digest(tmp_path, seed):
    tokenizer, generator = train_words(LINES, size=100), random.Random(seed)
    path = tmp_path / "tokenizer.txt"
    tokenizer.save(path)
    content = path.read_bytes()
    for _ in range(20):
        changed = bytearray(content)
        changed[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        for damaged in (bytes(changed), content[: generator.randrange(len(content))]):
            path.write_bytes(damaged)
            with pytest.raises(InputError, match="damaged") as caught:
                load_tokenizer(path, digest=tokenizer.digest)
            assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged: empty"),
        (b"a\nb", "damaged: cut short"),
        (b"a\n\nb\n", "damaged: '' is no word"),
        (b"a\nb\na\n", "damaged: a word stands twice"),
        (b"a b\n", "damaged: 'a b' is no word"),
        (b"a\r\n", "is no word"),
        (b"<unk>\n", "'<unk>' is no word"),
        (b"a\n\xff\n", "not UTF-8 at byte 2"),
        (b"a" * 5000 + b" b\n", "is no word"),
    ],
)
def test_what_is_no_list_of_words_is_refused_naming_the_file(tmp_path, content, message):
    path = tmp_path / "tokenizer.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_tokenizer(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_text_without_a_word_is_refused():
    for lines in ([], ["", " \t"], ["<unk> <unk>"]):
        with pytest.raises(InputError, match="no text to learn a vocabulary from"):
            train_words(lines, size=100)
