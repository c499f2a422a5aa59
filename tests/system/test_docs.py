"""What the documents name exists: symbols, commands, tests, recipes, links."""

import importlib
import re
from pathlib import Path

import pytest

from litetransformer import recipes, tables
from litetransformer.cli.app import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAPER = (ROOT / "docs/paper.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`]+)`", PAPER)
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "src/litetransformer/shipped/CARD.md")),
    *(ROOT / "docs").rglob("*.md"),
]
SYMBOL = re.compile(r"(?:decode|inspect|layers|models|ops|recipes|tables|tasks|train)\.[\w.]+")


@pytest.mark.parametrize("name", sorted({code for code in CODE if SYMBOL.fullmatch(code)}))
def test_a_symbol_of_the_map_exists(name):
    try:
        importlib.import_module(f"litetransformer.{name}")
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(f"litetransformer.{module}"), attribute)


@pytest.mark.parametrize("path", sorted({code for code in CODE if code.startswith("tests/")}))
def test_a_test_of_the_map_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("command", sorted({code for code in CODE if code.startswith("lite ")}))
def test_a_command_of_the_map_names_a_verb_and_what_it_knows(command):
    verb, *arguments = command.split()[1:]
    assert verb in VERBS
    known = {"table": tables.names(), "plot": ["claim", "computation", "tradeoff"]}.get(verb, recipes.names())
    assert all(argument in known for argument in arguments)


def test_the_map_has_no_row_without_a_test():
    rows = [line for line in PAPER.splitlines() if line.startswith("| ") and "| symbol |" not in line]
    assert len(rows) > 30
    assert all("`tests/" in row for row in rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document):
    links = re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8"))
    for link in links:
        if "://" not in link:
            assert (document.parent / link).exists(), link
