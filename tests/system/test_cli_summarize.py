"""`lite summarize`, and `lite score --mode rouge`: a line in, a line out, and scores that are ROUGE's."""

import json

import pytest

import litetransformer as lt


def test_a_file_stdin_and_the_library_agree_line_by_line(lite, run, summarizer_folder, documents, tmp_path):
    lines = [*documents(12, 21), "", "dog", " "]
    expected = lt.load(summarizer_folder).summarize(lines)
    content = "".join(f"{line}\n" for line in lines)
    path, output = tmp_path / "documents.txt", tmp_path / "summaries.txt"
    path.write_text(content)
    status, out, err = run("summarize", "--model", summarizer_folder, path)
    assert (status, out.split("\n")[:-1], err) == (0, expected, "")
    for named in ((path, "--out"), ("--input", path, "--output")):
        assert run("summarize", "--model", summarizer_folder, *named, output) == (0, "", "")
        assert output.read_text() == out
        output.unlink()
    for arguments in ([], ["-"]):
        done = lite("summarize", "--model", summarizer_folder, *arguments, stdin=content.encode())
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, out, b"")


def test_one_document_in_gets_its_summary_out_before_the_end(start_lite, summarizer_folder):
    with start_lite("summarize", "--model", summarizer_folder) as process:
        for line in (b"red dog runs here\n", b"\n"):
            process.stdin.write(line)
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer.endswith(b"\n")
            assert (answer == b"\n") == (line == b"\n")
        process.stdin.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_options_override_the_models_own_search(run, summarizer_folder, documents, tmp_path):
    path = tmp_path / "one.txt"
    path.write_text(documents(1, 22)[0] + "\n")

    def summary(*options):
        status, out, err = run("summarize", path, "--model", summarizer_folder, "--json", *options)
        assert (status, err, out.count("\n")) == (0, "", 1)
        found = json.loads(out)
        assert found["source"] == path.read_text()[:-1]
        (best,) = found["summaries"]
        return best

    tokenizer = lt.load(summarizer_folder).target
    assert len(tokenizer.encode(summary("--shortest", 9, "--longest", 9)["text"])) >= 7
    assert len(summary("--longest", 3)["text"]) < len(summary("--shortest", 8)["text"])
    assert summary("--min-length", 8, "--max-length", 8) == summary("--shortest", 8, "--longest", 8)
    assert summary("--beam", 1)["score"] != summary("--beam", 1, "--length-penalty", 0)["score"]
    words = summary("--shortest", 9, "--no-repeat-ngram", 1)["text"].split()
    assert len(words) == len(set(words))


def test_a_model_of_the_other_task_is_refused_with_its_verb(run, summarizer_folder, model_folder, tmp_path):
    path = tmp_path / "text"
    path.write_text("dog\n")
    assert run("translate", "--model", summarizer_folder, "dog") == (
        1,
        "",
        f"error: {summarizer_folder}/model.json:task: a model for summarization; use `lite summarize`\n",
    )
    assert run("summarize", "--model", model_folder, path) == (
        1,
        "",
        f"error: {model_folder}/model.json:task: a model for translation; use `lite translate`\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["NOWHERE"], "NOWHERE: no such file"),
        (["FOLDER"], "FOLDER: is a folder"),
        (["FILE", "--output", "FILE"], "FILE: is the file that is read"),
        (["FILE", "--output", "FOLDER"], "FOLDER: is a folder"),
        (["FILE", "--shortest", "20"], "--shortest: shortest=20 must not exceed longest=9"),
        (["FILE", "--beam", "0"], "--beam: beam=0 must be at least 1"),
    ],
)
def test_wrong_input_is_one_line(run, fails, summarizer_folder, tmp_path, arguments, said):
    places = {"NOWHERE": tmp_path / "no", "FOLDER": tmp_path, "FILE": tmp_path / "file"}
    places["FILE"].write_text("dog\n")

    def fill(text):
        for name, place in places.items():
            text = text.replace(name, str(place))
        return text

    fails(run("summarize", "--model", summarizer_folder, *map(fill, arguments)), f"error: {fill(said)}")


@pytest.mark.parametrize("verb", ["summarize", "perplexity"])
@pytest.mark.parametrize("arguments", [["--baem", "3"], ["file", "--baem"], ["--baem=3"]])
def test_a_misspelt_option_is_no_file(run, verb, arguments):
    near = {"summarize": "'--beam'", "perplexity": "'--batch-tokens'"}[verb]
    expected = f"error: --baem: no such option; did you mean {near}?\n"
    assert run(verb, "--model", "x", *arguments) == (2, "", expected)


def test_score_in_rouge_takes_several_references_a_line(run, tmp_path):
    hypothesis, first, both = tmp_path / "out", tmp_path / "one.txt", tmp_path / "refs.jsonl"
    hypothesis.write_text("the cat sat on the mat\nx\n")
    first.write_text("the cat was on the mat\ny\n")
    both.write_text('["the cat was on the mat"]\n["y", "x"]\n')
    status, out, err = run("score", "--mode", "rouge", "--hypothesis", hypothesis, "--reference", first)
    assert (status, err) == (0, "")
    assert [line.split(" (")[0] for line in out.splitlines()] == [
        *("ROUGE-1 41.67", "ROUGE-2 30.00", "ROUGE-L 41.67", "ROUGE-Lsum 41.67")
    ]
    command = ("score", "--mode", "rouge", "--hypothesis", hypothesis, "--json", "--reference")
    found = [json.loads(run(*command, *paths)[1])["scores"] for paths in ([both], [first, both])]
    assert [score["name"] for score in found[0]] == ["ROUGE-1", "ROUGE-2", "ROUGE-L", "ROUGE-Lsum"]
    assert [round(score["value"], 2) for score in found[0]] == [91.67, 30.0, 91.67, 91.67]
    assert [score["value"] for score in found[0]] == [score["value"] for score in found[1]]
    assert found[0][0]["signature"].startswith("nrefs:var|")
    assert "BLEU" in run("score", "--hypothesis", hypothesis, "--reference", both)[1]


def test_a_reference_that_is_no_list_names_its_line(run, tmp_path):
    hypothesis, references = tmp_path / "out", tmp_path / "refs.jsonl"
    hypothesis.write_text("a\nb\n")
    references.write_text('["a"]\n"b"\n')
    status, out, err = run("score", "--mode", "rouge", "--hypothesis", hypothesis, "--reference", references)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {references}:2: not a list of references; write each line as ")


def test_a_summarizer_is_scored_by_rouge_unless_told_otherwise(run, summarizer_folder, document_texts):
    sides = ("--source", document_texts / "test.doc", "--reference", document_texts / "test.sum")
    status, out, err = run("score", "--model", summarizer_folder, *sides)
    assert (status, err) == (0, "")
    assert out.startswith("ROUGE-1 ")
    assert "stem:porter" in out
    lines, references = (
        (document_texts / f"test.{side}").read_text().splitlines() for side in ("doc", "sum")
    )
    expected = lt.rouge(lt.load(summarizer_folder).summarize(lines), [references])
    assert out.splitlines() == [str(score) for score in expected]
    assert run("score", "--model", summarizer_folder, *sides, "--mode", "sacrebleu")[1].startswith("BLEU ")
