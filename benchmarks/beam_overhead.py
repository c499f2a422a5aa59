"""How long a step of beam search takes beside the product that gives its logits.

The model is a list of ready-made log-probabilities, so that all that is timed is the search; the yardstick is
the product of hypotheses × width with width × vocabulary, the least that a model does for a step. Nothing is
reported unless the search passes its test.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from litetransformer.core.tokens import EOS
from litetransformer.decode.beam import beam_search
from litetransformer.decode.options import SearchOptions

SIZES = {"sentences": 64, "beam": 4, "vocabulary": 8000, "width": 160, "steps": 40, "runs": 9, "threads": 1}
TEST = Path(__file__).parents[1] / "tests/oracles/test_beam.py"


class ReadyMade:
    """A model that costs nothing: eight tables of log-probabilities in turn; the end is never likely."""

    def __init__(self, hypotheses, vocabulary):
        self.vocabulary = vocabulary
        logits = torch.randn(8, hypotheses, vocabulary)
        logits[:, :, EOS] = -20.0
        self.tables, self.steps = logits.log_softmax(2), 0

    def begin(self, source, pad):
        return (), ()

    def advance(self, tokens, state, memory):
        self.steps += 1
        return self.tables[self.steps % 8, : len(tokens)], ()


def seconds_per_step(run, steps):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / steps


def processor():
    facts = Path("/proc/cpuinfo")
    name = facts.read_text().partition("model name")[2] if facts.exists() else platform.processor()
    return name.partition("\n")[0].strip("\t :")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path, help="write the result here too")
    chosen = parser.parse_args()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "not slow", TEST], check=True)
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = ReadyMade(chosen.sentences * chosen.beam, chosen.vocabulary)
    source = torch.full((chosen.sentences, 1), 5)
    options = SearchOptions(beam=chosen.beam, longest=chosen.steps, longest_extra=chosen.steps)
    features, weight = (torch.randn(n, chosen.width) for n in (len(model.tables[0]), chosen.vocabulary))

    def search():
        found = beam_search(model, source, source == 0, options)
        assert all(len(one.tokens) == chosen.steps for (one,) in found)

    def product():
        for _ in range(chosen.steps):
            torch.nn.functional.linear(features, weight)

    search(), product()
    steps, runs = chosen.steps, range(chosen.runs)
    pairs = [(seconds_per_step(search, steps + 1), seconds_per_step(product, steps)) for _ in runs]
    searches, products = zip(*pairs, strict=True)
    ratios = sorted(searched / multiplied for searched, multiplied in pairs)
    result = {
        **{name: getattr(chosen, name) for name in SIZES},
        "search_ms": statistics.median(searches) * 1e3,
        "product_ms": statistics.median(products) * 1e3,
        "ratio": statistics.median(ratios),
        "ratio_range": [ratios[0], ratios[-1]],
        "processor": processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    print(*(f"{name:12} {value}" for name, value in result.items()), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
