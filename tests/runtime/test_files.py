"""Files and folders that are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.runtime.files import (
    MARK,
    check_writable,
    copy_folder,
    is_partial,
    is_vacant,
    move_folder,
    remove_folder,
    replace_folder,
    write_atomic,
)


def make(folder: Path, content: str) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text(content)
    (folder / "b.txt").write_text(content)
    (folder / "run.json").write_text(content)
    return folder


def holds(folder: Path, content: str) -> bool:
    texts = [(folder / name).read_text() for name in ("inner/a.txt", "b.txt", "run.json")]
    return texts == [content] * 3 and len(list(folder.iterdir())) == 3


def refuse(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@given(st.one_of(st.binary(max_size=1000), st.text(max_size=300)))
def test_what_is_written_is_there(tmp_path_factory: pytest.TempPathFactory, data: str | bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "file"
    write_atomic(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, call: str, monkeypatch: Any) -> None:
    path = tmp_path / "file"
    write_atomic(str(path), "old")
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, "new")
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "other", "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_writes_that_take_several_turns(tmp_path: Path, monkeypatch: Any) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_atomic(tmp_path / "file", "0123456789" * 10)
    assert (tmp_path / "file").read_text() == "0123456789" * 10


def test_the_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomic(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_names_as_long_as_the_system_allows(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("x" * 255), "long")
    assert (tmp_path / ("x" * 255)).read_text() == "long"


def test_places_where_no_file_can_go(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path, "x")
    with pytest.raises(FileNotFoundError, match="no such folder to write into.*missing"):
        write_atomic(tmp_path / "missing" / "file", "x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_whether_a_file_can_be_written_is_told_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "deep" / "er" / "x.txt")
    assert list((tmp_path / "deep" / "er").iterdir()) == [], "the folder is there, and nothing in it"
    (tmp_path / "file").write_text("x")
    check_writable(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"
    check_writable(os.devnull)
    for path in (tmp_path, tmp_path / "file" / "x.txt", tmp_path / "file" / "deep" / "x.txt"):
        with pytest.raises(OSError):
            check_writable(path)


def test_a_pipe_is_written_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=write_atomic, args=(pipe, "through"))
    writer.start()
    assert pipe.read_text() == "through"
    writer.join()
    assert stat.S_ISFIFO(pipe.stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


def test_vacant_and_partial(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert is_vacant(folder) and not is_partial(folder)
    folder.mkdir()
    assert is_vacant(folder)
    (folder / MARK).touch()
    assert is_partial(folder) and not is_vacant(folder)
    (folder / "run.json").touch()
    assert not is_partial(folder) and is_partial(folder, seal="other")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert not is_vacant(tmp_path / "dangling")


def test_removing(tmp_path: Path) -> None:
    remove_folder(tmp_path / "missing")
    remove_folder(make(tmp_path / "a", "x"))
    (tmp_path / "link").symlink_to(make(tmp_path / "b", "x"))
    remove_folder(tmp_path / "link")
    assert os.listdir(tmp_path) == ["b"] and holds(tmp_path / "b", "x")


def test_a_folder_that_must_stay_is_left_empty(tmp_path: Path, monkeypatch: Any) -> None:
    folder = make(tmp_path / "a", "x")
    rmdir = os.rmdir

    def keep(path: Any, **options: Any) -> None:
        if Path(path) == folder:
            raise OSError(errno.EBUSY, "Device or resource busy")
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", keep)
    remove_folder(folder)
    assert os.listdir(folder) == []
    replace_folder(make(tmp_path / "new", "new"), folder, None)
    assert holds(folder, "new")


def test_copies_keep_links_and_drop_what_was_there(tmp_path: Path) -> None:
    source = make(tmp_path / "a", "new")
    (source / "link").symlink_to("b.txt")
    target = make(tmp_path / "b", "old")
    (target / "leftover").touch()
    copy_folder(source, target)
    assert (target / "link").is_symlink()
    (target / "link").unlink()
    assert holds(target, "new")


def test_moving_over_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    move_folder(make(tmp_path / "a", "x"), tmp_path / "b")
    assert os.listdir(tmp_path) == ["b"] and holds(tmp_path / "b", "x")


@pytest.mark.parametrize("renames", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_replacing(tmp_path: Path, renames: bool, kept: bool, monkeypatch: Any) -> None:
    if not renames:
        monkeypatch.setattr(os, "rename", refuse)
    make(tmp_path / "target", "old")
    make(tmp_path / "keep", "older")
    replace_folder(make(tmp_path / "new", "new"), tmp_path / "target", tmp_path / "keep" if kept else None)
    assert sorted(os.listdir(tmp_path)) == ["keep", "target"]
    assert holds(tmp_path / "target", "new") and holds(tmp_path / "keep", "old" if kept else "older")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError) as caught:
        write_atomic("/dev/full", "x")
    assert caught.value.filename == "/dev/full"

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError) as caught:
        write_atomic(tmp_path / "report.html", "x")
    assert caught.value.filename == str(tmp_path / "report.html") and not list(tmp_path.iterdir())
