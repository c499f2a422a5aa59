"""Tensors on disk: one safetensors file with its own SHA-256 inside.

safetensors alone loads flipped bits without a word. Here the header's metadata holds one JSON text, whose
``sha256`` is that of the whole file with those 64 digits as zeros: one file, written in one step, in which
every bit is guarded, the header's too.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from litetransformer.core.errors import InputError
from litetransformer.core.files import parse_json, write_atomically

_KEY = "litetransformer"
_UNSET = "0" * 64
_LARGEST_HEADER = 16 * 2**20
_PIECE = 2**22


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write `tensors` and `facts` (JSON values) to `path` in one step; equal input gives equal bytes."""
    import safetensors.torch

    text = json.dumps({"sha256": _UNSET, **facts}, ensure_ascii=True, allow_nan=False)
    plain = {name: tensor.detach().contiguous().cpu() for name, tensor in sorted(tensors.items())}
    content = bytearray(safetensors.torch.save(plain, {_KEY: text}))
    place = content.index(_UNSET.encode())
    content[place : place + 64] = hashlib.sha256(content).hexdigest().encode()
    write_atomically(path, bytes(content))


def read_facts(path: Path) -> dict[str, Any]:
    """The facts stored with the tensors, after the whole file has been checked.

    Raises InputError naming `path` for a file that is missing, cut, altered or not of this kind.
    """
    try:
        # Opening a pipe would wait for its other end.
        if not path.is_file():
            raise InputError("no such file", path=path)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
                raise InputError("not a safetensors file, or cut", path=path, remedy="restore it from a copy")
            header = file.read(length)
            described = parse_json(header.decode("utf-8", "replace"), path=path)
            facts = _facts(described, path)
            # A sparse file may be of any length, which reading it to its end would take.
            if _end(described) != size - 8 - length:
                what = "cut, or longer than its header says"
                raise InputError(what, path=path, remedy="restore it from a copy")
            stated = facts.pop("sha256")
            digest = hashlib.sha256(start + header.replace(stated.encode(), _UNSET.encode(), 1))
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise InputError(error.strerror or str(error), path=path) from error
    if digest.hexdigest() != stated:
        raise InputError("damaged: its checksum does not match", path=path, remedy="restore it from a copy")
    return facts


def _facts(header: Any, path: Path) -> dict[str, Any]:
    """The facts in a safetensors header, with a checksum that looks like one."""
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    text = metadata.get(_KEY) if isinstance(metadata, dict) else None
    facts = parse_json(text, path=path) if isinstance(text, str) else None
    if not isinstance(facts, dict) or not re.fullmatch("[0-9a-f]{64}", str(facts.get("sha256"))):
        raise InputError("holds no checksum", path=path, remedy="was another program its writer?")
    return facts


def _end(header: Mapping[str, Any]) -> int:
    """How many bytes the tensors of a safetensors header take; -1 where it says nothing sensible."""
    ends = [0]
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not isinstance(offsets, list) or [type(offset) for offset in offsets] != [int, int]:
            return -1
        if not 0 <= offsets[0] <= offsets[1]:
            return -1
        ends.append(offsets[1])
    return max(ends)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of `path`, checked as `read_facts` does."""
    import safetensors
    import safetensors.torch

    facts = read_facts(path)
    try:
        return safetensors.torch.load_file(path), facts
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"not a readable safetensors file ({error})", path=path) from error


def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy `weights` into the parameters of the same names; `check_tensors` says whether they fit."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError naming the tensor unless `found` has the names, shapes and finite values expected."""
    check_shapes({name: tuple(tensor.shape) for name, tensor in found.items()}, expected, path)
    for name in expected:
        if not found[name].is_floating_point():
            raise InputError(f"holds {found[name].dtype}, which are no weights", path=path, field=name)
        if not found[name].float().isfinite().all():
            raise InputError("holds NaN or infinite weights", path=path, field=name)


def check_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError naming the tensor unless `found` has the names and shapes expected."""
    for name, tensor in expected.items():
        if name not in found:
            raise InputError("missing", path=path, field=name, remedy="the file belongs to another model")
        if found[name] != tuple(tensor.shape):
            what = f"has the shape {found[name]}, not {tuple(tensor.shape)}"
            raise InputError(what, path=path, field=name, remedy="the file belongs to another model")
    for name in found:
        if name not in expected:
            raise InputError("unexpected", path=path, field=name, remedy="the file belongs to another model")
