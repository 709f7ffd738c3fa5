"""The dispatcher: quick help, and one line and an exit code for whatever goes wrong."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import calcgpt
from calcgpt.cli import main as cli
from calcgpt.cli import recipes
from calcgpt.cli.main import COMMANDS, main
from calcgpt.errors import CalcGPTError, ConfigError, DataError, ModelFolderError

Output = pytest.CaptureFixture[str]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

_IMPORTED = """
import sys
from calcgpt.cli.main import main
code = main({arguments})
print("imported", *sorted({{"torch", "tyro", "rich", "numpy", "logging"}} & set(sys.modules)))
sys.exit(code)
"""


def _imported(command: Command, *arguments: str) -> set[str]:
    """Which heavy packages a command line imports."""
    done = command(python=("-c", _IMPORTED.format(arguments=list(arguments))))
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["help"], ["--version"]])
def test_help_and_version_import_nothing(command: Command, arguments: list[str]) -> None:
    assert _imported(command, *arguments) == set()


@pytest.mark.parametrize(
    "arguments", [["recipes"], ["recipes", "classic"], ["models"], *([name, "--help"] for name in COMMANDS)]
)
def test_what_computes_nothing_does_not_import_torch(command: Command, arguments: list[str]) -> None:
    assert "torch" not in _imported(command, *arguments)


def test_help_is_quick(command: Command) -> None:
    durations = []
    for _ in range(3):
        started = time.perf_counter()
        assert command("--help").stdout == cli.HELP
        durations.append(time.perf_counter() - started)
    assert min(durations) <= 0.4


def test_help_names_every_command_and_fits_a_terminal(capsys: Output) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert max(map(len, shown.splitlines())) < 80


def test_version(capsys: Output) -> None:
    for arguments in (["--version"], ["train", "--version"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out == f"calcgpt {calcgpt.__version__}\n"


def test_help_of_a_command_by_either_way(capsys: Output) -> None:
    for arguments in (["help", "recipes"], ["recipes", "--help"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out.startswith("usage: calcgpt recipes")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("evalute", "did you mean evaluate?"), ("xyz", "expected one of recipes, data"), ("--quiet", "'--quiet'")],
)
def test_an_unknown_command_is_one_line(capsys: Output, typed: str, expected: str) -> None:
    assert main([typed]) == 2
    caught = capsys.readouterr()
    assert caught.out == "" and caught.err.startswith("calcgpt: there is no command ") and expected in caught.err
    assert caught.err.count("\n") == 1


def _disk_full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "models/x")


def _wrapped(cause: OSError) -> CalcGPTError:
    error = ModelFolderError("cannot write the model")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("epochs must be positive"), 2, "epochs must be positive"),
        (DataError("no file"), 2, "no file"),
        (_disk_full(), 1, "No space left on device: models/x"),
        (_wrapped(_disk_full()), 1, "cannot write the model"),
        (_wrapped(FileNotFoundError(errno.ENOENT, "No such file", "x")), 2, "cannot write the model"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "Permission denied: x"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), 2, "No such file or directory: x"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 2, "File name too long: x"),
        (FileExistsError(errno.EEXIST, "File exists", "x"), 2, "File exists: x"),
        (OSError(errno.EINVAL, "no file can have this name", "a\0b"), 2, "no file can have this name: 'a\\x00b'"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("the model is in models/x"), 130, "the model is in models/x"),
        (MemoryError(), 1, "out of memory: expected a smaller model, batch or file, or a larger machine"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "out of memory: expected a smaller model"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, error: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr(recipes, "run", _raiser(error))
    assert main(["recipes"]) == code
    caught = capsys.readouterr()
    assert caught.err.startswith(f"calcgpt: {line}") and caught.err.count("\n") == 1 and caught.out == ""


def test_debugging_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(recipes, "run", _raiser(ConfigError("wrong")))
    monkeypatch.setenv("CALCGPT_DEBUG", "1")
    assert main(["recipes"]) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown and shown.endswith("calcgpt: wrong\n")


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("a bug"), AssertionError("a bug")])
def test_a_bug_is_not_taken_for_a_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(recipes, "run", _raiser(error))
    with pytest.raises(type(error), match="a bug"):
        main(["recipes"])


def test_warnings_of_the_library_are_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    def warn(_: list[str]) -> int:
        logging.getLogger("calcgpt.somewhere").warning("skipped: %s", "a model")
        logging.getLogger("calcgpt.somewhere").info("details")
        return 0

    monkeypatch.setattr(recipes, "run", warn)
    assert main(["recipes"]) == 0
    assert capsys.readouterr().err == "calcgpt: skipped: a model\n"
    assert not any(type(handler).__name__ == "Plain" for handler in logging.getLogger("calcgpt").handlers)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes like these are POSIX's")
def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    done = _shell(f"{sys.executable} -m calcgpt recipes | true; echo ${{PIPESTATUS[0]}}")
    assert done.stdout in ("141\n", "0\n") and done.stderr == ""


def test_it_is_a_module_and_a_script(command: Command) -> None:
    script = str(Path(__file__).parents[2] / "calcgpt_train.py")
    assert command("--version").stdout == f"calcgpt {calcgpt.__version__}\n"
    assert command("--version", python=(script,)).stdout == f"calcgpt {calcgpt.__version__}\n"


def _raiser(error: BaseException) -> Callable[[list[str]], int]:
    def run(_: list[str]) -> int:
        raise error

    return run


def _shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
