"""`lite` with language models: trained, measured and made to write from the command line."""

import json
import random
import shutil

import pytest

from litetransformer.cli import main

WORDS = ["amber", "birch", "cedar", "elm", "fir"]
SMALL = (
    *("--set", "vocabulary.kind=words", "--set", "vocabulary.size=16", "--set", "train.batch_tokens=256"),
    *("--set", "block=32", "--set", "window=32", "--set", "context=16", "--set", "train.longest=64"),
    *("--set", "train.schedule.warmup=5", "--set", "train.validate_every=10", "--set", "train.updates=20"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the text of each split."""
    folder, generator = tmp_path_factory.mktemp("text"), random.Random(1)
    for split, count in (("train", 200), ("valid", 20), ("test", 20)):
        lines = (" ".join(generator.choices(WORDS, k=generator.randrange(8))) for _ in range(count))
        (folder / f"own.{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def own(folder):
    return ["--text", folder / "own.train.txt", "--valid-text", folder / "own.valid.txt"]


@pytest.fixture(scope="module")
def model(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    arguments = ["train", "--preset", "lm-lite-16", *own(folder), *SMALL, "--out", out, "--quiet"]
    assert main(list(map(str, arguments))) == 0
    return out


def test_prepared_then_trained_then_gone_on_with(run, fails, folder, tmp_path):
    options = ["--preset", "lm-transformer-16", *own(folder), *SMALL, "--out", tmp_path, "--quiet", "--json"]
    status, out, err = run("prepare", *options)
    facts = json.loads(out)
    lines = (folder / "own.train.txt").read_text().splitlines()
    assert (status, err, facts["vocabulary"], facts["folder"]) == (0, "", 8, str(tmp_path))
    tokens = sum(len(line.split()) + 1 for line in lines)
    assert facts["train"] == {"lines": 200, "tokens": tokens, "dropped": {}}
    record = (tmp_path / "prepared.json").read_bytes()
    status, out, err = run("train", *options, "--set", "train.updates=10")
    assert (status, err, json.loads(out)["update"]) == (0, "", 10)
    assert (tmp_path / "prepared.json").read_bytes() == record
    status, out, _ = run("train", "--out", tmp_path, "--quiet", "--set", "train.updates=12")
    assert status == 0
    assert out.startswith(f"{tmp_path}: 12 updates · best loss ")
    fails(run("train", "--out", tmp_path, "--set", "block=64"), "block", "--accept-changes")


def test_prepare_prints_lines_and_tokens(run, folder, tmp_path):
    status, out, _ = run("prepare", "ptb/lite-320", "--data", folder, "--out", tmp_path, "--quiet")
    assert status == 0
    assert "lines" in out
    assert "source" not in out
    assert out.endswith("vocabulary: 8\n")


def test_perplexity_of_a_file_and_of_stdin(run, lite, folder, model):
    text = folder / "own.test.txt"
    status, out, err = run("perplexity", "--model", model, text, "--json")
    facts = json.loads(out)
    assert (status, err) == (0, "")
    lines = text.read_text().splitlines()
    assert (facts["lines"], facts["unknown"]) == (20, 0)
    assert facts["words"] == facts["tokens"] == sum(len(line.split()) + 1 for line in lines)
    assert facts["per_token"] == facts["per_word"]
    assert 1 < facts["per_token"] < 16
    done = lite("perplexity", "--model", model, "-", "--json", stdin=text.read_bytes())
    assert (json.loads(done.stdout), done.stderr) == (facts, b"")
    assert run("perplexity", "--model", model, "--input", text, "--json") == (0, out, "")
    status, out, _ = run("perplexity", "--model", model, text)
    assert f"{facts['per_token']:,.3f}" in out


def test_context_and_window_reach_the_measurement(run, folder, model):
    def measured(*options):
        out = run("perplexity", "--model", model, folder / "own.test.txt", "--json", *options)[1]
        return json.loads(out)["nats"]

    assert measured("--context", 16) == measured()
    assert measured("--context", 16, "--batch-tokens", 1) == pytest.approx(measured(), rel=1e-6)
    assert len({measured(), measured("--context", 0), measured("--window", 20)}) == 3


def test_perplexity_says_what_is_wrong_in_one_line(run, fails, folder, model, model_folder, tmp_path):
    text = folder / "own.test.txt"
    fails(run("perplexity", "--model", model, text, "--context", 32), "context: 32 does not fit")
    fails(run("perplexity", "--model", model, tmp_path / "nowhere"), "nowhere: no such file")
    fails(run("perplexity", "--model", model, tmp_path), "is a folder")
    fails(run("perplexity", "--model", tmp_path, text), "no model here")
    fails(run("perplexity", "--model", model_folder, text), "a model for translation; use `lite translate`")
    (tmp_path / "empty").touch()
    fails(run("perplexity", "--model", model, tmp_path / "empty"), "no text to predict")
    (tmp_path / "bad").write_bytes(b"amber\n\xff\n")
    fails(run("perplexity", "--model", model, tmp_path / "bad"), "bad:2: invalid UTF-8")


def test_a_prompt_is_gone_on_from(run, model):
    status, out, err = run("generate", "--model", model, "--prompt", "amber birch", "--prompt", "fir")
    first, second = out.splitlines()
    assert (status, err) == (0, "")
    assert first.startswith("amber birch")
    assert second.startswith("fir")


def test_what_is_drawn_follows_from_the_seed_and_the_prompt_s_number(run, lite, model):
    def drawn(*options):
        return run("generate", "--model", model, "--temperature", 2, *options)[1]

    both = drawn("--prompt", "amber", "--prompt", "amber", "--tokens", 12)
    done = lite(*("generate", "--model", model, "--temperature", 2, "--tokens", 12), stdin=b"amber\namber\n")
    assert done.stdout.decode() == both
    first, second = both.splitlines()
    assert first != second
    assert drawn("--prompt", "amber", "--tokens", 12) == f"{first}\n"
    assert drawn("--prompt", "amber", "--tokens", 12, "--seed", 1) != f"{first}\n"
    alike = [drawn("--prompt", "fir", "--top-k", 1, "--seed", seed) for seed in range(3)]
    assert len(set(alike)) == 1


def test_samples_and_json(run, model):
    _, out, _ = run("generate", "--model", model, "--prompt", "", "--prompt", "elm", "--samples", 3)
    assert run("generate", "--model", model, "--prompt", "", "--prompt", "elm", "--n-best", 3) == (0, out, "")
    fields = [line.split(" ||| ") for line in out.splitlines()]
    assert [number for number, _, _ in fields] == ["1"] * 3 + ["2"] * 3
    assert all(float(score) <= 0 for _, _, score in fields)
    _, out, _ = run("generate", "--model", model, "--prompt", "elm", "--samples", 2, "--json", "--tokens", 5)
    facts = json.loads(out)
    assert facts["prompt"] == "elm"
    assert [set(one) for one in facts["texts"]] == [{"text", "score", "tokens", "finished"}] * 2
    assert all(one["tokens"] <= 5 for one in facts["texts"])


def test_a_beam_finds_the_likeliest(run, model):
    command = ["generate", "--model", model, "--prompt", "elm", "--beam", 4, "--samples", 3, "--json"]
    found = json.loads(run(*command)[1])["texts"]
    assert len({one["text"] for one in found}) == 3
    assert run(*command) == run(*command)


def test_generate_says_what_is_wrong_in_one_line(run, fails, model, model_folder):
    prompt = ["--prompt", "amber"]
    fails(run("generate", "--model", model, *prompt, "--beam", 2, "--seed", 1), "--seed: changes nothing")
    fails(run("generate", "--model", model, *prompt, "--tokens", 33), "choose from 1 to 32")
    fails(run("generate", "--model", model, *prompt, "--top-p", 2), "top_p=2.0 must be in (0, 1]")
    fails(run("generate", "--model", model, "--prompt", "a\nb"), "--prompt: holds a line break")
    fails(run("generate", "--model", model_folder, *prompt), "a model for translation; use `lite translate`")


def test_a_text_leaves_before_the_next_prompt_has_come(start_lite, model):
    with start_lite("generate", "--model", model, "--tokens", 4) as process:
        for prompt in (b"amber", b"elm birch"):
            process.stdin.write(prompt + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(prompt)
        process.stdin.close()
        assert process.wait(60) == 0


def test_any_prompt_has_one_line(run, model, tmp_path, lite):
    lines = ["", " ", "\r", "<unk> <pad> </s>", "日本\u2028x", "\x00", "a" * 3000, "amber " * 200, "\u200b"]
    done = lite("generate", "--model", model, "--tokens", 3, stdin="".join(f"{x}\n" for x in lines).encode())
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == len(lines)


def test_verbs_for_pairs_of_texts_refuse_a_language_model(run, fails, model, folder):
    said = "a model for language-modeling; use `lite generate` or `lite perplexity`"
    fails(run("translate", "--model", model, "amber"), said)
    text = folder / "own.test.txt"
    fails(run("score", "--model", model, "--source", text, "--reference", text), said)


def test_show_and_profile_know_language_models(run, fails, model):
    for name in (model, "wikitext103/lite-896", "ptb/lite-320"):
        status, out, _ = run("show", name)
        assert status == 0
        assert "block = " in out or "window = " in out
    (shown,) = {run("profile", name, "--json")[0] for name in (model, "kyotowiki/lite-320")}
    assert shown == 0
    facts = json.loads(run("profile", "wikitext103/lite-896", "--json")[1])
    assert round(facts["params"] / 1e6, 1) == 37.2
    more = json.loads(run("profile", "ptb/lite-320", "--target-vocabulary", 20_000, "--json")[1])
    assert more["params_total"] > json.loads(run("profile", "ptb/lite-320", "--json")[1])["params_total"]
    fails(
        run("profile", "ptb/lite-320", "--source-vocabulary", 9), "--source-vocabulary: a language model has"
    )


def test_recipes_list_the_perplexity_that_the_paper_states(run):
    found = {row["name"]: row for row in json.loads(run("recipes", "--json")[1])}
    assert found["wikitext103/lite-896"]["perplexity"] == 22.2
    assert found["wikitext103/lite-896"]["bleu"] is None
    assert "22.2 perplexity" in run("recipes")[1]
    assert "30.9 BLEU" in run("recipes")[1]


CONTRADICTIONS = {
    "no text": (["ptb/lite-320"], "no text to train on or none to validate with"),
    "no home": (["ptb/lite-320", "--download"], "--download: the recipe's text has no home"),
    "pairs": (["ptb/lite-320", "--source", "TEXT"], "--source: is for pairs of texts"),
    "language": (["ptb/lite-320", "--data", "FOLDER", "--from", "de"], "--from: is for pairs of texts"),
    "text for pairs": (["iwslt14-de-en/lite-160", "--text", "TEXT"], "--text: is for language models"),
    "preset alone": (["--preset", "lm-lite-16"], "--preset: a preset is for your own texts; name --text"),
    "pairs for a language preset": (
        ["--preset", "lm-lite-16", "--source", "TEXT", "--valid-source", "TEXT"],
        "--source: is for pairs of texts",
    ),
    "text for a preset of pairs": (
        ["--preset", "lite-16", "--text", "TEXT", "--valid-text", "TEXT"],
        "--text: is for language models",
    ),
    "text and data": (
        ["ptb/lite-320", "--data", "FOLDER", "--text", "TEXT"],
        "--data: is for a recipe's own texts, not for --text",
    ),
    "unknown preset": (
        ["--preset", "lm-lite-10", "--text", "TEXT", "--valid-text", "TEXT"],
        "'lm-lite-10' is not divisible by 8; choose lm-lite-8",
    ),
    "not here": (["wikitext103/lite-896"], "the data set wikitext103"),
    "empty folder": (["ptb/lite-320", "--data", "EMPTY"], "has no text called train.txt"),
    "two texts": (["ptb/lite-320", "--data", "TWO"], "may be the train text, and so may"),
}


@pytest.mark.parametrize(("arguments", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_texts_that_do_not_fit_are_refused(run, fails, folder, tmp_path, monkeypatch, arguments, said):
    monkeypatch.setenv("LITETRANSFORMER_DATA", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    shutil.copytree(folder, tmp_path / "two")
    shutil.copy(folder / "own.train.txt", tmp_path / "two" / "train.txt")
    places = {"TEXT": folder / "own.train.txt", "FOLDER": folder, "EMPTY": tmp_path / "empty"}
    places["TWO"] = tmp_path / "two"
    fails(run("train", *(places.get(one, one) for one in arguments), "--out", tmp_path / "run"), said)
    assert not (tmp_path / "run" / "model.json").exists()


def test_a_folder_of_a_catalogued_set_is_used(run, folder, tmp_path):
    data = tmp_path / "wikitext"
    data.mkdir()
    for split in ("train", "valid"):
        shutil.copy(folder / f"own.{split}.txt", data / f"wiki.{split}.tokens")
    options = ["--data", data, "--out", tmp_path / "run", "--quiet", "--json"]
    status, out, _ = run("prepare", "wikitext103/lite-896", *options)
    assert status == 0
    assert json.loads(out)["train"]["lines"] == 200
