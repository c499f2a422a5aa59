"""A language model from raw text: learned, gone on with to the bit, measured, and made to write."""

import json
import math
import os
import random
import shutil
import signal
from dataclasses import replace

import pytest
import torch

import litetransformer as lt
from litetransformer.core.override import override
from litetransformer.core.spec import from_json, to_json
from litetransformer.tasks.recipe import AnyRecipe
from litetransformer.tasks.run import read_recipe
from litetransformer.train.report import Report
from litetransformer.train.signals import Interrupted

CIRCLE = ["amber", "birch", "cedar", "dogwood", "elm", "fir", "ginkgo", "hazel"]


def some_lines(count, seed):
    """Lines that follow the circle from anywhere: from the second word on, only where they end is open."""
    generator, size = random.Random(seed), len(CIRCLE)
    starts = [(generator.randrange(size), generator.randint(2, 9)) for _ in range(count)]
    return [" ".join(CIRCLE[(start + step) % size] for step in range(length)) for start, length in starts]


# A start is one of 8, and a line of 2 to 9 words, all equally likely.
BEST = math.log2(8) + math.log2(8)
TOKENS = 5.5 + 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("circles")
    for seed, (split, count) in enumerate({"train": 600, "valid": 60}.items()):
        (folder / f"{split}.txt").write_text("".join(f"{line}\n" for line in some_lines(count, seed)))
    return folder


@pytest.fixture(scope="module")
def recipe(folder):
    return lt.LanguageRecipe(
        data=lt.TextData(train=str(folder / "train.txt"), valid=str(folder / "valid.txt")),
        vocabulary=lt.Vocabulary(kind="words", size=16),
        model=lt.lite_lm(32, taps=(3, 15), final_norm=True, dropout=0.1, weight_dropout=0.1),
        train=lt.Training(
            updates=120,
            batch_tokens=512,
            label_smoothing=0.0,
            schedule=lt.InverseSqrt(peak=1e-2, warmup=30),
            validate_every=40,
        ),
        block=32,
        context=16,
    )


def trained(recipe, folder, **options):
    return lt.train_language_model(recipe, folder, report=Report(folder, quiet=True), **options)


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, trained(recipe, folder)


@pytest.fixture(scope="module")
def model(run):
    return lt.load(run[0])


def test_what_can_be_learned_is_learned(run, model, folder):
    lines = (folder / "valid.txt").read_text().splitlines()
    found = model.perplexity(lines)
    assert isinstance(model, lt.TextModel)
    assert found.counts.unknown == 0
    # A uniform guess has 10, what can be known 2^(6 / 6.5) = 1.9.
    assert found.per_token < 2.4
    assert found.bits_per_token > BEST / TOKENS - 0.2
    assert run[1].best == pytest.approx(found.bits_per_token, abs=0.2)
    shuffled = [" ".join(random.Random(1).sample(line.split(), len(line.split()))) for line in lines]
    assert model.perplexity(shuffled).per_token > 2 * found.per_token


def test_a_validation_is_logged_with_its_perplexity(run):
    events = [json.loads(line) for line in (run[0] / "log.jsonl").read_text().splitlines()]
    validations = [event for event in events if event["event"] == "valid"]
    assert len(validations) == 3
    for event in validations:
        assert event["perplexity"] == pytest.approx(2 ** event["loss"])


class Stop(Report):
    """Ends the run with a signal at its first validation."""

    def event(self, event, values, **options):
        super().event(event, values, **options)
        if event == "valid" and values["update"] == 40:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_stopped_run_goes_on_to_the_very_same_weights(recipe, run, tmp_path):
    with pytest.raises(Interrupted):
        lt.train_language_model(recipe, tmp_path, report=Stop(tmp_path, quiet=True))
    assert read_recipe(tmp_path) == recipe
    progress = trained(recipe, tmp_path)
    assert (progress.update, progress.best) == (120, run[1].best)
    for name in ("model.safetensors", "model.json", "checkpoints/state-000000120.safetensors"):
        assert tensors(tmp_path / name) == tensors(run[0] / name)


def tensors(path):
    from safetensors.torch import load_file

    if path.suffix == ".json":
        return path.read_bytes()
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        ("block=24", "block"),
        ("train.schedule.peak=0.02", "train.schedule.peak"),
        ("vocabulary.size=24", "vocabulary.size"),
        ("model.dropout=0.2", "model.dropout"),
    ],
)
def test_a_changed_recipe_is_refused_naming_the_field(recipe, run, setting, field):
    with pytest.raises(lt.InputError, match="started with another") as caught:
        trained(override(recipe, [setting]), run[0])
    assert caught.value.field == field


def test_text_that_changed_is_refused_and_text_that_moved_is_not(recipe, tmp_path):
    few, texts = override(recipe, ["train.updates=2"]), tmp_path / "texts"
    texts.mkdir()
    paths = {split: texts / f"{split}.txt" for split in ("train", "valid")}
    for seed, path in enumerate(paths.values()):
        path.write_text("".join(f"{line}\n" for line in some_lines(20, seed)))
    few = replace(few, data=lt.TextData(**{split: str(path) for split, path in paths.items()}))
    assert trained(few, tmp_path / "run").update == 2
    moved = {split: str(path.rename(path.with_suffix(".moved"))) for split, path in paths.items()}
    few = replace(few, data=lt.TextData(**moved))
    more = override(few, ["train.updates=3"])
    assert trained(more, tmp_path / "run").update == 3
    with open(moved["train"], "a") as text:  # noqa: PTH123
        text.write("more\n")
    with pytest.raises(lt.InputError, match="prepared with another text"):
        trained(more, tmp_path / "run")


def test_window_and_context_may_change_and_are_the_model_s(recipe, run, tmp_path):
    copy = shutil.copytree(run[0], tmp_path / "copy")
    assert trained(override(recipe, ["context=8", "window=24"]), copy).update == 120
    assert (lt.load(copy).window, lt.load(copy).context) == (24, 8)
    assert (lt.load(run[0]).window, lt.load(run[0]).context) == (32, 16)


def test_a_run_of_one_task_is_not_gone_on_with_by_another(run, recipe):
    translation = lt.Recipe(data=lt.Data(), model=lt.lite(16, taps=(3,)), train=recipe.train)
    with pytest.raises(lt.InputError, match="started with another"):
        lt.train_translator(translation, run[0], report=Report(run[0], quiet=True))


def test_missing_texts_are_named(recipe, tmp_path):
    with pytest.raises(lt.InputError, match="no text to train on"):
        trained(replace(recipe, data=lt.TextData()), tmp_path / "run")
    nowhere = lt.TextData(train=str(tmp_path / "nowhere"), valid=recipe.data.valid)
    with pytest.raises(lt.InputError, match="nowhere: no such file"):
        trained(replace(recipe, data=nowhere), tmp_path / "run")


@pytest.mark.parametrize("file", ["data/train/text.bin", "data/valid/text.offsets", "tokenizer.txt"])
def test_damage_to_prepared_files_is_named_with_the_remedy(recipe, tmp_path, file):
    few = override(recipe, ["train.updates=2"])
    trained(few, tmp_path)
    path = tmp_path / file
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(lt.InputError, match="to prepare again") as caught:
        trained(few, tmp_path)
    assert caught.value.path == str(path)


def test_raw_text_is_learned_with_pieces_of_words(recipe, tmp_path):
    pieces = replace(recipe, vocabulary=lt.Vocabulary(size=300))
    trained(override(pieces, ["train.updates=30"]), tmp_path)
    model = lt.load(tmp_path)
    found = model.perplexity(some_lines(20, 7))
    assert found.counts.unknown == 0
    assert found.tokens > found.counts.words
    assert found.per_word > found.per_token
    assert found.nats == pytest.approx(math.log(found.per_word) * found.counts.words)


def test_what_is_written_follows_what_was_learned(model):
    ((one,),) = model.generate(["cedar dogwood"], search=lt.SearchOptions(beam=3), tokens=8)
    words = one.text.split()
    start = CIRCLE.index("cedar")
    assert words == [CIRCLE[(start + step) % 8] for step in range(len(words))]
    assert len(words) > 2
    drawn = model.generate(["elm fir"] * 8, sampling=lt.SamplingOptions(temperature=0.5), tokens=8)
    for (text,) in drawn:
        assert text.text.startswith("elm fir")
    followed = [found[0].text.split()[2:3] in ([], ["ginkgo"]) for found in drawn]
    assert sum(followed) >= 7


def assert_same(found, expected):
    assert [[one.tokens for one in texts] for texts in found] == [
        [one.tokens for one in texts] for texts in expected
    ]
    for texts, others in zip(found, expected, strict=True):
        for one, other in zip(texts, others, strict=True):
            assert one.text == other.text
            assert one.score == pytest.approx(other.score, abs=1e-5)


PROMPTS = ["amber", "", "cedar dogwood elm", "zebra", "hazel amber birch cedar dogwood elm fir ginkgo", " "]


def test_what_is_drawn_follows_from_the_seed_and_the_prompt_s_number_alone(model):
    options = {"sampling": lt.SamplingOptions(samples=2, temperature=1.3), "tokens": 10}
    expected = model.generate(PROMPTS, seed=3, **options)
    assert {len(texts) for texts in expected} == {2}
    for batch_tokens in (1, 100, 10**6):
        assert_same(model.generate(PROMPTS, seed=3, batch_tokens=batch_tokens, **options), expected)
    assert_same(model.generate(PROMPTS[2:], seed=3, first=2, **options), expected[2:])
    groups = (PROMPTS[start : start + 2] for start in range(0, 6, 2))
    assert_same(list(model.stream(groups, seed=3, **options)), expected)
    other = model.generate(PROMPTS, seed=4, **options)
    assert [texts[0].text for texts in other] != [texts[0].text for texts in expected]


def test_a_search_does_not_depend_on_the_other_prompts(model):
    options = {"search": lt.SearchOptions(beam=3, n_best=3), "tokens": 6}
    expected = model.generate(PROMPTS, **options)
    assert_same([model.generate([prompt], **options)[0] for prompt in PROMPTS], expected)


@torch.no_grad()
def test_a_score_is_the_mean_log_probability_of_what_was_written(model):
    prompt = "cedar dogwood"
    ((one,),) = model.generate([prompt], sampling=lt.SamplingOptions(), tokens=10, seed=5)
    tokens = [*model.tokenizer.encode(prompt), *one.tokens, 1]
    log_probs = model.model.token_log_probs(torch.tensor([[1, *tokens[:-1]]]), torch.tensor([tokens]))[0]
    end = len(tokens) if one.finished else -1
    assert one.score == pytest.approx(float(log_probs[2:end].mean()), abs=1e-5)
    assert one.text == model.tokenizer.decode(tokens)


def test_no_more_tokens_are_written_than_asked(model):
    for tokens in (1, 3, 32):
        options = lt.SamplingOptions(samples=4, temperature=2.0, shortest=tokens)
        for prompt in ("", "amber birch"):
            length = len(model.tokenizer.encode(prompt))
            own = replace(options, shortest=min(32, tokens + length))
            for one in model.generate([prompt], sampling=own, tokens=tokens)[0]:
                assert len(one.tokens) <= tokens
                assert not one.finished or len(one.tokens) == tokens
    for tokens in (0, 33):
        with pytest.raises(lt.InputError, match="choose from 1 to 32"):
            model.generate([""], tokens=tokens)
    with pytest.raises(ValueError, match="either sampling or search"):
        model.generate([""], sampling=lt.SamplingOptions(), search=lt.SearchOptions())


def test_of_a_long_prompt_the_model_sees_the_end_and_the_text_keeps_all(model):
    long = " ".join(some_lines(200, 3))
    seen = " ".join(long.split()[-(32 - 10) :])
    options = {"sampling": lt.SamplingOptions(temperature=0.5), "tokens": 10}
    ((one,),), ((other,),) = (model.generate([prompt], **options) for prompt in (long, seen))
    assert one.tokens == other.tokens
    assert one.score == pytest.approx(other.score, abs=1e-5)
    assert one.text.startswith(long)
    assert model.generate([], **options) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 0}, "block=0 must be from 1 to train.batch_tokens=512"),
        ({"block": 513}, "block=513 must be from 1 to train.batch_tokens=512"),
        ({"window": -1}, "window=-1 must not be negative"),
        ({"context": 32}, "context=32 must be from 0 to less than a window, 32 tokens"),
        ({"window": 16}, "context=16 must be from 0 to less than a window, 16 tokens"),
        ({"vocabulary": lt.Vocabulary(kind="moses")}, "vocabulary.kind='moses' is for translation"),
        (
            {"vocabulary": lt.Vocabulary(dropout=0.1, draws=8)},
            "vocabulary.draws=8 is for models that read a source; leave it at 1",
        ),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(recipe, **changes)
    with pytest.raises(ValueError, match="best_by='bleu'"):
        replace(recipe, train=replace(recipe.train, best_by="bleu"))
    with pytest.raises(ValueError, match="words stay as they are written"):
        lt.Vocabulary(kind="words", lowercase=True)


def test_recipes_of_both_kinds_are_told_apart_in_json(recipe):
    translation = lt.Recipe(data=lt.Data(), model=lt.lite(16, taps=(3,)))
    for one in (recipe, translation):
        assert from_json(to_json(one), AnyRecipe) == one


def test_a_translator_may_have_whole_words_too(tmp_path):
    for seed, split in enumerate(("train", "valid")):
        lines = some_lines(60, seed)
        (tmp_path / f"{split}.a").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{split}.b").write_text("\n".join(lines).upper() + "\n")
    pairs = {
        split: lt.TextPairs(source=str(tmp_path / f"{split}.a"), target=str(tmp_path / f"{split}.b"))
        for split in ("train", "valid")
    }
    recipe = lt.Recipe(
        data=lt.Data(**pairs),
        vocabulary=lt.Vocabulary(kind="words", size=16, joint=False),
        model=lt.lite(16, taps=(3,)),
        train=lt.Training(updates=2, batch_tokens=256, longest=64),
    )
    lt.train_translator(recipe, tmp_path / "run", report=Report(tmp_path / "run", quiet=True))
    translator = lt.load(tmp_path / "run")
    assert set(translator.target.words) == {word.upper() for word in CIRCLE}
    assert len(translator.translate(["amber birch", "zebra"])) == 2
