"""Training in several processes at once: how they come together, take turns, add up and end together.

Each process, a rank, has the whole model and its share of every batch; rank 0 alone writes. Importing this
module imports no torch: the command line asks first whether there are several processes at all.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from litetransformer.core.errors import InputError
from litetransformer.train.signals import Interrupted

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process; another launcher may set the same."""
CONNECT = timedelta(minutes=5)
"""How long processes wait for the others to come."""
PATIENCE = timedelta(minutes=30)
"""How long one waits for the others in the middle of an update, as long as all of them are alive."""
PARTING = 10.0
"""Seconds that a rank which is done waits for what the others still do."""
LOST = "another process of this training has ended, or is out of reach"
RESUME = "if it has an error it tells it; the same command goes on from the last checkpoint"
_GONE = "gone"


def launched() -> bool:
    """Whether a launcher such as torchrun has started this process and others to train together."""
    return all(name in os.environ for name in LAUNCHER) and int(os.environ["WORLD_SIZE"]) > 1


class Ranks:
    """This process among those that train together. On its own, everything happens at once and costs nothing.

    All ranks make the same calls in the same order. Whatever waits for another rank ends with InputError when
    one of them has ended.
    """

    def __init__(
        self, rank: int = 0, world: int = 1, local_rank: int = 0, local_world: int = 1, store: Any = None
    ) -> None:
        self.rank, self.world, self.local_rank, self.local_world = rank, world, local_rank, local_world
        self.first = rank == 0
        self._store, self._turn = store, 0
        self._asked: tuple[Any, Tensor] | None = None

    @property
    def machines(self) -> int:
        """How many machines there are, if all have as many processes as this one."""
        return -(-self.world // self.local_world)

    def device(self, device: "torch.device") -> "torch.device":
        """The device of this rank, where `device` is that of a process on its own."""
        import torch

        if self.world == 1 or device.type != "cuda":
            return device
        if self.local_rank >= (count := torch.cuda.device_count()):
            raise InputError(
                f"{self.local_world} processes on this machine for {count} GPUs",
                path="--nproc-per-node",
                remedy=f"start {count}, or use --device cpu",
            )
        # Some of PyTorch goes by the current device, whatever device a tensor names.
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def devices(self, device: "torch.device") -> "list[torch.device]":
        """Where the ranks of this machine compute, when `device` is where this one does."""
        import torch

        if device.type != "cuda" or self.world == 1:
            return [device] * self.local_world
        return [torch.device("cuda", number) for number in range(self.local_world)]

    def ahead(self, work: Callable[[], T]) -> T:
        """What `work` gives here: rank 0 does it ahead of the others, which may find it done."""
        if self.world == 1:
            return work()
        name = self._next_turn()
        if not self.first:
            self._wait(name)
        result = work()
        if self.first:
            self._store.set(name, "")
        return result

    def by_first(self, work: Callable[[], T]) -> T:
        """What `work` gives on rank 0, which alone does it: JSON. The others wait, as long as it takes."""
        if self.world == 1:
            return work()
        name = self._next_turn()
        if not self.first:
            found: T = json.loads(self._wait(name))
            return found
        result = work()
        self._store.set(name, json.dumps(result))
        return result

    def add_up(self, tensor: "Tensor") -> None:
        """Replace `tensor` by its sum over all ranks, the same bits on each."""
        if self.world > 1:
            import torch.distributed as dist

            with _lost():
                dist.all_reduce(tensor)

    def share(self, tensors: "Iterable[Tensor]") -> None:
        """Give all ranks the values that `tensors` have on rank 0."""
        if self.world > 1:
            import torch.distributed as dist

            with _lost():
                for tensor in tensors:
                    dist.broadcast(tensor.detach(), 0)

    def agree(self, what: str, number: int) -> None:
        """Go on once all ranks are here and `number` is the same on all; InputError where it is not."""
        if self.world > 1:
            highest, negative = self._highest([number, -number])
            if highest != -negative:
                raise InputError(
                    f"the processes of this training do not find the same {what}",
                    field="--out",
                    remedy="name a folder that all machines share",
                )

    def heard(self, number: int, *, now: bool = False) -> int:
        """The highest `number` that any rank gave in the call before this one; with `now`, in this one.

        So nobody waits for the answer, which travels while the next update is made.
        """
        if self.world == 1:
            return number
        asked, self._asked = self._asked, None if now else self._ask([number])
        before = self._answer(asked)[0] if asked is not None else 0
        return max(before, self._highest([number])[0]) if now else before

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """End this process within half a minute of another's end, even while it is stuck in an update."""
        if self.world == 1:
            yield
            return
        from litetransformer.train.pulse import Pulse

        # The store of the group is held while a rank waits in it: a pulse needs a connection of its own.
        with Pulse(_connect(), self.rank, self.world, _GONE, f"{LOST}; {RESUME}"):
            yield

    def end(self, *, together: bool) -> None:
        """Leave the others: once all are here, or telling them that this rank can't go on."""
        import torch.distributed as dist

        # Whoever is gone already has told why. Who holds the store may be gone as soon as all are here.
        with contextlib.suppress(RuntimeError):
            if together:
                self._store.add("ended", 1)
                until = time.monotonic() + PARTING
                while self._store.add("ended", 0) < self.world and time.monotonic() < until:
                    time.sleep(0.02)
            else:
                self._store.set(_GONE, str(self.rank))
        # Threads of gloo still at work when Python ends would abort the process, and NCCL may wait for
        # ever for those who are gone.
        if together or (dist.get_backend() == "gloo" and self._idle()):
            dist.destroy_process_group()

    def _idle(self) -> bool:
        """Whether nothing is under way any more, as soon as that is so, or when it has been waited for."""
        until = time.monotonic() + PARTING
        while self._asked is not None and time.monotonic() < until:
            if self._asked[0].is_completed():
                self._asked = None
            time.sleep(0.02)
        return self._asked is None

    def _next_turn(self) -> str:
        self._turn += 1
        return f"turn {self._turn}"

    def _wait(self, name: str) -> str:
        """What rank 0 has set under `name`, asked for now and then: no time-out, and signals get through."""
        with _lost():
            while not self._store.check([name]):
                if self._store.check([_GONE]) and not self._store.check([name]):
                    raise InputError(LOST, remedy=RESUME)
                time.sleep(0.05)
            return str(self._store.get(name).decode())

    def _highest(self, numbers: list[int]) -> list[int]:
        return self._answer(self._ask(numbers))

    def _ask(self, numbers: list[int]) -> "tuple[Any, Tensor]":
        import torch
        import torch.distributed as dist

        asked = torch.tensor(numbers)
        with _lost():
            return dist.all_reduce(asked, dist.ReduceOp.MAX, async_op=True), asked

    def _answer(self, asked: "tuple[Any, Tensor]") -> list[int]:
        work, numbers = asked
        with _lost():
            work.wait()
        found: list[int] = numbers.tolist()
        return found


ALONE = Ranks()
"""One process on its own."""


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that a launcher has started, joined while the block runs; without one, this process alone.

    When the block ends in one of them with an error, the others end too.
    """
    if not launched():
        yield ALONE
        return
    import torch
    import torch.distributed as dist

    rank, world, local_rank, local_world = (int(os.environ[name]) for name in LAUNCHER[:4])
    with _lost():
        store = _connect()
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)
    ranks = Ranks(rank, world, local_rank, local_world, store)
    try:
        yield ranks
    except Interrupted as error:
        # All ranks have agreed to stop, and one line says so.
        ranks.end(together=True)
        if ranks.first:
            raise
        raise SystemExit(128 + error.number) from error
    except BaseException:
        ranks.end(together=False)
        raise
    ranks.end(together=True)


def _connect() -> Any:
    """A new connection to the store where the processes find each other."""
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(iter(rendezvous("env://", timeout=CONNECT)))
    # After a restart torchrun may offer the same store again, with what the processes before left there.
    return dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    """Say in one line that the others are gone, which PyTorch says in many."""
    try:
        yield
    except RuntimeError as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{LOST} ({first})", remedy=RESUME) from error
