"""Standard output and error: whatever becomes of them, one line or silence, and the right exit code."""

from __future__ import annotations

import ast
import errno
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import calcgpt
from calcgpt.cli import streams
from calcgpt.cli.main import COMMANDS

Command = Callable[..., "subprocess.CompletedProcess[str]"]
_CLI = Path(calcgpt.__file__).parent / "cli"
_FILE = "+".join(["1"] * 2) + "=2\n"
# What every command writes at the least, and what it does with a model.
QUICK = ["--help", "--version", *(f"{name} --help" for name in COMMANDS), "train --version"]
QUICK += ["recipes", "recipes classic", "recipes --json", "models", "models calculator --json", "data --dry-run --json"]
SLOW = ["solve -m calculator 1+1", "solve -m calculator 1+1 --json", "explain -m calculator 1+1"]
SLOW += ["evaluate calculator --suite quick --count 1 --digits 1", "data --analyze file.txt", "models calculator"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="streams like these are POSIX's")
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


def _shell(line: str) -> subprocess.CompletedProcess[str]:
    Path("file.txt").write_text(_FILE)
    command = f"{sys.executable} -m calcgpt"
    return subprocess.run(["bash", "-c", line.replace("calcgpt", command, 1)], capture_output=True, text=True)


def _every(lines: list[str], few: int) -> list[object]:
    """A few of a kind stand for all in the quick suite; the slow one has them all."""
    return [*lines[:few], *(pytest.param(line, marks=pytest.mark.slow) for line in lines[few:])]


@posix
@pytest.mark.parametrize("arguments", [*_every(QUICK, 3), "models", *_every(SLOW, 1)])
def test_a_closed_standard_output_is_one_line(arguments: str) -> None:
    done = _shell(f"calcgpt {arguments} >&-")
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (1, ["calcgpt: Bad file descriptor: standard output"])
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@full
@pytest.mark.parametrize("arguments", [*_every(QUICK, 3), "recipes", *_every(SLOW, 1)])
def test_a_full_disk_is_one_line(arguments: str) -> None:
    done = _shell(f"calcgpt {arguments} > /dev/full")
    expected = (1, ["calcgpt: No space left on device: standard output"])
    assert (done.returncode, done.stderr.splitlines()[-1:]) == expected
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@posix
@pytest.mark.parametrize("arguments", [*_every(QUICK, 3), "recipes", *_every(SLOW, 1)])
def test_a_reader_that_has_seen_enough_ends_it_quietly(arguments: str) -> None:
    done = _shell(f"calcgpt {arguments} 2> errors | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout in ("141\n", "0\n")
    assert all(line.startswith("model: ") for line in Path("errors").read_text().splitlines())


@posix
@pytest.mark.parametrize("way", ["2>&-", pytest.param("2> /dev/full", marks=full)])
@pytest.mark.parametrize(
    ("arguments", "code"), [("recipes", 0), ("xyz", 2), ("train --help", 0), ("solve -m x 1+1", 2)]
)
def test_a_message_that_nobody_can_read_changes_nothing(way: str, arguments: str, code: int) -> None:
    told, untold = _shell(f"calcgpt {arguments} 2> /dev/null"), _shell(f"calcgpt {arguments} {way}")
    assert (untold.returncode, untold.stdout, untold.stderr) == (code, told.stdout, "")


@posix
def test_no_stream_at_all() -> None:
    assert _shell("calcgpt recipes <&- >&- 2>&-").returncode == 1
    assert _shell("calcgpt solve -m calculator <&-").stderr.startswith("calcgpt: standard input has no problem")


@posix
def test_a_closed_stream_is_not_taken_by_a_file() -> None:
    code = "import os, sys; from calcgpt.cli.streams import prepare; prepare(); sys.exit(os.open('x', os.O_CREAT))"
    done = subprocess.run(["bash", "-c", f'{sys.executable} -c "{code}" <&- >&- 2>&-'])
    assert done.returncode > 2


def test_commands_write_through_one_module() -> None:
    for path in sorted(_CLI.glob("*.py")):
        called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert path.name == "streams.py" or not any(isinstance(f, ast.Name) and f.id == "print" for f in called)
        users = {ast.unparse(f) for f in called if ast.unparse(f).startswith(("sys.stdout.", "sys.stderr."))}
        assert path.name == "streams.py" or users <= {"sys.stderr.isatty"}, path.name


def test_json_is_json() -> None:
    value = {"a": [1.5, math.nan, (math.inf, None)], "b": {"c": -math.inf, 3: "é"}, "d": True}
    text = streams.as_json(value)
    assert text.isascii()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": [1.5, None, [None, None]],
        "b": {"c": None, "3": "é"},
        "d": True,
    }


@pytest.mark.parametrize(
    ("name", "value", "coloured"), [("NO_COLOR", "1", 0), ("NO_COLOR", "", 1), ("TERM", "dumb", 0)]
)
def test_colours_are_for_terminals_that_want_them(
    in_terminal: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    coloured: bool,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    code, screen = in_terminal("models", "--help")
    assert code == 0 and "usage:" in screen and ("\x1b" in screen) == coloured
    assert (streams.terminal().color_system is None) == (streams.output().color_system is None)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for console in (streams.terminal(), streams.output()):
        assert (console.color_system is not None) == coloured


def test_no_escape_code_leaves_without_a_terminal(command: Command) -> None:
    for arguments in (["train", "--help"], ["recipes"], ["data", "--help"], ["models"], ["xyz"]):
        done = command(*arguments)
        assert "\x1b" not in done.stdout + done.stderr


def test_an_error_of_standard_output_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    for write in (lambda: streams.write_line("x"), lambda: streams.output().print("x")):
        with pytest.raises(OSError) as caught:
            write()
        assert caught.value.filename == "standard output"
    monkeypatch.setattr(sys, "stderr", Full())
    streams.note("x")
    streams.terminal().print("x")
