"""The commands of docs/distillation.md make a model that was trained on another one's translations."""

import json
import re
import shlex
from pathlib import Path

import pytest

from litetransformer.cli import main
from litetransformer.tasks.run import read_recipe

DOCUMENT = Path(__file__).parents[2] / "docs" / "distillation.md"
SMALL = ["--set", "vocabulary.size=330", "--set", "train.batch_tokens=512", "--set", "train.longest=64"]


def commands():
    """The document's commands, a list of arguments each."""
    (block,) = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return [shlex.split(line) for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.slow
def test_the_documents_commands_train_a_student_on_its_teachers_translations(
    texts, model_folder, tmp_path, monkeypatch, capfd
):
    for side in ("de", "en"):
        lines = (texts / f"train.{side}").read_text().splitlines(keepends=True)
        (tmp_path / f"train.{side}").write_text("".join(lines[:60]))
        (tmp_path / f"valid.{side}").write_bytes((texts / f"valid.{side}").read_bytes())
    monkeypatch.chdir(tmp_path)
    teach, translate, learn = commands()
    small = [*SMALL, "--quiet", "--json", "--set", "train.updates=2", "--set", "model.dim=16"]
    for train in (teach, learn):
        train[train.index("--preset") + 1] = "lite-16"

    assert [command.pop(0) for command in (teach, translate, learn)] == ["lite"] * 3
    assert main([*teach, *small]) == 0
    # The teacher of two updates knows nothing: one that does takes its place.
    (tmp_path / "runs/teacher").rename(tmp_path / "runs/began")
    (tmp_path / "runs/teacher").symlink_to(model_folder)
    assert main(translate) == 0
    written = (tmp_path / "train.teacher.en").read_text().splitlines()
    assert len(written) == 60
    people = (tmp_path / "train.en").read_text().splitlines()
    assert sum(own == other for own, other in zip(written, people, strict=True)) > 30
    capfd.readouterr()
    assert main([*learn, *small]) == 0
    assert json.loads(capfd.readouterr().out)["update"] == 2
    recipe = read_recipe(tmp_path / "runs/student")
    assert Path(recipe.data.train.target).name == "train.teacher.en"
    assert main(["translate", "--model", "runs/student", "Hund."]) == 0
