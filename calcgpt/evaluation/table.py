"""Tables of a report: counts as people read them, and all of it as one flat table for pandas, R and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.report_text import interval_text, row_share
from calcgpt.runtime.files import write_atomic
from calcgpt.runtime.summary import Summarised
from calcgpt.runtime.table import Cell, Column, Table, Tone

COLUMNS = (
    *("model", "suite", "version", "seed", "table", "operation", "digits", "first", "second", "chain", "place", "case"),
    *("trained_on", "problems", "right", "malformed", "refused", "exact_match", "low", "high"),
    *("confidence_from", "confidence_to", "confidence", "calibration_error", "milliseconds", "problems_per_second"),
    *("well_formed", "complete", "exact"),
)
_TABLES = ("operations", "buckets", "carries", "cases", "grid", "places")
_NUMBERS = ("digits", "chain", "first", "second", "place")
_TONES: dict[str, Tone] = {"problems": "", "right": "", "malformed": "bad", "refused": "warning"}
_MOST = 20  # rows of a table that a notebook shows
_OTHERS = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".html", ".htm", ".md", ".parquet", ".feather", ".tsv", ".pdf")


class Report(Summarised):
    """The report of an evaluation: a dict with the documented keys, shown as its counts."""

    def summary(self) -> str:
        """The count in a line."""
        count = f"{self['right']:,} of {self['problems']:,} right" if {"right", "problems"} <= self.keys() else ""
        share = f", {row_share(self)}" if count and self["problems"] else ""
        return f"evaluation of {self.get('model')}, suite {self.get('suite')}: {count}{share}"

    def tables(self) -> list[Table]:
        """Counts by operation; by length, longest carry chain and special case where not all is right."""
        tables = [counts_table(self.summary(), self.get("operations") or (), "operation")]
        for title, key, *keys in (
            ("length", "buckets", "operation", "digits"),
            ("longest carry chain", "carries", "operation", "chain"),
            ("special case", "cases", "case"),
        ):
            wrong = [row for row in self.get(key) or () if row["right"] < row["problems"]]
            if wrong:
                more = f", {_MOST} of {len(wrong):,}" if len(wrong) > _MOST else ""
                tables.append(counts_table(f"Not all right, by {title}{more}", wrong[:_MOST], *keys))
        return tables


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


def flat_table(reports: Sequence[dict[str, Any]]) -> Table:
    """`rows` as a table."""
    table = Table("", [Column(name) for name in COLUMNS])
    for row in rows(reports):
        table.add(*row.values())
    return table


def write_table(path: str | Path, reports: Sequence[dict[str, Any]]) -> None:
    """Write `flat_table` as CSV, whole or not at all; its folder is made where it is missing. Raises OSError."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, flat_table(reports).to_csv())


def check_table_path(path: str | Path) -> None:
    """Raises ConfigError for a file whose name promises something else than CSV."""
    ending = Path(path).suffix.lower()
    if ending in _OTHERS:
        raise ConfigError(f"a table is written as CSV, not as {ending}: expected a name such as {Path(path).stem}.csv")


def counts_table(title: str, found: Sequence[dict[str, Any]], *keys: str) -> Table:
    """Rows of a report's table as people read them: what each is of (`keys`), and its counts.

    Columns that no row has anything for are left out: malformed, refused, the interval of a complete count.
    """
    apart = [name for name in ("malformed", "refused") if any(row[name] for row in found)]
    estimated = any(row["interval"] for row in found)
    columns = [Column(key, numeric=key in _NUMBERS) for key in keys]
    columns += [Column(name, numeric=True) for name in ("problems", "right", *apart)]
    columns.append(Column("exact match", numeric=True, name="exact_match"))
    columns += [Column("95% interval", numeric=True, name="interval")] if estimated else []
    table = Table(title, columns)
    for row in found:
        figures = [Cell(row[name], tone=_TONES[name] if row[name] else "") for name in ("problems", "right", *apart)]
        interval = interval_text(row).replace("% to ", " to ")
        shares = [Cell(row["exact_match"], row_share(row), tone_of(row)), Cell(interval, interval)]
        table.add(*(Cell(row[key], str(row[key])) for key in keys), *figures, *shares[: 1 + estimated])
    return table


def tone_of(row: dict[str, Any]) -> Tone:
    """How a row's exact match is coloured: good where all are right, a warning where the others were refused."""
    if not row["problems"]:
        return "muted"
    if row["right"] == row["problems"]:
        return "good"
    return "warning" if row["right"] + row["refused"] == row["problems"] else "bad"
