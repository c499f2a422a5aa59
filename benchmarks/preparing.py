"""How long preparing takes and how much memory, for corpora of several sizes, and so for planning epochs.

The corpus is made up: words of a few syllables, some of them frequent as in a language, 2 to 60 to a line.
For each size the shards of a store are written by so many processes, and read again to check them. Plans are
measured on stores whose tokens are a hole in a file, as they need lengths alone.

Everything measured has a process of its own. Its memory is the largest sum over that process and its children
of what they hold and no file stands for, looked up every few hundredths of a second.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from litetransformer.core.files import write_json
from litetransformer.data.batching import AT_ONCE, BatchPlan
from litetransformer.data.corpus import TextPairs, read_pairs
from litetransformer.data.side import offset_file, token_file
from litetransformer.data.store import SHARD_TOKENS, TokenStore, write_store
from litetransformer.data.store_index import SideIndex, StoreIndex, write_index
from litetransformer.data.tokenizer import load_tokenizer, train_sentencepiece

WORDS = 60_000
BLOCK = 20_000
MEAN_WORDS = 22
BATCH_TOKENS = 4096
LOADED = 200
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[250_000, 500_000, 1_000_000, 2_000_000])
    parser.add_argument("--planned", type=int, nargs="*", default=[1_000_000, 10_000_000, 40_000_000])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--vocabulary", type=int, default=32_000)
    parser.add_argument("--sample", type=int, default=1_000_000, help="lines that the vocabulary is of")
    parser.add_argument("--shard-tokens", type=int, default=SHARD_TOKENS)
    parser.add_argument("--note", default="", help="what else to say about the machine")
    parser.add_argument("--out", type=Path, help="write the result here too")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(PARTS[chosen.part[0]](chosen, *chosen.part[1:])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder, sorted(chosen.pairs))
        largest = max(chosen.pairs)
        result = {
            "what": "Preparing corpora of several sizes, and planning the batches of an epoch",
            "command": command(chosen),
            "machine": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "note": chosen.note,
            "python": platform.python_version(),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "data": f"made up: {WORDS:,} words, about {MEAN_WORDS} to a line",
            "workers": chosen.workers,
            "shard_tokens": chosen.shard_tokens,
            "vocabulary": measured(chosen, "vocabulary", str(folder), str(largest)),
            "sizes": [measured(chosen, "store", str(folder), str(size)) for size in sorted(chosen.pairs)],
            "plans": [
                measured(chosen, "plan", str(folder), str(rows), way)
                for rows in chosen.planned
                for way in ("at once", "one by one")
            ],
            "plans_at_once_up_to": AT_ONCE,
        }
    print(json.dumps(result, indent=2))
    if chosen.out:
        write_json(chosen.out, result)


def learn(chosen: argparse.Namespace, folder: str, size: str) -> dict[str, Any]:
    """The seconds that learning the vocabulary takes."""
    pairs = read_pairs(corpus(Path(folder), int(size)))
    lines = (text for pair in pairs for text in pair)
    tokenizer, seconds = timed(
        lambda: train_sentencepiece(lines, size=chosen.vocabulary, sample=chosen.sample)
    )
    tokenizer.save(Path(folder) / "tokenizer.model")
    return {"pairs": int(size), "size": chosen.vocabulary, "sample": chosen.sample, "seconds": seconds}


def store(chosen: argparse.Namespace, folder: str, size: str) -> dict[str, Any]:
    """The seconds that writing a store takes, and reading it again to check it."""
    tokenizer = load_tokenizer(Path(folder) / "tokenizer.model")
    written, seconds = timed(
        lambda: write_store(
            Path(folder) / f"store-{size}",
            read_pairs(corpus(Path(folder), int(size))),
            tokenizer,
            tokenizer,
            workers=chosen.workers,
            shard_tokens=chosen.shard_tokens,
            resume=size,
        )
    )
    _, checking = timed(written.verify)
    sides = written.index.sides
    return {
        "pairs": int(size),
        "kept": len(written),
        "tokens": sum(side.tokens for side in sides),
        "shards": len(written.shards),
        "seconds": seconds,
        "rows_per_second": round(int(size) / seconds),
        "checking_seconds": checking,
    }


def plan(_chosen: argparse.Namespace, folder: str, rows: str, way: str) -> dict[str, Any]:
    """The seconds that a plan takes, the epoch's first batches, and each batch, without loading it."""
    place = Path(folder) / f"lengths-{rows}"
    if not place.is_dir():
        # In a process of its own: what it takes is no part of the plan.
        code = "import sys, preparing; preparing.hollow(preparing.Path(sys.argv[1]), int(sys.argv[2]))"
        subprocess.run([sys.executable, "-c", code, place, rows], cwd=Path(__file__).parent, check=True)
    opened = TokenStore(place)
    before = held(os.getpid())
    at_once = 10**12 if way == "at once" else 0
    made, building = timed(lambda: BatchPlan(opened, budget=BATCH_TOKENS, at_once=at_once))
    epoch, beginning = timed(lambda: made.epoch(1))
    taken, taking = timed(lambda: [len(batch.indices) for batch in epoch[:LOADED]])
    return {
        "rows": int(rows),
        "way": way,
        "batches": len(epoch),
        "plan_seconds": building,
        "epoch_seconds": beginning,
        "batch_milliseconds": round(1000 * taking / len(taken), 3),
        "start_bytes": before,
    }


PARTS = {"vocabulary": learn, "store": store, "plan": plan}


def make_corpus(folder: Path, sizes: list[int]) -> None:
    """Write two files of lines for each size; the smaller are the beginning of the larger."""
    generator = np.random.default_rng(0)
    syllables = ["".join(pair) for pair in itertools.product("bdfgklmnprst", ["a", "e", "i", "o", "u", "en"])]
    count = generator.integers(1, 5, WORDS)
    words = np.array(["".join(generator.choice(syllables, number)) for number in count], object)
    chances = 1 / np.arange(3, WORDS + 3)
    edges = np.cumsum(chances / chances.sum())
    files = {side: [(folder / f"{size}.{side}").open("w") for size in sizes] for side in ("source", "target")}
    with contextlib.ExitStack() as stack:
        for opened in itertools.chain.from_iterable(files.values()):
            stack.enter_context(opened)
        for first in range(0, sizes[-1], BLOCK):
            rows = min(BLOCK, sizes[-1] - first)
            for opened in files.values():
                lengths = np.clip(generator.poisson(MEAN_WORDS, rows), 2, 60)
                places = np.minimum(np.searchsorted(edges, generator.random(lengths.sum())), WORDS - 1)
                drawn = words[places].tolist()
                ends = np.cumsum(lengths).tolist()
                lines = [" ".join(drawn[start:end]) + "\n" for start, end in itertools.pairwise([0, *ends])]
                for size, file in zip(sizes, opened, strict=True):
                    file.writelines(lines[: max(0, size - first)])


def corpus(folder: Path, size: int) -> TextPairs:
    return TextPairs(source=str(folder / f"{size}.source"), target=str(folder / f"{size}.target"))


def hollow(folder: Path, rows: int) -> None:
    """A store with lengths as those of sentences, and no token on disk."""
    folder.mkdir()
    generator = np.random.default_rng(rows)
    sides = []
    for name in ("source", "target"):
        offsets = np.zeros(rows + 1, np.int64)
        np.cumsum(np.clip(generator.gamma(3.0, 10.0, rows), 2, 256).astype(np.int64), out=offsets[1:])
        offsets.tofile(offset_file(folder, name, 0))
        with token_file(folder, name, 0).open("wb") as file:
            file.truncate(2 * int(offsets[-1]))
        known = {"tokenizer": "", "tokens_sha256": "", "offsets_sha256": ""}
        sides.append(SideIndex(name=name, dtype="uint16", tokens=int(offsets[-1]), **known))
    index = StoreIndex(version=1, rows=rows, longest=256, longest_ratio=0.0, dropped=(), sides=tuple(sides))
    write_index(folder, [index])


def measured(chosen: argparse.Namespace, *part: str) -> dict[str, Any]:
    """What one part gives, in a process of its own, with its peak of memory."""
    options = ["--workers", chosen.workers, "--vocabulary", chosen.vocabulary, "--sample", chosen.sample]
    options += ["--shard-tokens", chosen.shard_tokens, "--part", *part]
    process = subprocess.Popen([sys.executable, __file__, *map(str, options)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with peak_of(process.pid) as peak:
        content = process.stdout.read()
    if process.wait():
        raise SystemExit(process.returncode)
    result = {**json.loads(content), "peak_bytes": peak[0]}
    print(*part[:1], result, file=sys.stderr, flush=True)
    return result


@contextlib.contextmanager
def peak_of(process: int) -> Iterator[list[int]]:
    """The most memory that `process` and its children have at a time, in bytes, in a list of one."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.03):
            peak[0] = max(peak[0], sum(map(held, family(process))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def family(process: int) -> Iterator[int]:
    """`process` and all that it has started, as far as they are running."""
    yield process
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))


def held(process: int) -> int:
    """The bytes of memory that a process has and no file stands for; 0 when it is gone."""
    try:
        _, resident, shared, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * PAGE


def timed(function: Any) -> tuple[Any, float]:
    began = time.perf_counter()
    value = function()
    return value, round(time.perf_counter() - began, 3)


def command(chosen: argparse.Namespace) -> str:
    sizes = " ".join(map(str, chosen.pairs))
    planned = " ".join(map(str, chosen.planned))
    return (
        f"python benchmarks/preparing.py --pairs {sizes} --planned {planned} --workers {chosen.workers} "
        f"--vocabulary {chosen.vocabulary} --sample {chosen.sample} --shard-tokens {chosen.shard_tokens} "
        "--note NOTE --out docs/results/preparing.json"
    )


def processor() -> str:
    facts = Path("/proc/cpuinfo")
    name = facts.read_text().partition("model name")[2] if facts.exists() else platform.processor()
    return name.partition("\n")[0].strip("\t :")


if __name__ == "__main__":
    main()
