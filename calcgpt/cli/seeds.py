"""`calcgpt train --seeds N`: the same run with several seeds, and what they have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from calcgpt.cli.streams import flush, note, write_json, write_line
from calcgpt.cli.train import train
from calcgpt.cli.train_options import Job
from calcgpt.errors import CalcGPTError
from calcgpt.runtime.figures import percent_text
from calcgpt.runtime.table import Cell, Column, Table

Row = dict[str, Any]
_WORST: dict[str, Callable[[list[float]], float]] = {"exact_match": min, "training_loss": max, "training_time": max}


def train_seeds(job: Job, count: int, quiet: bool, as_json: bool) -> int:
    """Train `count` times and show every result, the worst and the mean. A seed that fails does not end the others.

    Returns the exit code: 1 where some failed. Raises the last one's error where none succeeded.
    """
    rows: list[Row] = []
    for number in range(count):
        seed = job.config.seed + number
        try:
            rows.append(_train_one(_with_seed(job, seed), f"seed {seed} ({number + 1} of {count})", quiet))
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(
                f"{str(interrupt) or 'interrupted'}; {number} of {count} seeds are trained"
            ) from interrupt
        if not (quiet or as_json):
            write_line(_in_words(rows[-1]))
            flush()
    trained = [row for row in rows if "error" not in row]
    failed = len(rows) - len(trained)
    if as_json:
        found = {"worst": _over(trained, _WORST), "mean": _over(trained, dict.fromkeys(_WORST, mean))}
        shown = [{name: value for name, value in row.items() if name != "exception"} for row in rows]
        write_json({"seeds": shown, **found, "failed": failed})
    elif not quiet and trained:
        _show(rows, trained)
    if not trained:
        raise rows[-1]["exception"]
    return 1 if failed else 0


def _with_seed(job: Job, seed: int) -> Job:
    """The run of one seed, in a folder of its own."""
    output = job.output.with_name(f"{job.output.name}-seed-{seed}")
    return dataclasses.replace(job, config=dataclasses.replace(job.config, seed=seed), output=output)


def _train_one(job: Job, title: str, quiet: bool) -> Row:
    try:
        results, _ = train(job, title, quiet)
    except Exception as error:  # whatever it is: hours of other seeds may be at stake
        known = isinstance(error, (CalcGPTError, OSError))
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        note(f"calcgpt: seed {job.config.seed} failed: {reason}")
        return {"seed": job.config.seed, "error": reason, "exception": error}
    return {"seed": job.config.seed, **{name: results[name] for name in (*_WORST, "output_dir")}}


def _over(rows: list[Row], functions: dict[str, Callable[[list[float]], float]]) -> dict[str, float | None]:
    """Each figure over the seeds that have it."""
    figures = {name: [row[name] for row in rows if row[name] is not None] for name in functions}
    return {name: function(figures[name]) if figures[name] else None for name, function in functions.items()}


def _cells(row: dict[str, Any]) -> list[Cell]:
    match, loss, seconds = (row[name] for name in _WORST)
    return [Cell(match, percent_text(match)), Cell(loss, f"{loss:.4f}"), Cell(seconds, f"{seconds:.1f} s")]


def _in_words(row: Row) -> str:
    if "error" in row:
        return f"seed {row['seed']}: failed"
    match, loss, seconds = map(str, _cells(row))
    return f"seed {row['seed']}: exact match {match}, loss {loss}, {seconds}, {row['output_dir']}"


def _show(rows: list[Row], trained: list[Row]) -> None:
    from calcgpt.cli.streams import output
    from calcgpt.cli.tables import show_line, show_table

    table = Table("", [Column("seed"), *(Column(title, numeric=True) for title in ("exact match", "loss", "time"))])
    failed = [Cell(None, "failed", "bad"), *(Cell(None, "") for _ in range(2))]
    for row in rows:
        table.add(Cell(row["seed"], str(row["seed"])), *(failed if "error" in row else _cells(row)))
    table.add_foot("worst", *_cells(_over(trained, _WORST)))
    table.add_foot("mean", *_cells(_over(trained, dict.fromkeys(_WORST, mean))))
    console = output()
    show_table(console, table)
    folders = Path(trained[0]["output_dir"]).parent
    show_line(console, f"{len(trained)} trained, {len(rows) - len(trained)} failed; the models are in {folders}")
