"""A run that was stopped goes on as if it never had been, and keeps the weights that it was told to keep."""

import errno
import os
import signal
from types import SimpleNamespace

import pytest
import torch

from litetransformer.core.errors import InputError
from litetransformer.models.tensors import load_tensors, save_tensors
from litetransformer.train import loop
from litetransformer.train.optimizer import Adam, Muon, Nesterov
from litetransformer.train.signals import Interrupted, Signals

CASES = {
    "best": {"keep": "best", "validate_every": 3},
    "best_each_epoch": {"keep": "best"},
    "average": {"keep": "average", "average": 2, "updates": 12},
    "last": {"keep": "last", "validate_every": 4, "save_every": 2},
    "nesterov": {"optimizer": Nesterov(), "clip": 0.1, "updates": 6, "validate_every": 2},
    "muon": {"optimizer": Muon(weight_decay=0.1), "updates": 6, "validate_every": 2},
    "moving_average": {"ema_decay": 0.8, "keep": "best", "validate_every": 3},
    "consistent": {"consistency": 2.0, "updates": 6, "validate_every": 2},
    "accumulated": {"keep": "best", "accumulate": 2, "updates": 6},
}


@pytest.fixture(autouse=True)
def _log_often(monkeypatch):
    monkeypatch.setattr(loop, "LOG_EVERY", 3)


def stop_at(load):
    """Ends the run by SIGTERM while its batch number `load` is loaded."""
    return lambda count: signal.raise_signal(signal.SIGTERM) if count == load else None


def losses(toy, log):
    return {entry["update"]: entry["loss"] for entry in toy.events(log, "train")}


def state(folder):
    newest = max(folder.glob("checkpoints/state-*"))
    return load_tensors(newest)[0]


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES.keys())
def test_stopped_after_any_update_and_resumed_is_the_same_run(toy, tmp_path, settings):
    training = toy.training(**settings)
    loads = []
    whole = toy.run(tmp_path / "whole", training, at_load=loads.append)
    assert len(losses(toy, whole.log)) == training.updates // 3
    for load in loads:
        folder = tmp_path / str(load)
        with pytest.raises(Interrupted) as caught:
            toy.run(folder, training, at_load=stop_at(load))
        assert caught.value.number == signal.SIGTERM
        again = toy.run(folder, training)
        assert toy.same(again.weights, whole.weights)
        assert toy.same(again.published, whole.published)
        assert toy.same(state(folder), state(tmp_path / "whole"))
        assert losses(toy, again.log) == losses(toy, whole.log)
        assert (again.progress.best, again.progress.tokens) == (whole.progress.best, whole.progress.tokens)


def test_before_the_first_update_a_batch_of_each_length_is_compiled_for(toy, tmp_path, monkeypatch):
    asked = []

    def compile_for(step, batches, stop):
        assert not asked
        assert not stop()
        asked.extend(batches)
        return 3

    monkeypatch.setattr(loop.Step, "compile_for", compile_for)
    run = toy.run(tmp_path, toy.training(updates=3))
    (batch,) = asked
    assert batch.tensors[0].shape == toy.batch_of(0).tensors[0].shape
    kinds = [entry["event"] for entry in run.log]
    assert kinds[0] == "kernels"
    assert (kinds.count("kernels"), run.log[0]["count"]) == (1, 3)


def test_of_batches_of_several_lengths_one_each_is_loaded():
    lengths = [8, 16, 8, 24, 16] + [8] * loop.LENGTHS_AMONG + [32]
    plan = [SimpleNamespace(length=length, number=number) for number, length in enumerate(lengths)]
    data = SimpleNamespace(epoch={2: plan}.get, load=lambda batch: (batch.length, batch.number))
    found = dict(loop.one_of_each_length(data, 2))
    assert found.keys() == {8, 16, 24}
    assert all(lengths[number] == length for length, number in found.items())


def test_stopped_while_it_compiles_a_run_saves_makes_no_update_and_goes_on(toy, tmp_path, monkeypatch):
    whole = toy.run(tmp_path / "whole", toy.training())

    def compile_for(step, batches, stop):
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        return 0

    with monkeypatch.context() as patch:
        patch.setattr(loop.Step, "compile_for", compile_for)
        for _ in range(2):
            with pytest.raises(Interrupted):
                toy.run(tmp_path / "part", toy.training())
    again = toy.run(tmp_path / "part", toy.training())
    assert toy.events(again.log, "resume")[-1]["update"] == 0
    assert toy.same(again.weights, whole.weights)


def test_with_another_optimiser_its_state_begins_anew_and_that_is_said(toy, tmp_path):
    updates = 4
    toy.run(tmp_path, toy.training(updates=updates))
    for optimizer, before in ((Muon(), "AdamW"), (Nesterov(), "MuonWithAdam"), (Adam(), "SGD")):
        updates += 2
        run = toy.run(tmp_path, toy.training(updates=updates, optimizer=optimizer))
        told = toy.events(run.log, "warning")[-1]["message"]
        assert f"made with {before}; " in told
        assert "begins anew" in told
        kinds = {name.split("/")[1] for name in state(tmp_path) if name.startswith("optimizer/")}
        expected = {"momentum_buffer"} if before == "MuonWithAdam" else {"step", "exp_avg", "exp_avg_sq"}
        assert kinds == expected | ({"momentum"} if before == "AdamW" else set())


def test_stopped_after_every_update_is_the_same_run(toy, tmp_path):
    training = toy.training(keep="average", average=2)
    whole = toy.run(tmp_path / "whole", training)
    for _ in range(training.updates - 1):
        with pytest.raises(Interrupted):
            toy.run(tmp_path / "part", training, at_load=stop_at(0))
    again = toy.run(tmp_path / "part", training)
    assert toy.same(again.weights, whole.weights)
    assert toy.same(again.published, whole.published)


def test_saving_more_often_changes_nothing_that_is_logged(toy, tmp_path):
    seldom = toy.run(tmp_path / "seldom", toy.training())
    often = toy.run(tmp_path / "often", toy.training(save_every=1))
    assert losses(toy, often.log) == losses(toy, seldom.log)


def test_a_finished_run_stays_as_it_is(toy, tmp_path):
    training = toy.training()
    first = toy.run(tmp_path, training)
    again = toy.run(tmp_path, training, at_load=lambda _: pytest.fail("no batch is needed"))
    assert toy.same(again.weights, first.weights)
    assert toy.same(again.published, first.published)


def test_more_updates_go_on_where_the_run_ended(toy, tmp_path):
    longer = toy.training(updates=12, keep="last")
    whole = toy.run(tmp_path / "whole", longer)
    toy.run(tmp_path / "part", toy.training(updates=7, keep="last"))
    again = toy.run(tmp_path / "part", longer)
    assert toy.same(again.weights, whole.weights)
    assert toy.same(again.published, whole.published)


def scripted(losses):
    """An evaluation that gives these losses in turn and remembers the weights at each."""
    seen = []

    def evaluate(model):
        seen.append({name: parameter.detach().clone() for name, parameter in model.named_parameters()})
        return {"loss": losses[len(seen) - 1]}

    return evaluate, seen


def test_training_stops_when_validation_gets_no_better_and_keeps_the_best(toy, tmp_path):
    evaluate, seen = scripted([3.0, 2.0, 2.5, 2.0, 2.1, 1.0])
    training = toy.training(updates=100, validate_every=2, patience=3)
    ended = toy.run(tmp_path, training, evaluate=evaluate)
    assert (ended.progress.update, ended.progress.best) == (10, 2.0)
    assert toy.same(ended.published, seen[1])


def test_patience_lasts_over_a_stop(toy, tmp_path):
    training = toy.training(updates=100, validate_every=2, patience=3)
    evaluate, _ = scripted([3.0, 2.0, 2.5, 2.0])
    with pytest.raises(Interrupted):
        toy.run(tmp_path, training, evaluate=evaluate, at_load=stop_at(7))
    ended = toy.run(tmp_path, training, evaluate=lambda _: {"loss": 2.4})
    assert ended.progress.update == 10


def test_the_last_weights_are_those_of_the_end(toy, tmp_path):
    ended = toy.run(tmp_path, toy.training(updates=8, keep="last", validate_every=3))
    assert toy.same(ended.published, ended.weights)


def test_bleu_is_better_when_higher(toy, tmp_path):
    scores = iter([1.0, 3.0, 2.0])
    training = toy.training(updates=9, validate_every=3, best_by="bleu")
    ended = toy.run(tmp_path, training, evaluate=lambda _: {"loss": 1.0, "bleu": next(scores)})
    assert ended.progress.best == 3.0
    assert [entry["best"] for entry in toy.events(ended.log, "valid")] == [True, True, False]


def test_a_score_that_is_not_finite_is_never_the_best(toy, tmp_path):
    evaluate, seen = scripted([float("nan"), 2.0, float("-inf"), float("nan")])
    ended = toy.run(tmp_path, toy.training(updates=8, validate_every=2), evaluate=evaluate)
    assert ended.progress.best == 2.0
    assert toy.same(ended.published, seen[1])
    assert [entry["loss"] for entry in toy.events(ended.log, "valid")] == [None, 2.0, None, None]


def test_a_score_that_validation_does_not_give_is_named(toy, tmp_path):
    with pytest.raises(InputError, match=r"train.best_by: validation gives no bleu; one of: loss"):
        toy.run(tmp_path, toy.training(best_by="bleu"))


def test_the_average_is_the_mean_of_the_last_epochs_weights(toy, tmp_path):
    evaluate, seen = scripted([1.0] * 5)
    # Validation comes at the end of each epoch; the last call is for the average itself.
    training = toy.training(updates=4 * toy.batches, keep="average", average=3)
    ended = toy.run(tmp_path, training, evaluate=evaluate)
    assert len(seen) == 5
    for name, found in ended.published.items():
        mean = torch.stack([weights[name].double() for weights in seen[1:4]]).mean(0)
        torch.testing.assert_close(found, mean.float(), rtol=0, atol=1e-7)
    assert toy.same(seen[4], ended.published)
    assert toy.same(seen[3], ended.weights)
    assert toy.events(ended.log, "average")[0]["epochs"] == 3
    assert len(list(tmp_path.glob("checkpoints/weights-*"))) == 3


def test_a_damaged_epoch_is_left_out_of_the_average_and_named(toy, tmp_path):
    training = toy.training(updates=3 * toy.batches, keep="average", average=3)
    evaluate, seen = scripted([1.0] * 3)
    with pytest.raises(Interrupted):
        toy.run(tmp_path, training, evaluate=evaluate, at_load=stop_at(2 * toy.batches + 1))
    damaged = min(tmp_path.glob("checkpoints/weights-*"))
    damage(damaged)
    evaluate, later = scripted([1.0] * 2)
    ended = toy.run(tmp_path, training, evaluate=evaluate)
    name = "output.weight"
    torch.testing.assert_close(ended.published[name], (seen[1][name] + later[0][name]) / 2)
    (warning,) = toy.events(ended.log, "warning")
    assert warning["message"].startswith(f"{damaged}: damaged")
    assert "left out of the average" in warning["message"]


def test_weights_of_a_future_that_did_not_happen_are_not_averaged(toy, tmp_path):
    training = toy.training(updates=3 * toy.batches, keep="average", average=3)
    whole = toy.run(tmp_path / "whole", training)
    stray = {name: torch.full_like(tensor, 1e3) for name, tensor in whole.weights.items()}
    (tmp_path / "part" / "checkpoints").mkdir(parents=True)
    for update in (1, 7, 12, 999):
        save_tensors(tmp_path / "part" / "checkpoints" / f"weights-{update:09d}.safetensors", stray, {})
    assert toy.same(toy.run(tmp_path / "part", training).published, whole.published)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [damage, cut, lambda path: path.write_bytes(b"")])
def test_a_damaged_state_is_passed_over_with_a_warning_and_the_run_ends_the_same(toy, tmp_path, harm):
    training = toy.training(save_every=2, keep="average", average=2)
    whole = toy.run(tmp_path / "whole", training)
    with pytest.raises(Interrupted):
        toy.run(tmp_path / "part", training, at_load=stop_at(7))
    newest = max((tmp_path / "part" / "checkpoints").glob("state-*"))
    harm(newest)
    again = toy.run(tmp_path / "part", training)
    (warning,) = toy.events(again.log, "warning")
    assert warning["message"].startswith(f"{newest}: ")
    assert warning["message"].endswith("an older one is used")
    assert toy.events(again.log, "resume")[0]["update"] == 6
    assert toy.same(again.weights, whole.weights)
    assert toy.same(again.published, whole.published)


def test_where_every_state_is_damaged_the_run_does_not_begin_anew(toy, tmp_path):
    toy.run(tmp_path, toy.training(save_every=2))
    states = sorted((tmp_path / "checkpoints").glob("state-*"))
    assert len(states) == 2
    for path in states:
        damage(path)
    # A bit of the header may say another length, which is refused before anything is summed up.
    with pytest.raises(
        InputError, match=r"(checksum does not match|than its header says); restore"
    ) as caught:
        toy.run(tmp_path, toy.training())
    assert caught.value.path == str(states[-1])


def test_the_state_of_another_network_is_refused(toy, tmp_path):
    from litetransformer.models.presets import lite

    toy.run(tmp_path, toy.training())
    with pytest.raises(InputError, match=r"has the shape .* the file belongs to another model"):
        toy.run(tmp_path, toy.training(), model=lite(16, taps=(3,)).build(11, 11))


def test_a_file_that_is_no_state_is_refused_by_name(toy, tmp_path):
    path = tmp_path / "checkpoints" / "state-000000005.safetensors"
    for facts in ({}, {"progress": {"updat": 1}}, {"progress": None}):
        save_tensors(path, toy.weights_of(toy.build()), facts)
        with pytest.raises(InputError, match=r"state-000000005.safetensors: not a run's state"):
            toy.run(tmp_path, toy.training())


def test_a_gradient_that_is_not_finite_leaves_the_good_checkpoints(toy, tmp_path):
    training = toy.training(save_every=2, validate_every=2)
    model = toy.build()

    def poison(count):
        if count == 4:
            model.output.weight.register_hook(lambda gradient: gradient * float("nan"))

    with pytest.raises(InputError, match=r"the gradient of update 5 \(epoch 0, batch 4\) is not finite"):
        toy.run(tmp_path, training, model=model, at_load=poison)
    left = toy.found(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("checkpoints/state-*")) == [
        "state-000000002.safetensors",
        "state-000000004.safetensors",
    ]
    assert toy.events(left["log"], "valid")[-1]["update"] == 4
    whole = toy.run(tmp_path / "whole", training)
    assert toy.same(toy.run(tmp_path, training).weights, whole.weights)


@pytest.mark.parametrize(("writes_before", "file"), [(2, "model"), (3, "state-000000006")])
def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room(
    toy, tmp_path, monkeypatch, writes_before, file
):
    training = toy.training(save_every=2)
    whole = toy.run(tmp_path / "whole", training)
    fsync, writes = os.fsync, []

    def full(descriptor):
        writes.append(descriptor)
        # Each write syncs its file and then the folder.
        if len(writes) > 2 * writes_before:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=rf"{file}.safetensors: no room left on the disk: at least [\d,]+ b"):
        toy.run(tmp_path / "part", training)
    monkeypatch.setattr(os, "fsync", fsync)
    again = toy.run(tmp_path / "part", training)
    assert toy.events(again.log, "resume")[0]["update"] == 4
    assert toy.same(again.weights, whole.weights)


def test_a_log_that_cannot_be_written_is_named(toy, tmp_path):
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"log.jsonl: no room left on the disk"):
        toy.run(tmp_path, toy.training())


def test_the_state_is_saved_as_often_as_told_and_the_last_two_are_kept(toy, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(loop, "save_snapshot", lambda *arguments: saved.append(arguments[-1].update))
    toy.run(tmp_path / "a", toy.training(save_every=4))
    assert saved == [4, 8, 10]
    saved.clear()
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    toy.run(tmp_path / "b", toy.training())
    assert saved == [*range(1, 11), 10]
    monkeypatch.undo()
    toy.run(tmp_path / "c", toy.training(save_every=1))
    assert sorted(path.name for path in (tmp_path / "c" / "checkpoints").iterdir()) == [
        "state-000000009.safetensors",
        "state-000000010.safetensors",
    ]


def test_what_a_killed_save_left_is_swept(toy, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".partial-x").write_bytes(b"half")
    toy.run(tmp_path, toy.training())
    assert not list(tmp_path.glob("checkpoints/.partial-*"))


def test_a_signal_is_noted_and_the_second_interrupt_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with Signals() as signals:
        assert signals.received == 0
        signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert str(Interrupted(signal.SIGTERM)) == "stopped by SIGTERM; the same command goes on from here"
