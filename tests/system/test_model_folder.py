"""A model folder is loaded as it was written, or refused in one line that names what is wrong with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import litetransformer as lt
from litetransformer.core.spec import to_json
from litetransformer.models.spec import Attention
from litetransformer.models.tensors import save_tensors
from litetransformer.tasks.model_folder import load_model, read_card

LINES = ["Hund sieht Katze.", "rot", "Haus 17 日本 und klein", ""]


@pytest.fixture
def copy(model_folder, tmp_path):
    """A copy of the model that may be damaged."""
    return Path(
        shutil.copytree(model_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("data", "check*"))
    )


def test_loading_changes_no_random_numbers_and_gives_the_same_model(copy, model_folder):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    ours = lt.load(copy)
    assert torch.equal(torch.rand(4), expected)
    assert not ours.model.training
    assert ours.translations(LINES) == lt.load(model_folder).translations(LINES)


def test_a_model_needs_its_card_its_weights_and_its_tokenizers_alone(hostile, copy):
    card = read_card(copy)
    hostile.needs({"model.json", "model.safetensors", card.source.file, card.target.file})
    assert lt.load(copy).translate(["rot."])


def test_a_folder_that_is_no_model_says_so(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(lt.InputError, match=r"no model here; name a folder that has a model\.json"):
            lt.load(folder)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.model"])
def test_a_flipped_bit_or_a_cut_is_found_and_named(hostile, file, seed):
    hostile.damaged(file, seed)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        ".lock",
        "x\0y",
        "model.safetensors/..",
        "data",
        "n" * 5000,
    ],
)
def test_a_card_that_leads_out_of_its_folder_is_refused(hostile, name):
    hostile.forge(lambda facts: facts["source"].update(file=name))
    hostile.refused()


def nested(facts):
    mix = facts["model"]["encoder"][0]["mix"]
    for _ in range(300):
        mix = {"type": "LongShort", "attention": mix, "convolution": to_json(Attention())}
    facts["model"]["encoder"][0]["mix"] = mix


HOSTILE = {
    "other_format": (
        lambda facts: facts.update(format=2),
        "a model of format 2; this version reads format 1",
    ),
    "other_task": (lambda facts: facts.update(task="chess"), "task: 'chess' is not a choice"),
    "unknown_field": (lambda facts: facts.update(extra=1), "extra: ModelCard has no such field"),
    "no_model": (lambda facts: facts.pop("model"), "model: missing; ModelCard needs it"),
    "wide": (lambda facts: facts["model"].update(dim=10**12), "model"),
    "wider": (lambda facts: facts["model"].update(dim=10**30), "must be at most 65536"),
    "odd": (lambda facts: facts["model"].update(dim=33), "model: describes no network (dim=33 must be even"),
    "narrow": (lambda facts: facts["model"].update(dim=30), "model"),
    "deep": (
        lambda facts: facts["model"].update(encoder=facts["model"]["encoder"] * 10**2),
        "model: has more layers than there are weights",
    ),
    "deeper": (
        lambda facts: facts["model"].update(encoder=facts["model"]["encoder"] * 10**3),
        "model: encoder has 2",
    ),
    "nested": (nested, "model"),
    "taps": (
        lambda facts: facts["model"]["encoder"][0]["mix"]["convolution"].update(taps=10**4),
        "encoder.inner.0",
    ),
    "far_taps": (
        lambda facts: facts["model"]["encoder"][0]["mix"]["convolution"].update(taps=10**9),
        "taps=1000000000 must be at most 65536",
    ),
    "many_heads": (
        lambda facts: facts["model"]["encoder"][0]["mix"]["attention"].update(heads=10**9),
        "heads=1000000000 must be at most 4096",
    ),
    "hidden": (
        lambda facts: facts["model"]["encoder"][0]["feed_forward"].update(hidden=10**9),
        "hidden=1000000000 must be at most 1048576",
    ),
    "tokenizer_size": (lambda facts: facts["target"].update(size=10**30), "target: size=1000"),
    "language": (
        lambda facts: facts.update(target_language="e\x1b[31mn"),
        r"target_language='e\x1b[31mn' must be the code of a language",
    ),
    "long_language": (lambda facts: facts.update(source_language="x" * 10**5), "source_language='xxx"),
    "no_taps": (
        lambda facts: facts["model"]["encoder"][0]["mix"]["convolution"].update(taps=-1),
        "taps=-1 must be",
    ),
    "heads": (
        lambda facts: facts["model"]["encoder"][0]["mix"]["attention"].update(heads=0),
        "heads=0 must divide",
    ),
    "abstract": (
        lambda facts: facts["model"]["encoder"][0].update(mix={"type": "Mixer"}),
        "'Mixer' is no Mixer",
    ),
    "untied": (
        lambda facts: facts["model"].update(tied="none"),
        "missing; the file belongs to another model",
    ),
    "no_beam": (lambda facts: facts["search"].update(beam=0), "search: beam=0 must be at least 1"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_card_that_does_not_fit_its_weights_is_refused(hostile, change, message):
    hostile.forge(change)
    assert len(hostile.refused(message, load=load_model)) < 500


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(hostile, value):
    hostile.no_numbers(value)


@pytest.mark.parametrize("file", ["model.json", "model.safetensors", "tokenizer.model"])
def test_a_pipe_or_a_device_in_a_files_place_is_not_read(hostile, file):
    hostile.no_file(file)


def test_the_weights_of_another_model_are_refused(copy):
    other = lt.lite(32, taps=(3, 7), tied="all").build(330, 330)
    save_tensors(copy / "model.safetensors", dict(other.named_parameters()), {})
    with pytest.raises(lt.InputError, match="the file belongs to another model"):
        lt.load(copy)


def test_a_tokenizer_of_another_model_is_refused(copy):
    from litetransformer.data.tokenizer import train_sentencepiece

    train_sentencepiece(["Hund und Katze"] * 20, size=275).save(copy / "tokenizer.model")
    with pytest.raises(lt.InputError, match=r"tokenizer\.model: damaged: its SHA-256 is not"):
        lt.load(copy)


def test_loading_a_model_leaves_the_compiler_alone(model_folder):
    # PyTorch's compiler takes a second to import, which a translation of one sentence need not wait for.
    code = (
        "import sys; from litetransformer.tasks.translator import load;"
        "load(sys.argv[1]).translate(['Hund']); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, model_folder], check=True)
