"""Kernels compiled together are those that launches find, and nothing is launched meanwhile."""

import gc

import pytest
import torch

from litetransformer.ops.compiling import can_compile_together, compiled_together
from litetransformer.train.step import Step

NEEDS = pytest.mark.skipif(
    not (can_compile_together() and torch.cuda.is_available()), reason="needs a GPU, and Triton 3.4"
)
GPU = torch.device("cuda")


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """The names of the kernels that were compiled so far, of which none is on disk or in memory."""
    import triton

    for one in gc.get_objects():
        if isinstance(one, triton.JITFunction):
            one.device_caches.clear()
    names = []
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(
        triton.knobs.runtime, "jit_post_compile_hook", lambda *, fn, **_: names.append(fn.name)
    )
    return names


@pytest.mark.gpu
@NEEDS
def test_a_kernel_is_compiled_once_at_the_end_and_found_by_its_next_launch(compiled):
    from litetransformer.ops.residual import triton_ops

    x, seed = torch.ones(64, device=GPU), torch.zeros(2, dtype=torch.long, device=GPU)[:1]
    with compiled_together(threads=2):
        for _ in range(2):
            triton_ops.add_dropped(x, x, seed, 0.0)
        assert compiled == []
    assert compiled == ["add"]
    torch.testing.assert_close(triton_ops.add_dropped(x, x, seed, 0.0), 2 * x)
    assert compiled == ["add"]


@pytest.mark.gpu
@NEEDS
def test_updates_are_those_that_compile_as_they_go(compiled, toy):
    training = toy.training()
    batches = [toy.batch_of(number).pinned() for number in range(3)]
    losses, weights = [], []
    for ahead in (True, False):
        model = toy.build().to(GPU)
        step = Step(model, training.optimizer.build(model), training, GPU)
        step.loss.fill_(3.0)
        if ahead:
            assert step.compile_for(batches) == len(compiled)
            assert (float(step.loss), step.added.any()) == (3.0, False)
            before = len(compiled)
            assert before
        for number, batch in enumerate(batches, start=1):
            step([batch], number)
        if ahead:
            # What changes the weights has only just been come to.
            assert len(compiled) - before <= 3
        losses.append(step.read())
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    torch.testing.assert_close(*weights, rtol=0, atol=2e-3)


def test_on_a_cpu_nothing_is_computed_ahead(toy):
    model, training = toy.build(), toy.training()
    step = Step(model, training.optimizer.build(model), training, torch.device("cpu"))
    assert step.compile_for(pytest.fail("asked for a batch") for _ in range(1)) == 0
