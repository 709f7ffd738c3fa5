"""What the tests of model folders share: a tiny model, and file system calls that fail on demand."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from calcgpt.tokens.tokenizer import Tokenizer


class Crash(BaseException):
    """The process dies here."""


class Faults:
    """Counts the calls that change the file system, and makes some of them fail.

    `crash(k)`: the k-th raises Crash, and so does every later one, as if the process had died. `fail(k)`:
    only the k-th raises OSError. `fill(k)`: from the k-th on the disk is full: what takes room fails,
    removing and renaming work.
    """

    TAKES_ROOM = ("open", "os.mkdir", "write", "shutil.copyfile")
    EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink",
              "shutil.rmtree", "shutil.copyfile", "shutil.copytree", "shutil.move"}  # fmt: skip

    def __init__(self) -> None:
        self.count = 0
        self.active = False
        self._verdict: Callable[[str, int], BaseException | None] = lambda event, count: None

    def crash(self, at: int) -> None:
        self._start(lambda event, count: Crash(event) if count >= at else None)

    def fail(self, at: int) -> None:
        self._start(lambda event, count: OSError(errno.EIO, "broken", event) if count == at else None)

    def fill(self, at: int) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        self._start(lambda event, count: full if count >= at and event in self.TAKES_ROOM else None)

    def _start(self, verdict: Callable[[str, int], BaseException | None]) -> None:
        self.count, self.active, self._verdict = 0, True, verdict

    def stop(self) -> None:
        self.active = False

    def hit(self, event: str) -> None:
        if not self.active:
            return
        self.count += 1
        error = self._verdict(event, self.count)
        if error is not None:
            raise error

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python tells here of every call that it makes, whichever module asked for it."""
        if not self.active:
            return
        if event in self.EVENTS or (event == "open" and _writes(arguments)):
            self.hit(event)


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2]
    compiled = isinstance(arguments[0], str) and "__pycache__" in arguments[0]
    return not compiled and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


FAULTS = Faults()
sys.addaudithook(FAULTS.audit)  # it cannot be taken back, so there is one, mostly asleep


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """File system calls to be counted and broken. A write that breaks has written half; syncing is skipped
    for speed.
    """
    write = os.write

    def breaking_write(descriptor: int, data: bytes) -> int:
        try:
            FAULTS.hit("write")
        except BaseException:
            write(descriptor, bytes(data)[: len(data) // 2])
            raise
        return write(descriptor, data)

    copyfile = shutil.copyfile

    def breaking_copy(source: Any, target: Any, **options: Any) -> Any:
        copied = copyfile(source, target, **options)
        try:
            FAULTS.hit("write")
        except BaseException:
            os.truncate(target, os.path.getsize(source) // 2)
            raise
        return copied

    monkeypatch.setattr(shutil, "copyfile", breaking_copy)
    monkeypatch.setattr(os, "write", breaking_write)
    monkeypatch.setattr(os, "fsync", lambda descriptor: FAULTS.hit("fsync"))
    yield FAULTS
    FAULTS.stop()


@pytest.fixture
def fast_path(tmp_path: Path) -> Iterator[Path]:
    """A temporary folder in memory where the system has one: the tests of faults write thousands of files."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def no_folder_renames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renaming a folder always fails, as it does across devices."""
    rename = os.rename

    def files_only(source: Any, target: Any) -> None:
        if os.path.isdir(source):
            FAULTS.hit("os.rename")
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", files_only)


class Model:
    """A model told apart from others by one number: what `write_model` and `RunFolder` take, and how to read
    it back.
    """

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.build(["12+34=46"])
        self.config = {"model_type": "gpt2", "n_layer": 1}

    def parts(self, value: float, **run: Any) -> tuple[Any, ...]:
        state = {"weight": torch.full((3,), value), "half": torch.full((2, 2), value, dtype=torch.bfloat16)}
        return state, self.config, self.tokenizer, {**run, "results": {"value": value, **run.get("results", {})}}

    @staticmethod
    def value(path: Path) -> float:
        """The number of the model at a path, checked all through."""
        from calcgpt.model.store import read_model

        stored = read_model(path)
        state = stored.state()
        value = float(state["weight"][0])
        assert torch.equal(state["weight"], torch.full((3,), value)) and float(state["half"][1, 1]) == value
        assert stored.run["results"]["value"] == value
        return value


@pytest.fixture(scope="session")
def model() -> Model:
    return Model()
