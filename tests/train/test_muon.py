"""Muon against PyTorch's own and against a singular value decomposition; what it leaves to Adam."""

import pytest
import torch

from litetransformer.models.presets import lite
from litetransformer.train.muon import TURNS, MuonWithAdam, hidden_matrices, orthogonal
from litetransformer.train.optimizer import Muon

SHAPES = [(8, 8), (8, 8), (12, 4), (4, 12)]


def matrices_of(shapes=SHAPES):
    return [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]


def build(matrices, others=(), **settings):
    others = list(others) or [torch.nn.Parameter(torch.randn(3))]
    options = {"momentum": 0.95, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.0}
    return MuonWithAdam(matrices, others, lr=0.0, capturable=False, **(options | settings))


def update(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
        for parameter in group["params"]:
            parameter.grad = torch.randn_like(parameter)
    optimizer.step()


def update_both(ours, oracle, parameters, theirs, rate):
    """An update by `ours`, and one of `theirs` by the same gradients."""
    update(ours, rate)
    for parameter, their in zip(parameters, theirs, strict=True):
        their.grad = parameter.grad.clone()
    oracle.param_groups[0]["lr"] = rate
    oracle.step()


def test_matrices_move_as_by_pytorchs_own_muon():
    matrices = matrices_of()
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in matrices]
    ours = build(matrices, momentum=0.9, weight_decay=0.3)
    oracle = torch.optim.Muon(
        theirs, lr=0.0, momentum=0.9, weight_decay=0.3, ns_steps=TURNS, adjust_lr_fn="match_rms_adamw"
    )
    for rate in (0.1, 0.02, 0.3):
        update_both(ours, oracle, matrices, theirs, rate)
        for matrix, their in zip(matrices, theirs, strict=True):
            # Theirs is in bf16, so that each update is compared by itself.
            torch.testing.assert_close(matrix, their, rtol=0, atol=0.03 * rate * 0.2 * 12**0.5)
            their.data.copy_(matrix.detach())


@pytest.mark.parametrize("shape", [(5, 6, 6), (3, 20, 7), (3, 7, 20)])
def test_singular_values_become_about_one_and_directions_stay(shape):
    given = torch.randn(shape)
    found = orthogonal(given)
    left, values, right = torch.linalg.svd(given, full_matrices=False)
    inside = left.mT @ found @ right.mT
    turned = inside.diagonal(dim1=1, dim2=2)
    assert (inside - torch.diag_embed(turned)).abs().max() < 1e-4
    large = values / values.norm(dim=1, keepdim=True) > 0.05
    assert ((turned[large] > 0.65) & (turned[large] < 1.25)).all()


def test_everything_else_moves_as_by_adam():
    others = [torch.nn.Parameter(torch.randn(shape)) for shape in ((5,), (4, 3))]
    theirs = [torch.nn.Parameter(other.detach().clone()) for other in others]
    ours = build(matrices_of(), others, weight_decay=0.1)
    adam = torch.optim.AdamW(theirs, lr=0.0, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.1, fused=True)
    for rate in (0.1, 0.02):
        update_both(ours, adam, others, theirs, rate)
        for other, their in zip(others, theirs, strict=True):
            assert torch.equal(other, their)


def test_an_update_that_is_not_finite_changes_nothing():
    matrices, other = matrices_of(), torch.nn.Parameter(torch.randn(3))
    optimizer = build(matrices, [other])
    update(optimizer, 0.1)
    before = [parameter.detach().clone() for parameter in (*matrices, other)]
    sums = [optimizer.state[matrix]["momentum"].clone() for matrix in matrices]
    optimizer.found_inf = torch.tensor(1.0)
    for parameter in (matrices[0], other):
        parameter.grad = torch.full_like(parameter, torch.nan)
    optimizer.step()
    for parameter, old in zip((*matrices, other), before, strict=True):
        assert torch.equal(parameter, old)
    for matrix, total in zip(matrices, sums, strict=True):
        assert torch.equal(optimizer.state[matrix]["momentum"], total)
    optimizer.found_inf = torch.tensor(0.0)
    for parameter in (matrices[0], other):
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert not torch.equal(matrices[0], before[0])
    assert not torch.equal(other, before[-1])


def test_a_state_that_was_loaded_is_that_of_all_weights():
    optimizer = build(matrices_of())
    update(optimizer, 0.1)
    optimizer.load_state_dict(optimizer.state_dict())
    before = [parameter.detach().clone() for group in optimizer.param_groups for parameter in group["params"]]
    update(optimizer, 0.0)
    after = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert all(map(torch.equal, after, before))
    assert optimizer.state[optimizer.param_groups[1]["params"][0]]["step"] == 2


def test_a_matrix_without_a_gradient_stays_and_the_others_of_its_shape_move():
    matrices = matrices_of([(4, 4)] * 3)
    optimizer = build(matrices)
    update(optimizer, 0.1)
    before = [matrix.detach().clone() for matrix in matrices]
    matrices[1].grad = None
    optimizer.step()
    assert list(map(torch.equal, matrices, before)) == [False, True, False]


@pytest.mark.parametrize("tied", ["target", "none"])
def test_no_matrix_has_a_vocabulary_for_a_side_and_each_parameter_is_moved_once(tied):
    model = lite(8, taps=(3,), tied=tied).build(37, 41)
    matrices = hidden_matrices(model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(matrix)].partition(".")[0] for matrix in matrices} == {"encoder", "decoder"}
    assert not {37, 41} & {side for matrix in matrices for side in matrix.shape}
    groups = Muon(weight_decay=0.1).build(model).param_groups
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted({id(parameter) for parameter in model.parameters()})
    assert {group["weight_decay"] for group in groups} == {0.1}


def test_the_settings_of_a_recipe_reach_both():
    model = lite(8, taps=(3,)).build(11, 11)
    own, others = Muon(momentum=0.8, betas=(0.7, 0.9), eps=1e-5).build(model).param_groups
    assert own["momentum"] == 0.8
    assert (others["betas"], others["eps"]) == ((0.7, 0.9), 1e-5)
    with pytest.raises(ValueError, match="must be in"):
        Muon(momentum=1.0)
