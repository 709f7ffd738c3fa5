"""The tables of a report's page, of one model and of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from calcgpt.arithmetic.operations import rank
from calcgpt.evaluation.comparing import runs_table
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
from calcgpt.evaluation.table import counts_table, tone_of
from calcgpt.runtime.figures import NOTHING, duration_text, figure_text, percent_text, share_text
from calcgpt.runtime.table import Cell, Column, Table

_COUNTS = ("right", "problems", "malformed", "refused")


def model_tables(report: Report) -> list[Table]:
    """What one model reached by operation, case, length, chain of carries and digit position; those with rows."""
    operations = _ordered(report.get("operations"))
    named = [{**row, "operation": operation_text(row["operation"])} for row in operations]
    buckets = sorted(report.get("buckets") or (), key=lambda row: (rank(row["operation"]), natural(row["digits"])))
    tables = [
        counts_table("By operation", named, "operation"),
        counts_table("Special cases", list(report.get("cases") or ()), "case"),
        counts_table("By length", buckets, "operation", "digits"),
        counts_table(
            "By the longest chain of carries or borrows", _ordered(report.get("carries")), "operation", "chain"
        ),
        _positions(report.get("places")),
        _language(report.get("language")),
    ]
    return [table for table in tables if table.rows]


def _ordered(rows: Sequence[Row] | None) -> list[dict[str, Any]]:
    return [dict(row) for row in sorted(rows or (), key=lambda row: rank(row["operation"]))]


def _share(row: Row | None) -> Cell:
    return Cell(None if row is None else row["exact_match"], row_share(row))


def _positions(rows: Sequence[Row] | None) -> Table:
    titles = ("right digits", "right", "digits")
    columns = [Column("operation"), Column("position"), *(Column(title, numeric=True) for title in titles)]
    table = Table("By digit position, of the answers that can be read", columns)
    for row in sorted(rows or (), key=lambda row: (rank(row["operation"]), row["place"])):
        share = Cell(
            row["accuracy"], share_text(row["right"], row["digits"]), "good" if row["right"] == row["digits"] else ""
        )
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
            *(name, Cell(report["exact_match"], row_share(report), tone_of(dict(report))), interval_text(report)),
            *(_share(by_symbol.get(symbol)) for symbol in (symbols if len(symbols) > 1 else ())),
            *(report[key] for key in counts),
            *(_share(report["trained_on"]), _share(report["never_seen"])),
            Cell(report["calibration_error"], percent_text(report["calibration_error"])),
            Cell(report["milliseconds"], figure_text(report["milliseconds"])),
            report.get("parameters"),
        )
    return table


def runs(reports: Sequence[Report]) -> tuple[Table, str] | None:
    """What tells the trainings of several models apart, and in a sentence what they share; None where a report does
    not say how its model was trained."""
    facts = [report.get("run") for report in reports]
    if not all(facts):
        return None
    table, shared = runs_table(report_names(reports), [dict(run or {}) for run in facts], "Training").without_shared()
    told = "; ".join(f"{title} {text}" for title, text in shared.items() if text != NOTHING)
    return table, f"All of them: {told}." if told else ""


def training(report: Report) -> Table:
    """How a model was trained, a row for each fact that is known."""
    run = report.get("run") or {}
    seconds, created = run.get("training_time"), run.get("created")
    table = Table("Training", [Column("", name="fact"), Column("", name="value")])
    for fact, cell in (
        ("recipe", Cell(run.get("recipe"))),
        ("trained on", Cell(run.get("computes"))),
        ("parameters", Cell(report.get("parameters"))),
        ("seed", Cell(run.get("seed"))),
        ("steps", Cell(run.get("steps"))),
        ("training time", Cell(seconds, None if seconds is None else duration_text(seconds))),
        ("exact match in training", Cell(run.get("exact_match"), percent_text(run.get("exact_match")))),
        ("date", Cell(created, None if created is None else str(created)[:10])),
        ("CalcGPT", Cell(run.get("version"))),
    ):
        if cell.value is not None:
            table.add(fact, cell)
    return table


def settings(report: Report) -> Table:
    """Every setting of a model's training, as `calcgpt train` names it."""
    table = Table("Settings", [Column("setting"), Column("value")])
    for name, value in ((report.get("run") or {}).get("settings") or {}).items():
        table.add(name, str(value))
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
        "buckets": (
            "length",
            lambda row: f"{row['digits']} {'digit' if str(row['digits']) == '1' else 'digits'} of {row['operation']}",
        ),
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
