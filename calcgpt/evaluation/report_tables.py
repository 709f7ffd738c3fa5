"""The tables of a report's page, of one model and of several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calcgpt.evaluation.report_html import table
from calcgpt.evaluation.report_text import (
    NOTHING,
    Report,
    Row,
    figure_text,
    fraction_text,
    interval_text,
    natural,
    operation_text,
    report_names,
    row_share,
)

_LONG = 60  # rows; a longer table is folded
_TITLES = (
    *("model", "exact match", "95% interval", "right", "problems", "unreadable", "refused"),
    *("trained on", "never seen", "calibration error", "ms", "suite", "seed"),
)
_FIGURES = ("exact match", "95% interval", "right", "problems", "unreadable")


def model_tables(report: Report) -> str:
    """What one model reached by operation, length, chain of carries, and case; tables without rows are left out."""
    parts = [
        _counted(
            "By operation", ["operation"], report.get("operations"), lambda row: [operation_text(row["operation"])]
        ),
        _counted("Special cases", ["case"], report.get("cases"), lambda row: [row["case"]]),
        _counted(
            "By length",
            ["operation", "digits"],
            sorted(report.get("buckets") or (), key=_by_length),
            lambda row: [row["operation"], row["digits"]],
        ),
        _counted(
            "By the longest chain of carries or borrows",
            ["operation", "chain"],
            report.get("carries"),
            lambda row: [row["operation"], row["chain"]],
        ),
    ]
    return f'<div class="tables">\n{"".join(parts)}\n</div>' if any(parts) else ""


def _by_length(row: Row) -> tuple[Any, ...]:
    return row["operation"], natural(row["digits"])


def _counted(caption: str, titles: list[str], rows: Sequence[Row] | None, first: Any) -> str:
    if not rows:
        return ""
    cells = [(*first(row), *_figures(row)) for row in rows]
    whole = table(caption, [*titles, *_FIGURES], cells)
    if len(cells) <= _LONG:
        return whole
    return f"<details><summary>{caption}: {len(cells):,} rows</summary>{whole}</details>"


def _figures(row: Row) -> tuple[str, ...]:
    malformed = f"{row['malformed']:,}" if row.get("malformed") is not None else NOTHING
    return row_share(row), interval_text(row), f"{row['right']:,}", f"{row['problems']:,}", malformed


def comparison(reports: Sequence[Report]) -> str:
    """Several reports side by side: as wholes, and by operation."""
    names = report_names(reports)
    parts = [table("As a whole (ms: milliseconds a problem)", _TITLES, list(map(_line, reports, names)))]
    symbols = list(dict.fromkeys(row["operation"] for report in reports for row in report.get("operations") or ()))
    if symbols:
        shares = [{row["operation"]: row_share(row) for row in report.get("operations") or ()} for report in reports]
        by_model = [
            (name, *(own.get(symbol, NOTHING) for symbol in symbols)) for name, own in zip(names, shares, strict=True)
        ]
        parts.append(table("Exact match by operation", ["model", *map(operation_text, symbols)], by_model))
    return "\n".join(parts)


def _line(report: Report, name: str) -> tuple[object, ...]:
    return (
        name,
        row_share(report),
        interval_text(report),
        *(f"{report[key]:,}" for key in ("right", "problems", "malformed", "refused")),
        row_share(report["trained_on"]),
        row_share(report["never_seen"]),
        fraction_text(report["calibration_error"]),
        figure_text(report["milliseconds"]),
        f"{report['suite']} {report['version']}",
        report["seed"],
    )


def differences(reports: Sequence[Report]) -> Iterator[str]:
    """In what the reports were not asked the same: a comparison has to say so."""
    asked: Mapping[str, str] = {"suite": "suites", "version": "versions of a suite", "seed": "seeds"}
    for key, words in asked.items():
        if len({str(report.get(key)) for report in reports}) > 1:
            yield words
