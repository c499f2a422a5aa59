import importlib
import json
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sacremoses")
pytest.importorskip("subword_nmt")

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.data.moses import train_moses
from litetransformer.data.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def both(text):
    return train_moses(
        zip(text(300), text(300, 1), strict=True), source_language="de", target_language="en", merges=30
    )


def test_words_are_those_of_moses_in_lowercase(both):
    words = both[0].words("Das „Haus“ [x] ist Q&A da.")
    assert words == ["das", "„", "haus", "“", "&#91;", "x", "&#93;", "ist", "q", "&amp;", "a", "da", "."]


@pytest.mark.parametrize(
    ("line", "last"),
    [
        ("in den U.S.A.", ["u.s.a", "."]),
        ("und so usw.", ["usw", "."]),
        ("ja...", ["ja", "..."]),
        (".", ["."]),
    ],
)
def test_the_last_full_stop_is_a_word_as_in_moses_itself(both, line, last):
    assert both[0].words(line)[-len(last) :] == last


def test_pieces_are_those_of_subword_nmt(both, text):
    import io

    from subword_nmt.apply_bpe import BPE
    from subword_nmt.learn_bpe import learn_bpe

    words = [
        " ".join(side.words(line))
        for side, seed in zip(both, (0, 1), strict=True)
        for line in text(300, seed)
    ]
    codes = io.StringIO()
    learn_bpe(words, codes, 30)
    oracle = BPE(codes)
    for line in words:
        pieces = [both[0].parts.vocabulary[number - UNK - 1] for number in both[0].encode(line)]
        marked = [piece[:-1] if piece.endswith(" ") else piece + "@@" for piece in pieces]
        assert marked == oracle.segment(line).split()


def test_a_sentence_comes_back_detokenised(both):
    for line in ("Das Haus und der Baum nicht.", "ja ja"):
        assert both[0].decode([*both[0].encode(line), EOS, PAD]) == line.lower()


def test_an_unknown_piece_does_not_join_its_neighbours(both):
    vocabulary = both[0].parts.vocabulary
    place = next(place for place, piece in enumerate(vocabulary) if not piece.endswith(" "))
    ids = [place + UNK + 1, UNK, *both[0].encode("ja")]
    assert both[0].decode_words(ids) == [vocabulary[place], "ja"]
    assert UNK in both[0].encode("☃")


def test_reserved_looking_words_are_words(text):
    lines = ["ja@@ nein </w> das a@@"] * 5
    source, _ = train_moses(
        zip(lines, lines, strict=True), source_language="en", target_language="en", merges=20
    )
    assert source.decode_words(source.encode(lines[0])) == source.words(lines[0])


@given(line=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_encoded_and_decoded_to_one_line(both, line):
    ids = both[0].encode(line)
    assert all(UNK <= number < both[0].size for number in ids)
    assert not {"\n", "\r"} & set(both[0].decode(ids))


@given(ids=st.lists(st.integers(0, 87), max_size=30))
def test_whatever_a_model_says_is_one_line(both, ids):
    assert not {"\n", "\r"} & set(both[0].decode([number % both[0].size for number in ids]))


def test_sizes_are_multiples_of_eight_and_a_joint_dictionary_is_one(text):
    pairs = list(zip(text(50), ["the cat sat"] * 50, strict=True))
    apart = train_moses(pairs, source_language="de", target_language="en", merges=30)
    joint = train_moses(pairs, source_language="de", target_language="en", merges=30, joint=True)
    assert all(side.size % 8 == 0 for side in (*apart, *joint))
    assert apart[0].parts.vocabulary != apart[1].parts.vocabulary
    assert joint[0].parts.vocabulary == joint[1].parts.vocabulary


def test_without_the_packages_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    monkeypatch.delitem(sys.modules, "litetransformer.data.moses")
    with pytest.raises(MissingExtraError, match="extra 'paper'"):
        importlib.import_module("litetransformer.data.moses")


def test_training_says_nothing(text, capfd):
    train_moses(zip(text(9), text(9), strict=True), source_language="de", target_language="en", merges=10**4)
    assert capfd.readouterr() == ("", "")


def test_too_little_text_is_refused():
    with pytest.raises(InputError, match="too little text"):
        train_moses([("a", "b")], source_language="de", target_language="en")


def test_save_load_and_digest(both, tmp_path):
    path = tmp_path / "source.json"
    both[0].save(path)
    loaded = load_tokenizer(path, digest=both[0].digest)
    assert loaded.digest == both[0].digest == pickle.loads(pickle.dumps(loaded)).digest
    assert loaded.encode("Das Haus.") == both[0].encode("Das Haus.")


def test_a_changed_or_foreign_file_is_named(both, tmp_path):
    path = tmp_path / "source.json"
    both[0].save(path)
    facts = json.loads(path.read_text())
    for field, value in (
        ("merges", [["a"]]),
        ("vocabulary", ["a", "a"]),
        ("lowercase", 1),
        ("language", None),
    ):
        path.write_text(json.dumps({**facts, field: value}))
        with pytest.raises(InputError, match=str(path)):
            load_tokenizer(path)
        with pytest.raises(InputError, match="its SHA-256"):
            load_tokenizer(path, digest=both[0].digest)
    path.write_bytes(b"\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        load_tokenizer(path)


def test_pieces_to_look_at_end_their_words_with_a_space(both):
    source = both[0]
    assert [source.piece(number) for number in (PAD, EOS, UNK)] == ["<pad>", "</s>", "<unk>"]
    pieces = [source.piece(number) for number in source.encode("das haus")]
    assert "".join(pieces) == "das haus "
