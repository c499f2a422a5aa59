"""The copies that a GPU's step computes with: the model's loss and gradient, in a few pieces of memory."""

import pytest
import torch

from litetransformer.models.presets import lite
from litetransformer.ops.kernels import fresh_seed, seeds_drawn_at_once
from litetransformer.train import working
from litetransformer.train.working import WorkingCopy

CPU = torch.device("cpu")


def pair(tied, seed=1):
    torch.manual_seed(seed)
    model = lite(16, taps=(3, 5), tied=tied).build(50, 50)
    source, target = torch.randint(4, 50, (2, 3, 7))
    return model, (source, target, target)


def in_bf16(function, *batch):
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        return function(*batch, smoothing=0.1)


@pytest.mark.parametrize("tied", ["none", "all"])
@pytest.mark.parametrize("large", [1 << 18, 700])
def test_loss_and_gradient_are_those_of_autocast(tied, large, monkeypatch):
    monkeypatch.setattr(working, "LARGE", large)
    model, batch = pair(tied)
    copy = WorkingCopy(model)
    copy.refresh()
    assert sorted(map(id, copy.parameters)) == sorted(map(id, model.parameters()))
    loss, plain = in_bf16(copy.loss, *batch), in_bf16(model.loss, *batch)
    assert loss.item() == pytest.approx(plain.item(), rel=2e-3)
    gradient = torch.zeros(copy.length)
    copy.add_gradient(loss, gradient)
    expected = torch.cat([each.flatten() for each in torch.autograd.grad(plain, copy.parameters)])
    assert ((gradient - expected).norm() / expected.norm()).item() < 0.06
    # Twice the same is twice as much: gradients are added up.
    copy.add_gradient(in_bf16(copy.loss, *batch), gradient)
    assert ((gradient - 2 * expected).norm() / expected.norm()).item() < 0.12


def test_the_gradient_of_a_table_that_two_places_share_is_the_sum_of_both():
    model, batch = pair("all")
    copy = WorkingCopy(model)
    copy.refresh()
    places = dict(zip(map(id, copy.parameters), range(len(copy.parameters)), strict=True))
    gradient = torch.zeros(copy.length)
    copy.add_gradient(in_bf16(copy.loss, *batch), gradient)
    parts = gradient.split([parameter.numel() for parameter in copy.parameters])
    table = parts[places[id(model.output.weight)]].view(50, 16)
    # Every row of the table takes part in the output, only those of the batch's tokens in the input.
    assert (table.abs().sum(1) > 0).all()


def test_changed_weights_count_once_they_are_refreshed():
    model, batch = pair("none")
    copy = WorkingCopy(model)
    copy.refresh()
    before = in_bf16(copy.loss, *batch).item()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    assert in_bf16(copy.loss, *batch).item() == before
    copy.refresh()
    after = in_bf16(copy.loss, *batch).item()
    assert after != before
    assert after == pytest.approx(in_bf16(model.loss, *batch).item(), rel=2e-3)


def test_small_weights_are_in_two_pieces_and_large_ones_by_themselves(monkeypatch):
    model, _ = pair("none")
    assert sorted(str(piece.flat.dtype) for piece in WorkingCopy(model).pieces) == [
        "torch.bfloat16",
        "torch.float32",
    ]
    monkeypatch.setattr(working, "LARGE", 700)
    sizes = [len(piece.names) for piece in WorkingCopy(model).pieces]
    assert sizes.count(1) == 3


def test_seeds_of_one_draw_differ_and_follow_the_generator():
    def drawn(count):
        torch.manual_seed(3)
        with seeds_drawn_at_once(CPU, count):
            return [int(fresh_seed(CPU)) for _ in range(6)]

    found = drawn(8)
    assert len(set(found)) == 6
    assert drawn(8) == found
    assert drawn(4)[:4] != found[4:]
    torch.manual_seed(3)
    assert int(fresh_seed(CPU)) not in found[1:]
