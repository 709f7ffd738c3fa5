"""Reports as one flat table, a row for each figure: what pandas, R and spreadsheets read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calcgpt.runtime.files import write_atomic

COLUMNS = (
    *("model", "suite", "version", "seed", "table", "operation", "digits", "first", "second", "chain", "place", "case"),
    *("trained_on", "problems", "right", "malformed", "refused", "exact_match", "low", "high"),
    *("confidence_from", "confidence_to", "confidence", "calibration_error", "milliseconds", "problems_per_second"),
    *("well_formed", "complete", "exact"),
)
_TABLES = ("operations", "buckets", "carries", "cases", "grid", "places")


def rows(reports: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A dict with the keys COLUMNS for the whole of each report and for each row of its tables; None where a column is
    not that row's. `pandas.DataFrame(rows(reports))` makes a frame of them.

    `table` says what a row is of: all, seen (trained on, or never seen), operations, buckets (lengths), carries, cases,
    grid, places, calibration (a bin of confidence), language. Of digits by place, `problems` and `right` count digits.
    """
    for report in reports:
        head = {name: report[name] for name in ("model", "suite", "version", "seed")}
        yield _row(head, "all", report)
        for name, seen in (("trained_on", True), ("never_seen", False)):
            if report[name] is not None:
                yield _row(head, "seen", {**report[name], "trained_on": seen})
        for table in _TABLES:
            for row in report[table]:
                if table == "places":
                    row = {**row, "digits": None, "problems": row["digits"], "exact_match": row["accuracy"]}
                yield _row(head, table, row)
        for row in report["calibration"]:
            ends = {"confidence_from": row["low"], "confidence_to": row["high"]}
            yield _row(head, "calibration", {**row, **ends, "exact_match": row["right"] / row["problems"]})
        for row in report["language"]:
            yield _row(head, "language", {**row, "case": f"from the {row['test']}"})


def _row(head: dict[str, Any], table: str, row: dict[str, Any]) -> dict[str, Any]:
    low, high = row.get("interval") or (None, None)
    found = {**{name: row.get(name) for name in COLUMNS}, **head, "table": table, "low": low, "high": high}
    if table == "all":
        found["trained_on"] = found["complete"] = None  # what a report calls so is something else
    return found


def write_table(path: str | Path, reports: Sequence[dict[str, Any]]) -> None:
    """Write `rows` as CSV, whole or not at all; its folder is made where it is missing. Raises OSError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(reports))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.getvalue())
