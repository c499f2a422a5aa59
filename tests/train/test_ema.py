"""The moving average is the one written out, is what is validated and kept, and lasts over a stop."""

import contextlib
import signal

import pytest
import torch

from litetransformer.models.tensors import load_tensors, save_tensors
from litetransformer.train.ema import Ema
from litetransformer.train.signals import Interrupted


def walk(decay, updates):
    """A layer whose weights have gone a random way, the average that followed, and all places on the way."""
    layer = torch.nn.Linear(3, 2).double()
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    ema = Ema(layer, decay, optimizer)
    places = [layer.weight.detach().clone()]
    for _ in range(updates):
        for parameter in layer.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        places.append(layer.weight.detach().clone())
    return layer, ema, places


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.9999])
def test_the_average_is_the_one_written_out(decay):
    _, ema, (average, *places) = walk(decay, 12)
    for update, place in enumerate(places, 1):
        kept = min(decay, (1 + update) / (10 + update))
        average = kept * average + (1 - kept) * place
    torch.testing.assert_close(ema.averages["weight"], average, rtol=1e-6, atol=1e-6)
    assert ema.averages.keys() == {"weight", "bias"}


def test_the_model_has_the_averages_inside_the_block_alone_whatever_happens_there():
    layer, ema, places = walk(0.9, 5)
    where = layer.weight.data_ptr()
    with contextlib.suppress(KeyError), ema.in_place():
        assert torch.equal(layer.weight, ema.averages["weight"])
        raise KeyError
    assert torch.equal(layer.weight, places[-1])
    # A recorded update looks for the weights where they were.
    assert layer.weight.data_ptr() == where


@pytest.mark.parametrize("keep", ["best", "last"])
def test_what_is_validated_and_published_is_the_average(toy, tmp_path, keep):
    seen = []

    def evaluate(model):
        seen.append(toy.weights_of(model))
        return {"loss": -float(len(seen))}

    plain = toy.run(tmp_path / "plain", toy.training(keep=keep))
    ended = toy.run(tmp_path / "run", toy.training(keep=keep, ema_decay=0.9), evaluate=evaluate)
    assert toy.same(ended.weights, plain.weights)
    assert not toy.same(ended.published, ended.weights)
    assert len(seen) == 2
    assert toy.same(ended.published, seen[-1])


def test_an_average_without_memory_is_the_last_weights_but_for_rounding(toy, tmp_path):
    ended = toy.run(tmp_path, toy.training(keep="last", ema_decay=1e-9))
    for name, found in ended.published.items():
        torch.testing.assert_close(found, ended.weights[name], rtol=0, atol=1e-6)


def test_stopped_after_every_update_it_is_the_same_average(toy, tmp_path):
    training = toy.training(keep="last", ema_decay=0.8)
    whole = toy.run(tmp_path / "whole", training)
    for _ in range(training.updates - 1):
        with pytest.raises(Interrupted):
            toy.run(tmp_path / "part", training, at_load=lambda _: signal.raise_signal(signal.SIGTERM))
    again = toy.run(tmp_path / "part", training)
    assert toy.same(again.published, whole.published)
    assert toy.same(again.weights, whole.weights)


def test_an_average_that_is_asked_for_later_begins_where_the_run_is(toy, tmp_path):
    first = toy.run(tmp_path, toy.training(updates=7, keep="last"))
    again = toy.run(tmp_path, toy.training(updates=8, keep="last", ema_decay=0.5))
    for name, found in again.published.items():
        expected = (first.weights[name] + again.weights[name]) / 2
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_an_average_that_is_not_the_models_is_passed_over(toy, tmp_path):
    training = toy.training(keep="last", ema_decay=0.8, save_every=5)
    whole = toy.run(tmp_path, training)
    newest = max(tmp_path.glob("checkpoints/state-*"))
    tensors, facts = load_tensors(newest)
    name = next(name for name in tensors if name.startswith("average/"))
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    save_tensors(newest, tensors, {key: value for key, value in facts.items() if key != "sha256"})
    again = toy.run(tmp_path, training)
    (warning,) = toy.events(again.log, "warning")
    assert "holds NaN or infinite weights" in warning["message"]
    assert toy.same(again.published, whole.published)
