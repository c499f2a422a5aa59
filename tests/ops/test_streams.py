"""Branches on streams of their own: the same results, each reading what is there, as long as it is there."""

import contextlib
import copy
import subprocess
import sys

import pytest
import torch

from litetransformer.layers.sublayer import Sublayer
from litetransformer.models import spec as specs
from litetransformer.ops import streams
from litetransformer.ops.kernels import seeds_drawn_at_once
from litetransformer.ops.streams import overlapping_branches, run_branches

WIDTH = 32
ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="streams are a CUDA device's")
# The thread of backward greets cuBLAS first.
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to run cuBLAS")


class Device:
    """Stands for a GPU's streams: what is asked of them goes into `log`."""

    def __init__(self, patch):
        self.log, self.here = [], Stream(self, "own")
        self.made = 0
        patch.setattr(streams, "trains_on_gpu", lambda tensor: torch.is_grad_enabled())
        patch.setattr(streams, "_streams", {})
        patch.setattr(torch.cuda, "current_stream", lambda device: self.here)
        patch.setattr(torch.cuda, "Stream", self.stream)
        patch.setattr(torch.cuda, "stream", self.on)
        patch.setattr(
            torch.Tensor,
            "record_stream",
            lambda tensor, stream: self.log.append(("keep", tensor, stream.name)),
        )

    def stream(self, device):
        self.made += 1
        return Stream(self, f"side {self.made}")

    @contextlib.contextmanager
    def on(self, stream):
        before, self.here = self.here, stream
        yield
        self.here = before

    def branch(self, tensor):
        def run():
            self.log.append(("run", tensor, self.here.name))
            return tensor

        return run


class Stream:
    def __init__(self, device, name):
        self.device, self.name = device, name

    def record_event(self):
        self.device.log.append(("event", self.name))
        return "event"

    def wait_event(self, event):
        self.device.log.append(("wait for event", self.name))

    def wait_stream(self, other):
        self.device.log.append((self.name, "waits for", other.name))


@pytest.fixture
def device(monkeypatch):
    return Device(monkeypatch)


def test_the_second_branch_waits_for_what_it_reads_and_is_waited_for(device):
    x, first, second = torch.zeros(1), torch.zeros(2), torch.zeros(3)
    with overlapping_branches():
        found = run_branches([device.branch(first), device.branch(second)], [x, None])
    assert found[0] is first
    assert found[1] is second
    assert device.log == [
        ("event", "own"),
        ("run", first, "own"),
        ("wait for event", "side 1"),
        ("keep", x, "side 1"),
        ("run", second, "side 1"),
        ("own", "waits for", "side 1"),
        ("keep", second, "own"),
    ]


def test_streams_are_made_once_and_each_further_branch_has_its_own(device):
    x = torch.zeros(1)
    with overlapping_branches():
        for _ in range(3):
            run_branches([device.branch(x)] * 3, [x])
    assert [entry[2] for entry in device.log if entry[0] == "run"] == ["own", "side 1", "side 2"] * 3
    assert device.made == 2


def test_by_default_there_is_one_stream_and_a_setting_ends_with_its_block(device):
    x = torch.zeros(1)
    with pytest.raises(KeyError), overlapping_branches():
        raise KeyError
    run_branches([device.branch(x)] * 2, [x])
    with overlapping_branches(), overlapping_branches(False):
        run_branches([device.branch(x)] * 2, [x])
    with overlapping_branches(), torch.no_grad():
        run_branches([device.branch(x)] * 2, [x])
    assert device.log == [("run", x, "own")] * 6


def mixer(device) -> Sublayer:
    lsra = specs.LongShort(specs.Attention(heads=4, dropout=0.1), specs.LightConv(heads=4, dropout=0.1))
    layer = specs.EncoderLayer(lsra, specs.FeedForward(WIDTH))
    return layer.build(WIDTH, causal=False, dropout=0.1, norm="post").to(device)


def gradients(module, x, pad, wanted):
    # Leaves remember the stream that they were first used on, so each pass has its own.
    module, x = copy.deepcopy(module), x.detach().requires_grad_()
    with overlapping_branches(wanted):
        out = module(x, pad)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), [x, *module.parameters()])]


def inputs(device):
    x = torch.randn(8, 24, WIDTH, device=device, requires_grad=True)
    pad = torch.arange(24, device=device) >= torch.arange(17, 25, device=device)[:, None]
    return x, pad


def test_elsewhere_the_setting_changes_nothing():
    module, (x, pad) = mixer("cpu").eval(), inputs("cpu")
    for one, other in zip(gradients(module, x, pad, True), gradients(module, x, pad, False), strict=True):
        assert torch.equal(one, other)


TRACED = """
import torch
from litetransformer.models.spec import Attention, LightConv, LongShort
from litetransformer.ops.streams import overlapping_branches

module = LongShort(Attention(), LightConv()).build(16, causal=False)
x = torch.randn(2, 5, 16, requires_grad=True)
compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
with overlapping_branches():
    exported = torch.export.export(module, (x,)).module()
    found = [torch.autograd.grad(run(x).square().sum(), x)[0] for run in (compiled, exported, module)]
torch.testing.assert_close(found[0], found[2])
torch.testing.assert_close(found[1], found[2])
"""


@pytest.mark.slow
def test_a_compiler_and_an_export_trace_through():
    # In a process of its own: the shape checks of this one are nothing that a compiler could trace.
    subprocess.run([sys.executable, "-c", TRACED], check=True)


@pytest.mark.gpu
@ON_GPU
def test_on_a_gpu_results_are_the_same_and_so_is_dropout():
    module, (x, pad) = mixer("cuda"), inputs("cuda")
    found = []
    for wanted in (False, True, True):
        torch.manual_seed(1)
        with seeds_drawn_at_once(x.device):
            found.append(gradients(module, x, pad, wanted))
    for other in found[1:]:
        for one, again in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, again)


@pytest.mark.gpu
@ON_GPU
def test_on_a_gpu_a_recorded_step_is_the_same():
    module, (x, pad) = mixer("cuda").eval(), inputs("cuda")
    expected = gradients(module, x, pad, False)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        gradients(module, x, pad, True)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        found = gradients(module, x, pad, True)
    for _ in range(3):
        graph.replay()
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)
