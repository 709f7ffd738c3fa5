"""Work that Ctrl-C cannot break off: it is done to its end, and the KeyboardInterrupt is raised after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")
_LOOK = 0.5  # seconds between two looks at whether the work is done: on Windows Ctrl-C is heard at these alone


class Undisturbed(Generic[R]):
    """Work in a thread of its own, which no KeyboardInterrupt reaches; done once, however often `result` is asked.

    A KeyboardInterrupt may come at any moment, also while the thread is started or waited for. So the two threads share
    no lock that either waits for: an interruption that left one locked would stop both.
    """

    def __init__(self, work: Callable[[], R]):
        self._work = work
        self._begun = threading.Lock()  # taken for good by the thread that does the work
        self._thread: threading.Thread | None = None
        self._done = False
        self._value: R
        self._error: BaseException | None = None

    def result(self) -> R:
        """Do the work, unless that was begun, and wait for its end.

        Raises what the work raises, or a KeyboardInterrupt that came meanwhile, when the work is done.
        """
        interrupt: KeyboardInterrupt | None = None
        while not (self._done and self._ended()):
            try:
                if not self._begun.locked():
                    self._thread = threading.Thread(target=self._run, name="calcgpt-undisturbed")
                    self._thread.start()
                while not (self._done and self._ended()):
                    if self._ended():  # the work is done by a thread whose start was interrupted
                        time.sleep(0.01)
                    elif self._thread is not None:
                        self._thread.join(_LOOK)
            except KeyboardInterrupt as error:
                interrupt = error
        if self._error is not None:
            raise self._error
        if interrupt is not None:
            raise interrupt
        return self._value

    def _ended(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        if not self._begun.acquire(blocking=False):
            return
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error
        self._done = True


def undisturbed(work: Callable[[], R]) -> R:
    """`Undisturbed(work).result()`."""
    return Undisturbed(work).result()
