"""Progress on standard error: a Rich display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import TracebackType
from typing import Any

from rich import console as rich_console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from calcgpt.cli.streams import errors, is_live, note, terminal
from calcgpt.runtime.figures import percent_text
from calcgpt.training.tracking import Console, Listener

_PATIENCE = 10.0  # seconds between two plain lines of a count


def training_display(title: str, max_seconds: float | None, quiet: bool) -> AbstractContextManager[list[Listener]]:
    """The listeners that show a run, there for as long as the context lasts.

    title: what is trained. max_seconds: when the run ends at the latest. quiet: no listener at all.
    """
    if quiet:
        return nullcontext([])
    console = terminal()
    if is_live(console):
        return RichDisplay(title, max_seconds, console)
    return nullcontext([Console(errors())])


class RichDisplay(Console):
    """A bar with step, loss, exact match at the last validation and time left, and above it the places that are learnt.

    It is a context that gives the listeners.

    Args:
        title: what is trained.
        max_seconds: when the run ends at the latest; the bar shows which of its two ends is nearer.
        console: where to.
    """

    def __init__(self, title: str, max_seconds: float | None, console: rich_console.Console):
        super().__init__()
        self.title, self.max_seconds = title, max_seconds
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(bar_width=None)]
        columns += [TextColumn("{task.fields[loss]}"), TextColumn("{task.fields[match]}"), _Left()]
        self.progress = Progress(*columns, console=console, transient=True, expand=True)
        self.task = self.progress.add_task(f"{title}: preparing", total=None, loss="", match="")

    def __enter__(self) -> list[Listener]:
        self.progress.start()
        return [self]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a terminal that is gone
            self.progress.stop()

    def on_start(self, facts: dict[str, Any]) -> None:
        super().on_start(facts)
        # A new task, because the time that preparing took says nothing about the steps.
        self.progress.remove_task(self.task)
        self.task = self.progress.add_task(self._steps(0), total=1.0, loss="", match="")

    def on_step(self, record: dict[str, Any]) -> None:
        ends = [record["step"] / self.total] if self.total else []
        ends += [record["seconds"] / self.max_seconds] if self.max_seconds else []
        self.progress.update(
            self.task,
            completed=min(1.0, max(ends, default=0.0)),
            description=self._steps(record["step"]),
            loss=f"loss {record['loss']:.4f}",
        )

    def on_evaluation(self, record: dict[str, Any]) -> None:
        if record.get("exact_match") is not None:
            self.progress.update(self.task, match=f"exact match {percent_text(record['exact_match'])}")
        self._learn(record)

    def on_end(self, results: dict[str, Any]) -> None:
        pass

    def _steps(self, step: int) -> str:
        return f"step {step:,}/{self.total:,}" if self.total else f"step {step:,}"

    def _write(self, line: str) -> None:
        self.progress.console.print(f"{self.title}: {line}", markup=False, soft_wrap=True)


class _Left(TimeRemainingColumn):
    """The time left, in words; nothing where that cannot be told yet."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None or task.finished else f"{in_words(left)} left", style="progress.remaining")


def in_words(seconds: float) -> str:
    """A duration as a person says it: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def counting(doing: str, quiet: bool = False, after: float = 0.0) -> Iterator[Callable[[int, int], None] | None]:
    """A function to call with how many are done, of how many: a bar with the time left in a terminal, a line every ten
    seconds elsewhere; None for `quiet`. What ends within `after` seconds is not shown.
    """
    console = terminal()
    if quiet:
        yield None
    elif not is_live(console):
        yield _lines(doing, after or _PATIENCE)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}"),
            _Left(),
        )
        progress = Progress(*columns, console=console, transient=True, expand=True)
        task, due, hidden = progress.add_task(doing, total=None, count=""), time.monotonic() + after, bool(after)
        if not hidden:
            progress.start()

        def report(done: int, total: int) -> None:
            nonlocal hidden
            progress.update(task, completed=done, total=total, count=f"{done:,}/{total:,}")
            if hidden and time.monotonic() >= due:
                progress.start()
                hidden = False

        try:
            yield report
        finally:
            progress.stop()


def _lines(doing: str, after: float) -> Callable[[int, int], None]:
    due = time.monotonic() + after
    first: tuple[float, int] | None = None  # the first report: what was prepared before it says nothing of the rest

    def report(done: int, total: int) -> None:
        nonlocal due, first
        now = time.monotonic()
        first = first or (now, done)
        if now >= due and first[1] < done < total:
            due = now + _PATIENCE
            left = (now - first[0]) / (done - first[1]) * (total - done)
            note(f"{doing}: {done:,} of {total:,}, {in_words(left)} left")

    return report
