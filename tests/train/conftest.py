"""A toy run of the training loop that takes a tenth of a second."""

import json
import math
from random import Random
from types import SimpleNamespace

import pytest
import torch

from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.batching import TrainingBatch
from litetransformer.data.corpus import TextPairs
from litetransformer.models.presets import lite
from litetransformer.models.tensors import load_tensors, save_tensors
from litetransformer.tasks.recipe import Data as RecipeData
from litetransformer.tasks.recipe import Recipe, Vocabulary
from litetransformer.train.loop import train
from litetransformer.train.recipe import Training
from litetransformer.train.report import Report
from litetransformer.train.schedule import InverseSqrt

VOCABULARY, BATCHES = 11, 5
SPEC = lite(8, taps=(3,), dropout=0.2, attention_dropout=0.1, weight_dropout=0.1)


def batch_of(seed, rows=4):
    """Random pairs of random lengths, padded as batches are."""
    generator = torch.Generator().manual_seed(seed)

    def side():
        lengths = torch.randint(1, 7, (rows,), generator=generator)
        tokens = torch.randint(3, VOCABULARY, (rows, 7), generator=generator)
        tokens[torch.arange(rows), lengths] = EOS
        return tokens.masked_fill(torch.arange(7) > lengths[:, None], PAD)

    source, target = side(), side()
    start = torch.full((rows, 1), EOS)
    target_in = torch.cat([start, target[:, :-1]], 1).masked_fill(target == PAD, PAD)
    return TrainingBatch((source, target_in, target), int((target != PAD).sum()))


class Planned(int):
    """A batch's number; all are of one length."""

    length = 7


class Data:
    """Five batches an epoch in the epoch's own order; `at_load` is told how many were loaded before."""

    def __init__(self, at_load):
        self.at_load, self.loads = at_load, 0

    def epoch(self, number):
        order = torch.randperm(BATCHES, generator=torch.Generator().manual_seed(number)).tolist()
        return [Planned(batch) for batch in order]

    def load(self, batch):
        self.at_load(self.loads)
        self.loads += 1
        return batch_of(batch)


def training(**changes):
    settings = {
        "updates": 2 * BATCHES,
        "schedule": InverseSqrt(peak=1e-2, warmup=3),
        "label_smoothing": 0.1,
        "clip": 1.0,
    }
    return Training(**(settings | changes))


def build():
    torch.manual_seed(1)
    return SPEC.build(VOCABULARY, VOCABULARY)


@torch.no_grad()
def validation_loss(model):
    batch = batch_of(99)
    model.eval()
    return {"loss": float(model.loss(*batch.tensors)) / batch.tokens / math.log(2)}


def run(folder, settings, *, at_load=lambda _: None, evaluate=validation_loss, model=None):
    """Train in `folder` from scratch or from what is there; the run's end, its log and what it published."""
    model = model or build()
    progress = train(
        model,
        Data(at_load),
        settings,
        folder / "checkpoints",
        evaluate=evaluate,
        publish=lambda weights, scores: save_tensors(folder / "model.safetensors", weights, {}),
        report=Report(folder, quiet=True),
        device=torch.device("cpu"),
    )
    return SimpleNamespace(progress=progress, weights=weights_of(model), **found(folder))


def found(folder):
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    published = folder / "model.safetensors"
    return {"log": log, "published": load_tensors(published)[0] if published.exists() else None}


def weights_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def events(log, kind):
    return [entry for entry in log if entry["event"] == kind]


def same(first, second):
    """Whether two sets of tensors are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="session")
def toy():
    names = (run, build, batch_of, training, weights_of, events, same, validation_loss, found)
    return SimpleNamespace(**{function.__name__: function for function in names}, batches=BATCHES)


WORDS = {"rot": "red", "alt": "old", "Haus": "house", "Hund": "dog", "und": "and", "gern": "gladly"}


def words_recipe(folder, rows=60):
    """A recipe of 12 updates over two epochs, on texts written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(1)
    for split, count in (("train", rows), ("valid", 6)):
        chosen = [random.choices(list(WORDS), k=random.randint(2, 7)) for _ in range(count)]
        for side, lines in (("de", chosen), ("en", [[WORDS[word] for word in row] for row in chosen])):
            (folder / f"{split}.{side}").write_text("".join(f"{' '.join(line)}\n" for line in lines))

    def pairs(split):
        return TextPairs(source=str(folder / f"{split}.de"), target=str(folder / f"{split}.en"))

    return Recipe(
        data=RecipeData(train=pairs("train"), valid=pairs("valid")),
        vocabulary=Vocabulary(size=300),
        model=lite(8, taps=(3,), dropout=0.1, tied="all"),
        train=training(updates=12, batch_tokens=128, longest=32, validate_every=5, save_every=3),
    )


@pytest.fixture(scope="session")
def words():
    return words_recipe
