"""The tables of a report's page, of one model and of several side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from calcgpt.evaluation.report_html import table
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
from calcgpt.runtime.figures import NOTHING, figure_text, percent_text, share_text

_LONG = 60  # rows; a longer table is folded
_TITLES = (
    *("model", "exact match", "95% interval", "right", "problems", "malformed", "refused"),
    *("trained on", "never seen", "calibration error", "ms", "suite", "seed"),
)
_FIGURES = ("exact match", "95% interval", "right", "problems", "malformed", "refused")


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
        _places(report.get("places")),
    ]
    return f'<div class="tables">\n{"".join(parts)}\n</div>' if any(parts) else ""


def _by_length(row: Row) -> tuple[Any, ...]:
    return row["operation"], natural(row["digits"])


def _counted(caption: str, titles: list[str], rows: Sequence[Row] | None, first: Any) -> str:
    if not rows:
        return ""
    estimated = any(row["interval"] for row in rows)
    shown = [name for name in _FIGURES if estimated or name != "95% interval"]
    cells = [(*first(row), *(_figures(row)[name] for name in shown)) for row in rows]
    return _folded(caption, table(caption, [*titles, *shown], cells), cells)


def _places(rows: Sequence[Row] | None) -> str:
    if not rows:
        return ""
    caption = "Digits by their place, of the answers that can be read"
    cells = [
        (
            *(row["operation"], place_text(row["place"]), share_text(row["right"], row["digits"])),
            *(f"{row[name]:,}" for name in ("right", "digits")),
        )
        for row in rows
    ]
    return _folded(caption, table(caption, ["operation", "place", "right digits", "right", "digits"], cells), cells)


def _folded(caption: str, whole: str, cells: Sequence[object]) -> str:
    if len(cells) <= _LONG:
        return whole
    return f"<details><summary>{caption}: {len(cells):,} rows</summary>{whole}</details>"


def _figures(row: Row) -> dict[str, str]:
    counts = {name: f"{row[name]:,}" for name in ("right", "problems", "malformed", "refused")}
    return {"exact match": row_share(row), "95% interval": interval_text(row), **counts}


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
        percent_text(report["calibration_error"]),
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
