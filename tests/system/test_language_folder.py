"""A language model's folder is loaded as it was written, or refused in one line that names what is wrong."""

import shutil
from pathlib import Path

import pytest
import torch

import litetransformer as lt
from litetransformer.tasks import text_model, translator
from litetransformer.tasks.load import load_writer
from litetransformer.tasks.model_folder import (
    LanguageCard,
    load_language_model,
    load_model,
    save_model,
    save_tokenizers,
)

LINES = ["one two three", "zebra 17", ""]


@pytest.fixture(scope="module", params=[(), (12, 24)], ids=["full", "adaptive"])
def language_folder(request, tmp_path_factory):
    """An untrained model in a folder, with a full and with an adaptive softmax. Read only."""
    from litetransformer.data.words import train_words

    folder = tmp_path_factory.mktemp("language")
    tokenizer = train_words([" ".join(f"word{number}" for number in range(28)), "one two three"], size=40)
    file, _ = save_tokenizers(folder, tokenizer, tokenizer)
    spec = lt.lite_lm(32, taps=(3, 5), cutoffs=request.param)
    torch.manual_seed(1)
    weights = dict(spec.build(tokenizer.size).named_parameters())
    save_model(folder, LanguageCard(model=spec, tokenizer=file, window=16, context=8), weights)
    return folder


@pytest.fixture
def copy(language_folder, tmp_path):
    """A copy of the model that may be damaged."""
    return Path(shutil.copytree(language_folder, tmp_path / "copy"))


def test_loading_changes_no_random_numbers_and_gives_the_same_model(copy, language_folder):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ours = lt.load(copy)
    assert torch.equal(torch.rand(4), expected)
    assert isinstance(ours, lt.TextModel)
    assert not ours.model.training
    assert (ours.window, ours.context) == (16, 8)
    assert ours.perplexity(LINES) == text_model.load(language_folder).perplexity(LINES)


def test_a_model_needs_its_card_its_weights_and_its_tokenizer_alone(hostile, copy):
    kept = {"model.json", "model.safetensors", "tokenizer.txt"}
    assert {path.name for path in copy.iterdir()} == kept
    hostile.needs(kept)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.txt"])
def test_a_flipped_bit_or_a_cut_is_found_and_named(hostile, file, seed):
    hostile.damaged(file, seed)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "", "a/b", ".lock", "x\0y", "n" * 5000])
def test_a_card_that_leads_out_of_its_folder_is_refused(hostile, name):
    hostile.forge(lambda facts: facts["tokenizer"].update(file=name))
    hostile.refused()


HOSTILE = {
    "other_format": (
        lambda facts: facts.update(format=2),
        "a model of format 2; this version reads",
    ),
    "other_task": (lambda facts: facts.update(task="translation"), "task: 'translation' is not a choice"),
    "other_type": (lambda facts: facts.update(type="ModelCard"), "ModelCard has no such field"),
    "no_type": (lambda facts: facts.pop("type"), "'AnyCard' is no AnyCard"),
    "a_recipe": (lambda facts: facts.update(type="LanguageRecipe"), "'LanguageRecipe' is no AnyCard"),
    "unknown_field": (lambda facts: facts.update(extra=1), "extra: LanguageCard has no such field"),
    "no_model": (lambda facts: facts.pop("model"), "model: missing; LanguageCard needs it"),
    "wide": (lambda facts: facts["model"].update(dim=10**12), "model"),
    "wider": (lambda facts: facts["model"].update(dim=10**30), "must be at most 65536"),
    "odd": (lambda facts: facts["model"].update(dim=33), "model: describes no network (dim=33 must be even"),
    "deep": (
        lambda facts: facts["model"].update(layers=facts["model"]["layers"] * 10**2),
        "model: has more layers than there are weights",
    ),
    "deeper": (
        lambda facts: facts["model"].update(layers=facts["model"]["layers"] * 10**3),
        "layers are too many",
    ),
    "falling_cutoffs": (lambda facts: facts["model"].update(cutoffs=[9, 9]), "must rise"),
    "far_cutoffs": (lambda facts: facts["model"].update(cutoffs=[12, 10**9]), "model"),
    "negative_cutoffs": (lambda facts: facts["model"].update(cutoffs=[-5, 3]), "model"),
    "many_cutoffs": (lambda facts: facts["model"].update(cutoffs=list(range(1, 39))), "model"),
    "factor": (lambda facts: facts["model"].update(factor=10**30, cutoffs=[12, 24]), "model"),
    "no_window": (lambda facts: facts.update(window=0, context=0), "0 ≤ context < window"),
    "huge_window": (lambda facts: facts.update(window=10**9), "0 ≤ context < window"),
    "long_context": (lambda facts: facts.update(context=16), "0 ≤ context < window"),
    "untied": (lambda facts: facts["model"].update(tied=False), "the file belongs to another model"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_card_that_does_not_fit_its_weights_is_refused(hostile, change, message):
    hostile.forge(change)
    assert len(hostile.refused(message, load=load_language_model)) < 500


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(hostile, value):
    hostile.no_numbers(value)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.txt"])
def test_a_pipe_or_a_device_in_a_files_place_is_not_read(hostile, file):
    hostile.no_file(file)


def test_a_model_of_another_task_is_refused_with_the_verb_that_it_is_for(language_folder, model_folder):
    for load in (translator.load, load_model, load_writer):
        with pytest.raises(lt.InputError) as caught:
            load(language_folder)
        said = "task: a model for language-modeling; use `lite generate` or `lite perplexity`"
        assert str(caught.value).endswith(said)
        assert str(caught.value).startswith(str(language_folder))
    for load in (text_model.load, load_language_model):
        with pytest.raises(lt.InputError, match="task: a model for translation; use `lite translate`"):
            load(model_folder)
    assert isinstance(lt.load(model_folder), lt.Translator)
