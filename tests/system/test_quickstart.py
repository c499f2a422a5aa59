"""The quickstart: two comparable models from one call, scored on text that they have not seen."""

import json
import signal
from random import Random

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.inspect.profile import profile
from litetransformer.models.presets import lite, transformer
from litetransformer.tasks import quickstart as module
from litetransformer.tasks import quickstart_texts as text_module
from litetransformer.tasks.model_folder import read_card
from litetransformer.tasks.quickstart import MODELS, quickstart
from litetransformer.tasks.quickstart_texts import split_pairs
from litetransformer.tasks.run import read_recipe
from litetransformer.train.signals import Interrupted

WORDS = {"rot": "red", "alt": "old", "klein": "small", "neu": "new", "warm": "warm", "leise": "quiet"}
THINGS = {"Hund": "dog", "Katze": "cat", "Haus": "house", "Baum": "tree", "Stuhl": "chair", "Brot": "bread"}


def made_up_pairs(count):
    """`count` different pairs, word by word translations of each other."""
    random, pairs = Random(1), {}
    while len(pairs) < count:
        adjectives, thing = random.choices(list(WORDS), k=random.randint(1, 5)), random.choice(list(THINGS))
        german, english = " ".join(adjectives), " ".join(WORDS[word] for word in adjectives)
        pairs[f"Das ist {german}: {thing}."] = f"That is {english}: {THINGS[thing]}."
    return list(pairs.items())


@pytest.fixture
def own(tmp_path):
    """Two files of 200 pairs of lines."""
    for side, name in enumerate(("a.txt", "b.txt")):
        text = "".join(f"{pair[side]}\n" for pair in made_up_pairs(200))
        (tmp_path / name).write_bytes(text.encode())
    return {"source": tmp_path / "a.txt", "target": tmp_path / "b.txt"}


@pytest.fixture
def small(monkeypatch):
    """A quickstart of a few updates of tiny models, whatever the machine's speed."""
    models = {
        "lite": lite(16, taps=(3, 5), tied="all"),
        "transformer": transformer(12, 22, layers=2, tied="all"),
    }
    monkeypatch.setattr(module, "MODELS", models)
    monkeypatch.setattr(module, "_seconds_an_update", lambda recipe, folder: 1.0)
    monkeypatch.setattr(module, "FEWEST_UPDATES", 16)


def run(folder, **options):
    """What quickstart returns and tells, in so little time that it makes the fewest updates."""
    told = []
    return quickstart(folder, minutes=0.01, echo=told.append, **options), "\n".join(told)


def texts(folder, split, languages=("src", "tgt")):
    return [(folder / "text" / f"{split}.{language}").read_text().splitlines() for language in languages]


def test_both_models_cost_the_same():
    first, second = (profile(MODELS[name].build(2000, 2000)) for name in ("lite", "transformer"))
    assert second.mult_adds == pytest.approx(first.mult_adds, rel=0.01)
    assert second.params == pytest.approx(first.params, rel=0.02)


def test_one_call_leaves_two_models_with_one_vocabulary_and_scores(tmp_path, own, small):
    result, told = run(tmp_path / "q", **own)
    cards = [read_card(tmp_path / "q" / name) for name in ("lite", "transformer")]
    assert cards[0].source == cards[0].target == cards[1].source
    trainings = [read_recipe(tmp_path / "q" / name).train for name in ("lite", "transformer")]
    assert trainings[0] == trainings[1]
    assert result.updates == trainings[0].updates == 16
    for name in ("lite", "transformer"):
        model = getattr(result, name)
        assert model.folder == str(tmp_path / "q" / name)
        assert 0 <= model.bleu <= 100
        assert 0 < model.params < model.params_total
        assert 0 < model.mult_adds < model.mult_adds_total
        assert f"{model.bleu:.1f}" in told
    assert (result.train_pairs, result.test_pairs) == (180, 10)
    assert result.signature.startswith("nrefs:1")
    assert json.loads(json.dumps(result.to_json()))["lite"]["bleu"] == result.lite.bleu
    assert told.endswith(result.command)


def test_the_same_sentences_are_shown_at_every_validation(tmp_path, own, small):
    _, told = run(tmp_path / "q", **own)
    sources, references = texts(tmp_path / "q", "valid")
    for source, reference in list(zip(sources, references, strict=True))[:3]:
        assert told.count(source) == 1
        assert reference in told
    assert [f"update {update} of 16" in told for update in range(2, 18, 2)] == [True] * 8
    assert told.count("    3  ") == 1 + 8


def test_generated_text_is_german_and_english_and_no_split_shares_a_sentence(tmp_path, monkeypatch, small):
    monkeypatch.setattr(text_module, "GENERATED", {"train": 200, "valid": 10, "test": 10})
    monkeypatch.setattr(module, "SIZES", (600,))
    result, _ = run(tmp_path / "q")
    assert (result.train_pairs, result.test_pairs) == (200, 10)
    for side in (0, 1):
        train, valid, test = (
            texts(tmp_path / "q", split, ("de", "en"))[side] for split in text_module.GENERATED
        )
        assert not set(train) & {*valid, *test}
        assert not set(valid) & set(test)
    assert read_card(tmp_path / "q" / "lite").target_language == "en"


def test_what_is_held_out_occurs_nowhere_else():
    pairs = made_up_pairs(300)
    pairs += [(pairs[0][0], "another translation"), ("another source", pairs[1][1]), (pairs[2][1], "x y")]
    pairs += [
        (f" {pairs[3][0]}  ", "spaces make no other sentence"),
        pairs[4],
        ("", "left out"),
        ("too", " "),
    ]
    splits = split_pairs(pairs, seed=1)
    assert [len(splits[split]) for split in ("valid", "test", "train")] == [15, 15, 305 - 30]
    known = {" ".join(text.split()) for pair in splits["train"] for text in pair}
    held_out = [text for split in ("valid", "test") for pair in splits[split] for text in pair]
    assert not known & set(held_out)
    assert len(set(held_out)) == len(held_out)
    assert sorted(pair for split in splits.values() for pair in split) == sorted(pairs[:-2])
    for seed in range(200):
        assert not set(split_pairs(pairs, seed)["test"]) & set(pairs[:5])


def test_the_split_follows_from_the_seed():
    pairs = made_up_pairs(200)
    assert split_pairs(pairs, 1) == split_pairs(pairs, 1)
    assert split_pairs(pairs, 1)["test"] != split_pairs(pairs, 2)["test"]


def test_too_little_text_says_how_many_lines_are_needed(tmp_path):
    with pytest.raises(InputError, match=r"only 99 pairs .* at least 100"):
        split_pairs(made_up_pairs(99), 1)
    with pytest.raises(InputError, match=r"a.txt: of 400 pairs of lines only 39 .* at least 40"):
        split_pairs([*made_up_pairs(39), *[("ja", "yes")] * 361], 1, path=tmp_path / "a.txt")


def test_files_of_unequal_length_are_refused_though_not_all_is_used(tmp_path, own, monkeypatch):
    monkeypatch.setattr(text_module, "MOST_PAIRS", 100)
    own["target"].write_bytes(own["target"].read_bytes() + b"one more\n")
    with pytest.raises(InputError, match=r"has 200 lines but .* has 201"):
        run(tmp_path / "q", **own)


def test_a_target_without_a_source_and_no_time_are_refused(tmp_path, own):
    with pytest.raises(InputError, match="no source"):
        quickstart(tmp_path / "q", target=own["target"])
    with pytest.raises(InputError, match="minutes"):
        quickstart(tmp_path / "q", minutes=0.0)
    assert not (tmp_path / "q").exists()


def test_another_text_in_the_folder_is_refused_and_left_alone(tmp_path, own, small):
    run(tmp_path / "q", **own)
    before = texts(tmp_path / "q", "train")
    with pytest.raises(InputError, match="another quickstart"):
        run(tmp_path / "q", **own, seed=2)
    assert texts(tmp_path / "q", "train") == before


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path, own, small, monkeypatch):
    whole, _ = run(tmp_path / "whole", **own)

    def stop(line):
        if "update 6" in line:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        quickstart(tmp_path / "q", **own, minutes=0.01, echo=stop)
    monkeypatch.setattr(module, "FEWEST_UPDATES", 32)
    result, told = run(tmp_path / "q", **own)
    assert "going on from update 6" in told
    assert result.updates == 16
    assert (result.lite.bleu, result.transformer.bleu) == (whole.lite.bleu, whole.transformer.bleu)
    weights = [tmp_path / name / "lite" / "model.safetensors" for name in ("whole", "q")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_updates_fit_into_the_minutes(tmp_path, own, monkeypatch):
    class Chosen(Exception):
        pass

    def choose(recipe, folder, **_):
        raise Chosen(recipe.train.updates)

    def updates(name, **options):
        with pytest.raises(Chosen) as chosen:
            quickstart(tmp_path / name, echo=lambda _: None, **options)
        return chosen.value.args[0]

    monkeypatch.setattr(module, "train_translator", choose)
    monkeypatch.setattr(module, "generated", lambda seed: split_pairs(made_up_pairs(200), seed))
    monkeypatch.setattr(module, "_seconds_an_update", lambda recipe, folder: 0.25)
    assert 0.6 * 60 * 10 / 0.5 < updates("own", minutes=10, **own) < 0.8 * 60 * 10 / 0.5
    assert updates("little", minutes=0.01) == module.FEWEST_UPDATES
    assert updates("much", minutes=1000) == module.UPDATES


@pytest.mark.parametrize(("threads", "used"), [(None, 1), (3, 3)])
def test_threads_are_one_unless_given_and_the_callers_come_back(tmp_path, own, monkeypatch, threads, used):
    def measure(recipe, folder):
        raise InterruptedError(torch.get_num_threads())

    monkeypatch.setattr(module, "_seconds_an_update", measure)
    torch.set_num_threads(2)
    with pytest.raises(InterruptedError, match=str(used)):
        run(tmp_path / "q", **own, threads=threads)
    assert torch.get_num_threads() == 2


def test_the_speed_is_measured_on_the_real_models(tmp_path, own, monkeypatch):
    measured = []
    real = module._seconds_an_update
    monkeypatch.setattr(module, "FEWEST_UPDATES", 8)
    monkeypatch.setattr(module, "VALIDATIONS", 1)
    monkeypatch.setattr(
        module,
        "_seconds_an_update",
        lambda recipe, folder: measured.append(recipe.model) or real(recipe, folder),
    )
    run(tmp_path / "q", **own)
    assert [model.dim for model in measured] == [MODELS[name].dim for name in ("lite", "transformer")]


@pytest.mark.slow
def test_it_learns_to_translate(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "UPDATES", 256)
    result = quickstart(tmp_path / "q", minutes=30)
    assert result.updates == 256
    assert result.lite.bleu > 20
    assert result.transformer.bleu > 5
