"""The tables of a report's page, of one model and of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from calcgpt.arithmetic.operations import rank
from calcgpt.evaluation.report_text import (
    Report,
    Row,
    interval_text,
    natural,
    operation_text,
    place_text,
    report_names,
    row_share,
)
from calcgpt.runtime.figures import figure_text, percent_text, share_text
from calcgpt.runtime.table import Cell, Column, Table, Value

_COUNTS = ("right", "problems", "malformed", "refused")


def model_tables(report: Report) -> list[Table]:
    """What one model reached by operation, case, length, chain of carries and digit position; those with rows."""
    by_operation = sorted(report.get("operations") or (), key=lambda row: rank(row["operation"]))
    tables = [
        _counted("By operation", by_operation, operation=lambda row: operation_text(row["operation"])),
        _counted("Special cases", report.get("cases"), case=lambda row: row["case"]),
        _counted(
            "By length",
            sorted(report.get("buckets") or (), key=_by_length),
            operation=lambda row: row["operation"],
            digits=lambda row: row["digits"],
        ),
        _counted(
            "By the longest chain of carries or borrows",
            report.get("carries"),
            operation=lambda row: row["operation"],
            chain=lambda row: row["chain"],
        ),
        _positions(report.get("places")),
        _language(report.get("language")),
    ]
    return [table for table in tables if table.rows]


def _by_length(row: Row) -> tuple[Any, ...]:
    return rank(row["operation"]), natural(row["digits"])


def _counted(title: str, rows: Sequence[Row] | None, **keys: Callable[[Row], Value]) -> Table:
    """Exact match and counts of each row; without intervals where nothing was estimated, and without columns of which
    no row has any."""
    rows = rows or ()
    estimated = any(row["interval"] for row in rows)
    counts = [name for name in _COUNTS if name in ("right", "problems") or any(row[name] for row in rows)]
    columns = [Column(name) for name in keys] + [Column("exact match", numeric=True)]
    columns += [Column("95% interval", numeric=True)] * estimated + [Column(name, numeric=True) for name in counts]
    table = Table(title, columns)
    for row in rows:
        cells: list[Cell | Value] = [key(row) for key in keys.values()]
        cells.append(_share(row))
        cells += [interval_text(row)] * estimated
        table.add(*cells, *(row[name] for name in counts))
    return table


def _share(row: Row | None) -> Cell:
    """The exact match of a row: good where all is right, bad below half."""
    if row is None or not row["problems"]:
        return Cell(None)
    share = row["right"] / row["problems"]
    return Cell(share, row_share(row), "good" if share == 1 else "bad" if share < 0.5 else "")


def _positions(rows: Sequence[Row] | None) -> Table:
    titles = ("right digits", "right", "digits")
    columns = [Column("operation"), Column("position"), *(Column(title, numeric=True) for title in titles)]
    table = Table("By digit position, of the answers that can be read", columns)
    for row in sorted(rows or (), key=lambda row: (rank(row["operation"]), row["place"])):
        share = Cell(row["accuracy"], share_text(row["right"], row["digits"]), "good" * (row["right"] == row["digits"]))
        table.add(row["operation"], place_text(row["place"]), share, row["right"], row["digits"])
    return table


def _language(rows: Sequence[Row] | None) -> Table:
    titles = ("problems", "well-formed", "complete", "right", "exact", "refused")
    table = Table("Lines completed", [Column("from the"), *(Column(title, numeric=True) for title in titles)])
    for row in rows or ():
        untrained = "" if row["trained"] else " (not trained for)"
        table.add(f"{row['test']}{untrained}", *(row[title.replace("-", "_")] for title in titles))
    return table


def comparison(reports: Sequence[Report]) -> Table:
    """Several reports side by side."""
    names = report_names(reports)
    symbols = sorted({row["operation"] for report in reports for row in report.get("operations") or ()}, key=rank)
    counts = [name for name in _COUNTS if name == "problems" or any(report[name] for report in reports)]
    columns = [
        *("exact match", "95% interval", *(symbols if len(symbols) > 1 else ()), *counts, "trained on", "never seen"),
        *("calibration error", "ms each", "parameters"),
    ]
    table = Table("Side by side", [Column("model"), *(Column(title, numeric=True) for title in columns)])
    for name, report in zip(names, reports, strict=True):
        by_symbol = {row["operation"]: row for row in report.get("operations") or ()}
        table.add(
            *(name, _share(report), interval_text(report)),
            *(_share(by_symbol.get(symbol)) for symbol in (symbols if len(symbols) > 1 else ())),
            *(report[key] for key in counts),
            *(_share(report["trained_on"]), _share(report["never_seen"])),
            Cell(report["calibration_error"], percent_text(report["calibration_error"])),
            Cell(report["milliseconds"], figure_text(report["milliseconds"])),
            report.get("parameters"),
        )
    return table


def differences(reports: Sequence[Report]) -> Iterator[str]:
    """In what the reports were not asked the same: a comparison has to say so."""
    asked: Mapping[str, str] = {"suite": "suites", "version": "versions of a suite", "seed": "seeds"}
    for key, words in asked.items():
        if len({str(report.get(key)) for report in reports}) > 1:
            yield words


def weakest(report: Report) -> Iterator[str]:
    """Where a model fails most, in a few words each: its weakest operation, length, chain, case and digit position.

    Nothing of a table with one row, or whose rows are equally right.
    """
    kinds: Mapping[str, tuple[str, Callable[[Row], str]]] = {
        "operations": ("operation", lambda row: operation_text(row["operation"])),
        "buckets": ("length", lambda row: f"{row['digits']} digits of {row['operation']}"),
        "carries": ("carry chain", lambda row: f"{row['chain']} of {row['operation']}"),
        "places": ("digit position", lambda row: f"{place_text(row['place'])} of {row['operation']}"),
        "cases": ("case", lambda row: str(row["case"])),
    }
    for key, (kind, name) in kinds.items():
        rows = [(row["right"], row.get("problems", row.get("digits")), row) for row in report.get(key) or ()]
        shares = [right / total for right, total, _ in rows if total]
        if len(set(shares)) > 1:
            right, total, row = min((row for row in rows if row[1]), key=lambda row: row[0] / row[1])
            yield f"weakest {kind}: {name(row)}, {share_text(right, total)}"
