"""The `calcgpt` command: finds the subcommand, and turns what goes wrong into one line and an exit code.

Imports next to nothing: `calcgpt --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module

from calcgpt import __version__
from calcgpt.cli import streams
from calcgpt.cli.signals import ENDINGS
from calcgpt.errors import CalcGPTError, ConfigError, shown_path

COMMANDS = {
    "recipes": "list the recipes, or show one",
    "data": "generate a file of arithmetic, or summarise one",
    "train": "train a model: a recipe, a data file, or a task of your own",
    "evaluate": "count a model's right answers, on unseen problems or on every one",
    "solve": "ask a model: problems, a file of them, or one after the other",
    "explain": "look inside a model: probabilities, attention, where carries are",
    "models": "list the models there are, or describe one",
    "export": "write a model as one file for the challenge of ten-digit addition",
}
HELP = f"""usage: calcgpt COMMAND [OPTIONS]

Generate arithmetic, train a small GPT on it from scratch, and find out exactly
what it can compute.

commands:
{chr(10).join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())}

options:
  -h, --help   show this; after a command, show its options
  --version    show the version

to begin with:
  calcgpt train three-digit
  calcgpt evaluate three-digit --exhaustive
  calcgpt solve "12+34"

CALCGPT_DEBUG=1 in the environment shows where an error came from.
"""
_NO_NAME = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_USER, _SYSTEM, _BROKEN_PIPE = 2, 1, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name) and give the exit code: 0; 2 for what the user did; 1 for what
    the system did; 130 after Ctrl-C, and for a training 143 after SIGTERM and 129 after SIGHUP.

    Without `argv` it is the command of the process, which ends with it.
    """
    streams.prepare()
    arguments = list(sys.argv[1:] if argv is None else argv)
    with ENDINGS.handled(last=argv is None) if arguments[:1] == ["train"] else nullcontext():
        code = _guarded(arguments)
        streams.finish()
    return code


def _run(arguments: list[str]) -> int:
    """Find the subcommand and run it."""
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in COMMANDS:
        with _warnings_shown():
            return import_module(f"calcgpt.cli.{command}").run(rest)
    if command in ("-h", "--help"):
        streams.write_line(HELP.rstrip("\n"))
    elif command == "--version":
        streams.write_line(f"calcgpt {__version__}")
    else:
        raise ConfigError(f"there is no command {command!r}{_guess(command)}")
    return 0


def _guess(command: str) -> str:
    import difflib

    close = difflib.get_close_matches(command, COMMANDS, n=1)
    return f"; did you mean {close[0]}?" if close else f": expected one of {', '.join(COMMANDS)}"


def _guarded(arguments: list[str]) -> int:
    """Run a command line; every error that is somebody's mistake, or the system's, becomes a line and a code."""
    try:
        try:
            code = _run(arguments)
        except SystemExit as end:  # after --help
            code = end.code if isinstance(end.code, int) else 0
        streams.flush()
        return code
    except KeyboardInterrupt as interrupt:
        _trace()
        if sys.stderr.isatty():
            streams.note()  # the terminal shows ^C where the cursor was
        return _complain(str(interrupt) or "interrupted", ENDINGS.code)
    except CalcGPTError as error:
        _trace()
        cause = error.__cause__
        if isinstance(cause, BrokenPipeError):
            return _system_failure(cause)
        system = isinstance(cause, OSError) and not _names_nothing(cause)
        return _complain(str(error), _SYSTEM if system else _USER)
    except OSError as error:
        return _system_failure(error)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        _trace()
        return _complain("out of memory: expected a smaller model, batch or file, or a larger machine", _SYSTEM)


def _system_failure(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):  # whoever read us has seen enough
        return _BROKEN_PIPE
    _trace()
    where = f": {shown_path(error.filename)}" if error.filename else ""
    return _complain(f"{error.strerror or error}{where}", _USER if _names_nothing(error) else _SYSTEM)


def _names_nothing(error: OSError) -> bool:
    """Whether the user named a file that is not there, is no file, or cannot be one."""
    missing = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, missing) or error.errno in _NO_NAME


def _out_of_memory(error: Exception) -> bool:
    """PyTorch has an exception of its own on a GPU, and only a text on the CPU."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _complain(message: str, code: int) -> int:
    streams.note(f"calcgpt: {message}")
    return code


def _trace() -> None:
    if os.environ.get("CALCGPT_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exc(file=streams.errors())


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """The library's warnings as plain lines on standard error."""
    import logging

    class Plain(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            streams.note(f"calcgpt: {record.getMessage()}")

    logger, handler = logging.getLogger("calcgpt"), Plain(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
