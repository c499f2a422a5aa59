"""One update: its loss, its gradient and its change of the weights, against slow and plain versions."""

import math

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.core.tokens import PAD
from litetransformer.data.batching import TrainingBatch
from litetransformer.models.presets import lite
from litetransformer.train.optimizer import Adam, Nesterov
from litetransformer.train.schedule import InverseSqrt
from litetransformer.train.step import Step

CPU = torch.device("cpu")


def test_adam_is_the_decoupled_one_written_out():
    rates, decay, (first, second), eps = [0.1, 0.2, 0.05, 0.05], 0.3, (0.9, 0.98), 1e-8
    layer = torch.nn.Linear(3, 2, bias=False).double()
    optimizer = Adam(weight_decay=decay, betas=(first, second), eps=eps).build(layer)
    weight = layer.weight.detach().clone()
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for number, rate in enumerate(rates, 1):
        gradient = torch.randn_like(weight)
        layer.weight.grad = gradient.clone()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        unbiased = mean / (1 - first**number), square / (1 - second**number)
        weight = weight - rate * decay * weight - rate * unbiased[0] / (unbiased[1].sqrt() + eps)
        torch.testing.assert_close(layer.weight.detach(), weight, rtol=0, atol=1e-12)


def test_nesterovs_velocity_does_not_forget_gradients_when_the_rate_changes():
    rates, decay, momentum = [0.1, 0.4, 0.05, 0.05, 0.0, 0.2], 0.3, 0.9
    layer = torch.nn.Linear(3, 2, bias=False).double()
    optimizer = Nesterov(weight_decay=decay, momentum=momentum).build(layer)
    weight, gradients = layer.weight.detach().clone(), []
    for rate in rates:
        gradient = torch.randn_like(weight)
        layer.weight.grad = gradient.clone()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        gradients.append(gradient + decay * weight)
        velocity = sum(momentum**age * each for age, each in enumerate(reversed(gradients)))
        weight = weight - rate * (gradients[-1] + momentum * velocity)
        torch.testing.assert_close(layer.weight.detach(), weight, rtol=0, atol=1e-12)


def test_nesterovs_weights_are_the_points_ahead_at_which_gradients_are_taken():
    rate, momentum, steep = 0.02, 0.9, torch.tensor([1.0, 9.0, 30.0], dtype=torch.float64)
    layer = torch.nn.Linear(3, 1, bias=False).double()
    optimizer = Nesterov(momentum=momentum).build(layer)
    optimizer.param_groups[0]["lr"] = rate
    place, velocity = layer.weight.detach().clone(), torch.zeros(1, 3, dtype=torch.float64)
    for _ in range(8):
        layer.weight.grad = steep * layer.weight.detach()
        optimizer.step()
        velocity = momentum * velocity - rate * steep * (place + momentum * velocity)
        place = place + velocity
        ahead = place + momentum * velocity
        torch.testing.assert_close(layer.weight.detach(), ahead, rtol=0, atol=1e-12)


def test_every_parameter_has_the_same_decay_and_tied_ones_are_updated_once():
    model = lite(8, taps=(3,), tied="all").build(11, 11)
    (group,) = Adam(weight_decay=0.1).build(model).param_groups
    assert len(group["params"]) == len({id(parameter) for parameter in model.parameters()})


def plain_step(toy, **settings):
    """A step with plain gradient descent at rate 1: the change of the weights is the gradient."""
    training = toy.training(schedule=InverseSqrt(peak=1.0, warmup=1), **settings)
    model = lite(8, taps=(3,)).build(11, 11)
    return model, Step(model, torch.optim.SGD(model.parameters(), lr=0.0), training, CPU)


def gradient_of(model, before):
    return {name: before[name] - parameter.detach() for name, parameter in model.named_parameters()}


def part(batch, rows):
    tensors = tuple(tensor[rows] for tensor in batch.tensors)
    return TrainingBatch(tensors, int((tensors[-1] != PAD).sum()))


def test_an_update_follows_the_mean_gradient_of_a_token(toy):
    model, step = plain_step(toy, clip=0.0)
    before, batch = toy.weights_of(model), toy.batch_of(3)
    model.train()
    loss = model.loss(*batch.tensors, smoothing=0.1)
    expected = torch.autograd.grad(loss / batch.tokens, list(model.parameters()))
    step([batch], 1)
    torch.testing.assert_close(
        list(gradient_of(model, before).values()), list(expected), atol=1e-6, rtol=1e-4
    )
    assert step.read() == pytest.approx(loss.item() / math.log(2), rel=1e-6)
    assert step.read() == 0.0


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_parts_of_a_batch_make_the_update_of_the_whole(toy, cut):
    batch, changes = toy.batch_of(3), []
    for parts in ([batch], [part(batch, slice(cut)), part(batch, slice(cut, None))]):
        torch.manual_seed(5)
        model, step = plain_step(toy, clip=0.0)
        before = toy.weights_of(model)
        step(parts, 1)
        changes.append(gradient_of(model, before))
    torch.testing.assert_close(changes[1], changes[0], rtol=1e-4, atol=1e-6)


def test_updates_do_not_gather_what_earlier_ones_left(toy):
    model, step = plain_step(toy, clip=0.0)
    before = toy.weights_of(model)
    step([toy.batch_of(3)], 1)
    once = gradient_of(model, before)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(before[name])
    step([toy.batch_of(3)], 1)
    torch.testing.assert_close(gradient_of(model, before), once)


@pytest.mark.parametrize(("clip", "expected"), [(1e-3, 1e-3), (1e3, None), (0.0, None)])
def test_a_gradient_longer_than_clip_is_cut_to_it(toy, clip, expected):
    lengths = []
    for limit in (0.0, clip):
        torch.manual_seed(5)
        model, step = plain_step(toy, clip=limit)
        before = toy.weights_of(model)
        step([toy.batch_of(3)], 1)
        changes = [change.flatten() for change in gradient_of(model, before).values()]
        lengths.append(float(torch.cat(changes).norm()))
    assert lengths[1] == pytest.approx(expected or lengths[0], rel=1e-3)


def test_dropout_follows_the_number_of_the_update_and_the_seed(toy):
    def change(update, seed):
        model = toy.build()
        step = Step(model, torch.optim.SGD(model.parameters()), toy.training(seed=seed), CPU)
        torch.manual_seed(torch.seed())
        step([toy.batch_of(3)], update)
        return model.output.weight.detach()

    assert torch.equal(change(3, 1), change(3, 1))
    assert not torch.equal(change(3, 1), change(4, 1))
    assert not torch.equal(change(3, 1), change(3, 2))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_stops_before_the_update_and_names_it(toy, value):
    model, step = plain_step(toy)
    step([toy.batch_of(3)], 1)
    before = toy.weights_of(model)
    handle = model.output.weight.register_hook(lambda gradient: gradient * value)
    with pytest.raises(InputError, match=r"of update 2 \(epoch 0, batch 1\) is not finite; lower"):
        step([toy.batch_of(4)], 2, "epoch 0, batch 1")
    assert toy.same(toy.weights_of(model), before)
    handle.remove()
