"""What a model says about a line: the same in any company, whatever the line holds."""

import random

import pytest
import torch

import litetransformer as lt
from litetransformer.core.tokens import PAD
from litetransformer.tasks import text_to_text
from litetransformer.tasks.text_to_text import LONGEST_PIECE, Output

WORDS = ["Hund", "Katze", "Haus", "Baum", "rot", "alt", "klein", "sieht", "findet", "und", "heute", "gern"]
TIE = 1e-5


@pytest.fixture(scope="module")
def translator(model_folder):
    return lt.load(model_folder)


def some_lines(count, seed=0):
    """Lines like those of the training, and some with words, signs and letters that it has not seen."""
    generator = random.Random(seed)
    strange = ["Straße", "日本", "x", "17", "!?", "É", "rotalt", "ZZZ"]
    return [
        " ".join(generator.choices(WORDS * 3 + strange, k=1 + int(generator.expovariate(0.2)) % 24)) + "."
        for _ in range(count)
    ]


def shuffled_back(translator, lines, **options):
    order = list(range(len(lines)))
    random.Random(5).shuffle(order)
    found = translator.translations([lines[index] for index in order], **options)
    by_line = dict(zip(order, found, strict=True))
    return [by_line[index] for index in range(len(lines))]


def beside_themselves(translator, lines, **options):
    found = translator.translations([line for line in lines for _ in range(3)], **options)
    assert_same(found[0::3], found[1::3])
    assert_same(found[2::3], found[1::3])
    return found[1::3]


def in_groups(translator, lines, **options):
    groups = (lines[start : start + 7] for start in range(0, len(lines), 7))
    return list(translator.stream(groups, **options))


def together(translator, lines, **options):
    return translator.translations(lines, **options)


BATCHINGS = {
    "alone": (together, {"batch_tokens": 1}),
    "small": (together, {"batch_tokens": 150}),
    "all": (together, {"batch_tokens": 10**6}),
    "shuffled": (shuffled_back, {"batch_tokens": 700}),
    "beside_themselves": (beside_themselves, {"batch_tokens": 2000}),
    "in_groups": (in_groups, {"batch_tokens": 500}),
}


def assert_same(found, expected):
    """Equal texts and scores; one tie closer than the noise of floats may fall the other way."""
    assert len(found) == len(expected)
    pairs = list(zip(found, expected, strict=True))
    different = [(one, other) for one, other in pairs if [t.text for t in one] != [t.text for t in other]]
    assert len(different) <= 1, different
    for one, other in pairs:
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert abs(first.score - second.score) <= TIE * max(1.0, abs(second.score))


@pytest.mark.parametrize(
    "options",
    [
        {"beam": 1},
        {"beam": 3, "n_best": 3, "length_penalty": 0.6},
        # A limit that follows the sentence and not the longest one beside it.
        {"beam": 2, "longest_ratio": 0.5, "longest_extra": 0},
    ],
)
def test_a_translation_does_not_depend_on_its_neighbours(translator, options):
    lines, options = some_lines(24), options | {"longest": 16}
    expected = translator.translations(lines, **options)
    for translate, batching in BATCHINGS.values():
        assert_same(translate(translator, lines, **batching, **options), expected)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_translations_do_not_depend_on_their_neighbours(translator):
    lines = some_lines(10_000, seed=3)
    expected = translator.translations(lines, longest=24)
    for translate, batching in BATCHINGS.values():
        # One at a time takes long: a tenth has to do. The others are batched eight times wider.
        alone = batching["batch_tokens"] == 1
        count, tokens = (1_000, 1) if alone else (10_000, 8 * batching["batch_tokens"])
        found = translate(translator, lines[:count], batch_tokens=tokens, longest=24)
        assert_same(found, expected[:count])


def fuzz(count, seed):
    """Lines without a line break and otherwise anything at all."""
    generator = random.Random(seed)
    planes = [(1, 0x80), (0x80, 0x250), (0x370, 0x600), (0x2000, 0x2100), (0x3040, 0x9FFF), (0xE000, 0xF8FF)]
    planes += [(0xFE00, 0xFFFF), (0x1F300, 0x1FAFF), (0xE0000, 0xE0FFF), (0x10FFF0, 0x10FFFF)]
    special = ["<pad>", "</s>", "<s>", "<unk>", "@@", "@@ ", "▁", "▁▁a", "<0x0A>", "##AT##", "&lt;", "\ufeff"]
    special += ["\u2028", "\x85", "\r", "\x00", "\t", "\x1b[31m", "\u200b", "a\u0301", "\U0010ffff", " " * 30]

    def characters(plane, length):
        return "".join(chr(generator.randint(*plane)) for _ in range(length)).replace("\n", "")

    def line():
        kind = generator.randrange(8)
        if kind == 0:
            return generator.choice(["", " ", "\t \u3000", "\r", "\u2028", "\x00", "\u200b", "\ufeff"])
        if kind == 1:
            return "".join(generator.choices(special, k=generator.randint(1, 5)))
        if kind == 2:
            return " ".join(generator.choices(WORDS + special, k=generator.randint(1, 12)))
        if kind == 3:
            return generator.choice(special) * generator.randint(1, 9)
        return characters(generator.choice(planes), generator.randint(1, 25))

    return [line() for _ in range(count)]


SHORT = {"beam": 1, "longest": 20, "batch_tokens": 20_000}


def assert_aligned(translator, lines):
    found = translator.translate(lines, **SHORT)
    assert len(found) == len(lines)
    assert not [text for text in found if "\n" in text or "\r" in text]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_line_has_one_line_whatever_it_holds(translator, seed):
    lines = fuzz(150, seed)
    found = assert_aligned(translator, lines)
    for index in (0, 70, 149):
        assert translator.translate([lines[index]], **SHORT) == [found[index]]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_ten_thousand_lines_of_anything_have_a_line_each(translator, seed):
    assert_aligned(translator, fuzz(10_000, seed))


@pytest.mark.parametrize(
    "line", ["a" * 20_000, "Hund " * 4_000, "日" * 20_000, " " * 20_000, "\x00" * 20_000]
)
def test_huge_lines_have_a_line_too(translator, line):
    options = SHORT | {"longest": 2}
    assert translator.translate(["rot.", line, "alt."], **options)[::2] == translator.translate(
        ["rot.", "alt."], **options
    )


def test_blank_lines_have_empty_translations(translator):
    blank = ["", " ", "\t", "\u3000\u2028", "\r"]
    assert translator.translations(blank, n_best=3) == [[Output("", 0.0, ())]] * 5
    assert translator.translate(["", "rot.", ""])[1] == translator.translate(["rot."])[0]
    assert translator.translations([]) == []


class Watched:
    """A model that notes the sources that it is given."""

    def __init__(self, model):
        self.model, self.vocabulary, self.sources = model, model.vocabulary, []

    def begin(self, source, pad):
        self.sources += [row[row != PAD].tolist() for row in source]
        return self.model.begin(source, pad)

    def advance(self, tokens, state, memory):
        return self.model.advance(tokens, state, memory)


def watched(translator):
    model = Watched(translator.model)
    return model, lt.Translator(model, translator.source, translator.target, translator.search)


def test_long_lines_are_translated_in_pieces_and_joined(translator):
    model, ours = watched(translator)
    line = " ".join(random.Random(1).choices(WORDS, k=400))
    tokens = translator.source.encode(line)
    assert len(tokens) > 2 * LONGEST_PIECE
    (found,) = ours.translations([line], beam=2, n_best=2, longest=30)
    pieces = sorted(
        (source[:-1] for source in model.sources),
        key=lambda piece: "".join(map(chr, tokens)).index("".join(map(chr, piece))),
    )
    assert [token for piece in pieces for token in piece] == tokens
    assert max(map(len, pieces)) <= LONGEST_PIECE
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
    assert len(found) == 2
    assert len(found[0].tokens) > 2 * 20
    assert " ".join(found[0].text.split()) == found[0].text


def test_lines_up_to_the_longest_piece_are_one(translator):
    model, ours = watched(translator)
    word = translator.source.encode("Hund Hund")[1:]
    line = " ".join(["Hund"] * (LONGEST_PIECE // len(word)))
    assert len(translator.source.encode(line)) <= LONGEST_PIECE
    ours.translate([line], **SHORT)
    assert len(model.sources) == 1


def test_the_best_come_first_and_are_different(translator):
    for found in translator.translations(some_lines(20), beam=6, n_best=6):
        scores = [translation.score for translation in found]
        assert scores == sorted(scores, reverse=True)
        assert len({translation.tokens for translation in found}) == len(found)
    with pytest.raises(ValueError, match="n_best=5 must be from 1 to beam=4"):
        translator.translate(["rot."], n_best=5)


def test_a_score_is_the_mean_log_probability_of_a_token(translator):
    (found,) = translator.translations(["rot alt Hund."])
    source = torch.tensor([[*translator.source.encode("rot alt Hund."), 1]])
    target = torch.tensor([[*found[0].tokens, 1]])
    target_in = torch.cat([torch.tensor([[1]]), target[:, :-1]], 1)
    with torch.no_grad():
        log_probs = translator.model(source, target_in).log_softmax(-1)
    assert found[0].score == pytest.approx(
        float(log_probs[0, range(target.shape[1]), target[0]].mean()), abs=1e-5
    )
    assert found[0].text == translator.target.decode(found[0].tokens)


def test_a_prefix_begins_the_translation(translator):
    lines, prefixes = some_lines(12), ["the dog", "", "cat", "xyz 12"] * 3
    found = translator.translations(lines, prefixes=prefixes, longest=16)
    for prefix, (best,) in zip(prefixes, found, strict=True):
        assert best.text.startswith(prefix)
    assert found[1] == translator.translations(lines, longest=16)[1]
    assert_same(translator.translations(lines, prefixes=prefixes, longest=16, batch_tokens=1), found)
    with pytest.raises(ValueError, match="3 prefixes for 12 lines; give each its own"):
        translator.translate(lines, prefixes=prefixes[:3])


def test_a_prefix_begins_a_long_line_once(translator):
    line = " ".join(["Hund"] * 500)
    (text,) = translator.translate([line], prefixes=["zebra"], beam=1, longest=5)
    assert text.startswith("zebra")
    assert text.count("zebra") == 1


def test_samples_follow_from_the_seed_and_the_lines_number_alone(translator):
    lines, sampling = some_lines(20), lt.SamplingOptions(samples=2, temperature=1.5, longest=12)
    expected = translator.translations(lines, sampling=sampling, seed=4)
    assert {len(found) for found in expected} == {2}
    for translate, batching in BATCHINGS.values():
        if translate in (together, in_groups):
            assert_same(translate(translator, lines, sampling=sampling, seed=4, **batching), expected)
    assert_same(translator.translations(lines[5:], sampling=sampling, seed=4, first=5), expected[5:])
    other = translator.translations(lines, sampling=sampling, seed=5)
    assert [found[0].text for found in other] != [found[0].text for found in expected]


@pytest.mark.parametrize(
    ("given", "beam", "expected"), [(None, 4, 1024), (None, 1, 4096), (90, 4, 22), (3, 4, 1)]
)
def test_as_many_tokens_are_searched_at_once_as_asked_for(translator, monkeypatch, given, beam, expected):
    budgets = []

    def watched(lengths, budget):
        budgets.append(budget)
        yield list(range(len(lengths)))

    monkeypatch.setattr(text_to_text, "_batches", watched)
    translator.translate(["Hund", "Haus"], beam=beam, batch_tokens=given)
    assert budgets == [expected]


@pytest.mark.parametrize(("free", "kept", "expected"), [(0.5, 0, 4096), (6, 2, 32_768), (80, 0, 327_680)])
def test_a_gpu_searches_as_many_tokens_at_once_as_suit_its_free_memory(monkeypatch, free, kept, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * 2**30), 80 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: (3 + kept) * 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3 * 2**30)
    assert text_to_text.tokens_at_once(torch.device("cuda")) == expected
    assert text_to_text.tokens_at_once(torch.device("mps")) == 4096


def test_one_text_in_place_of_lines_is_refused(translator):
    with pytest.raises(TypeError, match="lines are a list of texts"):
        translator.translate("rot.")
