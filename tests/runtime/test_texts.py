"""What comes from outside: opened once, whatever it is, and its lines as they come."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path

import pytest

from calcgpt.runtime.texts import read_once, unify_line_ends

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes like these are POSIX's")


def feed(path: Path, data: bytes) -> None:
    """Make a pipe at a path, into which `data` is written once."""
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()


def test_a_file_is_read_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1+1=2\n")
    content = read_once(tmp_path / "x")
    assert (content.data, content.rereadable) == (b"1+1=2\n", True)
    assert content.sha256 == hashlib.sha256(b"1+1=2\n").hexdigest()


@posix
def test_a_pipe_gives_its_bytes_once_and_says_so(tmp_path: Path) -> None:
    feed(tmp_path / "pipe", b"1+1=2\n")
    content = read_once(tmp_path / "pipe")
    assert (content.data, content.rereadable) == (b"1+1=2\n", False)
    assert not read_once("/dev/null").rereadable


@pytest.mark.parametrize("name", ["missing", "a\0b", "\ud800", "x" * 5000, ".", "missing/x"])
def test_what_cannot_be_read_is_an_os_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as caught:
        read_once(name)
    assert caught.value.strerror and str(caught.value.filename) == name


def test_line_ends() -> None:
    assert unify_line_ends("\ufeffa\r\nb\rc\nd\r\r\n") == "a\nb\nc\nd\n\n"
