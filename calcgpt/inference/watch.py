"""How an asking is limited, how far it has come, and when it has to end: for whoever waits for long decodings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Real
from threading import Lock

from calcgpt.errors import ConfigError, shown_value

_EVERY = 0.05  # seconds between two reports


@dataclass(frozen=True)
class Limits:
    """How a batch is asked: how tokens are taken, and when to end.

    first: the number of the first problem, for draws that go on from an earlier batch.
    """

    temperature: float = 0.0
    seed: int | None = None
    first: int = 0
    max_tokens: int | None = None
    watch: Watch = field(default_factory=lambda: Watch())


class Watch:
    """Counts tokens as they are written, by any thread, and knows when the time is up.

    Args:
        timeout: seconds from now after which decoding ends; without it, it goes on to its end.
        on_tokens: called with how many tokens were written, of how many that are still expected.

    Raises:
        ConfigError: the timeout is no number above 0.
    """

    def __init__(self, timeout: float | None = None, on_tokens: Callable[[int, int], None] | None = None):
        if timeout is not None and not (isinstance(timeout, Real) and timeout > 0):  # NaN is not above 0
            raise ConfigError(f"timeout must be a number of seconds above 0, not {shown_value(timeout)}")
        self.timeout = timeout
        self._end = None if timeout is None else time.monotonic() + float(min(timeout, 1e9))
        self._on_tokens, self._lock = on_tokens, Lock()
        self._written, self._expected, self._reported = 0, 0, 0.0

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and time.monotonic() >= self._end

    def expect(self, tokens: int) -> None:
        """Count tokens that are to be written."""
        with self._lock:
            self._expected += tokens

    def wrote(self, tokens: int) -> None:
        """Count tokens that were written, or that turned out not to be needed."""
        if self._on_tokens is None:
            return
        with self._lock:
            self._written += tokens
            now = time.monotonic()
            if now - self._reported >= _EVERY or self._written >= self._expected:
                self._reported = now
                self._on_tokens(self._written, self._expected)
