"""`calcgpt data`: generates a data file, or analyzes one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.cli.streams import write_json, write_line
from calcgpt.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from calcgpt.arithmetic.datasets import DatasetSpec
    from calcgpt.cli.data_options import DataOptions

_LARGE = 5_000_000  # expressions from which on a person is asked
_PATIENCE = 2.0  # seconds that anything may take without showing its progress
_HISTOGRAM = 40  # rows of a table that are shown


def run(args: list[str]) -> int:
    """Runs `calcgpt data` with these arguments and returns the exit code. Raises CalcGPTError."""
    from calcgpt.cli.data_options import DataOptions
    from calcgpt.cli.flags import parse

    options = parse(DataOptions, args, "calcgpt data")
    if options.analyze is not None:
        if options != DataOptions(analyze=options.analyze, json=options.json):
            raise ConfigError("--analyze takes a file and, at most, --json: expected no flags that generate one")
        return _analyze(options.analyze, options.json)
    return _generate(options)


def _spec(options: DataOptions) -> DatasetSpec:
    from calcgpt.arithmetic.datasets import DatasetSpec

    if options.exhaustive and options.count is not None:
        raise ConfigError(f"--exhaustive and --count {options.count} contradict each other: expected one of them")
    return DatasetSpec(
        operations=options.operations,
        min_value=options.min,
        max_value=options.max,
        min_digits=options.min_digits,
        max_digits=options.max_digits,
        allowed_digits=options.allowed_digits,
        negative_results=options.negative_results,
        count=options.count,
        seed=options.seed,
    )


def _generate(options: DataOptions) -> int:
    from calcgpt.arithmetic.datasets import generate, write_examples

    spec = _spec(options)
    path = _target(options.output, spec.name())
    estimate = spec.estimate()
    in_words = _estimate_in_words(estimate)
    if options.dry_run:
        _report({"path": str(path), "estimate": estimate}, f"{path}: {in_words}", options.json)
        return 0
    if path.exists() and not options.overwrite:
        raise ConfigError(f"{path} is there already: expected another --output, or --overwrite to replace it")
    if estimate["expressions"] > _LARGE:
        if not options.yes:
            raise ConfigError(f"{path} would hold {in_words}: expected --yes to make a file as large as that")
        from calcgpt.cli.streams import terminal

        terminal().print(in_words)
    with _progress("generating") as report:
        problems = generate(spec, report)
    with _progress("writing") as report:
        size = write_examples(path, problems, report)
    summary = {"path": str(path), "expressions": len(problems), "bytes": size}
    _report(summary, f"{path}: {len(problems):,} expressions, {_bytes_in_words(size)}", options.json)
    return 0


def _target(output: Path | None, name: str) -> Path:
    if output is None:
        return Path("datasets") / name
    return output / name if output.is_dir() else output


def _report(summary: dict[str, Any], in_words: str, as_json: bool) -> None:
    write_json(summary) if as_json else write_line(in_words)


def _estimate_in_words(estimate: dict[str, Any]) -> str:
    from calcgpt.arithmetic.integers import readable

    size, duration = _bytes_in_words(estimate["bytes"]), _seconds_in_words(estimate["seconds"])
    return f"{readable(estimate['expressions'])} expressions, some {size}, in some {duration}"


def _bytes_in_words(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    for unit, each in (("kB", 10**3), ("MB", 10**6), ("GB", 10**9), ("TB", 10**12)):
        if size < 1000 * each:
            return f"{size / each:.3g} {unit}"
    return "thousands of TB"


def _seconds_in_words(seconds: float) -> str:
    for unit, each in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * each:
            return f"{seconds / each:,.0f} {unit}" if seconds < 10**10 else "hundreds of years"
    return f"{max(seconds, 0.1):.1f} seconds"


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A listener that shows how far it is and the time left, once it is clear that it takes seconds.

    A bar in a terminal, a line now and then elsewhere; on standard error.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from calcgpt.cli.streams import terminal

    console = terminal()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(doing, total=None)
    started = shown = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        left = (now - started) * (total - done) / max(done, 1)
        if now - started + left < _PATIENCE:
            return
        if console.is_terminal:
            bar.start()
            bar.update(task, completed=done, total=total)
        elif now - shown >= _PATIENCE and done < total:
            shown = now
            console.print(f"{doing}: {done:,} of {total:,}, {_seconds_in_words(left)} left", highlight=False)

    try:
        yield report
    finally:
        if bar.live.is_started:
            bar.stop()


def _analyze(path: Path, as_json: bool) -> int:
    from calcgpt.arithmetic.datasets import analyze

    with _progress("reading") as report:
        summary = analyze(path, report)
    if as_json:
        write_json(summary)
    else:
        _show_summary(summary)
    return 0


def _show_summary(summary: dict[str, Any]) -> None:
    from calcgpt.arithmetic.operations import rank
    from calcgpt.cli.streams import output
    from calcgpt.cli.tables import show_line, show_table
    from calcgpt.runtime.table import Column, Table

    console = output()
    show_line(console, summary["path"])
    counts = Table("", [Column(""), Column("", numeric=True)])
    repeated = summary["duplicates"]
    for label, value in (
        ("lines", summary["lines"]),
        ("examples", summary["examples"]),
        *((f"  {symbol}", summary["operations"][symbol]) for symbol in sorted(summary["operations"], key=rank)),
        ("with a negative operand", summary["negative_operands"]),
        ("with a negative answer", summary["negative_answers"]),
        ("repeated", repeated["exact"]),
        ("repeated with operands exchanged", repeated["commuted"]),
        ("invalid lines", summary["invalid_lines"]),
    ):
        counts.add(label, value)
    show_table(console, counts)
    _show_histogram(console, "digits", {"operands": summary["operand_digits"], "answers": summary["answer_digits"]})
    carries = {f"{symbol} examples": summary["carries"][symbol] for symbol in sorted(summary["carries"], key=rank)}
    _show_histogram(console, "carries", carries)
    for line in summary["invalid"]:
        show_line(console, line, "bad")
    if summary["invalid_lines"] > len(summary["invalid"]):
        show_line(console, f"and {summary['invalid_lines'] - len(summary['invalid']):,} more")


def _show_histogram(console: Console, what: str, columns: dict[str, dict[int, int]]) -> None:
    from calcgpt.cli.tables import show_line, show_table
    from calcgpt.runtime.table import Cell, Column, Table

    values = sorted({value for histogram in columns.values() for value in histogram})
    if not values:
        return
    table = Table("", [Column(what, numeric=True), *(Column(title, numeric=True) for title in columns)])
    for value in values[:_HISTOGRAM]:
        table.add(Cell(value, str(value)), *(histogram.get(value, 0) for histogram in columns.values()))
    console.print()
    show_table(console, table)
    if len(values) > _HISTOGRAM:
        rest = f"and {len(values) - _HISTOGRAM:,} more, up to {values[-1]:,} {what} (all of them: --json)"
        show_line(console, rest)
