"""Updates in one pass over flat memory are the optimiser's own, to whoever trains, saves, loads or watches.

On the CPU the pass is the reference's; `tests/ops/test_adamw.py` compares the kernels with it.
"""

import copy
import math
import zlib
from types import SimpleNamespace

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.models.presets import lite
from litetransformer.ops.adamw import adamw
from litetransformer.train import step as step_module
from litetransformer.train import working as working_module
from litetransformer.train.distributed import ALONE, Ranks
from litetransformer.train.ema import Ema
from litetransformer.train.flat_adam import FlatAdam, flat_adam, why_not
from litetransformer.train.optimizer import Adam, Muon, Nesterov
from litetransformer.train.schedule import InverseSqrt
from litetransformer.train.snapshot import Progress, load_snapshot, save_snapshot, take_snapshot
from litetransformer.train.step import Step
from litetransformer.train.working import WorkingCopy

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _some_large(monkeypatch):
    monkeypatch.setattr(working_module, "LARGE", 250)


def build(seed=1):
    """A model with tables and weights of odd sizes."""
    torch.manual_seed(seed)
    return lite(8, taps=(3,)).build(11, 37)


def flat_of(model, optimizer):
    working = WorkingCopy(model)
    flat = FlatAdam(optimizer, working)
    gradient = torch.zeros(working.length)
    return SimpleNamespace(working=working, adam=flat, gradient=gradient, first_bad=torch.tensor(-1))


def give(model, gradient_of, flat=None):
    """The same random gradients to the parameters, or to the flat gradient."""
    named = dict(model.named_parameters())
    if flat is None:
        for name, parameter in named.items():
            parameter.grad = gradient_of(name, parameter.shape)
        return
    names = {id(parameter): name for name, parameter in named.items()}
    places = flat.working.places(flat.gradient)
    for parameter, place in zip(flat.working.parameters, places, strict=True):
        place.copy_(gradient_of(names[id(parameter)], place.shape))


def gradients(update):
    def gradient_of(name, shape):
        generator = torch.Generator().manual_seed(zlib.crc32(f"{name} {update}".encode()))
        return torch.randn(shape, generator=generator) * update

    return gradient_of


def update_plainly(model, optimizer, number, clip=0.0):
    give(model, gradients(number))
    if clip:
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.param_groups[0]["lr"] = 0.1 / number
    optimizer.step()


def update_flat(model, optimizer, flat, number, clip=0.0):
    give(model, gradients(number), flat)
    optimizer.param_groups[0]["lr"] = 0.1 / number
    assert flat.adam.ready()
    flat.adam.update(flat.gradient, torch.tensor(number), flat.first_bad, clip)


def same(one, other):
    """Whether two models have the same weights but for rounding."""
    for (name, found), (_, expected) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(
            found, expected, rtol=1e-5, atol=2e-6, msg=lambda text, n=name: f"{n}: {text}"
        )


def same_state(model, optimizer, other, expected):
    for found, plain in zip(model.parameters(), other.parameters(), strict=True):
        assert optimizer.state[found].keys() == expected.state[plain].keys()
        for key, value in expected.state[plain].items():
            assert optimizer.state[found][key].shape == value.shape
            torch.testing.assert_close(optimizer.state[found][key], value, rtol=1e-5, atol=1e-6)


def copies_are_the_weights(flat):
    for piece in flat.working.pieces:
        for (_, found), parameter in zip(piece.views(), piece.parameters, strict=True):
            assert torch.equal(found, parameter.detach().to(found.dtype))


@pytest.mark.parametrize(("clip", "decay"), [(0.0, 0.0), (0.7, 0.3), (1e9, 0.1)])
def test_updates_are_those_of_the_plain_optimiser(clip, decay):
    plain, model = build(), build()
    expected, optimizer = (Adam(weight_decay=decay).build(each) for each in (plain, model))
    flat = flat_of(model, optimizer)
    assert any(len(parameters) % 8 for parameters in map(torch.flatten, model.parameters()))
    for number in range(1, 6):
        update_plainly(plain, expected, number, clip)
        update_flat(model, optimizer, flat, number, clip)
        same(model, plain)
        same_state(model, optimizer, plain, expected)
        copies_are_the_weights(flat)
        assert not flat.gradient.any()
    assert flat.first_bad == -1


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_gradient_that_is_not_finite_changes_no_weight_and_no_state(toy, clip):
    model = build()
    optimizer = Adam().build(model)
    flat = flat_of(model, optimizer)
    update_flat(model, optimizer, flat, 1, clip)
    before = copy.deepcopy((toy.weights_of(model), [dict(state) for state in flat.adam.states]))
    flat.gradient[3] = math.nan
    flat.adam.update(flat.gradient, torch.tensor(7), flat.first_bad, clip)
    assert toy.same(toy.weights_of(model), before[0])
    for state, kept in zip(flat.adam.states, before[1], strict=True):
        assert all(torch.equal(state[key], kept[key]) for key in kept)
    assert flat.first_bad == 7
    copies_are_the_weights(flat)


def test_state_dicts_go_both_ways_at_any_update():
    plain, model = build(), build()
    expected, optimizer = Adam().build(plain), Adam().build(model)
    flat = flat_of(model, optimizer)
    for number in (1, 2, 3):
        update_plainly(plain, expected, number)
        update_flat(model, optimizer, flat, number)
    # From the plain one to a flat one that has gone another way, and back.
    other = build(seed=2)
    other_optimizer = Adam().build(other)
    other_flat = flat_of(other, other_optimizer)
    update_flat(other, other_optimizer, other_flat, 9)
    other.load_state_dict(copy.deepcopy(plain.state_dict()))
    other_optimizer.load_state_dict(copy.deepcopy(expected.state_dict()))
    back = build(seed=3)
    back_optimizer = Adam().build(back)
    back.load_state_dict(model.state_dict())
    back_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for number in (4, 5):
        update_plainly(plain, expected, number)
        update_flat(other, other_optimizer, other_flat, number)
        update_plainly(back, back_optimizer, number)
        same(other, plain)
        same(back, plain)
        same_state(other, other_optimizer, plain, expected)
        same_state(back, back_optimizer, plain, expected)
        copies_are_the_weights(other_flat)


@pytest.mark.parametrize("flat_first", [True, False])
@pytest.mark.parametrize("copied", [True, False])
def test_a_run_saved_with_one_goes_on_with_the_other(tmp_path, flat_first, copied):
    plain, model = build(), build()
    expected, optimizer = Adam().build(plain), Adam().build(model)
    flat = flat_of(model, optimizer)
    for number in (1, 2):
        update_plainly(plain, expected, number)
        update_flat(model, optimizer, flat, number)
    saved = (model, optimizer) if flat_first else (plain, expected)
    save_snapshot(tmp_path, take_snapshot(*saved, Progress(2), copy=copied))
    again = build(seed=2)
    again_optimizer = Adam().build(again)
    again_flat = None if flat_first else flat_of(again, again_optimizer)
    assert load_snapshot(tmp_path, again, again_optimizer)[0].update == 2
    for number in (3, 4):
        update_plainly(plain, expected, number)
        if again_flat is None:
            update_plainly(again, again_optimizer, number)
        else:
            update_flat(again, again_optimizer, again_flat, number)
        same(again, plain)
        same_state(again, again_optimizer, plain, expected)


def test_a_snapshot_without_updates_resets_what_came_after_it(tmp_path):
    plain, model = build(), build()
    expected, optimizer = Adam().build(plain), Adam().build(model)
    flat = flat_of(model, optimizer)
    update_flat(model, optimizer, flat, 5)
    optimizer.load_state_dict(expected.state_dict())
    model.load_state_dict(plain.state_dict())
    update_flat(model, optimizer, flat, 1)
    update_plainly(plain, expected, 1)
    same(model, plain)
    same_state(model, optimizer, plain, expected)


def test_parameters_stay_where_recorded_work_looks_for_them(toy):
    model = build()
    optimizer = Adam().build(model)
    flat = flat_of(model, optimizer)
    places = [parameter.data_ptr() for parameter in model.parameters()]
    inside = range(flat.adam.weights.data_ptr(), flat.adam.weights.data_ptr() + 4 * flat.working.length)
    assert all(place in inside for place in places)
    model.load_state_dict(copy.deepcopy(build(seed=2).state_dict()))
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    update_flat(model, optimizer, flat, 1)
    model.to(CPU)
    assert [parameter.data_ptr() for parameter in model.parameters()] == places
    held = [(state["exp_avg"].data_ptr(), optimizer.param_groups[0]["lr"]) for state in flat.adam.states]
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    update_flat(model, optimizer, flat, 2)
    for (place, rate), parameter in zip(held, flat.working.parameters, strict=True):
        assert optimizer.state[parameter]["exp_avg"].data_ptr() == place
        assert optimizer.param_groups[0]["lr"] is rate


def test_weights_that_others_change_count_in_the_next_update():
    model = build()
    optimizer = Adam().build(model)
    flat = flat_of(model, optimizer)
    update_flat(model, optimizer, flat, 1)
    with torch.no_grad():
        model.output.weight.masked_fill_(torch.rand_like(model.output.weight) > 0.5, 0.0)
    assert flat.adam.ready()
    copies_are_the_weights(flat)
    other = build(seed=2)
    model.load_state_dict(other.state_dict())
    assert flat.adam.ready()
    copies_are_the_weights(flat)
    same(model, other)


def test_hooks_of_the_optimiser_are_called_around_each_update():
    model, seen = build(), []
    optimizer = Adam().build(model)
    flat = flat_of(model, optimizer)
    weight = model.output.weight
    optimizer.register_step_pre_hook(lambda *_: seen.append(weight.detach().clone()))
    optimizer.register_step_post_hook(lambda *_: seen.append(weight.detach().clone()))
    before = weight.detach().clone()
    update_flat(model, optimizer, flat, 1)
    assert len(seen) == 2
    assert torch.equal(seen[0], before)
    assert torch.equal(seen[1], weight)
    assert not torch.equal(seen[1], before)


def test_the_average_of_flat_weights_is_that_of_others(tmp_path):
    plain, model = build(), build()
    expected, optimizer = Adam().build(plain), Adam().build(model)
    flat = flat_of(model, optimizer)
    other, ema = Ema(plain, 0.9, expected), Ema(model, 0.9, optimizer, flat.adam.weights)
    for number in range(1, 5):
        update_plainly(plain, expected, number)
        update_flat(model, optimizer, flat, number)
    assert other.averages.keys() == ema.averages.keys()
    torch.testing.assert_close(ema.averages, other.averages, rtol=1e-5, atol=2e-6)
    save_snapshot(tmp_path, take_snapshot(model, optimizer, Progress(4), ema=ema))
    load_snapshot(tmp_path, plain, expected, ema=other)
    torch.testing.assert_close(other.averages, ema.averages, rtol=0, atol=0)
    own = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with ema.in_place():
        torch.testing.assert_close(dict(model.named_parameters()), ema.averages, rtol=0, atol=0)
    torch.testing.assert_close(dict(model.named_parameters()), own, rtol=0, atol=0)
    ema.update()
    assert flat.adam.ready()
    copies_are_the_weights(flat)


def test_weights_of_different_age_are_left_to_the_plain_optimiser():
    model = build()
    optimizer = Adam().build(model)
    flat = flat_of(model, optimizer)
    update_flat(model, optimizer, flat, 1)
    found = copy.deepcopy(optimizer.state_dict())
    aged = copy.deepcopy(found)
    aged["state"][0]["step"] += 1
    optimizer.load_state_dict(aged)
    assert not flat.adam.ready()
    optimizer.load_state_dict(found)
    assert flat.adam.ready()


def reason(optimizer, model, monkeypatch):
    monkeypatch.setitem(adamw.why_not, "triton", lambda *_, **__: None)
    working = WorkingCopy(model)
    found = why_not(optimizer, working)
    assert (flat_adam(optimizer, working) is None) == (found is not None)
    return found


def test_what_one_pass_cannot_do_is_left_to_the_plain_optimiser(monkeypatch):
    def adam(model, **settings):
        return torch.optim.AdamW(model.parameters(), **settings)

    class Own(torch.nn.Parameter):
        pass

    model = build()
    first, *others = model.parameters()
    assert (
        reason(Adam().build(build()), model, monkeypatch) == "the optimiser's parameters are not the model's"
    )
    assert "SGD" in reason(Nesterov().build(model), model, monkeypatch)
    assert "Adam," in reason(torch.optim.Adam(model.parameters()), model, monkeypatch)
    groups = [{"params": [first], "weight_decay": 0.0}, {"params": others}]
    assert "groups" in reason(torch.optim.AdamW(groups), model, monkeypatch)
    assert "not the model's" in reason(torch.optim.AdamW(others), model, monkeypatch)
    assert "amsgrad" in reason(adam(model, amsgrad=True), model, monkeypatch)
    assert "maximize" in reason(adam(model, maximize=True), model, monkeypatch)
    for change in (
        lambda weight: torch.nn.Parameter(weight.detach().t().contiguous().t()),
        lambda weight: torch.nn.Parameter(weight.detach().double()),
        lambda weight: torch.nn.Parameter(weight.detach(), requires_grad=False),
        lambda weight: Own(weight.detach()),
    ):
        odd = build()
        odd.output.bias, odd.output.weight = odd.output.bias, change(odd.output.weight)
        places = [parameter.data_ptr() for parameter in odd.parameters()]
        assert "plain" in reason(adam(odd), odd, monkeypatch)
        assert [parameter.data_ptr() for parameter in odd.parameters()] == places
    assert reason(Adam().build(model), model, monkeypatch) is None


def test_without_the_kernel_the_optimiser_stays_as_it_is(monkeypatch):
    monkeypatch.setitem(adamw.why_not, "triton", lambda *_, **__: "no GPU")
    model = build()
    working = WorkingCopy(model)
    optimizer = Adam().build(model)
    assert why_not(optimizer, working) == "no GPU"
    assert flat_adam(optimizer, working) is None


def as_on_a_gpu(model, training, *, flat, ranks=ALONE):
    """A step that does on the CPU what one does on a GPU, with or without flat memory."""
    optimizer = training.optimizer.build(model)
    step = Step(model, optimizer, training, CPU, ranks)
    step.bf16, step.working = True, WorkingCopy(model)
    step.parameters = step.working.parameters
    step.flat = FlatAdam(optimizer, step.working) if flat else None
    step.added = step_module._in_one(step.parameters, step.working)
    step.loss = torch.zeros(())
    step.own_loss = step.loss if ranks.world == 1 else step.added[-1]
    step.recorder = lambda work, inputs: work(*inputs)
    return step


@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_a_step_is_the_same_with_flat_memory(toy, clip):
    models = build(), build()
    # With a large eps a gradient that is zero but for rounding moves nothing far.
    training = toy.training(clip=clip, optimizer=Adam(eps=1e-2, weight_decay=0.1))
    flat, plain = (
        as_on_a_gpu(model, training, flat=kind) for model, kind in zip(models, (True, False), strict=True)
    )
    for number in range(1, 5):
        for step in (flat, plain):
            step([toy.batch_of(number), toy.batch_of(number + 10)], number)
    assert flat.read() == pytest.approx(plain.read(), rel=1e-3)
    for found, expected in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert flat.first_bad == -1


def test_a_step_names_the_first_update_that_is_not_finite(toy, monkeypatch):
    model = build()
    step = as_on_a_gpu(model, toy.training(), flat=True)
    step([toy.batch_of(1)], 1)
    before = toy.weights_of(model)
    monkeypatch.setattr(step.working, "add_gradient", lambda _loss, gradient: gradient[3].fill_(math.inf))
    for number in (2, 3):
        step([toy.batch_of(number)], number, f"epoch 0, batch {number}")
    assert toy.same(toy.weights_of(model), before)
    with pytest.raises(InputError, match=r"of update 2 \(epoch 0, batch 2\) is not finite; lower"):
        step.read()


def test_muon_without_flat_memory_makes_the_same_steps_and_skips_what_is_not_finite(toy, monkeypatch):
    training = toy.training(optimizer=Muon(eps=1e-2), schedule=InverseSqrt(peak=0.1, warmup=1))
    models = build(), build()
    gpu, cpu = (
        as_on_a_gpu(models[0], training, flat=False),
        Step(models[1], training.optimizer.build(models[1]), training, CPU),
    )
    for number in range(1, 4):
        for step in (gpu, cpu):
            step([toy.batch_of(number)], number)
    assert gpu.read() == pytest.approx(cpu.read(), rel=1e-2)
    before = toy.weights_of(models[0])
    assert not toy.same(before, toy.weights_of(build()))
    monkeypatch.setattr(gpu.working, "add_gradient", lambda _loss, gradient: gradient[3].fill_(math.inf))
    gpu([toy.batch_of(4)], 4)
    assert toy.same(toy.weights_of(models[0]), before)
    with pytest.raises(InputError, match="of update 4 is not finite"):
        gpu.read()
    assert "MuonWithAdam, not AdamW" in reason(Muon().build(build()), build(), monkeypatch)


def test_of_several_ranks_the_losses_are_added_up_once(toy, monkeypatch):
    monkeypatch.setattr(Ranks, "add_up", lambda _self, tensor: tensor.mul_(2))
    losses = []
    for ranks in (ALONE, Ranks(rank=0, world=2, local_rank=0, local_world=2)):
        step = as_on_a_gpu(build(), toy.training(clip=1e-9), flat=True, ranks=ranks)
        for number in (1, 2):
            step([toy.batch_of(3)], number)
        losses.append(step.read())
        assert not step.added.any()
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-2)


# The thread of backward greets cuBLAS first.
@pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_recorded_updates_are_those_of_the_plain_optimiser(toy, tmp_path, ema_decay):
    training = toy.training(clip=0.3, optimizer=Adam(eps=1e-2, weight_decay=0.1))
    models = [build().to(GPU) for _ in range(2)]
    steps = [Step(model, training.optimizer.build(model), training, GPU) for model in models]
    assert why_not(steps[0].optimizer, steps[0].working) is None
    memory = [step.flat.weights for step in steps]
    steps[1].flat = None
    averages = [
        Ema(step.model, 0.9, step.optimizer, flat)
        for step, flat in zip(steps, (memory[0], None), strict=True)
        if ema_decay
    ]

    def close():
        for found, expected in zip(*(model.parameters() for model in models), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)

    for number in range(1, 7):
        for step in steps:
            step([toy.batch_of(number % 3).pinned()], number)
        close()
        if ema_decay:
            torch.testing.assert_close(*(ema.averages for ema in averages), rtol=0, atol=2e-3)
        if number == 4:
            # What recorded work reads has to stay where it is.
            for step in steps:
                snapshot = take_snapshot(step.model, step.optimizer, Progress(4), copy=True)
                folder = tmp_path / str(id(step))
                folder.mkdir()
                save_snapshot(folder, snapshot)
                assert load_snapshot(folder, step.model, step.optimizer) is not None
            # Memory that all graphs have left takes no new ones.
            steps[1].recorder.graphs.clear()
            steps[1].recorder.pool = torch.cuda.graph_pool_handle()
    losses = [step.read() for step in steps]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert not steps[0].added.any()
    with torch.no_grad():
        models[0].output.weight[0, 0] = math.nan
    for number in (7, 8):
        steps[0]([toy.batch_of(1).pinned()], number)
    with pytest.raises(InputError, match="of update 7 is not finite"):
        steps[0].read()
