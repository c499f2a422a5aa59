"""Files are whole or not there; JSON is strict; a folder has one writer."""

import errno
import json
import multiprocessing
import os
import resource
import signal
import sys

import pytest

from litetransformer.core import files
from litetransformer.core.errors import InputError

OLD, NEW = b"old" * 1000, b"new" * 1000


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_is_there_whole_and_alone(tmp_path):
    files.write_atomically(tmp_path / "deep" / "er" / "a", NEW)
    assert (tmp_path / "deep" / "er" / "a").read_bytes() == NEW
    assert names(tmp_path / "deep" / "er") == ["a"]


def test_a_new_file_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_atomically(tmp_path / "a", NEW)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(OLD)

    def write():
        with files.atomic_writer(path) as file:
            file.write(NEW)
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_stop_at_any_line_leaves_the_old_file_or_the_new_and_nothing_else(tmp_path):
    path, code = tmp_path / "a", files.atomic_writer.__wrapped__.__code__

    def stopped_at(line):
        """Whether the writer got as far as its line `line`, counted from 1, where it is stopped."""
        lines = iter(range(1, line + 1))

        def trace(_frame, event, _argument):
            if event == "line" and next(lines, None) == line:
                raise KeyboardInterrupt
            return trace

        sys.settrace(lambda frame, _event, _argument: trace if frame.f_code is code else None)
        try:
            files.write_atomically(path, NEW)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    line, found = 1, []
    path.write_bytes(OLD)
    while stopped_at(line):
        assert names(tmp_path) == ["a"], line
        found.append(path.read_bytes())
        path.write_bytes(OLD)
        line += 1
    assert line > 10
    assert set(found) == {OLD, NEW}


def full(file):
    """The same open file, now on a device without room."""
    device = os.open("/dev/full", os.O_WRONLY)
    os.dup2(device, file.fileno())
    os.close(device)
    return file


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_disk_that_fails_at_any_step_leaves_the_old_file_or_the_new(tmp_path, monkeypatch, step):
    path = tmp_path / "a"
    path.write_bytes(OLD)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        opened = files.Path.open
        monkeypatch.setattr(files.Path, "open", lambda path, mode: full(opened(path, mode)))
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(files.Path, step, fail)
    with pytest.raises(InputError) as caught:
        files.write_atomically(path, NEW)
    monkeypatch.undo()
    assert str(caught.value) == (
        f"{path}: no room left on the disk: at least 3,000 bytes are needed; free some and run again"
    )
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a"]


def test_a_file_that_outgrows_its_limit_is_refused_and_leaves_the_old_one(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    try:
        with pytest.raises(InputError, match=r"a: File too large"):
            files.write_atomically(path, bytes(2**20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["a"]
    files.write_atomically(path, NEW)
    assert path.read_bytes() == NEW


def _write_for_ever(path):
    number = 0
    while True:
        files.write_atomically(path, bytes([number % 256]) * 100_000)
        number += 1


def test_a_killed_writer_leaves_a_whole_file_and_what_is_swept(tmp_path):
    path = tmp_path / "a"
    files.write_atomically(path, bytes(100_000))
    for delay in (0.005, 0.011, 0.023, 0.031):
        process = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        process.start()
        process.join(delay)
        process.kill()
        process.join()
        content = path.read_bytes()
        assert content == content[:1] * 100_000
    files.sweep_partial(tmp_path)
    assert names(tmp_path) == ["a"]


def test_a_folder_in_the_files_place_and_a_file_in_the_folders_place_are_named(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder: is a folder; name a file"):
        files.write_atomically(tmp_path / "folder", NEW)
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(InputError, match=r"file/a: "):
        files.write_atomically(tmp_path / "file" / "a", NEW)
    with pytest.raises(InputError, match=r"file: File exists"), files.only_writer(tmp_path / "file"):
        pass
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "ü\u2028"]}, [], "x", 0])
def test_json_comes_back_as_it_was_written(tmp_path, value):
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,\n "b": }', ":2: not JSON: Expecting value"),
        (b"", ":1: not JSON: Expecting value"),
        (b'{"a": 1, "a": 2}', ": the key 'a' stands twice; keep one of them"),
        (b'[{"x": {"a": 1, "a": 1}}]', ": the key 'a' stands twice"),
        (b"NaN", ": NaN is not a JSON number"),
        (b"[1, -Infinity]", ": -Infinity is not a JSON number"),
        (b'{"a": "\xff"}', ": not UTF-8 at byte 7"),
        (b"[" * 100_000, ": nested too deeply"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, ": nested too deeply"),
        (b"1" * 5000, ": holds a number of thousands of digits"),
        (b"\xef\xbb\xbf{}", ":1: not JSON"),
    ],
)
def test_what_is_not_strict_json_is_refused(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        files.read_json(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_file_too_large_to_be_meant_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="larger than 67108864 bytes"):
        files.read_json(path)
    path.write_text(json.dumps("x" * 100))
    with pytest.raises(InputError, match="larger than 50 bytes"):
        files.read_json(path, largest=50)


def test_checked_json_is_what_was_written_or_refused(tmp_path):
    path, value = tmp_path / "a.json", {"b": [1, 2.5, {"c": "ü"}], "a": None}
    files.write_json(path, files.with_checksum(value))
    assert files.without_checksum(files.read_json(path), path) == value
    content = path.read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            with pytest.raises(InputError) as caught:
                files.without_checksum(files.read_json(path), path)
            assert caught.value.path == str(path)
    for other in ([], 3, {}, {"sha256": 3}, {"sha256": None, **value}):
        with pytest.raises(InputError, match=r"a\.json: (holds no checksum|damaged)"):
            files.without_checksum(other, path)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "."):
        with pytest.raises(InputError, match="is not a file"):
            files.read_json(tmp_path / name)
    with pytest.raises(InputError, match=r"missing\.json: no such file"):
        files.read_json(tmp_path / "missing.json")


def test_a_folder_has_one_writer(tmp_path):
    with (
        files.only_writer(tmp_path / "run"),
        pytest.raises(InputError, match="run: another run is writing here; wait for it"),
        files.only_writer(tmp_path / "run"),
    ):
        pass
    with files.only_writer(tmp_path / "run"):
        pass


def test_sweeping_removes_partial_files_alone(tmp_path):
    (tmp_path / ".partial-abc").write_bytes(b"")
    (tmp_path / "kept").write_bytes(b"")
    (tmp_path / ".partial-folder").mkdir()
    (tmp_path / ".partial-link").symlink_to(tmp_path / "kept")
    files.sweep_partial(tmp_path)
    files.sweep_partial(tmp_path / "missing")
    assert names(tmp_path) == [".partial-folder", ".partial-link", "kept"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_pipe_or_device_is_never_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(InputError, match=f"{name}: is a pipe or a device, .*; name a file"):
            files.write_atomically(tmp_path / name, b"text")
        assert not (tmp_path / name).is_file()
    with pytest.raises(InputError, match="is a folder"):
        files.write_atomically(tmp_path, b"text")
