"""How far an asking has come, and when it has to end."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest

from calcgpt.errors import ConfigError
from calcgpt.inference.watch import Watch


def test_without_a_timeout_it_never_ends() -> None:
    watch = Watch()
    assert not watch.expired
    assert not Watch(1e300).expired and Watch(1e-9).expired


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "long"])
def test_a_timeout_that_cannot_be(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout must be a number of seconds above 0, not"):
        Watch(timeout)


def test_tokens_are_counted_by_all_threads_and_the_last_report_is_complete() -> None:
    calls: list[tuple[int, int]] = []
    watch = Watch(None, lambda done, total: calls.append((done, total)))
    watch.expect(300)
    watch.expect(100)
    threads = [Thread(target=lambda: [watch.wrote(1) for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls[-1] == (400, 400) and calls == sorted(calls)
    assert len(calls) < 100, "not every token is reported"
