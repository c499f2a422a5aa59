"""Small texts and a small model, made once, and the command line as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import litetransformer as lt
from litetransformer.cli import main
from litetransformer.core.files import with_checksum
from litetransformer.core.spec import to_json
from litetransformer.models.tensors import load_tensors, save_tensors
from litetransformer.tasks.model_folder import read_card

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

WORDS = {
    **{"Hund": "dog", "Katze": "cat", "Haus": "house", "Baum": "tree", "rot": "red", "alt": "old"},
    **{
        "klein": "small",
        "sieht": "sees",
        "findet": "finds",
        "und": "and",
        "heute": "today",
        "gern": "gladly",
    },
}
LITE = [sys.executable, "-m", "litetransformer"]


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    """A folder with {train,valid,test}.{de,en}: 400, 20 and 20 rows of words, translated word by word."""
    folder, random = tmp_path_factory.mktemp("texts"), Random(1)
    for split, count in (("train", 400), ("valid", 20), ("test", 20)):
        rows = [random.choices(list(WORDS), k=random.randint(2, 7)) for _ in range(count)]
        sides = {"de": rows, "en": [[WORDS[word] for word in row] for row in rows]}
        for language, side in sides.items():
            content = "".join(f"{' '.join(row)}.\n" for row in side)
            (folder / f"{split}.{language}").write_bytes(content.encode())
    return folder


@pytest.fixture(scope="session")
def recipe(texts):
    """A recipe that learns `texts` in two seconds, but for some mistakes."""

    def pairs(split):
        return lt.TextPairs(source=str(texts / f"{split}.de"), target=str(texts / f"{split}.en"))

    return lt.Recipe(
        data=lt.Data(source_language="de", target_language="en", train=pairs("train"), valid=pairs("valid")),
        vocabulary=lt.Vocabulary(size=330),
        model=lt.lite(32, taps=(3, 5), tied="all"),
        train=lt.Training(
            updates=200,
            batch_tokens=512,
            longest=64,
            label_smoothing=0.0,
            schedule=lt.InverseSqrt(peak=1e-2, warmup=40),
            validate_every=100,
        ),
    )


@pytest.fixture(scope="session")
def model_folder(recipe, tmp_path_factory):
    """The folder of a small trained model, German to English. Read only: copy it to change it."""
    from litetransformer.train.report import Report

    folder = tmp_path_factory.mktemp("model")
    lt.train_translator(recipe, folder, report=Report(folder, quiet=True))
    return folder


DOCUMENT_WORDS = (
    *("red", "blue", "old", "new", "dog", "cat", "house", "tree"),
    *("runs", "sleeps", "sees", "finds", "big", "small", "here", "there"),
)


@pytest.fixture(scope="session")
def documents():
    """Make some documents of 4 to 40 words."""

    def make(count, seed):
        random = Random(seed)
        return [" ".join(random.choices(DOCUMENT_WORDS, k=random.randint(4, 40))) for _ in range(count)]

    return make


@pytest.fixture(scope="session")
def document_texts(documents, tmp_path_factory):
    """A folder with {train,valid,test}.{doc,sum}: a summary is a document's first and third word."""
    folder = tmp_path_factory.mktemp("documents")
    for seed, (split, count) in enumerate((("train", 400), ("valid", 20), ("test", 20))):
        found = documents(count, seed)
        (folder / f"{split}.doc").write_text("".join(f"{line}\n" for line in found))
        (folder / f"{split}.sum").write_text("".join(f"{' '.join(line.split()[:3:2])}\n" for line in found))
    return folder


@pytest.fixture(scope="session")
def summary_recipe(document_texts):
    """A recipe that learns to summarize `document_texts`, but for mistakes; it reads 24 tokens of each."""

    def pairs(split):
        return lt.TextPairs(
            source=str(document_texts / f"{split}.doc"), target=str(document_texts / f"{split}.sum")
        )

    return lt.Recipe(
        task="summarization",
        data=lt.Data(
            source_language="en",
            target_language="en",
            train=pairs("train"),
            valid=pairs("valid"),
            truncate_source=24,
        ),
        vocabulary=lt.Vocabulary(size=330),
        model=lt.lite(32, taps=(3, 5), tied="all"),
        train=lt.Training(
            updates=120,
            batch_tokens=1024,
            longest=25,
            label_smoothing=0.0,
            schedule=lt.InverseSqrt(peak=1e-2, warmup=40),
            validate_every=60,
            best_by="rouge",
        ),
        search=lt.SearchOptions(beam=3, shortest=3, longest=9, no_repeat_ngram=2),
        scoring="rouge",
    )


@pytest.fixture(scope="session")
def summarizer_folder(summary_recipe, tmp_path_factory):
    """The folder of a small trained summarizer. Read only: copy it to change it."""
    from litetransformer.train.report import Report

    folder = tmp_path_factory.mktemp("summarizer")
    lt.train_summarizer(summary_recipe, folder, report=Report(folder, quiet=True))
    return folder


class Hostile:
    """A copy of a model's folder that is damaged or forged, and what becomes of it when it is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def refused(self, said="", *, load=lt.load, at=None):
        """The line that loading ends with: it begins with the folder, or with the file `at` in it."""
        with pytest.raises(lt.InputError) as caught:
            load(self.folder)
        line = str(caught.value)
        assert line.startswith(str(self.folder))
        assert said in line
        assert at is None or caught.value.path == str(self.folder / at)
        return line

    def forge(self, change):
        """Make `change` to the card's JSON and give it a right checksum."""
        facts = to_json(read_card(self.folder))
        change(facts)
        (self.folder / "model.json").write_text(json.dumps(with_checksum(facts)))

    def needs(self, kept):
        """No file but those `kept` is there, or else removed, and each of them is missed by its name."""
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()
        lt.load(self.folder)
        for name in kept:
            (self.folder / name).rename(self.folder / "away")
            self.refused(f"{self.folder if name == 'model.json' else self.folder / name}: no ")
            (self.folder / "away").rename(self.folder / name)

    def damaged(self, file, seed):
        """A flipped bit in `file`, or a cut, is found and named."""
        path, random = self.folder / file, Random(seed)
        content = path.read_bytes()
        for _ in range(8):
            changed = bytearray(content)
            changed[random.randrange(len(content))] ^= 1 << random.randrange(8)
            for found in (changed, content[: random.randrange(len(content))]):
                path.write_bytes(found)
                self.refused(at=file)

    def no_numbers(self, value):
        """Weights of which one is `value`, under a right checksum, are refused."""
        path = self.folder / "model.safetensors"
        weights, facts = load_tensors(path)
        name = sorted(weights)[3]
        weights = {key: tensor.clone() for key, tensor in weights.items()}
        weights[name].view(-1)[0] = value
        save_tensors(path, weights, facts)
        self.refused(f"{name}: holds NaN or infinite weights")

    def no_file(self, file):
        """A pipe or a device in the place of `file` is not read."""
        path = self.folder / file
        said = "no model here" if file == "model.json" else f"{file}: no such file"
        path.unlink()
        os.mkfifo(path)
        self.refused(said)
        path.unlink()
        path.symlink_to("/dev/zero")
        self.refused(said)


@pytest.fixture
def hostile(copy):
    """The test's own copy of a model, with what may be done to it."""
    return Hostile(copy)


@pytest.fixture
def run(capfd):
    """The command in this process: its exit status, stdout and stderr."""

    def run(*arguments):
        status = main(list(map(str, arguments)))
        out, err = capfd.readouterr()
        return status, out, err

    return run


@pytest.fixture(scope="session")
def fails():
    """Check what `run` gave: one line on stderr that has all that is `said`, and the status it calls for.

    That is 2 where the line begins with an option, or an argument that is no file, and else 1.
    """

    def fails(found, *said):
        status, out, err = found
        assert (out, err.count("\n"), err[-1:]) == ("", 1, "\n")
        assert err.startswith("error: ")
        for part in said:
            assert str(part) in err
        place = err.removeprefix("error: ").partition(": ")[0]
        assert status == (2 if place.startswith("--") or place in ("TEXT", "SENTENCE", "RECIPE") else 1), err

    return fails


@pytest.fixture(scope="session")
def lite():
    """Run the command in a process of its own; returns the finished process with bytes for its outputs."""

    def run(*arguments, stdin=b"", **options):
        command = [*LITE, *map(str, arguments)]
        options = {"capture_output": True, "timeout": 120, **options}
        return subprocess.run(command, input=stdin, env=environment(), check=False, **options)

    return run


@pytest.fixture(scope="session")
def start_lite():
    """Start the command in a process of its own, with pipes."""

    def start(*arguments):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*LITE, *map(str, arguments)], env=environment(), **pipes)

    return start


def environment():
    """The test's environment without what would change what users see."""
    hidden = ("PYTHONWARNINGS", "COLUMNS", "FORCE_COLOR")
    return {name: value for name, value in os.environ.items() if name not in hidden}


@pytest.fixture
def programs(monkeypatch):
    """The programs in `benchmarks` can be imported, and are imported anew by each test."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield
    ours = {file.stem for file in BENCHMARKS.glob("*.py")}
    for name in ours & (set(sys.modules) - known):
        del sys.modules[name]
