import dataclasses
import gzip
import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from litetransformer.core.errors import InputError, MissingExtraError
from litetransformer.core.files import only_writer
from litetransformer.data import catalog
from litetransformer.data.assemble import Dataset, Part, divide
from litetransformer.data.catalog import CATALOG, resolve
from litetransformer.data.corpus import read_lines, read_pairs
from litetransformer.data.download import Remote, extract, fetch


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LITETRANSFORMER_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def home():
    """A server on this machine; `home.files` is what it has, by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            content = server.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + server.withheld))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked, server.withheld = {}, [], 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members, mode="w:gz"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def small_set(monkeypatch, url, content, **more):
    dataset = Dataset(
        home=url,
        licence="none",
        sides=("de", "en"),
        files=(Remote(f"{url}/set.zip", hashlib.sha256(content).hexdigest()),),
        splits={
            "train": (Part(("a.de", "a.en"), "set.zip"), Part(("b.de.gz", "b.en.gz"), "set.zip")),
            "test": (Part(("t.de.sgm", "t.en.sgm"), "set.zip", "segments"),),
        },
        **more,
    )
    monkeypatch.setitem(CATALOG, "small", dataset)


SMALL = zipped(
    {
        "x/a.de": "eins\nzwei\n",
        "x/a.en": "one\ntwo\n",
        "b.de.gz": gzip.compress(b"drei\n"),
        "b.en.gz": gzip.compress(b"three\n"),
        "t.de.sgm": '<doc id="1">\n<seg id="1"> A &amp; B </seg>\n</doc>\n',
        "t.en.sgm": '<doc>\n<p>\n<seg id="1">C</seg>\n</p>\n</doc>\n',
    }
)


def read_all(splits):
    return {split: list(read_pairs(pairs)) for split, pairs in splits.items()}


def test_a_set_is_fetched_checked_and_put_together_when_asked(home, monkeypatch, cache):
    home.files["/set.zip"] = SMALL
    small_set(monkeypatch, home.url, SMALL)
    told = []
    splits = resolve("small", download=True, progress=lambda *news: told.append(news))
    assert read_all(splits) == {
        "train": [("eins", "one"), ("zwei", "two"), ("drei", "three")],
        "test": [("A & B", "C")],
    }
    assert told[-1] == ("set.zip", len(SMALL), len(SMALL))
    assert sorted(path.name for path in (cache / "small").iterdir()) == [
        ".lock",
        "downloads",
        "test.de",
        "test.en",
        "train.de",
        "train.en",
    ]
    assert resolve("small", offline=True) == splits
    assert home.asked == ["/set.zip"]


def test_runs_that_want_a_set_at_the_same_time_wait_for_each_other_and_make_it_once(home, monkeypatch, cache):
    home.files["/set.zip"] = SMALL
    small_set(monkeypatch, home.url, SMALL)
    made, assemble = [], catalog.assemble
    monkeypatch.setattr(catalog, "assemble", lambda *places: made.append(places) or assemble(*places))
    with ThreadPoolExecutor(3) as runs:
        with only_writer(cache / "small"):
            waiting = [runs.submit(resolve, "small", download=True) for _ in range(3)]
            with pytest.raises(TimeoutError):
                waiting[0].result(timeout=0.2)
        found = [run.result(timeout=20) for run in waiting]
    assert found[0] == found[1] == found[2] == resolve("small")
    assert home.asked == ["/set.zip"]
    assert len(made) == 1


def test_nothing_is_fetched_unless_asked_and_never_offline(home, monkeypatch, cache):
    small_set(monkeypatch, home.url, SMALL)
    for how in ({}, {"offline": True}, {"offline": True, "download": True}):
        with pytest.raises(InputError) as raised:
            resolve("small", **how)
        for part in (f"{home.url}/set.zip", str(cache / "small"), "train.de"):
            assert part in str(raised.value)
        assert ("give --download" in str(raised.value)) == (not how)
    assert home.asked == []
    assert not cache.exists()


def test_a_folder_with_the_texts_is_used_as_it_is(tmp_path):
    for name in ("train.de", "train.en", "val.de", "val.en", "test_2016_flickr.de", "test_2016_flickr.en"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "test_2017_mscoco.de.gz").write_bytes(gzip.compress(b"x\n"))
    (tmp_path / "test_2017_mscoco.en").write_text("y\n")
    splits = resolve("multi30k-en-de", folder=tmp_path, offline=True)
    assert read_all(splits) == {
        "train": [("train.en", "train.de")],
        "valid": [("val.en", "val.de")],
        "test": [("test_2016_flickr.en", "test_2016_flickr.de")],
        "test_2017_mscoco": [("y", "x")],
    }


def test_a_folder_with_the_homes_files_is_put_together_without_the_network(tmp_path, monkeypatch):
    small_set(monkeypatch, "http://127.0.0.1:9", SMALL)
    (tmp_path / "set.zip").write_bytes(SMALL)
    assert len(list(read_pairs(resolve("small", folder=tmp_path, offline=True)["train"]))) == 3
    (tmp_path / "set.zip").write_bytes(SMALL[:-1])
    with pytest.raises(InputError, match=r"set\.zip: its SHA-256 is not"):
        resolve("small", folder=tmp_path)


def test_a_folder_with_neither_says_what_it_lacks(tmp_path):
    with pytest.raises(
        InputError, match=rf"{tmp_path}: has neither texts .*train\.de, train\.en.*deu-eng\.zip"
    ):
        resolve("tatoeba-de-en", folder=tmp_path)


def test_a_set_without_a_home_is_put_together_from_the_users_folders(tmp_path, cache):
    for folder, number in (("tatoeba_deen", 3), ("techdocs_deen", 2)):
        (tmp_path / folder).mkdir()
        for split in ("train", "valid", "test"):
            for side in ("de", "en"):
                lines = (f"{folder} {split} {side} {line}\n" for line in range(number))
                (tmp_path / folder / f"{split}.{side}").write_text("".join(lines))
    for source, target in (("de", "en"), ("en", "de")):
        name = f"tatoeba-techdocs-{source}-{target}"
        found = read_all(resolve(name, folder=tmp_path, offline=True))
        assert {split: len(pairs) for split, pairs in found.items()} == {
            "train": 5,
            "valid": 5,
            "test": 3,
            "test_techdocs": 2,
        }
        assert found["train"][3] == (f"techdocs_deen train {source} 0", f"techdocs_deen train {target} 0")
        assert {row[0].split()[0] for row in found["test_techdocs"]} == {"techdocs_deen"}
        # They stay for later, as a download does.
        assert read_all(resolve(name)) == found
        assert read_all(resolve(name, folder=cache / name)) == found


def test_a_set_without_a_home_is_named_by_a_folder_whether_to_download_or_not(tmp_path):
    for how in ({}, {"offline": True}, {"download": True}):
        with pytest.raises(InputError) as raised:
            resolve("canlaw-en-fr", **how)
        for part in ("no home has it to be fetched", "train.en", "canlaw_enfr/train.en", "--data"):
            assert part in str(raised.value)
    with pytest.raises(InputError, match=r"has neither texts .*train\.en.* nor canlaw_enfr/train\.en"):
        resolve("canlaw-en-fr", folder=tmp_path)
    for split in ("train", "valid", "test"):
        for side in ("en", "fr"):
            (tmp_path / f"{split}.{side}").write_text(f"{split} {side}\n")
    assert read_all(resolve("canlaw-en-fr", folder=tmp_path))["test"] == [("test en", "test fr")]


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'multi30k-de-en'"):
        resolve("multi30-de-en")


def test_a_changed_or_cut_or_missing_download_leaves_nothing(home, tmp_path):
    home.files["/f"] = b"content"
    path = tmp_path / "f"
    with pytest.raises(InputError, match=f"{home.url}/f: not downloaded: its SHA-256 is"):
        fetch(Remote(f"{home.url}/f", "0" * 64), path)
    with pytest.raises(InputError, match="the server answers 404"):
        fetch(Remote(f"{home.url}/g"), path)
    home.withheld = 5
    with pytest.raises(InputError, match="not downloaded: "):
        fetch(Remote(f"{home.url}/f"), path)
    for url in ("http://127.0.0.1:9/f", "file:///etc/passwd"):
        with pytest.raises(InputError, match="not downloaded: "):
            fetch(Remote(url), path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: tarred(members, "w")])
def test_only_the_wanted_files_leave_an_archive_and_only_to_their_places(tmp_path, pack):
    archive = tmp_path / "a"
    archive.write_bytes(pack({"../../evil": b"x", "/abs": b"x", "d/../want": b"text", "other": b"x"}))
    extract(archive, {"want": tmp_path / "out" / "want"})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "out", "want"]
    assert (tmp_path / "out" / "want").read_bytes() == b"text"
    with pytest.raises(InputError, match="holds no none"):
        extract(archive, {"none": tmp_path / "none"})


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    link = tarfile.TarInfo("want")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    (tmp_path / "a.tgz").write_bytes(tarred({"want": link}))
    with pytest.raises(InputError, match="holds no want"):
        extract(tmp_path / "a.tgz", {"want": tmp_path / "want"})


def test_an_archive_that_grows_without_end_is_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"want": bytes(2**25)}))
    with pytest.raises(InputError, match="want unpacks to more than"):
        extract(tmp_path / "a.zip", {"want": tmp_path / "want"})
    assert not (tmp_path / "want").exists()


def test_a_damaged_archive_is_named(tmp_path):
    noise = "\n".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(250)).encode()
    for pack in (zipped, tarred):
        content = bytearray(pack({"want": noise}))
        for damaged in (content[: len(content) // 2], b"", content[:200] + bytes(300) + content[500:]):
            (tmp_path / "a").write_bytes(damaged)
            with pytest.raises(InputError, match=f"{tmp_path}/a: "):
                extract(tmp_path / "a", {"want": tmp_path / "want"})
            assert not (tmp_path / "want").exists()


def test_a_set_whose_sides_differ_in_length_is_refused_and_nothing_is_written(home, monkeypatch, cache):
    members = dict.fromkeys(("a.en", "b.de.gz", "b.en.gz", "t.de.sgm", "t.en.sgm"), "")
    content = zipped({**members, "a.de": "x\n"})
    home.files["/set.zip"] = content
    small_set(monkeypatch, home.url, content)
    with pytest.raises(InputError, match=r"a\.en: has 0 lines but .*a\.de has 1"):
        resolve("small", download=True)
    assert sorted(path.name for path in (cache / "small").iterdir()) == [".lock", "downloads"]


def test_every_nth_pair_is_held_out_for_validation(tmp_path, monkeypatch):
    small_set(monkeypatch, "http://127.0.0.1:9", SMALL, valid_every=2)
    (tmp_path / "set.zip").write_bytes(SMALL)
    splits = read_all(resolve("small", folder=tmp_path))
    assert splits["valid"] == [("zwei", "two")]
    assert splits["train"] == [("eins", "one"), ("drei", "three")]


def test_flashcards_are_divided_so_that_no_sentence_crosses(tmp_path):
    rows = [f"Go {number % 700}.\tGeh {number}.\tby someone" for number in range(1500)] + [
        "Go 1.\tGeh 1.\tagain"
    ]
    content = zipped({"deu.txt": "\n".join(rows), "_about.txt": "x"})
    (tmp_path / "deu-eng.zip").write_bytes(content)
    splits = read_all(resolve("tatoeba-de-en", folder=tmp_path))
    assert sum(map(len, splits.values())) == 1500
    for side in (0, 1):
        texts = [{pair[side] for pair in pairs} for pairs in splits.values()]
        assert sum(map(len, texts)) == len(set.union(*texts))
    assert 0 < len(splits["valid"]) < 60
    assert 0 < len(splits["test"]) < 60


def test_a_large_cluster_of_sentences_is_for_training():
    rows = [(f"gut {group}", f"good {group} {number}") for group in range(200) for number in range(150)]
    assert {split for split, _ in divide(rows)} == {"train"}
    assert {split for split, _ in divide(rows[::2])} == {"train", "valid", "test"}


def test_a_set_with_one_side_is_a_text(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"wiki.{split}.tokens").write_text(f"{split}\n")
    splits = resolve("wikitext103", folder=tmp_path)
    assert {split: list(read_lines(pairs.source)) for split, pairs in splits.items()} == {
        "train": ["train"],
        "valid": ["valid"],
        "test": ["test"],
    }


def test_a_table_of_columns_is_read(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    dataset = CATALOG["cnndm"]
    for remote in dataset.files:
        table = {"article": [f"{remote.name}\nmore"], "highlights": ["short"], "id": ["1"]}
        parquet.write_table(pyarrow.table(table), tmp_path / remote.name)
    unchecked = tuple(dataclasses.replace(remote, sha256=None) for remote in dataset.files)
    monkeypatch.setitem(CATALOG, "cnndm", dataclasses.replace(dataset, files=unchecked))
    splits = read_all(resolve("cnndm", folder=tmp_path))
    assert [len(splits[split]) for split in ("train", "valid", "test")] == [3, 1, 1]
    assert splits["valid"] == [("validation-00000-of-00001.parquet more", "short")]


def test_a_missing_extra_is_named_before_anything_is_fetched(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    here = tuple(Remote(f"{home.url}/{remote.name}") for remote in CATALOG["cnndm"].files)
    monkeypatch.setitem(CATALOG, "cnndm", dataclasses.replace(CATALOG["cnndm"], files=here))
    with pytest.raises(MissingExtraError, match="extra 'data'"):
        resolve("cnndm", download=True)
    assert home.asked == []


@pytest.mark.parametrize("name", CATALOG)
def test_the_catalogue_is_consistent(name):
    dataset = CATALOG[name]
    names = {remote.name for remote in dataset.files}
    assert len(names) == len(dataset.files)
    assert {"train", "valid", "test"} <= set(dataset.all_splits)
    for parts in dataset.splits.values():
        for part in parts:
            # What no home has is put together from a user's own files.
            assert part.archive in names if part.archive else set(part.sides) <= names or not names
            assert part.form == "flashcards" or len(part.sides) == len(dataset.sides)
    for remote in dataset.files:
        assert remote.url.startswith("https://")
        assert remote.sha256 is None or len(remote.sha256) == 64


def test_downloads_go_to_the_users_cache_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("LITETRANSFORMER_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.data_folder() == tmp_path / ".cache" / "litetransformer"
