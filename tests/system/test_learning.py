"""Each kind of model learns to copy and to reverse, from texts on disk to text, the way that users train."""

import random

import pytest

import litetransformer as lt
from litetransformer.train.report import Report

WORDS = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu"]
MODELS = {
    "light": lt.lite(32, taps=(3, 7), tied="all"),
    "dynamic": lt.lite(32, taps=(3, 7), dynamic=True, tied="all"),
    "transformer": lt.transformer(48, 96, layers=2, tied="all"),
    "lightconv": lt.lightconv(48, 96, taps=(3, 15), decoder_taps=(3, 15), tied="all"),
    "evolved": lt.evolved(32, cells=1, decoder_cells=1, heads=4, tied="all"),
}
TASKS = {"copy": lambda row: row, "reverse": lambda row: row[::-1]}


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", MODELS)
def test_models_learn_to_copy_and_to_reverse(tmp_path, name, task):
    generator = random.Random(0)
    for split, count in (("train", 3000), ("valid", 100), ("test", 200)):
        rows = [generator.choices(WORDS, k=generator.randint(3, 8)) for _ in range(count)]
        for side, change in (("a", TASKS["copy"]), ("b", TASKS[task])):
            lines = [" ".join(change(row)) for row in rows]
            (tmp_path / f"{split}.{side}").write_text("\n".join(lines) + "\n")

    def pairs(split):
        return lt.TextPairs(source=str(tmp_path / f"{split}.a"), target=str(tmp_path / f"{split}.b"))

    recipe = lt.Recipe(
        data=lt.Data(train=pairs("train"), valid=pairs("valid")),
        vocabulary=lt.Vocabulary(size=290),
        model=MODELS[name],
        train=lt.Training(
            updates=700,
            batch_tokens=1024,
            longest=32,
            label_smoothing=0.0,
            clip=1.0,
            schedule=lt.Cosine(peak=5e-3, warmup=100, period=600),
            validate_every=350,
        ),
    )
    lt.train_translator(recipe, tmp_path / "run", report=Report(tmp_path / "run", quiet=True))
    # Greedy: this is about what the model has learned, not about the search.
    found = lt.load(tmp_path / "run").translate((tmp_path / "test.a").read_text().splitlines(), beam=1)
    expected = (tmp_path / "test.b").read_text().splitlines()
    right = sum(one == other for one, other in zip(found, expected, strict=True))
    assert right >= 0.95 * len(expected), f"{right} of {len(expected)}"
