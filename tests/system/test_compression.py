"""A model compressed is one file that every verb takes, that says what it cost, and that proves it again."""

import json
import random
import shutil
from dataclasses import replace

import pytest
import torch

import litetransformer as lt
from litetransformer.cli import main
from litetransformer.compress import pack, size
from litetransformer.compress.pack import Pack
from litetransformer.compress.prune import magnitude_mask
from litetransformer.core.files import with_checksum
from litetransformer.core.spec import to_json
from litetransformer.data.store import write_sides
from litetransformer.data.words import train_words
from litetransformer.models.tensors import put_weights
from litetransformer.tasks.compression import compress, large_tensors, verify
from litetransformer.tasks.compression_rates import LARGEST_RATE, STEPS, rate_for, rate_of
from litetransformer.tasks.compression_record import Plan, read_record
from litetransformer.tasks.compression_tensors import Quantizer, quantized
from litetransformer.tasks.model_folder import LanguageCard, read_card, save_model, save_tokenizers
from litetransformer.tasks.yardstick import Texts, own_texts, read_texts


@pytest.fixture(scope="session")
def valid(texts):
    return read_texts(texts / "valid.de", texts / "valid.en")


@pytest.fixture(scope="session")
def packed(model_folder, valid, tmp_path_factory):
    """A compressed file of the small model. Read only."""
    path = tmp_path_factory.mktemp("packed") / "model.lite"
    compress(model_folder, path, Plan(bits=5, table_bits=5), texts=valid)
    return path


def random_lines(count, seed):
    generator = random.Random(seed)
    alphabet = [*"abcdefgh .,äöü日本\t\u2028'\"", "Hund ", "Katze ", "rot ", "und "]
    return ["".join(generator.choices(alphabet, k=generator.randint(0, 25))) for _ in range(count)]


def same_outputs(model_folder, packed, count):
    ours, theirs = lt.load(packed), lt.load(model_folder)
    put_weights(theirs.model, Pack(packed).dequantized())
    lines = random_lines(count, 4)
    options = {"beam": 2, "longest": 12}
    assert ours.translations(lines, **options) == theirs.translations(lines, **options)


def test_a_packed_model_writes_what_the_dequantized_one_does(model_folder, packed):
    same_outputs(model_folder, packed, 500)


@pytest.mark.slow
def test_a_packed_model_writes_what_the_dequantized_one_does_on_10_000_lines(model_folder, packed):
    same_outputs(model_folder, packed, 10_000)


def test_the_file_has_the_quantized_weights_and_ties_them_once(model_folder, packed):
    model = lt.load(packed)
    weights = dict(model.model.named_parameters())
    assert weights.keys() == Pack(packed).outline().keys()
    assert model.model.output.weight is model.model.source_embedding.weight
    assert not model.model.training
    for name in large_tensors(weights):
        assert len(weights[name].unique()) <= 2**5


def test_loading_changes_no_random_numbers(packed):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    lt.load(packed)
    assert torch.equal(torch.rand(4), expected)


def test_equal_arguments_give_equal_bytes(model_folder, packed, valid, tmp_path):
    compress(model_folder, tmp_path / "again.lite", Plan(bits=5, table_bits=5), texts=valid)
    assert (tmp_path / "again.lite").read_bytes() == packed.read_bytes()


def test_pruning_leaves_as_many_zeros_as_asked_for_where_they_cost_least(model_folder, valid, tmp_path):
    path, before = tmp_path / "model.lite", dict(lt.load(model_folder).model.named_parameters())
    done = compress(model_folder, path, Plan(sparsity=0.3, small="float32"), texts=valid)
    after = Pack(path).dequantized()
    count = sum(tensor.numel() for tensor in after.values())
    zeros = sum(int((after[name] == 0).sum()) for name in large_tensors(after))
    assert abs(zeros / count - 0.3) < 0.003
    assert [stage.name for stage in done.record.stages] == ["single precision", "pruned", "quantized"]
    for name in large_tensors(after):
        share = float((after[name] == 0).double().mean())
        mask = magnitude_mask(before[name].detach(), share + 1e-9)
        assert torch.equal(after[name] != 0, mask)
    assert all(torch.equal(after[n], before[n]) for n in after if n not in large_tensors(after))


def test_fine_tuning_keeps_the_zeros_and_mends_some_of_the_loss(model_folder, valid, texts, tmp_path):
    plan, losses = Plan(bits=2, table_bits=2, rate=0.0, table_rate=0.0, sparsity=0.5, peak=2e-3), []
    for number, train in enumerate((None, read_texts(texts / "train.de", texts / "train.en"))):
        for updates in (0, 40):
            path = tmp_path / f"{number}-{updates}.lite"
            done = compress(model_folder, path, replace(plan, updates=updates), texts=valid, train=train)
            losses.append(done.record.after.loss)
            after = Pack(path).dequantized()
            zeros = sum(int((after[name] == 0).sum()) for name in large_tensors(after))
            assert abs(zeros / sum(tensor.numel() for tensor in after.values()) - 0.5) < 0.003
            assert all(len(after[name].unique()) <= 4 for name in large_tensors(after))
    # The run's own training text is the same one.
    assert losses[0] == losses[2]
    assert losses[1] == losses[3] < 0.8 * losses[0]


def test_a_target_size_is_kept_and_used(model_folder, packed, valid, tmp_path):
    usual, rates = packed.stat().st_size, []
    for most in (usual + 20_000, usual, usual - 3000):
        path = tmp_path / f"{most}.lite"
        done = compress(model_folder, path, Plan(), texts=valid, target_size=most)
        assert done.file.total == path.stat().st_size <= most
        rates.append(done.record.plan.rate)
    assert 0.0 == rates[0] < rates[1] < rates[2]


def test_the_rate_for_a_size_is_the_least_and_takes_few_sizes():
    """Bytes that fall evenly with the steps, in a curve to either side, in stairs, and in one fall."""
    assert rate_of(STEPS) == pytest.approx(LARGEST_RATE)
    shapes = [
        lambda step: 10**6 - 900 * step,
        lambda step: int(10**6 * (1 - step / (STEPS + 9)) ** 3),
        lambda step: int(10**6 * (1 - (step / (STEPS + 9)) ** 3)),
        lambda step: 10**6 - 10**5 * (step // 128),
        lambda step: 10**6 - 10 * step if step < 700 else 400_000 - step,
    ]
    for shape, allowed in zip(shapes, (5, 9, 9, 18, 18), strict=True):
        counts, sizes = [], {rate_of(step): shape(step) for step in range(STEPS + 1)}
        least = sizes[rate_of(STEPS)]
        for most in (least, *(most for most in (300_000, 500_000, 900_000, 10**6 - 1) if most >= least)):
            asked = []

            def size_at(rate, asked=asked, sizes=sizes):
                asked.append(rate)
                return sizes[rate]

            rate = rate_for(size_at, most, without=10**6 + 1, least=least)
            fitting = [each for each in sizes if sizes[each] <= most and each > rate_of(0)]
            assert rate == min(fitting)
            counts.append(len(asked))
        assert max(counts) <= allowed, counts


def test_plans_of_the_same_rate_for_tables_do_not_quantize_them_again(model_folder, monkeypatch):
    network = lt.load(model_folder).model
    weights, tables = dict(network.named_parameters()), size.table_names(network)
    many = Quantizer(weights, tables)
    first = many(Plan(rate=0.02, table_rate=0.01))
    again = many(Plan(rate=0.1, table_rate=0.01))
    expected = quantized(weights, tables, Plan(rate=0.1, table_rate=0.01))
    assert list(again) == list(expected) == list(weights)
    for name, tensor in expected.items():
        assert torch.equal(again[name].dequantize(), tensor.dequantize())
        assert (again[name] is first[name]) == (name in tables)


def test_stages_that_are_not_scored_have_their_loss(model_folder, valid, tmp_path):
    files = [tmp_path / "a.lite", tmp_path / "b.lite"]
    scored, bare = (
        compress(model_folder, file, Plan(rate=0.1), texts=valid, scored=scores).record
        for file, scores in zip(files, (True, False), strict=True)
    )
    assert [stage.quality.score for stage in bare.stages] == [None, None]
    assert [stage.quality.loss for stage in bare.stages] == [stage.quality.loss for stage in scored.stages]
    assert all(stage.quality.score is not None for stage in scored.stages)
    assert verify(files[1], valid)[0] == bare


def test_a_size_that_cannot_be_reached_names_the_least(model_folder, valid, tmp_path):
    with pytest.raises(lt.InputError, match=r"5,000 bytes cannot be reached; .* is about the least"):
        compress(model_folder, tmp_path / "x.lite", Plan(), texts=valid, target_size=5000)
    assert not list(tmp_path.iterdir())


def test_the_record_is_verified_on_the_same_texts_alone(packed, valid):
    record, quality = verify(packed, valid)
    assert record == read_record(packed)
    assert quality == record.after
    assert record.lines == 20
    with pytest.raises(lt.InputError, match="was measured on other texts, 20 lines with the SHA-256"):
        verify(packed, valid.first(19))


def test_a_record_that_says_more_than_there_is_is_refused(packed, valid, tmp_path):
    found = Pack(packed)
    files = {entry.name: found.file(entry.name) for entry in found.contents.files}
    facts = json.loads(files["compression.json"])
    facts["stages"][-1]["quality"]["score"] += 0.5
    files["compression.json"] = json.dumps(facts).encode()
    path = tmp_path / "forged.lite"
    path.write_bytes(pack.to_bytes(files, dict(found.tensors())))
    with pytest.raises(lt.InputError, match=r"its BLEU is .* here, and .* in the file"):
        verify(path, valid)


def forge(packed, path, change=lambda facts: None, **files):
    found = Pack(packed)
    content = {entry.name: found.file(entry.name) for entry in found.contents.files}
    facts = to_json(read_card(packed))
    change(facts)
    content["model.json"] = json.dumps(with_checksum(facts)).encode()
    path.write_bytes(pack.to_bytes({**content, **files}, dict(found.tensors())))


HOSTILE_CARDS = {
    "wide": (lambda facts: facts["model"].update(dim=10**12), "model"),
    "other_network": (lambda facts: facts["model"].update(dim=64), "has the shape"),
    "deep": (
        lambda facts: facts["model"].update(encoder=facts["model"]["encoder"] * 100),
        "more layers than there are weights",
    ),
    "other_format": (lambda facts: facts.update(format=2), "a model of format 2"),
    "a_path": (lambda facts: facts["source"].update(file="../x"), "is not the name of a file"),
    "another_file": (lambda facts: facts["source"].update(file="other.model"), "other.model: missing"),
    "another_tokenizer": (lambda facts: facts["source"].update(sha256="0" * 64), "its SHA-256 is not"),
}


@pytest.mark.parametrize("name", HOSTILE_CARDS)
def test_a_forged_card_is_refused_and_the_file_named(packed, tmp_path, name):
    change, what = HOSTILE_CARDS[name]
    path = tmp_path / "forged.lite"
    forge(packed, path, change)
    with pytest.raises(lt.InputError) as caught:
        lt.load(path)
    assert caught.value.path == str(path)
    assert what in str(caught.value)


@pytest.mark.parametrize("name", ["x.\0", "x." + "y" * 5000, "x.png", "x"])
def test_a_tokenizer_s_name_is_never_a_path(packed, tmp_path, name):
    path, content = tmp_path / "forged.lite", Pack(packed).file("tokenizer.model")
    forge(
        packed,
        path,
        lambda facts: (facts["source"].update(file=name), facts["target"].update(file=name)),
        **{name: content},
    )
    assert lt.load(path).translate(["rot."])


def test_a_card_without_its_checksum_is_refused(packed, tmp_path):
    path = tmp_path / "forged.lite"
    forge(packed, path, **{"model.json": json.dumps(to_json(read_card(packed))).encode()})
    with pytest.raises(lt.InputError, match="holds no checksum"):
        lt.load(path)


@pytest.mark.parametrize("cutoffs", [(), (12, 24)], ids=["full", "adaptive"])
def test_a_language_model_is_compressed_and_verified_by_its_loss(cutoffs, tmp_path):
    folder, path = tmp_path / "lm", tmp_path / "lm.lite"
    folder.mkdir()
    tokenizer = train_words([" ".join(f"word{number}" for number in range(28)), "one two three"], size=40)
    file, _ = save_tokenizers(folder, tokenizer, tokenizer)
    spec = lt.lite_lm(32, taps=(3, 5), cutoffs=cutoffs)
    weights = dict(spec.build(tokenizer.size).named_parameters())
    save_model(folder, LanguageCard(model=spec, tokenizer=file, window=16, context=8), weights)
    valid = Texts(("one two word3", "word7 word8 word9 word10", "three"))
    done = compress(folder, path, Plan(bits=4, table_bits=4, sparsity=0.2), texts=valid)
    assert done.record.after.score is None
    assert verify(path, valid)[1] == done.record.after
    assert lt.load(path).perplexity(["one two"]).tokens
    with pytest.raises(lt.InputError, match="name --train-source, or leave out --updates"):
        compress(folder, path, Plan(updates=3), texts=valid)
    with pytest.raises(lt.InputError, match="a language model has no target"):
        compress(folder, path, Plan(), texts=Texts(("one",), ("two",)))


@pytest.mark.parametrize("cutoffs", [(), (6, 10)], ids=["full", "adaptive"])
def test_a_language_model_is_fine_tuned_by_its_own_loss(cutoffs, tmp_path):
    generator, losses = random.Random(1), []
    lines = [" ".join(generator.choice(("a b c", "d e f", "g h i")).split() * 2) for _ in range(200)]
    tokenizer = train_words(lines, size=40)
    folder, train = tmp_path / "lm", Texts(tuple(lines))
    folder.mkdir()
    file, _ = save_tokenizers(folder, tokenizer, tokenizer)
    torch.manual_seed(1)
    spec = lt.lite_lm(32, taps=(3, 5), cutoffs=cutoffs)
    weights = dict(spec.build(tokenizer.size).named_parameters())
    save_model(folder, LanguageCard(model=spec, tokenizer=file, window=16, context=8), weights)
    for updates in (0, 60):
        path = tmp_path / f"{updates}.lite"
        plan = Plan(bits=3, table_bits=3, sparsity=0.3, updates=updates)
        done = compress(folder, path, plan, texts=train.first(40), train=train)
        losses.append(done.record.after.loss)
        after = Pack(path).dequantized()
        assert all(len(after[name].unique()) <= 8 for name in large_tensors(after))
        zeros = sum(int((after[name] == 0).sum()) for name in large_tensors(after))
        assert abs(zeros / sum(tensor.numel() for tensor in after.values()) - 0.3) < 0.003
        assert verify(path, train.first(40))[1] == done.record.after
    assert losses[1] < 0.8 * losses[0]
    # The run's own training text is the same one.
    write_sides(folder / "data/train", ((line,) for line in lines), {"text": tokenizer}, longest=None)
    compress(folder, tmp_path / "own.lite", plan, texts=train.first(40))
    assert (tmp_path / "own.lite").read_bytes() == path.read_bytes()
    with pytest.raises(lt.InputError, match="a language model has no target"):
        compress(folder, path, plan, texts=train, train=Texts(("a",), ("b",)))


@pytest.mark.parametrize("goal", ["target_size", "target_layers"])
def test_a_fine_tuned_file_keeps_its_target(model_folder, packed, valid, goal, tmp_path):
    path, counted = tmp_path / "model.lite", {}
    whole = compress(model_folder, path, Plan(bits=5, table_bits=5), texts=valid).file
    counted["target_size"], counted["target_layers"] = whole.total - 1000, whole.without_tables - 3000
    plan = Plan(updates=30, peak=3e-3)
    before = path.read_bytes()
    done = compress(model_folder, path, plan, texts=valid, **{goal: counted[goal]})
    found = done.file.total if goal == "target_size" else done.file.without_tables
    assert found <= counted[goal]
    assert done.record.plan.updates == 30
    assert path.read_bytes() != before
    if goal == "target_layers":
        # Tables do not count, so they are not made smaller than they would be anyway.
        assert done.record.plan.table_rate == Plan().table_rate


def test_a_summarizer_is_fine_tuned(summarizer_folder, document_texts, tmp_path):
    path, valid = tmp_path / "s.lite", read_texts(document_texts / "valid.doc", document_texts / "valid.sum")
    losses = [
        compress(
            summarizer_folder, path, Plan(bits=2, rate=0.2, updates=updates), texts=valid
        ).record.after.loss
        for updates in (0, 20)
    ]
    assert losses[1] < losses[0]


def test_an_interrupted_compression_leaves_the_model_and_the_old_file(model_folder, packed, valid, tmp_path):
    path = shutil.copy(packed, tmp_path / "model.lite")
    before = {file: file.read_bytes() for file in model_folder.rglob("*") if file.is_file()}

    def stop(what):
        if what.startswith("fine-tuning the values: 20"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress(model_folder, path, Plan(updates=30), texts=valid, tell=stop)
    assert {file: file.read_bytes() for file in model_folder.rglob("*") if file.is_file()} == before
    assert path.read_bytes() == packed.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_summarizer_is_compressed_and_verified_by_rouge(summarizer_folder, document_texts, tmp_path):
    path, valid = tmp_path / "s.lite", read_texts(document_texts / "valid.doc", document_texts / "valid.sum")
    done = compress(summarizer_folder, path, Plan(), texts=valid)
    assert done.record.after.metric == "ROUGE-L"
    assert verify(path, valid)[1] == done.record.after
    assert lt.load(path).summarize(["red dog runs here"])


def test_every_verb_takes_the_file(packed, texts, lite, capfdbinary):
    assert lite("translate", "--model", packed, "Hund.").stdout.strip()
    verbs = {
        b"BLEU": (
            "score",
            "--model",
            packed,
            "--source",
            texts / "test.de",
            "--reference",
            texts / "test.en",
        ),
        b"everything": ("profile", packed),
        b"model.dim = 32": ("show", packed),
        b'"mixings"': ("attend", "Hund.", "--model", packed, "--json"),
    }
    for shown, arguments in verbs.items():
        assert main(list(map(str, arguments))) == 0
        assert shown in capfdbinary.readouterr().out


def test_compress_and_verify_on_the_command_line(model_folder, packed, texts, lite, tmp_path):
    path, valid = tmp_path / "small.lite", ("--source", texts / "valid.de", "--target", texts / "valid.en")
    weights = sum(tensor.numel() for tensor in Pack(packed).dequantized().values())
    ratio = 4 * weights / packed.stat().st_size
    done = lite("compress", model_folder, "--out", path, "--ratio", ratio, *valid, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, b"")
    facts = json.loads(done.stdout)
    assert facts["bytes"] == path.stat().st_size
    assert facts["ratio"] >= ratio
    assert facts["record"] == to_json(read_record(path))
    shown = lite("verify", path, *valid)
    assert shown.returncode == 0
    assert shown.stdout.decode().strip().endswith("as the file says")
    again = json.loads(lite("verify", path, *valid, "--json").stdout)
    assert again["quality"] == facts["record"]["stages"][-1]["quality"]
    # Without texts, the run's own.
    table = lite("compress", model_folder, "--out", tmp_path / "own.lite", "--bits", "4").stdout.decode()
    assert [line.split("  ")[0] for line in table.splitlines()[:4]] == [
        "after",
        "single precision",
        "quantized",
        "the file",
    ]
    assert read_record(tmp_path / "own.lite").texts == own_texts(model_folder).digest


MISTAKES = {
    "both": (["--target-size", "1MB", "--ratio", "4"], "--ratio: is given beside --target-size"),
    "size": (["--target-size", "three"], "--target-size: 'three' is no size; write 1500000, 800kB or 1.5MB"),
    "rate": (["--target-size", "1MB", "--rate", "0.1"], "--rate: is what --target-size looks for"),
    "ratio": (["--ratio", "0.5"], "--ratio: 0.5 makes nothing smaller"),
    "bits": (["--bits", "9"], "--bits: bits=9 must be from 1 to 8"),
    "sparsity": (["--sparsity", "1"], "--sparsity: sparsity=1.0 must be at least 0 and less than 1"),
    "target": (["--target", "x"], "--source: missing"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(model_folder, lite, tmp_path, name):
    options, what = MISTAKES[name]
    done = lite("compress", model_folder, "--out", tmp_path / "x.lite", *options)
    assert done.returncode in (1, 2)
    assert done.stderr.decode().startswith(f"error: {what}")
    assert done.stderr.count(b"\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_compressed_twice_and_texts_are_needed(model_folder, packed, lite, tmp_path):
    done = lite("compress", packed, "--out", tmp_path / "x.lite")
    assert b"is compressed already" in done.stderr
    bare = shutil.copytree(model_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("data", "check*"))
    done = lite("compress", bare, "--out", tmp_path / "x.lite")
    assert b"there are no texts to measure with; name --source and --target" in done.stderr
    done = lite("verify", bare, "--source", "x")
    assert b"no compressed model here" in done.stderr
