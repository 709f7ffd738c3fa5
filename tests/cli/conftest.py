"""The command as a person uses it: in a folder of their own, without a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import calcgpt

Command = Callable[..., "subprocess.CompletedProcess[str]"]
_ROOT = Path(calcgpt.__file__).parents[1]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and output that is no terminal and 80 columns wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CALCGPT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    return tmp_path


@pytest.fixture
def command() -> Command:
    """`python -m calcgpt` in a process of its own, its output caught as text."""

    def run(*arguments: str, python: tuple[str, ...] = ("-m", "calcgpt"), **options: object) -> object:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        settings = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 120, "env": environment}
        return subprocess.run([sys.executable, *python, *arguments], **{**settings, **options})  # type: ignore[call-overload]

    return run  # type: ignore[return-value]


@pytest.fixture
def in_terminal() -> Callable[..., tuple[int, str]]:
    """Runs `python -m calcgpt` in a terminal of its own, 80 columns wide, and types a text
    at each prompt: exit code and screen.
    """
    pty = pytest.importorskip("pty", reason="terminals like these are POSIX's")

    def run(*arguments: str, typed: tuple[str, ...] = ()) -> tuple[int, str]:
        main, side = pty.openpty()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "LINES": "24"}
        line = [sys.executable, "-m", "calcgpt", *arguments]
        process = subprocess.Popen(line, stdin=side, stdout=side, stderr=side, env=environment, close_fds=True)
        os.close(side)
        shown, waiting = b"", list(typed)
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:  # Linux says so where others say nothing: the other side is gone
                part = b""
            if not part:
                break
            shown += part
            if waiting and shown.count(b"> ") > len(typed) - len(waiting):
                os.write(main, waiting.pop(0).encode())
        os.close(main)
        return process.wait(60), shown.decode()

    return run
