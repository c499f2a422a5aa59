"""How an op picks one of its implementations, and how a caller forces one.

The choice depends on device, dtype and shape alone, so `torch.compile(fullgraph=True)` traces through it.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from litetransformer.core.errors import nearest

_forced: dict[str, str] = {}


class Op:
    """A function with one meaning and several implementations.

    `choose(*args)` names the implementation to run; each registers with `why_not(*args)`, which returns None
    where it can run and otherwise the reason, a sentence. The reference runs everywhere.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[..., Tensor],
        choose: Callable[..., str] = lambda *_, **__: "reference",
    ) -> None:
        self.name, self._choose = name, choose
        self.implementations: dict[str, Callable[..., Tensor]] = {"reference": reference}
        self.why_not: dict[str, Callable[..., str | None]] = {"reference": lambda *_, **__: None}

    def register(
        self, name: str, function: Callable[..., Tensor], why_not: Callable[..., str | None]
    ) -> None:
        """Add an implementation; `why_not` takes the op's arguments."""
        self.implementations[name] = function
        self.why_not[name] = why_not

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        """Run the chosen implementation; where one was forced, that one or an error."""
        name = _forced.get(self.name)
        if name is None:
            return self.implementations[self._choose(*args, **options)](*args, **options)
        reason = self.why_not[name](*args, **options)
        if reason is not None:
            raise ValueError(f"{self.name} was forced to {name!r}, which can't run here: {reason}")
        return self.implementations[name](*args, **options)


@contextlib.contextmanager
def use(op: Op, name: str) -> Iterator[None]:
    """Force `op` to one implementation inside the block; it raises where that one can't run."""
    if name not in op.implementations:
        raise ValueError(f"{op.name} has no implementation {name!r}; {nearest(name, op.implementations)}")
    before = _forced.get(op.name)
    _forced[op.name] = name
    try:
        yield
    finally:
        if before is None:
            del _forced[op.name]
        else:
            _forced[op.name] = before
