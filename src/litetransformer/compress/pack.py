"""A model in one file: its small files and its tensors, quantized ones entropy-coded.

Section of a quantized tensor: the values of each group (or its scales, single precision, and zeros, a byte
each), the frequencies of all codes but the last (16 bits each; none if they are flat), the codes' words.
Zeros need no runs of their own: of a code that nine weights in ten have, each costs 0.15 bits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from litetransformer.compress import container, entropy
from litetransformer.compress.character_map import character_map, taken_out
from litetransformer.compress.container import Contents, FileEntry, TensorEntry
from litetransformer.compress.quantize import Affine, Precision, Quantized, group_count
from litetransformer.core.errors import InputError

_TYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}
_FREQUENCY = np.dtype("<u2")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plain:
    """Weights as they are, rounded to `precision`."""

    weights: Tensor
    precision: Precision = "float32"

    def dequantize(self) -> Tensor:
        """The weights as the file will hold them, in single precision."""
        return self.weights.detach().cpu().to(getattr(torch, self.precision)).float()


Packable: TypeAlias = Quantized | Plain


def to_bytes(files: Mapping[str, bytes], tensors: Mapping[str, Packable]) -> bytes:
    """The file that holds all of these, in their order; equal input gives equal bytes."""
    entries, sections = [], []
    for name, content in files.items():
        rest, rule, at = taken_out(content) if name.endswith(".model") else (content, "", 0)
        sections.append(container.packed(rest))
        entries.append(FileEntry(name=name, size=len(content), stored=len(sections[-1]), rule=rule, at=at))
    coded = [_section(name, tensor) for name, tensor in tensors.items()]
    contents = Contents(files=tuple(entries), tensors=tuple(entry for entry, _ in coded))
    return container.to_bytes(contents, [*sections, *(section for _, section in coded)])


def section_bytes(tensor: Packable) -> int:
    """How many bytes of the file a tensor takes, its name and shape not counted."""
    return len(_section("", tensor)[1])


class Pack:
    """A packed file that was read and checked; its tensors are decoded when they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents, self._sections = container.read(path)
        self._entries = {entry.name: entry for entry in self.contents.tensors}

    def file(self, name: str) -> bytes:
        """The content of a file; InputError where it is missing or is not what the header says."""
        entry = next((file for file in self.contents.files if file.name == name), None)
        if entry is None:
            raise InputError("missing", path=self.path, field=name, remedy="restore the file from a copy")
        section, left_out = bytes(self._sections[name]), character_map(entry.rule) if entry.rule else b""
        try:
            rest = container.unpacked(section, entry.size - len(left_out))
            return rest[: entry.at] + left_out + rest[entry.at :]
        except ValueError as error:
            remedy = "install the version of sentencepiece that it was written with" if left_out else ""
            raise InputError(str(error), path=self.path, field=name, remedy=remedy) from error

    def outline(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, without decoding any."""
        return {entry.name: entry.shape for entry in self.contents.tensors}

    def tensors(self) -> Iterator[tuple[str, Packable]]:
        """Each tensor by its name, as it was packed; InputError naming one that cannot be."""
        for name in self._entries:
            yield name, self.tensor(name)

    def tensor(self, name: str) -> Packable:
        """One tensor, as it was packed."""
        try:
            return _tensor(self._entries[name], bytes(self._sections[name]))
        except ValueError as error:
            raise InputError(str(error), path=self.path, field=name) from error

    def dequantized(self) -> dict[str, Tensor]:
        """The weights by name, in single precision."""
        return {name: tensor.dequantize() for name, tensor in self.tensors()}


def _section(name: str, tensor: Packable) -> tuple[TensorEntry, bytes]:
    if isinstance(tensor, Plain):
        array = tensor.dequantize().numpy().astype(_TYPES[tensor.precision])
        entry = TensorEntry(name=name, shape=array.shape, kind=tensor.precision, stored=array.nbytes)
        return entry, array.tobytes()
    levels = tensor.values.shape[1]
    table = _values(tensor)
    own, even = entropy.frequencies(tensor.codes, levels), entropy.flat(levels)
    choices = {
        False: own[:-1].astype(_FREQUENCY).tobytes() + entropy.encode(tensor.codes, own),
        True: entropy.encode(tensor.codes, even),
    }
    flat = len(choices[True]) < len(choices[False])
    section = table + choices[flat]
    entry = TensorEntry(
        name=name,
        shape=tensor.codes.shape,
        kind="codebook" if tensor.affine is None else "affine",
        stored=len(section),
        levels=levels,
        rows=tensor.rows,
        precision=tensor.precision,
        flat=flat,
    )
    return entry, section


def _values(tensor: Quantized) -> bytes:
    if tensor.affine is None:
        return tensor.values.astype(_TYPES[tensor.precision]).tobytes()
    return tensor.affine.scale.astype(_TYPES["float32"]).tobytes() + tensor.affine.zero.tobytes()


def _tensor(entry: TensorEntry, section: bytes) -> Packable:
    """The tensor of a section; ValueError where the section is not one of this entry."""
    if entry.kind in _TYPES:
        kind = _TYPES[entry.kind]
        if len(section) != entry.count * kind.itemsize:
            raise ValueError(f"has {len(section)} bytes for {entry.count} weights")
        array = np.frombuffer(section, kind).astype(np.float32).reshape(entry.shape)
        _check_finite(array)
        return Plain(weights=torch.from_numpy(array), precision=entry.kind)  # type: ignore[arg-type]
    groups = group_count(entry.shape, entry.rows)
    width = 5 if entry.kind == "affine" else entry.levels * _TYPES[entry.precision].itemsize
    frequencies = 0 if entry.flat else (entry.levels - 1) * _FREQUENCY.itemsize
    words = len(section) - groups * width - frequencies
    if words < 0 or words % entropy.WORD.itemsize or (entry.kind == "affine" and entry.levels != 256):
        raise ValueError(f"has {len(section)} bytes, which are none of its kind")
    plan, values = _read_values(entry, section[: groups * width], groups)
    found = np.frombuffer(section, _FREQUENCY, frequencies // _FREQUENCY.itemsize, groups * width)
    freq = entropy.flat(entry.levels)
    if not entry.flat:
        freq = np.append(found, 0).astype(np.int64)
        freq[-1] = entropy.TOTAL - freq.sum()
        if not 0 <= freq[-1] < entropy.TOTAL:
            raise ValueError("its frequencies do not add up")
    codes = entropy.decode(section[len(section) - words :], freq, entry.count).reshape(entry.shape)
    return Quantized(codes=codes, values=values, rows=entry.rows, precision=entry.precision, affine=plan)


def _read_values(
    entry: TensorEntry, table: bytes, groups: int
) -> tuple[Affine | None, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    if entry.kind == "affine":
        scale = np.frombuffer(table, _TYPES["float32"], groups).astype(np.float32)
        zero = np.frombuffer(table, np.uint8, groups, scale.nbytes)
        _check_finite(scale)
        plan = Affine(scale=scale, zero=zero)
        with np.errstate(over="ignore"):
            values = plan.values()
        _check_finite(values)
        return plan, values
    values = np.frombuffer(table, _TYPES[entry.precision]).astype(np.float32).reshape(groups, entry.levels)
    _check_finite(values)
    return None, values


def _check_finite(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    if not np.isfinite(values).all():
        raise ValueError("holds NaN or infinite weights")
