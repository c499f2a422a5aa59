import io
import tarfile

import pytest

from litetransformer.data.catalog import resolve
from litetransformer.data.corpus import read_pairs
from litetransformer.data.iwslt import read_segments, read_tagged, read_talks

TALKS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
TAGGED = """<url>http://www.ted.com/talks/1</url>
<keywords>talks, science</keywords>
<talkid>1</talkid>
<title>Titel: etwas</title>
<description>Was es ist.</description>
 Erster Satz.
<i>Zweiter</i> Satz < 3 & mehr.
"""


def test_training_files_keep_titles_and_descriptions_and_lose_the_rest_about_a_talk(tmp_path):
    (tmp_path / "t").write_text(TAGGED)
    expected = ["Titel: etwas", "Was es ist.", "Erster Satz.", "<i>Zweiter</i> Satz < 3 & mehr."]
    assert list(read_tagged(tmp_path / "t")) == expected


def test_test_files_give_their_segments(tmp_path):
    (tmp_path / "t").write_text(
        '<?xml version="1.0"?>\n<mteval>\n<title>no</title>\n<seg id="1"> Ein Q&amp;A &lt;hier&gt;. </seg>\n'
        '<seg id="2">It’s</seg>\n<SEG id=3>x</SEG>\n</mteval>\n'
    )
    assert list(read_segments(tmp_path / "t")) == ["Ein Q&A <hier>.", "It’s", "x"]
    assert list(read_talks(tmp_path / "t"))[1] == "It's"


def test_the_archive_becomes_the_papers_splits(tmp_path, monkeypatch):
    pytest.importorskip("sacremoses")
    pytest.importorskip("subword_nmt")
    monkeypatch.setenv("LITETRANSFORMER_DATA", str(tmp_path / "cache"))
    good = [(f"Satz {number}.", f"Sentence {number}.") for number in range(50)]
    bad = [("eins zwei drei vier", "one"), ("", "empty"), ("w " * 176, "w " * 176)]
    train = [*good[:10], *bad, *good[10:]]
    members = {}
    for side, language in enumerate(("de", "en")):
        head = "<url>x</url>\n<talkid>1</talkid>\n"
        members[f"de-en/train.tags.de-en.{language}"] = head + "".join(f"{pair[side]}\n" for pair in train)
        for talks in TALKS:
            segment = f'<doc>\n<seg id="1"> {talks} {language} </seg>\n</doc>\n'
            members[f"de-en/IWSLT14.{talks}.de-en.{language}.xml"] = segment
    with tarfile.open(tmp_path / "de-en.tgz", "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    splits = {
        split: list(read_pairs(pairs)) for split, pairs in resolve("iwslt14-de-en", folder=tmp_path).items()
    }
    assert splits["valid"] == [good[22], good[45]]
    assert splits["train"] == [pair for pair in good if pair not in splits["valid"]]
    assert [source for source, _ in splits["test"]] == [f"{talks} de" for talks in TALKS]
