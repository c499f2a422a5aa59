"""Summaries: of the beginning of a document alone, within the limits that were set, whatever the batch."""

import builtins
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import litetransformer as lt
from litetransformer import recipes
from litetransformer.cli import main
from litetransformer.core.errors import InputError
from litetransformer.core.files import read_json, with_checksum, without_checksum, write_json
from litetransformer.core.spec import from_json, to_json
from litetransformer.core.tokens import EOS, PAD
from litetransformer.data.store import TokenStore
from litetransformer.tasks import summarizer as summarizers
from litetransformer.tasks import translator as translators
from litetransformer.tasks.model_folder import ModelCard, read_card
from litetransformer.tasks.recipe import Recipe
from litetransformer.tasks.run import read_recipe
from litetransformer.train.report import Report

READ = 24


@pytest.fixture(scope="module")
def summarizer(summarizer_folder):
    return lt.load(summarizer_folder)


def test_it_learns_and_is_validated_by_rouge(summarizer_folder, summarizer, document_texts):
    events = [json.loads(line) for line in (summarizer_folder / "log.jsonl").read_text().splitlines()]
    seen = [event["rouge"] for event in events if event["event"] == "valid"]
    assert len(seen) == 2
    references = (document_texts / "test.sum").read_text().splitlines()
    found = summarizer.summarize((document_texts / "test.doc").read_text().splitlines(), shortest=0)
    first = lt.rouge(found, [references])[0]
    assert first.value > 50.0


def test_the_folder_knows_its_task_and_how_much_is_read(summarizer_folder, summarizer):
    card = read_card(summarizer_folder)
    assert (card.task, card.truncate_source, card.scoring) == ("summarization", READ, "rouge")
    assert isinstance(summarizer, lt.Summarizer)
    assert (summarizer.truncate_source, summarizer.search) == (READ, card.search)


def test_prepared_documents_are_cut_and_kept(summarizer_folder, summarizer, document_texts):
    lines = (document_texts / "train.doc").read_text().splitlines()
    store = TokenStore(summarizer_folder / "data" / "train")
    assert len(store) == len(lines)
    assert store.index.dropped == ()
    whole = [summarizer.source.encode(line) for line in lines]
    assert store.index.truncated == sum(len(tokens) > READ for tokens in whole) > 100
    for row, tokens in enumerate(whole):
        assert store.source(row).tolist() == [*tokens[:READ], EOS]
    targets = (document_texts / "train.sum").read_text().splitlines()
    assert [store.target(row).tolist() for row in range(9)] == [
        [*summarizer.target.encode(text), EOS] for text in targets[:9]
    ]


class Watched:
    """A model that notes the sources that it is given."""

    def __init__(self, model):
        self.model, self.vocabulary, self.sources = model, model.vocabulary, []

    def begin(self, source, pad):
        self.sources += [row[row != PAD].tolist() for row in source]
        return self.model.begin(source, pad)

    def advance(self, tokens, state, memory):
        return self.model.advance(tokens, state, memory)


def test_what_is_read_of_a_document_is_what_was_prepared(summarizer_folder, summarizer, document_texts):
    model = Watched(summarizer.model)
    ours = lt.Summarizer(model, summarizer.source, summarizer.target, truncate_source=READ)
    lines = (document_texts / "train.doc").read_text().splitlines()[:30]
    ours.summarize(lines, beam=1, longest=2)
    store = TokenStore(summarizer_folder / "data" / "train")
    assert sorted(model.sources) == sorted(store.source(row).tolist() for row in range(30))


def test_text_beyond_the_limit_changes_nothing(documents, summarizer):
    lines = [line for line in documents(60, 7) if len(summarizer.source.encode(line)) >= READ]
    expected = summarizer.summaries(lines)
    assert len(lines) > 20
    for more in ("dog", "日本 " * 50, "x" * 5000, "\u2028 ."):
        assert summarizer.summaries([f"{line} {more}" for line in lines]) == expected
    other = summarizer.summarize([line.replace("dog", "cat") for line in lines])
    assert other != [found[0].text for found in expected]


STRANGE = ["", " ", "\t\u3000", "dog", "." * 300, "日本語 " * 40, "\x00\r\x0b", "<pad> </s>", "aaaa " * 200]


def repeated(tokens, size):
    grams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return len(set(grams)) < len(grams)


@pytest.mark.parametrize(
    "options",
    [{}, {"shortest": 6, "longest": 20, "no_repeat_ngram": 3, "length_penalty": 2.0, "beam": 4, "n_best": 4}],
)
def test_the_limits_hold_for_every_summary(documents, summarizer, options):
    lines = documents(40, 11) + STRANGE
    search = replace(summarizer.search, **options)
    found = summarizer.summaries(lines, **options)
    assert len(found) == len(lines)
    for line, outputs in zip(lines, found, strict=True):
        assert len(outputs) == (search.n_best if line.strip() else 1)
        for output in outputs:
            assert "\n" not in output.text
            if line.strip():
                assert search.shortest <= len(output.tokens) <= search.longest
                assert not repeated(output.tokens, search.no_repeat_ngram)
            else:
                assert (output.text, output.tokens) == ("", ())


def test_a_summary_does_not_depend_on_the_other_documents(documents, summarizer):
    lines = documents(30, 13) + STRANGE
    expected = [
        [(one.text, pytest.approx(one.score, abs=1e-5)) for one in found]
        for found in summarizer.summaries(lines)
    ]

    def shown(found):
        return [[(one.text, one.score) for one in outputs] for outputs in found]

    for budget in (1, 100, 10**6):
        assert shown(summarizer.summaries(lines, batch_tokens=budget)) == expected
    backwards = summarizer.summaries(lines[::-1], batch_tokens=300)
    assert shown(backwards[::-1]) == expected
    groups = [lines[start : start + 4] for start in range(0, len(lines), 4)]
    assert shown(summarizer.stream(groups)) == expected


def test_each_model_loads_as_what_it_is_and_as_nothing_else(summarizer_folder, model_folder):
    assert isinstance(lt.load(summarizer_folder), lt.Summarizer)
    assert isinstance(lt.load(model_folder), lt.Translator)
    with pytest.raises(InputError, match=r"model.json:task: a model for summarization; use `lite summarize`"):
        translators.load(summarizer_folder)
    with pytest.raises(InputError, match=r"model.json:task: a model for translation; use `lite translate`"):
        summarizers.load(model_folder)


def without(facts, *fields):
    return {name: value for name, value in facts.items() if name not in fields}


def test_models_and_runs_from_before_there_were_summaries_still_load(model_folder, tmp_path):
    old = Path(shutil.copytree(model_folder, tmp_path / "old"))
    for name in ("model.json", "recipe.json", "prepared.json"):
        facts = without_checksum(read_json(old / name), old / name)
        facts = without(facts, "task", "truncate_source")
        for part, field in (("data", "truncate_source"), ("inputs", "truncate_source")):
            if part in facts:
                facts[part] = without(facts[part], field)
        write_json(old / name, with_checksum(facts))
    assert lt.load(old).translate(["rot."]) == lt.load(model_folder).translate(["rot."])
    assert read_recipe(old) == read_recipe(model_folder)
    recipe = replace(read_recipe(old), train=replace(read_recipe(old).train, updates=201))
    assert lt.train_translator(recipe, old, report=Report(old, quiet=True)).update == 201


def test_a_translator_may_cut_its_sources_too(model_folder):
    model = lt.load(model_folder)
    cut = lt.Translator(model.model, model.source, model.target, truncate_source=5)
    line = "Hund Katze Haus Baum rot alt klein"
    kept = model.source.encode(line)[:5]
    watched = Watched(model.model)
    lt.Translator(watched, model.source, model.target, truncate_source=5).translate([line * 300], longest=3)
    assert watched.sources == [[*kept, EOS]]
    assert cut.translate([line]) == cut.translate([f"{line} und gern" * 300])


def test_a_run_with_another_limit_is_refused(summary_recipe, summarizer_folder, tmp_path):
    run = Path(shutil.copytree(summarizer_folder, tmp_path / "run"))
    shorter = replace(summary_recipe, data=replace(summary_recipe.data, truncate_source=READ - 1))
    with pytest.raises(InputError, match=r"data\.truncate_source: the run here was started with another"):
        lt.train_summarizer(shorter, run)
    with pytest.raises(InputError, match="truncate_source: prepared with another truncate_source"):
        lt.train_summarizer(shorter, run, accept_changes=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": lt.Data()}, "summarization needs data.truncate_source"),
        (
            {"train": lt.Training(longest=READ)},
            f"longest={READ} would drop every source .* raise it to {READ + 1}",
        ),
        ({"train": lt.Training(best_by="bleu")}, "best_by='bleu' contradicts scoring='rouge'"),
    ],
)
def test_contradictions_are_refused_with_what_to_do(summary_recipe, changes, said):
    with pytest.raises(ValueError, match=said):
        replace(summary_recipe, **changes)


def test_more_contradictions():
    with pytest.raises(ValueError, match="truncate_source=-1 must not be negative; 0 cuts nothing"):
        lt.Data(truncate_source=-1)
    with pytest.raises(InputError, match=r"^task: a recipe for translation; give the recipe task="):
        lt.train_summarizer(recipes.preset("lite-8"), Path("nowhere"))


def test_a_missing_package_is_said_before_the_training(summary_recipe, tmp_path, monkeypatch):
    real = builtins.__import__

    def without_rouge(name, *rest, **more):
        if name.startswith("rouge_score"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_rouge)
    with pytest.raises(InputError, match="ROUGE needs the extra 'eval'"):
        lt.train_summarizer(summary_recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_card_must_say_how_much_is_read(summarizer_folder):
    facts = to_json(read_card(summarizer_folder)) | {"truncate_source": 0}
    with pytest.raises(InputError, match="truncate_source=0 must be 1 or more"):
        from_json(facts, ModelCard)


def test_a_recipe_survives_json(summary_recipe):
    assert from_json(json.loads(json.dumps(to_json(summary_recipe))), Recipe) == summary_recipe


def test_a_preset_summarizes_a_users_documents(document_texts, tmp_path, capfd):
    out = tmp_path / "run"
    sides = (("source", "train.doc"), ("target", "train.sum"), ("valid-source", "valid.doc"))
    own = [part for side, name in sides for part in (f"--{side}", str(document_texts / name))]
    own += ["--valid-target", str(document_texts / "valid.sum"), "--set", "vocabulary.size=330"]
    small = ["--set", "data.truncate_source=20", "--set", "train.updates=2"]
    command = ["train", "--preset", "summary-lite-8", "--out", str(out), *own, *small, "--quiet"]
    assert main(command) == 0, capfd.readouterr().err
    card = read_card(out)
    assert (card.task, card.truncate_source, card.scoring) == ("summarization", 20, "rouge")
    assert (card.source_language, card.target_language) == ("en", "en")
    capfd.readouterr()
    assert main(["prepare", *command[1:-1], "--quiet", "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert facts["train"]["truncated"] > 100
    assert facts["train"]["dropped"] == {}
