"""Standard output and standard error: the one way in which every command writes to them.

Results go to standard output, and one that cannot be written is an OSError that names it. Messages go to standard
error, and one that nobody can read ends nothing. Imports next to nothing: `calcgpt --help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console


def prepare() -> None:
    """Make the three standard streams usable, whatever the process was started with.

    A stream that was closed gets its number back, so that no file that is opened later takes it and receives what was
    meant for a screen. Reading then finds an end, messages vanish, and writing a result fails: as if the number was
    still closed. Characters that the encoding lacks are escaped.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:  # what Python makes of a number that is closed
            number = os.open(os.devnull, flags)  # the lowest that is free
            setattr(sys, name, io.TextIOWrapper(open(number, mode + "b", closefd=False), "utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a stream that a test or a notebook put there
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def write_line(text: str = "") -> None:
    """Write a line of a result. Raises OSError that names standard output."""
    _Output(sys.stdout).write(f"{text}\n")


def write_json(value: Any) -> None:
    """Write a value as a line of JSON. Raises OSError that names standard output."""
    write_line(as_json(value))


def as_json(value: Any) -> str:
    """A value as JSON, in ASCII, which any encoding can carry. JSON has no NaN and no infinity: they are null."""
    import json

    return json.dumps(_finite(value), allow_nan=False)


def output() -> Console:
    """Standard output, for Rich."""
    return _console(cast(TextIO, _Output(sys.stdout)))


def flush() -> None:
    """Hand over what was written so far. Raises OSError that names standard output."""
    _Output(sys.stdout).flush()


def finish() -> None:
    """Hand over what is left; what cannot be written has been told, and goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            silence(stream)


def note(text: str = "") -> None:
    """Write a line that is no result, on standard error."""
    stream = errors()
    stream.write(f"{text}\n")
    stream.flush()


def terminal() -> Console:
    """Standard error, for Rich."""
    return _console(errors())


def errors() -> TextIO:
    """Standard error as a stream that never fails."""
    return cast(TextIO, _Errors(sys.stderr))


def uncoloured_output() -> TextIO:
    """Standard output for a library that colours what it shows in a terminal: a terminal only where colours are wanted.
    Writing raises OSError that names standard output.
    """
    return cast(TextIO, _Output(sys.stdout, coloured=wants_colour()))


def wants_colour() -> bool:
    """Whether the environment lets a terminal be coloured (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def is_live(console: Console) -> bool:
    """Whether a display can move there."""
    return console.is_terminal and not console.is_dumb_terminal


def silence(stream: Any) -> None:
    """Send what is still to be written nowhere: else Python tries again at its end, and complains."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Output(io.TextIOBase):
    """Standard output that says of an error where it happened."""

    NAME = "standard output"

    def __init__(self, stream: Any, coloured: bool = True):
        self._stream, self._coloured = stream, coloured

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._coloured and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        error.filename = self.NAME
        raise error


class _Errors(_Output):
    """Standard error, which a message that cannot be written does not end."""

    def _failed(self, error: OSError) -> None:
        silence(self._stream)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # Rich would end with 1, which says something else

    return Quiet(file=stream, highlight=False, color_system="auto" if wants_colour() else None)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and value - value != 0:  # NaN, or an infinity
        return None
    return value
