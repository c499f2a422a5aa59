"""The command line tells the truth, and what goes wrong is one line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from litetransformer.cli.app import VERBS
from litetransformer.core.files import only_writer


@pytest.fixture
def broken(model_folder, tmp_path):
    """A copy of the model that may be damaged."""
    return Path(shutil.copytree(model_folder, tmp_path / "broken"))


def test_help_of_the_command_and_of_every_verb_imports_no_torch():
    program = (
        "import sys; from litetransformer.cli import main\n"
        f"for verb in ['', *{list(VERBS)!r}]:\n"
        "    assert main([verb, '--help'] if verb else ['--help']) == 0\n"
        "assert 'torch' not in sys.modules and 'sacrebleu' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    for verb in VERBS:
        assert f"Usage: lite {verb}" in done.stdout.decode()


def test_help_lists_every_verb_with_what_it_does(run):
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for verb in VERBS:
        line = next(line for line in out.splitlines() if line.startswith(f"│ {verb} "))
        assert line.count(" ") > len(verb) + 3
        assert ". " in line


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_gives_an_example_and_says_what_it_prints(run, verb):
    _, out, _ = run(verb, "--help")
    assert f"  lite {verb}" in out
    assert "Prints" in out


def test_without_a_verb_it_shows_the_help(run):
    assert run() == run("--help")


def test_former_names_of_options_are_not_shown(run):
    from litetransformer.cli.app import FORMER

    shown = {verb: run(verb, "--help")[1] for verb in VERBS}
    for former, name in FORMER.items():
        assert not any(f"{former} " in text for text in shown.values()), former
        assert any(f"{name} " in text for text in shown.values()), name


def test_version_is_the_package_s(run):
    import litetransformer

    assert run("--version") == (0, f"{litetransformer.__version__}\n", "")


def test_a_text_argument_is_a_line(run, model_folder):
    status, out, err = run("translate", "--model", model_folder, "Hund und Katze.", "", "Haus.")
    assert (status, err) == (0, "")
    first, second, third, end = out.split("\n")
    assert first.startswith("dog")
    assert (second, bool(third), end) == ("", True, "")


def test_text_after_two_dashes_may_look_like_options(run, model_folder):
    status, out, _ = run("translate", "--model", model_folder, "--", "--debug", "--help")
    assert (status, out.count("\n")) == (0, 2)


def test_file_to_file_gives_what_stdout_gives(run, model_folder, texts, tmp_path):
    output = tmp_path / "new" / "test.en"
    source = texts / "test.de"
    status, out, err = run("translate", "--model", model_folder, "--input", source, "--out", output)
    assert (status, out, err) == (0, "", "")
    _, out, _ = run("translate", "--model", model_folder, "--input", source)
    assert output.read_bytes().decode() == out
    assert out.count("\n") == 20


def test_translations_as_json(run, model_folder):
    status, out, err = run(
        "translate", "--model", model_folder, "--json", "--n-best", "3", "Hund findet Haus.", ""
    )
    first, second = map(json.loads, out.splitlines())
    assert (status, err, first["source"], len(first["translations"])) == (0, "", "Hund findet Haus.", 3)
    scores = [translation["score"] for translation in first["translations"]]
    assert scores == sorted(scores, reverse=True)
    assert second == {"source": "", "translations": [{"text": "", "score": 0.0}]}


def test_n_best_lists_number_the_lines_from_1(run, model_folder):
    _, out, _ = run("translate", "--model", model_folder, "--n-best", "2", "Hund findet Haus.", "Ja.")
    fields = [line.split(" ||| ") for line in out.splitlines()]
    assert [number for number, _, _ in fields] == ["1", "1", "2", "2"]
    assert all(float(score) <= 0 for _, _, score in fields)
    _, scored, _ = run("translate", "--model", model_folder, "--scores", "Hund findet Haus.", "Ja.")
    assert scored.splitlines() == out.splitlines()[::2]


def test_search_options_reach_the_search(run, model_folder):
    def score(*options):
        _, out, _ = run(
            "translate", "--model", model_folder, "--json", *options, "Hund sieht Haus und Katze."
        )
        return json.loads(out)["translations"][0]

    assert score("--prefix", "gladly")["text"].startswith("gladly ")
    long, short = score("--shortest", 30, "--longest", 30), score("--longest", 2)
    assert len(long["text"]) > len(short["text"])
    assert score("--min-length", 30, "--max-length=30") == long
    assert score("--beam", 1)["score"] != score("--beam", 1, "--length-penalty", 0)["score"]
    words = score("--no-repeat-ngram", 1, "--max-length", 20)["text"].split()
    assert len(words) == len(set(words))


def test_sampling_follows_from_the_seed_and_the_line(run, model_folder, tmp_path):
    text = tmp_path / "two.de"
    text.write_text("Hund und Katze.\n" * 2)

    def draw(*options):
        return run("translate", "--model", model_folder, "--sample", *options)[1]

    first, second = draw("--input", text).splitlines()
    assert first != second
    assert draw("Hund und Katze.", "Hund und Katze.") == f"{first}\n{second}\n"
    assert draw("--seed", 1, "--input", text).splitlines()[0] != first
    assert draw("--seed", 1, "--top-k", 1, "Ja.") == draw("--seed", 2, "--top-p", 1e-6, "Ja.")


def test_threads_are_two_at_most_unless_told_and_give_way_to_other_programs():
    program = (
        "import os; os.environ.pop('OMP_NUM_THREADS', None); os.environ.pop('OMP_WAIT_POLICY', None)\n"
        "from litetransformer.core.cores import usable_cores\n"
        "from litetransformer.cli.options import use_threads; use_threads(None)\n"
        "import torch; assert torch.get_num_threads() == min(2, usable_cores())\n"
        "assert os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'\n"
        "use_threads(1); assert torch.get_num_threads() == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_score_of_a_file_against_itself_is_100(run, texts):
    english = texts / "test.en"
    status, out, err = run("score", "--hypothesis", english, "--reference", english)
    assert (status, err) == (0, "")
    assert out.startswith("BLEU 100.00 (nrefs:1|")
    assert "\nchrF2 100.00 (" in out
    _, out, _ = run("score", "--hypothesis", english, "--reference", english, "--mode", "paper", "--json")
    found = json.loads(out)
    assert found["comparison"] is None
    assert [round(score["value"], 6) for score in found["scores"]] == [100.0]
    assert "sacremoses" in found["scores"][0]["signature"]


def test_score_of_a_model_is_that_of_its_translations(run, model_folder, texts, tmp_path):
    source, english, output = texts / "test.de", texts / "test.en", tmp_path / "test.out"
    run("translate", "--model", model_folder, "--input", source, "--output", output)
    _, of_text, _ = run("score", "--hypothesis", output, "--reference", english, english)
    status, of_model, err = run(
        "score", "--model", model_folder, "--source", source, "--reference", english, "--reference", english
    )
    assert (status, err, of_model) == (0, "", of_text)
    assert "nrefs:2" in of_model


def test_score_compares_with_a_baseline(run, texts, tmp_path):
    english, worse = texts / "test.en", tmp_path / "worse"
    worse.write_text("".join(f"{line[: len(line) // 2]}\n" for line in english.read_text().splitlines()))
    options = ("--hypothesis", english, "--reference", english, "--baseline", worse)
    status, out, err = run("score", *options)
    assert (status, err) == (0, "")
    assert "baseline" in out.splitlines()[-1]
    found = json.loads(run("score", *options, "--json")[1])["comparison"]
    assert found["system"] > found["baseline"]
    assert found["p_value"] < 0.05


def test_profile_of_a_model_counts_as_the_paper_and_in_full(run, model_folder):
    import litetransformer as lt

    status, out, err = run("profile", model_folder, "--json")
    counted = json.loads(out)
    parameters = sum(one.numel() for one in lt.load(model_folder).model.parameters())
    assert (status, err, counted["params_total"]) == (0, "", parameters)
    assert counted["params"] < counted["params_total"]
    assert counted["mult_adds"] < counted["mult_adds_total"]
    assert {"encoder.0", "encoder.1", "decoder.0", "decoder.1"} == set(counted["layers"])
    assert sum(part["params"] for part in counted["components"].values()) == parameters
    longer = json.loads(run("profile", model_folder, "--json", "--source-tokens", 60)[1])
    assert longer["mult_adds"] > counted["mult_adds"]
    assert "as the paper counts" in run("profile", model_folder)[1]


def test_profile_of_a_recipe_gives_the_paper_s_numbers(run):
    counted = json.loads(run("profile", "iwslt14-de-en/lite-160", "--json")[1])
    assert (round(counted["params"] / 1e6, 1), round(counted["mult_adds"] / 1e6)) == (2.8, 54)
    assert run("profile", "iwslt14-de-en/lite-160")[1].startswith(
        "mult-adds of one pair of 30 and 30 tokens\n"
    )
    summary = run("profile", "cnndm/lite-496")[1]
    assert summary.startswith("mult-adds of one pair of 45 and 45 tokens\n")
    shorter = json.loads(run("profile", "cnndm/lite-496", "--json", "--source-tokens", 30)[1])
    assert (shorter["source_tokens"], shorter["target_tokens"]) == (30, 45)
    assert run("profile", "wikitext103/lite-896")[1].startswith("mult-adds of 30 tokens\n")
    smaller = json.loads(run("profile", "iwslt14-de-en/lite-160", "--json", "--target-vocabulary", 100)[1])
    assert counted["params"] - smaller["params"] == (6632 - 100) * 160


PROFILED = {
    "tokens": (["--source-tokens", 10**20], "--source-tokens"),
    "vocabulary": (["--target-vocabulary", 10**23 - 1], "--target-vocabulary"),
    "recipe_s_vocabulary": (["--set", f"vocabulary.size={10**23}"], "lower vocabulary.size"),
    "dim": (["--set", f"model.dim={10**30}"], "must be at most 65536"),
    "odd": (["--set", "model.dim=33"], "model: describes no network (dim=33 must be even"),
    "expected": (["--set", f"expect.target_vocabulary={10**30}"], "model: describes no network"),
}


@pytest.mark.parametrize(("options", "message"), PROFILED.values(), ids=PROFILED.keys())
def test_profile_refuses_sizes_that_no_network_has(run, options, message):
    status, out, err = run("profile", "iwslt14-de-en/lite-160", *options)
    assert (status in (1, 2), out, err.count("\n")) == (True, "", 1)
    assert message in err
    assert "a fault" not in err


def test_out_of_memory_names_options_that_exist(run):
    from litetransformer.cli.app import VERBS, explain

    said, status = explain(MemoryError())
    assert (status, said.count("\n")) == (1, 0)
    for verb in VERBS:
        takes = "--batch-tokens" in run(verb, "--help")[1]
        assert (verb in said.partition("--batch-tokens")[2]) == takes, verb


@pytest.mark.parametrize("language", ["e\x1b[31mn", "", "d", "de;x", "de\n", "dé"])
def test_what_is_no_language_is_refused(run, language):
    scored = run("score", "--hypothesis", "x", "--reference", "y", "--language", language)
    trained = run("train", "--preset", "lite-160", "--out", "x", "--from", language)
    for status, out, err in (scored, trained):
        assert (status, out) == (2, "")
        assert "must be the code of a language; write for example 'de' or 'pt-BR'" in err
        assert "\x1b" not in err


def test_recipes_lists_every_recipe_on_one_line(run):
    from litetransformer import recipes

    status, out, err = run("recipes")
    header, *rows = out.splitlines()
    assert (status, err, header.split()[0]) == (0, "", "recipe")
    assert [row.split()[0] for row in rows] == recipes.names()
    found = json.loads(run("recipes", "--json")[1])
    assert [row["name"] for row in found] == recipes.names()
    assert all(row["what"] for row in found)
    shown = {row.split()[0]: row.split() for row in rows}
    assert shown["wmt16-en-de/evolved-128"][1:5] == ["3.0", "94", "22.0", "BLEU"]
    assert shown["wikitext103/transformer-512"][1:5] == ["–", "1154", "24.0", "perplexity"]


def test_a_small_count_is_printed_in_full():
    from litetransformer.cli.output import millions

    assert [millions(count) for count in (0, 12_345, 2_780_000)] == ["0", "12,345", "2.78M"]


@pytest.mark.parametrize("folder", ["texts.txt", "texts.txt/inside"])
def test_a_file_where_a_folder_is_needed_is_said_to_be_one(run, tmp_path, folder):
    (tmp_path / "texts.txt").write_text("rot\n")
    status, out, err = run("quickstart", "--out", tmp_path / folder)
    assert (status, out) == (1, "")
    assert err == f"error: {tmp_path / 'texts.txt'}: is a file, not a folder; name a folder\n"


@pytest.mark.parametrize("arguments", ["cost .", "table"])
def test_what_needs_no_model_loads_no_pytorch(arguments):
    program = (
        "import sys; from litetransformer.cli import main; "
        f"main({arguments.split()}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


def test_show_prints_fields_that_set_takes(run):
    name = "iwslt14-de-en/lite-160"
    status, out, err = run("show", name, "--set", "train.updates=7")
    assert (status, err) == (0, "")
    assert "train.updates = 7\n" in out
    fields = [line.partition(" = ") for line in out.splitlines() if " = " in line]
    taken = {field for field, equals, value in fields if equals and value.isdecimal()}
    assert len(taken) > 10
    for field in sorted(taken):
        assert run("show", name, "--set", f"{field}=8")[2].count("\n") <= 1
    shown = json.loads(run("show", name, "--json", "--set", "train.updates=7")[1])
    assert shown["train"]["updates"] == 7


@pytest.mark.parametrize("name", ["lite-160", "transformer-64", "summary-lite-160", "lm-lite-256"])
def test_show_and_profile_take_a_preset(run, name):
    from litetransformer.core.spec import to_json
    from litetransformer.recipes import preset

    shown = json.loads(run("show", name, "--json", "--set", "train.updates=7")[1])
    assert shown == to_json(preset(name)) | {"train": shown["train"]}
    assert shown["train"]["updates"] == 7
    status, out, err = run("profile", name, "--json")
    assert (status, err) == (0, "")
    layers = {"model.dropout=0.5", "vocabulary.size=9000"}
    more = json.loads(run("profile", name, "--json", *(f"--set={one}" for one in layers))[1])
    assert more["params_total"] > json.loads(out)["params_total"]


def test_show_reads_the_folder_of_a_run_and_of_a_model(run, model_folder, broken):
    assert 'data.source_language = "de"' in run("show", model_folder)[1]
    (broken / "recipe.json").unlink()
    assert 'source_language = "de"' in run("show", broken)[1]


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


MISUSES = [
    (["trian"], "trian: no such verb; did you mean 'train'?"),
    (["--verison"], "--verison: no such option; did you mean '--version'?"),
    (["translate", "--model", "x", "--baem", "3"], "--baem: no such option; did you mean '--beam'?"),
    (["translate", "--model", "x", "--baem=3"], "--baem: no such option; did you mean '--beam'?"),
    (["summarize", "Hallo"], "--model: needs a value; `lite summarize --help` says what it is for"),
    (["train", "--out"], "--out: needs a value; `lite train --help` says what it is for"),
    (["train", "--out", "a", "--out", "b"], "--out: is given twice; give it once"),
    (
        ["translate", "--model", "x", "--beam", "wide"],
        "--beam: 'wide' is not a whole number; give a whole number",
    ),
    (["cost", "x", "--price", "much"], "--price: 'much' is not a number; give a number"),
    (["translate", "--model", "x", "--json=maybe"], "--json: takes no value; give it alone, or leave it out"),
    (
        ["score", "--hypothesis", "x", "--reference", "y", "--mode", "papper"],
        "--mode: 'papper' is not a choice; did you mean 'paper'?",
    ),
    (["translate", "--batch-tokens", "0"], "--batch-tokens: 0 is out of range; give at least 1"),
    (["quickstart", "--minutes", "0"], "--minutes: 0 is out of range; give more than 0"),
    (["quickstart", "--minutes", "nan"], "--minutes: nan is out of range; give a finite number"),
    (
        ["profile", "x", "--source-tokens", "9999999"],
        "--source-tokens: 9999999 is out of range; give at most 1048576",
    ),
    (
        ["translate", "--from", ""],
        "--from: language='' must be the code of a language; write for example 'de' or 'pt-BR'",
    ),
    (["profile"], "RECIPE: needs a value; `lite profile --help` says what it is for"),
    (["recipes", "more"], "more: is one argument too many; `lite recipes --help` says what it takes"),
]


@pytest.mark.parametrize(("arguments", "said"), MISUSES, ids=lambda value: " ".join(value)[:40])
def test_a_mistake_on_the_command_line_is_one_line_and_exits_2(run, arguments, said):
    assert run(*arguments) == (2, "", f"error: {said}\n")


INPUTS = {
    "model missing": (["translate", "--model", "NOWHERE", "Hallo"], "NOWHERE: no model here"),
    "input missing": (["translate", "--model", "MODEL", "--input", "NOWHERE"], "NOWHERE: no such file"),
    "input is a folder": (["translate", "--model", "MODEL", "--input", "TEXTS"], "TEXTS: is a folder"),
    "output is a folder": (["translate", "--model", "MODEL", "--output", "TEXTS", "a"], "TEXTS: is a folder"),
    "output is the input": (
        ["translate", "--model", "MODEL", "--input", "GERMAN", "--output", "GERMAN"],
        "GERMAN: is the file that is read",
    ),
    "invalid UTF-8": (["translate", "--model", "MODEL", "--input", "LATIN"], "LATIN:2: invalid UTF-8"),
    "text beside input": (["translate", "--model", "MODEL", "--input", "GERMAN", "a"], "--input"),
    "line break in text": (["translate", "--model", "MODEL", "a\nb"], "TEXT: holds a line break"),
    "half a character": (["translate", "--model", "MODEL", "\udcff"], "TEXT: invalid UTF-8"),
    "beam of 0": (["translate", "--model", "MODEL", "--beam", "0", "a"], "--beam: beam=0 must be at least 1"),
    "n-best beyond the beam": (
        ["translate", "--model", "MODEL", "--n-best", "9", "a"],
        "--n-best: n_best=9 must be",
    ),
    "idle temperature": (["translate", "--model", "MODEL", "--temperature", "2", "a"], "--temperature"),
    "idle beam": (["translate", "--model", "MODEL", "--sample", "--beam", "2", "a"], "--beam"),
    "scores beside json": (
        ["translate", "--model", "MODEL", "--scores", "--json", "a"],
        "--scores: changes nothing",
    ),
    "scores beside json in generate": (
        ["generate", "--model", "MODEL", "--scores", "--json"],
        "--scores: changes nothing with --json, which has them; leave one out",
    ),
    "device without a model": (
        ["score", "--hypothesis", "TSV", "--reference", "TSV", "--device", "cpu"],
        "--device: changes nothing without --model; leave one out",
    ),
    "training text without updates": (
        ["compress", "MODEL", "--out", "OUT", "--train-source", "GERMAN"],
        "--train-source: changes nothing without --updates; add --updates",
    ),
    "bits of nothing": (
        ["compress", "MODEL", "--out", "OUT", "--bits", "9"],
        "--bits: bits=9 must be from 1 to 8",
    ),
    "Markdown of no table": (
        ["table", "--markdown"],
        "--markdown: changes nothing without a table; name one",
    ),
    "region beside intensity": (
        ["cost", "MODEL", "--region", "eu", "--intensity", "1"],
        "--region: changes nothing with --intensity; leave one out",
    ),
    "empty region": (["cost", "MODEL", "--region", ""], "--region: no intensity is known of ''"),
    "source of a language model": (
        ["profile", "wikitext103/lite-896", "--source-tokens", "9"],
        "--source-tokens: a language model has no source; leave it out",
    ),
    "empty preset": (
        ["train", "--preset", "", "--out", "OUT"],
        "--preset: is empty; give a value, or leave it out",
    ),
    "empty source": (
        ["train", "multi30k-de-en/lite-64", "--source", "", "--out", "OUT"],
        "--source: is empty; give a value, or leave it out",
    ),
    "too many threads": (["translate", "--model", "MODEL", "--threads", "9999", "a"], "--threads"),
    "unequal lines": (
        ["score", "--hypothesis", "TSV", "--reference", "GERMAN"],
        "TSV: has 1 line but GERMAN has 20",
    ),
    "empty file": (["score", "--hypothesis", "EMPTY", "--reference", "EMPTY"], "EMPTY: holds no lines"),
    "nothing to score": (["score", "--reference", "GERMAN"], "--hypothesis or --model"),
    "model without source": (["score", "--model", "MODEL", "--reference", "GERMAN"], "--source"),
    "unknown recipe": (["train", "iwslt14-de-en/lite-16", "--out", "OUT"], "'iwslt14-de-en/lite-160'"),
    "unknown preset": (
        ["train", "--preset", "lyte-160", "--out", "OUT", "--source", "TSV", "--valid-source", "TSV"],
        "'lite-160'",
    ),
    "preset to profile": (["profile", "lyte-160"], "did you mean 'lite-160'?"),
    "recipe to profile": (["profile", "iwslt14-de-en/lite-16"], "'iwslt14-de-en/lite-160'"),
    "nothing to show": (["show", "NOWHERE"], "NOWHERE: neither a recipe nor a preset, nor a folder"),
    "no recipe": (["train", "--out", "OUT"], "RECIPE: no recipe is named"),
    "unknown field": (["show", "iwslt14-de-en/lite-160", "--set", "train.updatse=1"], "'updates'"),
    "field without value": (["show", "iwslt14-de-en/lite-160", "--set", "train.updates"], "FIELD=VALUE"),
    "value of the wrong type": (
        ["show", "iwslt14-de-en/lite-160", "--set", "train.updates=x"],
        "train.updates",
    ),
    "value against a rule": (["show", "iwslt14-de-en/lite-160", "--set", "train.updates=0"], "updates=0"),
    "recipe beside preset": (
        ["train", "iwslt14-de-en/lite-160", "--preset", "lite-160", "--out", "OUT"],
        "--preset",
    ),
    "preset without texts": (["train", "--preset", "lite-160", "--out", "OUT"], "--valid-source"),
    "source without target": (
        ["train", "--preset", "lite-160", "--out", "OUT", "--source", "GERMAN", "--valid-source", "GERMAN"],
        "GERMAN: a plain text file holds one side",
    ),
    "download beside own texts": (
        ["train", "multi30k-de-en/lite-64", "--out", "OUT", "--download", "--source", "TSV"],
        "--download: is for a recipe's own texts, not for --source",
    ),
    "data beside a preset": (
        ["train", "--preset", "lite-64", "--out", "OUT", "--data", "TEXTS"],
        "--data: is for a recipe's own texts, not for --preset",
    ),
    "no validation text": (
        ["train", "multi30k-de-en/lite-64", "--out", "OUT", "--source", "TSV", "--quiet"],
        "none to validate with",
    ),
    "too little text": (["quickstart", "--out", "OUT", "--source", "TSV"], "TSV: only 1 pairs"),
    "download offline": (
        ["train", "iwslt14-de-en/lite-160", "--out", "OUT", "--download", "--offline"],
        "--download: contradicts --offline",
    ),
    "folder without the data": (
        ["train", "iwslt14-de-en/lite-160", "--out", "OUT", "--data", "TEXTS/.."],
        "de-en.tgz",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_wrong_input_is_one_line_and_leaves_nothing(run, fails, model_folder, texts, tmp_path, case):
    places = {
        "NOWHERE": tmp_path / "nowhere",
        "MODEL": model_folder,
        "TEXTS": texts,
        "GERMAN": texts / "test.de",
        "LATIN": tmp_path / "latin.txt",
        "EMPTY": tmp_path / "empty",
        "TSV": tmp_path / "pairs.tsv",
        "OUT": tmp_path / "out",
    }
    places["LATIN"].write_bytes("gut\nschön\n".encode("latin-1"))
    places["EMPTY"].write_bytes(b"")
    places["TSV"].write_bytes(b"a\tb\n")

    def fill(text):
        for name, path in places.items():
            text = text.replace(name, str(path))
        return text

    arguments, said = INPUTS[case]
    fails(run(*map(fill, arguments)), fill(said))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob(".partial-*"))


DAMAGES = {
    "weights with a flipped bit": (
        lambda folder: _flip(folder / "model.safetensors"),
        "model.safetensors: damaged",
    ),
    "weights cut short": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 100),
        "model.safetensors",
    ),
    "weights missing": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    "tokenizer with a flipped bit": (
        lambda folder: _flip(folder / "tokenizer.model"),
        "tokenizer.model: damaged",
    ),
    "another format": (
        lambda folder: (folder / "model.json").write_text('{"format": 99}'),
        "model.json:format: a model of format 99",
    ),
    "a card that is no JSON": (
        lambda folder: (folder / "model.json").write_text("{"),
        "model.json:1: not JSON",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_named_in_one_line(run, fails, broken, damage):
    harm, said = DAMAGES[damage]
    harm(broken)
    fails(run("translate", "--model", broken, "Hallo"), f"{broken}/{said}")


def test_a_folder_that_is_being_written_is_refused(run, fails, texts, tmp_path):
    options = own_texts(texts)
    with only_writer(tmp_path / "run"):
        found = run("train", "--preset", "lite-16", "--out", tmp_path / "run", *options, "--quiet")
    fails(found, f"{tmp_path / 'run'}: another run is writing here")


def test_debug_shows_where_an_error_came_from_and_then_the_line(run, tmp_path):
    status, _, err = run("translate", "--model", tmp_path, "--debug", "Hallo")
    assert status == 1
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}: no model here")


def test_a_fault_of_the_program_is_one_line_too(run, fails, monkeypatch):
    def fail(_name):
        raise RuntimeError("several\nlines")

    monkeypatch.setattr("litetransformer.recipes.get", fail)
    fails(run("recipes"), "RuntimeError: several lines; this is a fault of litetransformer")


def own_texts(texts):
    """The options that name `texts`."""
    sides = (
        ("source", "train.de"),
        ("target", "train.en"),
        ("valid-source", "valid.de"),
        ("valid-target", "valid.en"),
    )
    return [part for side, name in sides for part in (f"--{side}", texts / name)]
