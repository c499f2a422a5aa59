import os
import pickle

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import EOS, PAD, UNK
from litetransformer.data.tokenizer import SentencePieceTokenizer, load_tokenizer, train_sentencepiece

RESERVED = ["<pad>", "</s>", "<unk>", "<s>", "@@", "a@@ b", "▁", "▁▁ ▁", "<0x0A>", "⁇"]
RESERVED += ["\ue000", "\ue0001", "\ue000▁0"]
ANY_LINE = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def exact(text):
    return train_sentencepiece(text(200), size=330, normalization="identity")


@pytest.mark.parametrize("line", RESERVED)
def test_text_that_looks_reserved_is_text(tokenizer, exact, line):
    ids = exact.encode(line)
    assert exact.decode(ids) == line
    assert not {PAD, EOS, UNK} & {*ids, *tokenizer.encode(line)}
    if line != "⁇":  # a compatibility form of "??"
        assert tokenizer.decode(tokenizer.encode(line)) == line


def test_reserved_looking_training_text_makes_no_reserved_tokens():
    tokenizer = train_sentencepiece(["</s> <pad> <unk> <0x0A> ▁ x"] * 200 + RESERVED, size=290)
    for line in ("</s> <pad> <unk> <0x0A> ▁ x", "</s></s>"):
        assert min(tokenizer.encode(line)) > UNK
        assert tokenizer.decode(tokenizer.encode(line)) == line


@given(line=ANY_LINE)
def test_without_normalisation_any_line_comes_back(exact, line):
    assert exact.decode(exact.encode(line)) == line


@given(line=ANY_LINE)
def test_with_normalisation_a_line_is_changed_once_at_most(tokenizer, line):
    once = tokenizer.decode(tokenizer.encode(line))
    assert tokenizer.decode(tokenizer.encode(once)) == once


@given(ids=st.lists(st.integers(0, 339), max_size=30))
def test_whatever_a_model_says_is_one_line(tokenizer, ids):
    line = tokenizer.decode(ids)
    assert "\n" not in line
    assert "\r" not in line
    assert line == tokenizer.decode([number for number in ids if number > UNK])


def test_spelt_line_breaks_become_spaces(tokenizer):
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer._model)
    ids = [processor.piece_to_id(piece) for piece in ("<0x0A>", "<0x0D>", "a")]
    assert tokenizer.decode(ids) == "  a"


def test_the_specials_have_their_numbers_and_no_start(tokenizer):
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer._model)
    assert [processor.pad_id(), processor.eos_id(), processor.unk_id(), processor.bos_id()] == [0, 1, 2, -1]
    assert (PAD, EOS, UNK) == (0, 1, 2)
    assert tokenizer.size == 340


def test_lowercase_is_a_normalisation(text):
    tokenizer = train_sentencepiece(text(100), size=310, normalization="nmt_nfkc_cf")
    assert tokenizer.decode(tokenizer.encode("Das HAUS")) == "das haus"


def test_the_same_lines_give_the_same_bytes(text, tokenizer):
    assert train_sentencepiece(text(400), size=340).digest == tokenizer.digest
    draws = [train_sentencepiece(text(400), size=330, sample=100, seed=seed).digest for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_training_says_nothing(text, capfd):
    train_sentencepiece(text(100), size=310)
    with pytest.raises(InputError):
        train_sentencepiece(text(100), size=10_000)
    assert capfd.readouterr() == ("", "")


def test_a_size_too_large_names_the_largest_which_works(text):
    with pytest.raises(
        InputError, match=r"^vocabulary\.size: the text is too small for a vocabulary of 50,000"
    ) as raised:
        train_sentencepiece(text(50), size=50_000)
    largest = int(raised.value.remedy.removeprefix("--set vocabulary.size=").split()[0])
    assert train_sentencepiece(text(50), size=largest).size == largest


def test_a_size_too_small_names_the_smallest_which_works(text):
    with pytest.raises(InputError, match="cannot hold") as raised:
        train_sentencepiece(text(50), size=100)
    smallest = int(raised.value.remedy.removeprefix("--set vocabulary.size=").split()[0])
    assert train_sentencepiece(text(50), size=smallest).size == smallest


def test_no_text_is_refused():
    for lines in ([], ["", " "]):
        with pytest.raises(InputError, match="no text to learn"):
            train_sentencepiece(lines, size=300)


def test_a_line_longer_than_the_trainer_takes_is_learned_from():
    tokenizer = train_sentencepiece(["a" * 100_000 + " zzqq" * 30_000], size=268)
    assert len(tokenizer.encode("zzqq")) <= 2


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(InputError, match="surrogate"):
        tokenizer.encode("\ud800")


def test_save_load_and_digest(tokenizer, tmp_path):
    path = tmp_path / "t.model"
    tokenizer.save(path)
    loaded = load_tokenizer(path, digest=tokenizer.digest)
    assert loaded.digest == tokenizer.digest
    assert loaded.encode("Das Haus.") == tokenizer.encode("Das Haus.")
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.digest == tokenizer.digest


def test_a_changed_cut_or_foreign_file_is_named(tokenizer, tmp_path, text):
    path = tmp_path / "t.model"
    tokenizer.save(path)
    content = path.read_bytes()
    for changed in (content[:-1], content[:50] + bytes([content[50] ^ 1]) + content[51:], b""):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=f"{path}: damaged: its SHA-256"):
            load_tokenizer(path, digest=tokenizer.digest)
    for changed in (content[: len(content) // 2], b"junk"):
        path.write_bytes(changed)
        with pytest.raises(InputError, match=f"{path}: damaged: not a SentencePiece model"):
            load_tokenizer(path)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text(50)), model_prefix=str(tmp_path / "other"), vocab_size=60, minloglevel=2
    )
    with pytest.raises(InputError, match="numbers padding, end and unknown"):
        load_tokenizer(tmp_path / "other.model")
    with pytest.raises(InputError, match="no such file"):
        load_tokenizer(tmp_path / "none.model")
    os.truncate(path, 2**30)
    with pytest.raises(InputError, match="larger than"):
        SentencePieceTokenizer.load(path)


def test_pieces_are_text_to_look_at(tokenizer, exact):
    assert [tokenizer.piece(number) for number in (PAD, EOS, UNK)] == ["<pad>", "</s>", "<unk>"]
    line = "Haus und <0x41> \x07Q"
    pieces = [exact.piece(number) for number in exact.encode(line)]
    assert "".join(pieces).strip() == line
    assert [exact.piece(number) for number in exact.encode("日")][-3:] == ["<0xE6>", "<0x97>", "<0xA5>"]
