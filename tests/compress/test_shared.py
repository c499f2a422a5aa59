"""Fine-tuning shared values follows the gradient of the values, keeps the codes, and keeps zeros zero."""

import numpy as np
import torch
from torch import nn

from litetransformer.compress.quantize import codebook
from litetransformer.compress.shared import SharedValues


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))


def shared_of(model, rows=0):
    with torch.no_grad():
        model[0].weight[:, ::2] = 0.0
    names = ("0.weight", "2.weight")
    parameters = dict(model.named_parameters())
    return SharedValues(model, {name: codebook(parameters[name], bits=3, rows=rows) for name in names})


def loss_of(model):
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(2))
    return (model(inputs) - inputs[:, :3].sin()).square().mean()


def test_the_gradient_of_a_value_is_what_a_small_change_of_it_does():
    model = network().double()
    shared = shared_of(model, rows=5)
    loss_of_double = lambda: (model(torch.linspace(-1, 1, 60).double().view(10, 6))).square().sum()  # noqa: E731
    loss_of_double().backward()
    shared.gather()
    values = shared.values[0]
    with torch.no_grad():
        for place in range(values.numel()):
            if not shared.moving["0.weight"][place]:
                assert values.grad[place] == 0
                continue
            losses = []
            for change in (1e-3, -2e-3):
                values[place] += change
                shared.scatter()
                losses.append(loss_of_double().item())
            values[place] += 1e-3
            numeric = (losses[0] - losses[1]) / 2e-3
            assert abs(numeric - float(values.grad[place])) < 1e-2 * max(1.0, abs(numeric))


def test_training_moves_the_values_and_keeps_codes_and_zeros():
    model = network()
    shared = shared_of(model)
    before = loss_of(model).item()
    optimizer = torch.optim.AdamW(shared.parameters(), lr=0.02, weight_decay=0.1)
    shared.attach(optimizer)
    for _ in range(60):
        loss_of(model).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    assert loss_of(model).item() < 0.7 * before
    result = shared.result()
    for name, tensor in result.items():
        assert np.array_equal(tensor.codes, shared.quantized[name].codes)
        assert tensor.values.shape == shared.quantized[name].values.shape
        weight = dict(model.named_parameters())[name]
        torch.testing.assert_close(tensor.dequantize(), weight.detach(), rtol=2e-3, atol=1e-6)
    assert (result["0.weight"].dequantize()[:, ::2] == 0).all()
    assert (result["0.weight"].dequantize()[:, 1::2] != 0).all()
