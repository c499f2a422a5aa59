"""A batch that is run twice counts once, and its two predictions come nearer to each other."""

from dataclasses import replace

import pytest
import torch

from litetransformer.core.spec import from_json, to_json
from litetransformer.models.language_model import LanguageModel
from litetransformer.models.presets import lite, lite_lm, transformer
from litetransformer.tasks.recipe import LanguageRecipe
from litetransformer.train.recipe import Training
from litetransformer.train.step import Step

CPU = torch.device("cpu")
SPECS = {
    "light": lite(8, taps=(3,), tied="all"),
    "dynamic": lite(8, dynamic=True, taps=(3, 5)),
    "transformer": transformer(8, 16, layers=1),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_without_dropout_loss_and_gradient_are_the_plain_ones(toy, spec):
    model, batch = spec.build(11, 11), toy.batch_of(3)
    losses = [model.loss(*batch.tensors, smoothing=0.1, consistency=weight) for weight in (0.0, 5.0)]
    torch.testing.assert_close(losses[1], losses[0])
    slopes = [torch.autograd.grad(loss, list(model.parameters())) for loss in losses]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)


def test_an_update_without_dropout_is_the_plain_one(toy):
    found = []
    for weight in (0.0, 5.0):
        torch.manual_seed(5)
        model = lite(8, taps=(3,)).build(11, 11)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        step = Step(model, optimizer, toy.training(consistency=weight, clip=0.0), CPU)
        step([toy.batch_of(3), toy.batch_of(4)], 1)
        found.append((step.read(), *model.parameters()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-6)
    torch.testing.assert_close(found[1][1:], found[0][1:], rtol=1e-4, atol=1e-6)


def apart(model, batch):
    """The divergence of two runs of `batch` under dropout, nats a token."""
    losses = []
    for weight in (1.0, 2.0):
        torch.manual_seed(7)
        losses.append(model.train().loss(*batch.tensors, consistency=weight).detach())
    return float(losses[1] - losses[0]) / batch.tokens


def test_dropout_falls_differently_on_the_two_runs(toy):
    model = toy.build()
    assert apart(model, toy.batch_of(3)) > 1e-4
    torch.manual_seed(7)
    twice = toy.batch_of(3)._each(lambda tensor: torch.cat([tensor, tensor]))
    expected = model.train().loss(*twice.tensors, smoothing=0.1) / 2
    torch.manual_seed(7)
    found = model.loss(*toy.batch_of(3).tensors, smoothing=0.1, consistency=1e-12)
    torch.testing.assert_close(found, expected)


def test_training_for_consistency_makes_predictions_that_dropout_changes_less(toy, tmp_path):
    found = []
    for weight in (1e-9, 5.0):
        model = toy.build()
        toy.run(tmp_path / str(weight), toy.training(updates=60, consistency=weight), model=model)
        found.append(apart(model, toy.batch_of(1)))
    assert found[1] < 0.7 * found[0]


def test_a_model_without_a_source_is_not_trained_for_it():
    model = lite_lm(16).build(11)
    assert isinstance(model, LanguageModel)
    tokens = torch.randint(3, 11, (2, 5))
    with pytest.raises(ValueError, match=r"consistency=2.0 is for models that read a source; leave it at 0"):
        model.loss(tokens, tokens, consistency=2.0)
    recipe = LanguageRecipe(model=lite_lm(16))
    with pytest.raises(ValueError, match=r"train.consistency=2.0 is for models that read a source"):
        replace(recipe, train=replace(recipe.train, consistency=2.0))


def test_the_settings_survive_json_and_texts_from_before_them_load():
    training = Training(consistency=2.5, ema_decay=0.999, keep="last")
    assert from_json(to_json(training), Training) == training
    older = to_json(Training())
    assert (older.pop("consistency"), older.pop("ema_decay")) == (0.0, 0.0)
    assert from_json(older, Training) == Training()
