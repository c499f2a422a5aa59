"""The one exception for mistakes that the user can mend."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """Something the user gave is wrong: it prints as ``FILE[:LINE][:FIELD]: what; remedy``.

    The command line shows exactly this line after ``error: `` and nothing else, so `what` names the value
    and the rule that it breaks, and `remedy` says what to do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        remedy: str = "",
        path: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.what, self.remedy = what, remedy
        self.path = None if path is None else str(path)
        self.line, self.field = line, field
        super().__init__(str(self))

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.field) if part is not None)
        message = f"{place}: {self.what}" if place else self.what
        message = f"{message}; {self.remedy}" if self.remedy else message
        # A file name or a value may hold line breaks or terminal codes; the contract is one line of text.
        return "".join(
            character if character.isprintable() else ascii(character)[1:-1] for character in message
        )


class MissingExtraError(InputError):
    """A feature needs a package that only an extra of this package brings."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{feature} needs the extra {extra!r}", remedy=f"pip install 'litetransformer[{extra}]'"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy that suggests the known name closest to `name`, or lists what there is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"one of: {', '.join(names)}" if names else "there are none"
