"""What a model that ships is worth and what it takes: BLEU in and out of its domain, bytes, seconds.

    python benchmarks/shipped.py --data data --model src/litetransformer/shipped/de-en.lite

FOLDER has the sets as they are unpacked: tatoeba_deen/test.de, techdocs_deen/test.de,
wmt_tests/newstest2014.de-en.de and multi30k/test_2016_flickr.de, each with its other side. Scores may be
computed on a GPU (--device cuda); times are always those of one thread of the CPU. The result is written to
docs/results/shipped-SOURCE-TARGET.json, and `scripts/docs` makes the model card and the README's table of
it. Nothing is reported unless the tests of the shipped models pass.
"""

import argparse
import datetime
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from machines import machine

from litetransformer.cli.options import device_for
from litetransformer.compress import entropy
from litetransformer.core.errors import InputError
from litetransformer.core.files import sha256_of_file, write_json
from litetransformer.decode.score import bleu, chrf
from litetransformer.inspect.profile import profile
from litetransformer.tasks.bill import ledger_of
from litetransformer.tasks.compression_record import Record, read_record
from litetransformer.tasks.translator import Translator, load
from litetransformer.tasks.yardstick import Texts, read_texts

TESTS = Path(__file__).parents[1] / "tests/system/test_shipped.py"
SETS = {
    "tatoeba": ("in domain", "tatoeba_deen/test.{side}", "everyday sentences"),
    "techdocs": (
        "in domain",
        "techdocs_deen/test.{side}",
        "LibreOffice help, Debian package descriptions",
    ),
    "newstest2014": ("out of domain", "wmt_tests/newstest2014.{source}-{target}.{side}", "news"),
    "multi30k 2016": ("out of domain", "multi30k/test_2016_flickr.{side}", "image captions"),
}
"""Each test set: in or out of the domain of the training text, its files, what it holds."""
TIMED, REPEATED = 200, 5
"""Sentences that are timed, and how often the model is loaded."""
EXAMPLE = {"de": "Guten Morgen, wie geht es dir?", "en": "Good morning, how are you?"}


def texts_of(data: Path, files: str, source: str, target: str, limit: int) -> Texts:
    """The test set's two sides, or their first `limit` lines."""
    paths = [data / files.format(side=side, source=source, target=target) for side in (source, target)]
    found = read_texts(*paths)
    return found.first(limit or len(found.source))


def scored(translator: Translator, texts: Texts, language: str) -> dict[str, Any]:
    """BLEU and chrF of the model's own search, and BLEU of greedy search."""
    found, seconds = timed(lambda: translator.translate(texts.source))
    greedy = translator.translate(texts.source, beam=1)
    references = [list(texts.target)]
    score = bleu(found, references, language=language)
    return {
        "lines": len(texts.source),
        "bleu": round(score.value, 2),
        "bleu_greedy": round(bleu(greedy, references, language=language).value, 2),
        "chrf": round(chrf(found, references).value, 2),
        "signature": score.signature,
        "seconds": round(seconds, 2),
    }


def latency(path: Path, lines: tuple[str, ...]) -> dict[str, Any]:
    """Seconds to load the model and milliseconds a sentence, one sentence at a time on one thread."""
    torch.set_num_threads(1)
    translator = load(path)
    translator.translate(lines[:5])

    def median(**options: Any) -> float:
        each = [timed(lambda line=line: translator.translate([line], **options))[1] for line in lines]
        return round(1000 * statistics.median(each), 2)

    facts = {"sentences": len(lines), "milliseconds": median(), "milliseconds_greedy": median(beam=1)}
    facts["load_seconds"] = loading(path)
    with without_the_extra():
        facts["load_seconds_without_extra"] = loading(path)
    facts["command_seconds"] = median_of(lambda: command_line(path, translator), 3)
    return facts


def loading(path: Path) -> float:
    return median_of(lambda: load(path), REPEATED)


def command_line(path: Path, translator: Translator) -> None:
    """A whole run of `lite translate`, for one sentence."""
    assert translator.card is not None
    program = [sys.executable, "-m", "litetransformer", "translate", "--threads", "1", "--device", "cpu"]
    text = EXAMPLE.get(translator.card.source_language, "OK.")
    subprocess.run([*program, "--model", path, text], check=True, stdout=subprocess.DEVNULL)


def median_of(function: Callable[[], Any], times: int) -> float:
    return round(statistics.median(timed(function)[1] for _ in range(times)), 3)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What `function` gives, and the seconds it took."""
    began = time.perf_counter()
    value = function()
    return value, time.perf_counter() - began


@contextmanager
def without_the_extra() -> Iterator[None]:
    """As after an install without the extra `compress`, whose package decodes the weights faster."""
    package = entropy._package
    entropy._package = lambda: None
    try:
        yield
    finally:
        entropy._package = package


def compression(record: Record) -> dict[str, Any]:
    """What the file says of its own making."""
    return {
        "lines": record.lines,
        "before": asdict(record.before),
        "after": asdict(record.after),
        "plan": {name: value for name, value in asdict(record.plan).items() if name != "type"},
    }


def training(path: Path) -> dict[str, Any] | None:
    """The hours and the energy of the training, if the file carries its record."""
    try:
        segments = ledger_of(path).segments
    except InputError:
        return None
    energy = [segment.kwh for segment in segments]
    return {
        "machine": ", ".join(dict.fromkeys(f"{part.count} × {part.device}" for part in segments)),
        "seconds": round(sum(segment.seconds for segment in segments), 1),
        "kwh": None if None in energy else round(sum(part for part in energy if part is not None), 4),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    translator = load(options.model, device=device_for(options.device))
    assert translator.card is not None
    source, target = translator.card.source_language, translator.card.target_language
    sets = {
        name: texts_of(options.data, files, source, target, options.limit)
        for name, (_, files, _) in SETS.items()
    }
    tests = {}
    for name, texts in sets.items():
        domain, _, holds = SETS[name]
        tests[name] = {"domain": domain, "holds": holds, **scored(translator, texts, target)}
        print(name, tests[name], flush=True)
    counted = profile(translator.model)
    return {
        "what": f"The model that ships, {source} to {target}: quality, size and latency",
        "command": command(options),
        "machine": machine(translator.device.type),
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": "trained on tatoeba_deen and techdocs_deen",
        "source": source,
        "target": target,
        "file": options.model.name,
        "sha256": sha256_of_file(options.model),
        "bytes": options.model.stat().st_size,
        "params": counted.params,
        "params_total": counted.params_total,
        "mult_adds": counted.mult_adds,
        "vocabulary": translator.target.size,
        "beam": translator.search.beam,
        "limit": options.limit,
        "tests": tests,
        "cpu": machine("cpu"),
        "latency": latency(options.model, sets["tatoeba"].source[:TIMED]),
        "compression": compression(read_record(options.model)),
        "training": training(options.model),
    }


def command(options: argparse.Namespace) -> str:
    limit = f" --limit {options.limit}" if options.limit else ""
    device = "" if options.device == "auto" else f" --device {options.device}"
    return f"python benchmarks/shipped.py --data FOLDER --model {options.model.name}{limit}{device}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the unpacked sets")
    parser.add_argument("--model", type=Path, required=True, help="the .lite file")
    parser.add_argument("--limit", type=int, default=0, help="score the first lines of each set only; 0: all")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, help="[default: docs/results/shipped-SOURCE-TARGET.json]")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", TESTS], check=True)
    facts = measure(options)
    results = Path(__file__).parents[1] / "docs/results"
    write_json(options.out or results / f"shipped-{facts['source']}-{facts['target']}.json", facts)


if __name__ == "__main__":
    main()
