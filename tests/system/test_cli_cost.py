"""`lite cost` tells what a training took, how that is known and by which figures, or what is wrong."""

import json
import shutil

import pytest

from litetransformer.compress.pack import Pack, to_bytes
from litetransformer.core.files import with_checksum, write_json
from litetransformer.core.spec import to_json
from litetransformer.tasks.compression import compress
from litetransformer.tasks.compression_record import Plan
from litetransformer.tasks.yardstick import read_texts
from litetransformer.train.cost import Ledger, Segment


@pytest.fixture
def folder(tmp_path):
    """The folder of a run of two segments on two GPUs: four GPU hours, 1.2 kWh measured and 0.5 stated."""
    common = {"started": "2026-11-24T12:00:00+00:00", "device": "NVIDIA H100 80GB HBM3", "kind": "gpu"}
    ledger = Ledger(
        segments=(
            Segment(**common, count=2, seconds=5400.0, kwh=1.2, energy_source="nvml", note="counters"),
            Segment(**common, count=2, seconds=1800.0, kwh=0.5, energy_source="stated power", note="no NVML"),
        )
    )
    write_json(tmp_path / "run" / "cost.json", with_checksum(to_json(ledger)))
    return tmp_path / "run"


def change(folder, **changes):
    """Rewrite the ledger's segments, checksum and all."""
    ledger = json.loads((folder / "cost.json").read_text())
    del ledger["sha256"]
    ledger["segments"] = [segment | changes for segment in ledger["segments"]]
    write_json(folder / "cost.json", with_checksum(ledger))


def test_the_text_has_every_figure_with_its_source(run, folder):
    status, out, err = run("cost", folder)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "device    2 × NVIDIA H100 80GB HBM3"
    assert lines[1] == "time      2 h, 4 GPU hours, in 2 segments"
    assert lines[2] == "energy    1.7 kWh"
    assert [line.strip() for line in lines[3:5]] == ["nvml: counters", "stated power: no NVML"]
    assert lines[5] == "CO2       1.17 kg, 2.57 lb"
    assert "0.445 kg a kWh, world: IEA" in lines[6]
    assert "PUE 1.54: Uptime Institute" in lines[7]
    assert lines[8] == "price     $16"
    assert "$3.99 an hour of H100 SXM: Lambda" in lines[9]
    assert len(lines) == 10


def test_as_json_the_same_for_programs(run, folder):
    status, out, err = run("cost", folder, "--json")
    found = json.loads(out)
    assert (status, err, found["folder"]) == (0, "", str(folder))
    assert (found["seconds"], found["device_hours"], found["kwh"]) == (7200, 4, pytest.approx(1.7))
    assert found["energy_source"] == ["nvml", "stated power"]
    assert found["kg_co2"] == pytest.approx(1.7 * 1.54 * 0.445)
    assert found["lb_co2"] == pytest.approx(found["kg_co2"] / 0.45359237)
    assert found["usd"] == pytest.approx(15.96)
    assert (found["intensity"]["region"], found["overhead"]["pue"], found["incomplete"]) == (
        "world",
        1.54,
        False,
    )
    assert [segment["kwh"] for segment in found["segments"]] == [1.2, 0.5]


def test_users_figures_go_before_the_table_and_options_before_their_file(run, folder, tmp_path):
    own = {
        "devices": [{"device": "H100 SXM", "usd_per_hour": 1}],
        "regions": [{"region": "here", "kg_per_kwh": 0.1}],
        "region": "here",
        "overhead": {"pue": 1.1},
    }
    (tmp_path / "own.json").write_text(json.dumps(own))

    def found(*options):
        status, out, err = run("cost", folder, "--json", *options)
        assert (status, err) == (0, "")
        found = json.loads(out)
        return found["usd"], found["kg_co2"], found["kwh"]

    file = ("--prices", tmp_path / "own.json")
    assert found(*file) == (4, pytest.approx(1.7 * 1.1 * 0.1), pytest.approx(1.7))
    options = ("--price", "2", "--intensity", "0.5", "--pue", "1", "--watts", "1000")
    assert found(*file, *options) == (8, pytest.approx(2.2 * 0.5), pytest.approx(2.2))
    assert found("--region", "us", "--pue", "1")[1] == pytest.approx(1.7 * 0.348)


def test_what_is_not_known_is_said_and_how_to_give_it(run, folder):
    change(folder, device="Nova 9", kwh=None, energy_source="stated power")
    status, out, _ = run("cost", folder)
    assert status == 0
    assert "energy    not known; give --watts" in out
    assert "price     not known: no price of Nova 9; give --price" in out
    assert "CO2" not in out
    found = json.loads(run("cost", folder, "--json")[1])
    assert (found["usd"], found["kwh"], found["kg_co2"], found["lb_co2"]) == (None, None, None, None)


def test_a_record_with_a_gap_says_at_least(run, folder):
    write_json(folder / "cost.json", with_checksum(to_json(Ledger(incomplete=True))))
    status, out, _ = run("cost", folder)
    assert status == 0
    assert "at least: of a part of the run there is no record" in out


def test_a_trained_model_has_its_cost(run, model_folder, tmp_path):
    status, out, err = run("cost", model_folder)
    assert (status, err) == (0, "")
    assert "core hours, in 1 segment" in out
    assert "an hour of CPU core" in out
    found = json.loads(run("cost", model_folder, "--json")[1])
    assert found["seconds"] > 0
    assert found["kwh"] > 0
    assert found["usd"] > 0


def test_a_folder_without_a_record_is_named_with_a_remedy(run, tmp_path):
    status, out, err = run("cost", tmp_path)
    what = "no record of what training cost here; name a folder of `lite train`, which keeps cost.json there"
    assert (status, out, err) == (1, "", f"error: {tmp_path}: {what}\n")
    status, _, err = run("cost", tmp_path / "nowhere")
    assert (status, err.partition(";")[0]) == (1, f"error: {tmp_path / 'nowhere'}: no such folder")


@pytest.mark.parametrize(
    "harm", [lambda text: text.replace("5400.0", "54.0"), lambda text: text[:-9], lambda _: ""]
)
def test_a_damaged_record_is_named(run, folder, harm):
    path = folder / "cost.json"
    path.write_text(harm(path.read_text()))
    status, out, err = run("cost", folder)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: {path}:")


def test_a_record_of_another_kind_is_named_with_its_field(run, folder):
    change(folder, energy_source="guess")
    status, _, err = run("cost", folder)
    assert status == 1
    assert err.startswith(
        f"error: {folder / 'cost.json'}:segments.0.energy_source: 'guess' is not a choice; "
    )


@pytest.mark.parametrize(
    ("options", "status", "what"),
    [
        (
            ("--region", "wrold"),
            2,
            "error: --region: no intensity is known of 'wrold'; did you mean 'world'?",
        ),
        (("--pue", "0.5"), 2, "--pue"),
        (("--price", "-1"), 2, "--price"),
        (("--intensity", "nan"), 2, "--intensity"),
        (("--prices", "nowhere.json"), 1, "error: nowhere.json: no such file"),
    ],
)
def test_a_wrong_figure_is_one_line(run, folder, options, status, what):
    found, out, err = run("cost", folder, *options)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert what in err


def test_it_only_reads(run, folder):
    before = shutil.copytree(folder, folder.with_name("copy"))
    run("cost", folder)
    assert (before / "cost.json").read_bytes() == (folder / "cost.json").read_bytes()
    assert [path.name for path in folder.iterdir()] == ["cost.json"]


@pytest.fixture
def packed(model_folder, texts, tmp_path):
    """A copy of a trained model's folder, and how to compress it."""
    copy = shutil.copytree(model_folder, tmp_path / "copy")
    valid = read_texts(texts / "valid.de", texts / "valid.en")

    def pack(tell=lambda _what: None):
        path = tmp_path / "model.lite"
        compress(copy, path, Plan(bits=4, table_bits=4), texts=valid, tell=tell)
        return path

    return copy, pack


def test_a_compressed_model_takes_its_record_along(run, packed):
    folder, pack = packed
    ours, theirs = (json.loads(run("cost", path, "--json")[1]) for path in (folder, pack()))
    assert theirs.pop("folder") != ours.pop("folder")
    assert theirs == ours


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_compressed_model_without_a_record_loads_and_says_so(run, packed, content):
    folder, pack = packed
    told = []
    (folder / "cost.json").unlink()
    if content is not None:
        (folder / "cost.json").write_text(content)
    path = pack(told.append)
    assert sum("what training cost is not taken along" in what for what in told) == (content is not None)
    what = "carries no record of what training cost; name the folder that it was compressed from"
    assert run("cost", path) == (1, "", f"error: {path}: {what}\n")
    assert run("translate", "--model", path, "Hund.")[0] == 0


def test_a_compressed_model_with_a_forged_record_is_named(run, packed, tmp_path):
    found = Pack(packed[1]())
    files = {entry.name: found.file(entry.name) for entry in found.contents.files}
    files["cost.json"] = files["cost.json"].replace(b'"seconds": ', b'"seconds": 9')
    (tmp_path / "forged.lite").write_bytes(to_bytes(files, dict(found.tensors())))
    status, out, err = run("cost", tmp_path / "forged.lite")
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {tmp_path / 'forged.lite'}: damaged: its checksum does not match")
