"""SIGINT, SIGTERM and SIGHUP while a model is trained: the run ends by its one path, and its model is kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
_SAME = 1.0  # seconds in which a repeated signal is the same request: wrappers forward what the terminal sends as well


class Stoppable(Protocol):
    """A trainer, as far as signals go."""

    def stop(self, reason: str, interrupt: bool = False) -> bool: ...


class Endings:
    """What signals ask of a command that trains.

    The first asks the run to end after its step. One that comes more than a second later ends it at once: whatever is
    computed is broken off. A model that is just then written is written to its end in either case.
    """

    def __init__(self) -> None:
        self._trainer: Stoppable | None = None
        self._number, self._since = 0, float("-inf")

    @property
    def code(self) -> int:
        """The exit code of a command that was interrupted: 130, and after SIGTERM 143, after SIGHUP 129."""
        return 128 + (self._number or signal.SIGINT)

    def hear(self, number: int, frame: Any) -> None:
        """The signal handler."""
        now = time.monotonic()
        if now - self._since <= _SAME:
            return
        again, self._since = bool(self._number), now
        if not again:
            self._number = number
        if self._trainer is None and not again:
            return  # torch may just be imported, and an exception lost there: the run will not begin
        if not self._ask() or again:
            raise KeyboardInterrupt

    def _ask(self) -> bool:
        """Ask the trainer to end; whether it will after its step."""
        name = signal.Signals(self._number).name
        reason = "interrupted" if name == "SIGINT" else name
        return self._trainer is not None and self._trainer.stop(reason, interrupt=True)

    @contextmanager
    def heeded_by(self, trainer: Stoppable) -> Iterator[None]:
        """Signals end this run. Raises KeyboardInterrupt where one has come already."""
        self._trainer = trainer
        try:
            self.check()
            yield
        finally:
            self._trainer = None

    def check(self) -> None:
        """Raise KeyboardInterrupt where a signal has come."""
        if self._number:
            by = "" if self._number == signal.SIGINT else f" by {signal.Signals(self._number).name}"
            raise KeyboardInterrupt(f"interrupted{by}")

    @contextmanager
    def handled(self, last: bool = False) -> Iterator[None]:
        """Hear signals in this block, then restore their handlers; where it is the `last` thing that the process does,
        ignore them: everything is written, and the exit code has to come through.

        What is ignored stays ignored, as under nohup, and so do somebody else's handlers; off the main thread, where no
        signal arrives, nothing changes.
        """
        self._number, self._since = 0, float("-inf")
        before: dict[int, Any] = {}
        try:
            if threading.current_thread() is threading.main_thread():
                for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
                    if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                        before[number] = signal.signal(number, self.hear)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if last else handler)
            self._number = 0


ENDINGS = Endings()  # of the process: signals are its own
