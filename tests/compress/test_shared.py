"""Fine-tuning shared values follows their gradient; codes follow free weights; zeros stay zero."""

import numpy as np
import pytest
import torch
from torch import nn

from litetransformer.compress.quantize import codebook, entropy
from litetransformer.compress.shared import SharedValues

NAMES = ("0.weight", "2.weight")


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))


def shared_of(model, rows=0, rate=0.0):
    with torch.no_grad():
        model[0].weight[:, ::2] = 0.0
    parameters = dict(model.named_parameters())
    quantized = {name: codebook(parameters[name], bits=3, rows=rows, rate=rate) for name in NAMES}
    return SharedValues(model, quantized, dict.fromkeys(NAMES, rate))


def loss_of(model):
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(2))
    return (model(inputs) - inputs[:, :3].sin()).square().mean()


def trained(model, shared, updates=60, assign=0):
    optimizer = torch.optim.AdamW(shared.parameters(), lr=0.02, weight_decay=0.1)
    shared.attach(optimizer)
    for update in range(updates):
        loss_of(model).backward()
        optimizer.step()
        model.zero_grad(set_to_none=False)
        if assign and update % assign == 0:
            shared.assign()


def test_the_gradient_of_a_value_is_what_a_small_change_of_it_does():
    model = network().double()
    shared = shared_of(model, rows=5)
    shared.attach(torch.optim.SGD(shared.parameters(), lr=0.0))
    loss_of_double = lambda: (model(torch.linspace(-1, 1, 60).double().view(10, 6))).square().sum()  # noqa: E731
    loss_of_double().backward()
    shared.gather()
    for place in range(shared.values.numel()):
        if not shared.moving[place]:
            assert shared.values.grad[place] == 0
            continue
        losses = []
        for change in (1e-3, -2e-3):
            with torch.no_grad():
                shared.values[place] += change
            shared.scatter()
            losses.append(loss_of_double().item())
        with torch.no_grad():
            shared.values[place] += 1e-3
        numeric = (losses[0] - losses[1]) / 2e-3
        assert abs(numeric - float(shared.values.grad[place])) < 1e-2 * max(1.0, abs(numeric))


@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("assign", [0, 7])
def test_training_moves_values_and_keeps_zeros_and_few_values(rows, assign):
    model = network()
    shared = shared_of(model, rows)
    before = loss_of(model).item()
    codes = shared.codes.clone()
    trained(model, shared, assign=assign)
    assert loss_of(model).item() < 0.7 * before
    assert torch.equal(shared.codes, codes) != bool(assign)
    result = shared.result()
    for name, tensor in result.items():
        weight, found = dict(model.named_parameters())[name], tensor.dequantize()
        torch.testing.assert_close(found, weight.detach(), rtol=2e-3, atol=1e-6)
        for group in found.split(rows or len(found)):
            assert len(group.unique()) <= 8
    assert (result["0.weight"].dequantize()[:, ::2] == 0).all()
    assert (result["0.weight"].dequantize()[:, 1::2] != 0).all()


@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_untrained_codes_are_where_they_were_and_stay_when_assigned_again(rows, rate):
    model = network()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    shared = shared_of(model, rows, rate)
    before["0.weight"][:, ::2] = 0.0
    for again in (False, True):
        if again:
            # K-means has converged; the codes of one with a rate are near that.
            shared.assign()
        for name, tensor in shared.result().items():
            expected = codebook(before[name], bits=3, rows=rows, rate=rate)
            if rate and again:
                assert (tensor.dequantize() != expected.dequantize()).double().mean() < 0.2
            else:
                assert np.array_equal(tensor.codes, expected.codes)
                assert np.array_equal(tensor.values, expected.values)


def test_each_weight_gets_the_value_that_costs_least():
    model = network()
    shared = shared_of(model, rate=0.1)
    with torch.no_grad():
        shared.offsets += 0.2 * torch.randn_like(shared.offsets)
    first = shared.tables[0]
    counts = shared.codes[first.weights].bincount(minlength=len(shared.values))[first.values].double()
    values = shared.values.detach()[first.values].double()
    counts = torch.where(values != 0, counts, 0.0)
    bits = -(counts / counts.sum()).log2()
    free = shared.free()[first.weights].double()
    shared.assign(2.0)
    torch.testing.assert_close(shared.free()[first.weights].double(), free)
    costs = (free[:, None] - values).square() + 2.0 * first.penalty * bits
    expected = torch.where(shared.live[first.weights], costs.argmin(1), shared.codes[first.weights])
    assert torch.equal(shared.codes[first.weights].long(), expected + first.values.start)


def test_dearer_bits_are_fewer():
    model = network()
    shared, sizes = shared_of(model, rate=0.05), []
    for scale in (1.0, 3.0, 9.0):
        shared.assign(scale)
        shared.assign(scale)
        sizes.append(sum(entropy(tensor.codes) * tensor.codes.size for tensor in shared.result().values()))
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_constant_tensors_stay_what_they_are(value):
    model = network()
    with torch.no_grad():
        model[2].weight.fill_(value)
    shared = shared_of(model, rate=0.1)
    trained(model, shared, updates=0)
    shared.assign()
    result = shared.result()["2.weight"]
    assert torch.equal(result.dequantize(), torch.full((3, 12), value).half().float())
