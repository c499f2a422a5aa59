"""`lite prepare` and `lite train`: from texts to a model, stopped and gone on with."""

import json
import shlex
import signal
import time

import pytest

from litetransformer.cli import main

SMALL = (
    *("--set", "vocabulary.size=330", "--set", "train.batch_tokens=512", "--set", "train.longest=64"),
    *("--set", "train.schedule.warmup=20", "--set", "train.validate_every=20"),
)


@pytest.fixture
def own(texts):
    """The options that train a small model on `texts`."""
    sides = (("source", "train.de"), ("target", "train.en"), ("valid-source", "valid.de"))
    named = [part for side, name in sides for part in (f"--{side}", str(texts / name))]
    return ["--preset", "lite-16", *named, "--valid-target", str(texts / "valid.en"), "--from", "de", *SMALL]


def test_prepared_then_trained_then_gone_on_with(own, tmp_path, capfd):
    out = tmp_path / "run"
    assert main(["prepare", *own, "--to", "en", "--out", str(out), "--json", "--quiet"]) == 0
    text, err = capfd.readouterr()
    facts = json.loads(text)
    assert err == ""
    assert (facts["source_vocabulary"], facts["train"]["pairs"], facts["valid"]["pairs"]) == (330, 400, 20)
    record = (out / "prepared.json").read_bytes()

    train = ["train", *own, "--to", "en", "--out", str(out), "--quiet", "--json"]
    assert main([*train, "--set", "train.updates=20"]) == 0
    text, err = capfd.readouterr()
    facts = json.loads(text)
    assert (err, facts["update"], facts["folder"]) == ("", 20, str(out))
    assert facts["best"] > 0
    assert 0 < facts["params"] < facts["params_total"]
    assert (out / "prepared.json").read_bytes() == record

    assert main(["train", "--out", str(out), "--quiet", "--json", "--set", "train.updates=40"]) == 0
    assert json.loads(capfd.readouterr().out)["update"] == 40
    assert main(["translate", "--model", str(out), "Guten Morgen."]) == 0
    assert capfd.readouterr().out.count("\n") == 1


def test_a_changed_setting_is_refused_until_accepted(own, tmp_path, capfd):
    out = str(tmp_path / "run")
    assert main(["train", *own, "--out", out, "--quiet", "--set", "train.updates=2"]) == 0
    assert capfd.readouterr().out.startswith(f"{out}: 2 updates")
    changed = [
        "train",
        "--out",
        out,
        "--quiet",
        "--set",
        "train.schedule.peak=1e-4",
        "--set",
        "train.updates=4",
    ]
    assert main(changed) == 1
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "train.schedule.peak" in err
    assert "--accept-changes" in err
    assert main([*changed, "--accept-changes"]) == 0


def test_texts_beside_a_run_s_own_are_refused_without_its_recipe(own, texts, tmp_path, capfd):
    out = str(tmp_path / "run")
    assert main(["train", *own, "--out", out, "--quiet", "--set", "train.updates=2"]) == 0
    assert main(["train", "--out", out, "--from", "fr"]) == 2
    assert "error: --from:" in capfd.readouterr().err


def test_texts_of_every_kind_train(texts, tmp_path, capfd):
    pairs = {
        split: list(
            zip(*((texts / f"{split}.{side}").read_text().splitlines() for side in ("de", "en")), strict=True)
        )
        for split in ("train", "valid")
    }
    for split, rows in pairs.items():
        (tmp_path / f"{split}.tsv").write_text("".join(f"{de}\t{en}\n" for de, en in rows))
        lines = (json.dumps({"translation": {"de": de, "en": en}}) for de, en in rows)
        (tmp_path / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    records = []
    for kind in ("tsv", "jsonl"):
        out = tmp_path / kind
        fields = ["--source-field", "translation.de", "--target-field", "translation.en"] * (kind == "jsonl")
        files = [
            "--source",
            str(tmp_path / f"train.{kind}"),
            "--valid-source",
            str(tmp_path / f"valid.{kind}"),
        ]
        assert (
            main(["prepare", "--preset", "lite-16", *files, *fields, *SMALL, "--out", str(out), "--json"])
            == 0
        )
        records.append({**json.loads(capfd.readouterr().out), "folder": ""})
    assert records[0] == records[1]


def test_nothing_is_downloaded_unless_asked(tmp_path, capfd, monkeypatch):
    def refuse(*_arguments, **_options):
        raise AssertionError("reached for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setenv("LITETRANSFORMER_DATA", str(tmp_path / "data"))
    for options in ([], ["--offline"]):
        assert main(["train", "iwslt14-de-en/lite-160", "--out", str(tmp_path / "run"), *options]) == 1
        err = capfd.readouterr().err
        assert err.count("\n") == 1
        assert "de-en.tgz" in err
    assert not (tmp_path / "run").exists()


def test_a_named_data_folder_is_used(texts, tmp_path, capfd):
    options = ["--data", str(texts), "--out", str(tmp_path / "run"), "--quiet", "--json", *SMALL]
    assert main(["prepare", "multi30k-de-en/lite-64", *options]) == 0
    assert json.loads(capfd.readouterr().out)["train"]["pairs"] == 400


@pytest.mark.slow
def test_a_quickstart_leaves_two_models_and_the_command_that_translates(texts, tmp_path, capfd):
    files = ["--source", str(texts / "train.de"), "--target", str(texts / "train.en")]
    assert main(["quickstart", *files, "--out", str(tmp_path / "run"), "--minutes", "0.1", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert abs(found["lite"]["mult_adds"] / found["transformer"]["mult_adds"] - 1) < 0.05
    program, *arguments = shlex.split(found["command"])
    assert (program, main(arguments)) == ("lite", 0)
    assert capfd.readouterr().out.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_goes_on_to_the_very_same_weights(own, start_lite, tmp_path, capfd, number, status):
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    command = ["train", *own, "--quiet", "--set", "train.updates=100", "--out"]
    with start_lite(*command, stopped) as process:
        log = stopped / "log.jsonl"
        while not (log.is_file() and '"event": "valid"' in log.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(60) == status
        out, err = process.stdout.read(), process.stderr.read().decode()
    assert out == b""
    assert err == f"error: stopped by {number.name}; the same command goes on from here\n"
    assert main([*command, str(stopped)]) == 0
    assert main([*command, str(whole)]) == 0
    newest = "checkpoints/state-000000100.safetensors"
    for file in ("model.safetensors", "model.json"):
        assert (stopped / file).read_bytes() == (whole / file).read_bytes()
    assert tensors(stopped / newest) == tensors(whole / newest)


def tensors(path):
    from safetensors.torch import load_file

    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


def test_a_model_that_cannot_be_built_is_refused_before_any_work(own, tmp_path, capfd):
    out = tmp_path / "run"
    assert main(["train", *own, "--out", str(out), "--quiet", "--set", "model.dim=17"]) == 1
    assert capfd.readouterr().err.startswith("error: model: dim=17 must be even")
    assert not out.exists() or not list(out.glob("*.json"))


def test_weights_of_another_model_are_refused_whatever_is_accepted(own, tmp_path, capfd):
    out = tmp_path / "run"
    assert main(["train", *own, "--out", str(out), "--quiet", "--set", "train.updates=2"]) == 0
    before = (out / "recipe.json").read_bytes()
    capfd.readouterr()
    wider = ["--set", "model.dim=24", "--set", "train.updates=4"]
    assert main(["train", "--out", str(out), "--quiet", *wider, "--accept-changes"]) == 1
    expected = f"error: {out}:model: the run here has weights of another model; choose another --out\n"
    assert capfd.readouterr().err == expected
    assert (out / "recipe.json").read_bytes() == before
    assert main(["train", "--out", str(out), "--quiet", "--set", "train.updates=4"]) == 0
