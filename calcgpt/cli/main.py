"""The `calcgpt` command: finds the subcommand, and turns what goes wrong into one line and an exit code.

Imports next to nothing: `calcgpt --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

from calcgpt import __version__
from calcgpt.errors import CalcGPTError

if TYPE_CHECKING:
    from calcgpt.cli.signals import Endings

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
_USER, _SYSTEM, _INTERRUPTED, _BROKEN_PIPE = 2, 1, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name) and give the exit code: 0; 2 for what the user did; 1 for what
    the system did; 130 after Ctrl-C, and for a training 143 after SIGTERM and 129 after SIGHUP.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that a test or a notebook put there
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command == "train":
        from calcgpt.cli.signals import ENDINGS

        with ENDINGS.handled():
            return _guarded(command, rest, ENDINGS)
    if command in COMMANDS:
        return _guarded(command, rest)
    if command in ("-h", "--help"):
        return _guarded_print(HELP)
    if command == "--version":
        return _guarded_print(f"calcgpt {__version__}\n")
    return _complain(f"there is no command {command!r}{_guess(command)}", _USER)


def _guess(command: str) -> str:
    import difflib

    close = difflib.get_close_matches(command, COMMANDS, n=1)
    return f"; did you mean {close[0]}?" if close else f": expected one of {', '.join(COMMANDS)}"


def _guarded_print(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        return _system_failure(error)
    return 0


def _guarded(command: str, arguments: list[str], endings: Endings | None = None) -> int:
    """Run a subcommand; every error that is somebody's mistake, or the system's, becomes a line and a code.

    `endings` knows which signal interrupted it.
    """
    try:
        with _warnings_shown():
            code: int = import_module(f"calcgpt.cli.{command}").run(arguments)
            sys.stdout.flush()
        return code
    except SystemExit as end:  # after --help
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt as interrupt:
        _trace()
        with suppress(OSError):  # after SIGHUP there is no terminal
            if sys.stderr.isatty():
                print(file=sys.stderr)  # the terminal shows ^C where the cursor was
        return _complain(str(interrupt) or "interrupted", _INTERRUPTED if endings is None else endings.code)
    except CalcGPTError as error:
        _trace()
        cause = error.__cause__
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
        _silence()
        return _BROKEN_PIPE
    _trace()
    where = f": {error.filename}" if error.filename else ""
    code = _complain(f"{error.strerror or error}{where}", _USER if _names_nothing(error) else _SYSTEM)
    with suppress(OSError):
        sys.stdout.flush()
        return code
    _silence()
    return code


def _names_nothing(error: OSError) -> bool:
    """Whether the user named a file that is not there, or not a file."""
    return isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))


def _out_of_memory(error: Exception) -> bool:
    """PyTorch has an exception of its own on a GPU, and only a text on the CPU."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or "can't allocate memory" in str(error) or "not enough memory" in str(error)


def _silence() -> None:
    """Nobody can take what is still to be written: else Python would complain about it at its end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"calcgpt: {message}", file=sys.stderr)
    return code


def _trace() -> None:
    if os.environ.get("CALCGPT_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exc()


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """The library's warnings as plain lines on standard error."""
    import logging

    class Plain(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with suppress(OSError):  # a terminal that is gone is no reason to lose what is computed
                print(f"calcgpt: {record.getMessage()}", file=sys.stderr)

    logger, handler = logging.getLogger("calcgpt"), Plain(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
