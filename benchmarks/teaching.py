"""A training text translated by a model: shard by shard, by several processes at a time.

    python benchmarks/teaching.py MODEL DEVICE SHARD …

is one of these processes; `translations` starts them. A step of decoding launches hundreds of small kernels
from one core, and search keeps its books there, so that one process alone can leave a GPU idle most of the
time.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from machines import end_with_input

from litetransformer.core.cores import usable_cores
from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, sha256, sweep_partial, write_json

SHARD = 1 << 18
"""Characters of a shard: a few batches, and so seconds of a GPU's work that a killed call loses."""
BATCH_TOKENS = 65_536
"""Tokens that each process searches at once on a GPU; fewer would take more steps, each as long as before."""
MOST = 8
"""Processes that share a GPU unless told: more would leave each too little of it."""


def usual_processes(device: str) -> int:
    """How many processes translate on `device` unless told: on a CPU one, which can use all its cores."""
    return max(1, min(MOST, usable_cores() // 2)) if device == "cuda" else 1


def translations(
    sources: Sequence[str], model: Path, folder: Path, *, device: str, processes: int
) -> list[str]:
    """What the model in the folder `model` makes of each of `sources`, in order, by its own search.

    Equal sources are translated once. Each shard is written to `folder` as it is done, in one step, and one
    that is there is not made again: `folder` is for one model, and for one call at a time. No process
    outlives the caller, however that ends.

    Raises InputError where processes ended with shards undone: those of the others are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep_partial(folder)
    for path in folder.glob("*.taken"):
        path.unlink()
    shards = {}
    for texts in _cut(sources):
        # Named by what is in it: where the text has changed, nothing old is taken.
        path = folder / f"{sha256(json.dumps(texts).encode())[:16]}.source"
        shards[path] = texts
        if not path.is_file():
            write_json(path, texts)
    if lacking := [path for path in shards if not _written(path).is_file()]:
        _translate(model, shards, lacking, device=device, processes=min(processes, len(lacking)))
    known: dict[str, str] = {}
    for path, texts in shards.items():
        known.update(zip(texts, read_json(_written(path)), strict=True))
    return [known[source] for source in sources]


def _cut(sources: Sequence[str]) -> Iterator[list[str]]:
    """Shards of different sources, those of about equal length together, the longest first."""
    shard: list[str] = []
    length = 0
    for text in sorted(dict.fromkeys(sources), key=len, reverse=True):
        if shard and length + len(text) > SHARD:
            yield shard
            shard, length = [], 0
        shard.append(text)
        length += len(text) + 1
    if shard:
        yield shard


def _written(shard: Path) -> Path:
    return shard.with_suffix(".target")


def _translate(
    model: Path, shards: dict[Path, list[str]], lacking: list[Path], *, device: str, processes: int
) -> None:
    """Start the processes, tell how far they are, and wait for them."""
    import torch

    # On a CPU each process has its share of the caller's threads. A GPU leaves small things to the CPU, for
    # which threads would wait for each other longer than they work.
    threads = max(1, torch.get_num_threads() // processes) if device == "cpu" else 1
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, str(model), device, *map(str, lacking)]
    receiver, sender = os.pipe()
    started = []
    with contextlib.ExitStack() as ends, os.fdopen(receiver) as finished:
        with os.fdopen(sender, "w") as out:
            # Plain processes: a worker of a pool, which may be the caller, can't have multiprocessing's.
            for _ in range(processes):
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, env=environment)
                # Leaving it closes its input, at which it ends, and waits for that.
                started.append(ends.enter_context(process))
        _tell(finished, shards, lacking)
        codes = [process.wait() for process in started]
    if left := [path for path in lacking if not _written(path).is_file()]:
        raise InputError(
            f"{len(left)} of {len(shards)} shards lack: of {processes} processes that translated, "
            f"{sum(code != 0 for code in codes)} failed",
            path=lacking[0].parent,
            remedy="run it again, which goes on from there, with fewer --teachers if memory was short",
        )


def _tell(finished: Iterable[str], shards: dict[Path, list[str]], lacking: list[Path]) -> None:
    """Say how far it is at each line of `finished` that names a shard; it ends with the last process."""
    characters = {str(path): 1 + sum(map(len, shards[path])) for path in lacking}
    began, lines, done, count = time.monotonic(), 0, 0, len(shards) - len(lacking)
    whole = sum(characters.values())
    for line in finished:
        if (name := line.rstrip("\n")) not in characters:
            continue
        count, lines, done = count + 1, lines + len(shards[Path(name)]), done + characters[name]
        seconds = time.monotonic() - began
        print(
            f"taught: shard {count} of {len(shards)}, {lines / seconds:,.0f} lines a second, "
            f"{seconds * (whole - done) / done:,.0f} s left",
            flush=True,
        )


def main(arguments: list[str]) -> None:
    """One process: translate each shard that no other has taken, write the result beside it, and name it."""
    end_with_input()
    # Ctrl-C reaches the whole process group; only the caller is to answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from litetransformer.tasks.text_to_text import tokens_at_once
    from litetransformer.tasks.translator import load

    model, device, *shards = arguments
    translator = load(model, device=device)
    tokens = min(BATCH_TOKENS, tokens_at_once(translator.device))
    for path in map(Path, shards):
        try:
            path.with_suffix(".taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        write_json(_written(path), translator.translate(read_json(path), batch_tokens=tokens))
        # One write: all processes share the pipe, and parts of their lines would mix.
        os.write(sys.stdout.fileno(), f"{path}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
