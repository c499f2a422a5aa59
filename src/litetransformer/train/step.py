"""One update of the weights: gradients of a few batches, clipped, applied."""

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from litetransformer.core.cores import usable_cores
from litetransformer.core.errors import InputError
from litetransformer.data.batching import TrainingBatch
from litetransformer.models.model import Model
from litetransformer.ops.compiling import can_compile_together, compiled_together
from litetransformer.ops.streams import overlapping_branches
from litetransformer.train.distributed import ALONE, Ranks
from litetransformer.train.flat_adam import flat_adam
from litetransformer.train.recipe import Training
from litetransformer.train.working import WorkingCopy


class Step:
    """Applies updates to a model and sums their losses on its device, without waiting for it.

    On the CPU a gradient that is not finite raises before the weights change. On a GPU asking would stall the
    device, so such an update is skipped there and `read` raises. Either way the error names the first such
    update and where its batches came from.

    Of several ranks each has its own rows of every batch. Their gradients and losses are added up once an
    update, between the last batch and the change of the weights, and divided by the tokens of all.

    A GPU spends more time on being told what to do than on doing it for models of this size. So the work on
    each batch shape is recorded once there, as a CUDA graph, and replayed (`_Recorder`).
    """

    def __init__(
        self,
        model: Model,
        optimizer: torch.optim.Optimizer,
        training: Training,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.optimizer, self.training, self.device = model, optimizer, training, device
        on_gpu = device.type == "cuda"
        self.bf16 = training.precision == "bf16" or (training.precision == "auto" and on_gpu)
        self.working = WorkingCopy(model) if self.bf16 and on_gpu else None
        self.parameters = list(model.parameters()) if self.working is None else self.working.parameters
        self.flat = None if self.working is None else flat_adam(optimizer, self.working)
        self.loss = torch.zeros((), dtype=torch.float32 if on_gpu else torch.float64, device=device)
        self.first_bad = torch.full((), -1, dtype=torch.long, device=device)
        # What changes from update to update lives on the device: a recorded graph can't take new numbers.
        self.update = torch.zeros((), dtype=torch.long, device=device)
        self.tokens = torch.ones((), device=device)
        self.recorder = _Recorder() if on_gpu else None
        self.places: dict[int, str] = {}
        self.ranks = ranks
        self.added = _in_one(self.parameters, self.working)
        # What this update's batches lose here: where there are other ranks, beside the gradients.
        self.own_loss = self.loss if ranks.world == 1 else self.added[-1]

    def compile_for(self, batches: Iterable[TrainingBatch], stop: Callable[[], bool] = lambda: False) -> int:
        """Compile what updates from batches like these need, all of it at once; how many kernels that were.

        Nothing else changes. Without it each kernel is compiled when the first update comes to it, while the
        GPU waits. That is so anyway where Triton can't tell what it would compile, and for kernels that were
        not begun when `stop` returned true. On the CPU there are none, and no batch is asked for.
        """
        if self.recorder is None or not can_compile_together():
            return 0
        loss, stream = self.loss.clone(), self.recorder.stream
        # The ranks of a machine share its cores.
        threads = max(1, usable_cores() // self.ranks.local_world)
        stream.wait_stream(torch.cuda.current_stream())
        self.model.train()
        with torch.cuda.stream(stream), compiled_together(threads, stop) as kernels:
            for batch in batches:
                with self._branching():
                    self._accumulate(*batch.to(self.device).tensors)
        torch.cuda.current_stream().wait_stream(stream)
        # What was computed without those kernels means nothing.
        self.added.zero_()
        self.loss.copy_(loss)
        if self.working is not None:
            # Pinned for recordings that don't follow.
            self.working.collector.spare.clear()
        return len(kernels)

    def __call__(self, batches: Sequence[TrainingBatch], update: int, place: str = "") -> None:
        """Make update number `update` from `batches`; `place` says which they are, for an error."""
        self.places[update] = place
        # Dropout follows the update's number and the rank alone: a resumed run draws what it would have.
        # The CPU's generator takes 32 bits of a seed; the factor keeps the ranks far apart in them.
        torch.manual_seed(self.training.seed * 1_000_003 + update + self.ranks.rank * 0x9E3779B1)
        self.model.train()
        self.update.fill_(update)
        self.tokens.fill_(sum(batch.all_tokens for batch in batches))
        rate = self.training.schedule.rate(update)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        flat = self.working is not None and self.flat is not None and self.flat.ready()
        if self.working is not None and not flat:
            self._run(self.working.refresh, ())
        for batch in batches:
            self._run(self._accumulate, batch.tensors)
        if self.ranks.world > 1:
            self.ranks.add_up(self.added)
        self._run(self._apply_flat if flat else self._apply, ())

    def read(self) -> float:
        """The training loss since the last reading, a sum in bits; InputError if it was not finite."""
        bad = int(self.first_bad)
        if bad >= 0:
            raise self._not_finite(bad)
        self.places.clear()
        total = float(self.loss)
        self.loss.zero_()
        return total

    def _run(self, work: Callable[..., None], inputs: tuple[Tensor, ...]) -> None:
        if self.recorder is None:
            work(*inputs)
        else:
            with self._branching():
                self.recorder(work, inputs)

    def _branching(self) -> contextlib.AbstractContextManager[None]:
        # Autograd that adds up leaves' gradients itself expects all of them on one stream.
        return contextlib.nullcontext() if self.working is None else overlapping_branches()

    def _accumulate(self, *batch: Tensor) -> None:
        training, find = self.training, self.model.loss if self.working is None else self.working.loss
        # The cache of cast weights would outlive a recording, so casts are made anew each time.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            loss = find(*batch, smoothing=training.label_smoothing, consistency=training.consistency)
        if self.working is None:
            (loss / self.tokens).backward()
        else:
            self.working.add_gradient(loss / self.tokens, self.added[:-1])
        self.own_loss += loss.detach() / math.log(2)

    def _apply(self) -> None:
        if self.ranks.world > 1:
            self.loss += self.own_loss
        gradients = self.added[:-1]
        norm = torch.linalg.vector_norm(gradients)
        if self.training.clip:
            gradients *= (self.training.clip / (norm + 1e-6)).clamp(max=1.0)
        if self.recorder is None:
            if not norm.isfinite():
                raise self._not_finite(int(self.update))
        else:
            bad = ~norm.isfinite()
            self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
            self.first_bad.copy_(torch.where(bad & (self.first_bad < 0), self.update, self.first_bad))
        self.optimizer.step()
        self.added.zero_()

    def _apply_flat(self) -> None:
        assert self.flat is not None
        if self.ranks.world > 1:
            self.loss += self.own_loss
            self.own_loss.zero_()
        self.flat.update(self.added[:-1], self.update, self.first_bad, self.training.clip)

    def _not_finite(self, update: int) -> InputError:
        place = f" ({found})" if (found := self.places.get(update)) else ""
        return InputError(
            f"the gradient of update {update}{place} is not finite",
            field="training",
            remedy="lower train.schedule.peak or set train.clip; the last checkpoint is good",
        )


def _in_one(parameters: Sequence[nn.Parameter], working: WorkingCopy | None) -> Tensor:
    """One tensor of all gradients, which are views of it from now on, and a last element for the loss."""
    sizes = [parameter.numel() for parameter in parameters]
    added = parameters[0].new_zeros((sum(sizes) if working is None else working.length) + 1)
    places = added[:-1].split(sizes) if working is None else working.places(added[:-1])
    for parameter, place in zip(parameters, places, strict=True):
        parameter.grad = place.view_as(parameter)
    return added


class _Recorder:
    """Runs work on the GPU: eagerly for its first input shapes, then recorded, from then on replayed.

    The first run is real work and warms up what may not happen during a recording (allocations, handles, the
    optimiser's state). All graphs share one pool of memory, as they never run at the same time.
    """

    def __init__(self) -> None:
        self.seen: set[object] = set()
        self.graphs: dict[object, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]] = {}
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()

    def __call__(self, work: Callable[..., None], inputs: tuple[Tensor, ...]) -> None:
        key = (work.__name__, *(tensor.shape for tensor in inputs))
        if key not in self.seen:
            self.seen.add(key)
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                work(*(tensor.to("cuda", non_blocking=True) for tensor in inputs))
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if key not in self.graphs:
            fixed = tuple(tensor.to("cuda") for tensor in inputs)
            graph = torch.cuda.CUDAGraph()
            # Only this thread is recorded: another one may be pinning memory for the next batches.
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                work(*fixed)
            self.graphs[key] = (graph, fixed)
        graph, fixed = self.graphs[key]
        for place, tensor in zip(fixed, inputs, strict=True):
            place.copy_(tensor, non_blocking=True)
        graph.replay()
