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
    *("trained_on", "problems", "right", "malformed", "exact_match", "low", "high"),
)
_TABLES = ("operations", "buckets", "carries", "cases", "grid", "places")


def rows(reports: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A dict with the keys COLUMNS for the whole of each report and for each row of its tables; None where a column is
    not that row's. `pandas.DataFrame(rows(reports))` makes a frame of them.

    Of digits by place, `problems` and `right` count digits.
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


def _row(head: dict[str, Any], table: str, row: dict[str, Any]) -> dict[str, Any]:
    low, high = row.get("interval") or (None, None)
    found = {**{name: row.get(name) for name in COLUMNS}, **head, "table": table, "low": low, "high": high}
    if table == "all":
        found["trained_on"] = None
    return found


def write_table(path: str | Path, reports: Sequence[dict[str, Any]]) -> None:
    """Write `rows` as CSV, whole or not at all. Raises OSError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(reports))
    write_atomic(path, text.getvalue())
