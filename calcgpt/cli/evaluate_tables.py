"""What a person sees of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from calcgpt.arithmetic.parsing import shorten
from calcgpt.cli.streams import output
from calcgpt.cli.tables import show_line, show_shared, show_table
from calcgpt.evaluation.comparing import runs_table
from calcgpt.evaluation.lengths import parse_length
from calcgpt.evaluation.report_text import comparison_text, place_text, report_names, row_share
from calcgpt.evaluation.table import counts_table, tone_of
from calcgpt.runtime.figures import duration_text, percent_text
from calcgpt.runtime.table import Column, Table

Report = dict[str, Any]
_SHOWN = 10  # wrong answers that a person sees
_ROWS = 40  # of a table; more say little on a screen
_SPANS = 6  # of lengths that are listed one by one


def show(reports: Sequence[Report]) -> None:
    """Print one report, or several beside each other and then what each got wrong."""
    console = output()
    if len(reports) == 1:
        _show_one(console, reports[0])
        return
    _compare(console, reports)
    for report in reports:
        _show_wrong(console, report, f"{report['model']}: ")


def _show_one(console: Console, report: Report) -> None:
    show_line(console, f"{report['model']}: {_what(report)}")
    if report["resumed"]:
        show_line(console, f"went on after {report['resumed']:,} problems that were asked before")
    if report["operations"]:
        show_table(console, counts_table("", report["operations"], "operation"))
    if report["grid"]:
        _grid(console, report)
    else:
        if len(report["buckets"]) > len(report["operations"]):
            _section(console, "length", report["buckets"], "operation", "digits")
        _section(console, "carry chain", report["carries"], "operation", "chain")
    _section(console, "special case", sorted(report["cases"], key=lambda row: row["exact_match"]), "case")
    _language(console, report["language"])
    _seen_apart(console, report)
    show_line(console, _places(report))
    if report["calibration_error"] is not None:
        apart = percent_text(report["calibration_error"])
        show_line(console, f"confidence and share of right answers are {apart} apart")
    show_line(console, f"{_share(report)} in {_seconds(report)}", tone_of(report))
    _show_wrong(console, report)


def _section(console: Console, what: str, rows: Sequence[Report], *keys: str) -> None:
    """Rows that are not all right as a table, the others in a line."""
    wrong = [row for row in rows if row["right"] < row["problems"]]
    right = [row for row in rows if row["right"] == row["problems"]]
    if wrong:
        show_table(console, counts_table(f"by {what}", wrong[:_ROWS], *keys))
        if len(wrong) > _ROWS:
            show_line(console, f"... and {len(wrong) - _ROWS:,} more that are not all right")
    if right:
        head = f"every other {what}" if wrong else f"every {what}"
        show_line(console, f"{head}{_which(right, keys[-1], bool(wrong))}: all right", "good")


def _which(rows: Sequence[Report], key: str, partial: bool) -> str:
    """The lengths, chains or cases of rows, in words; with their operations where these differ in it, and where the
    rows are only a part.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.get("operation", ""), []).append(str(row[key]))
    by_span: dict[str, list[str]] = {}
    for operation, values in found.items():
        by_span.setdefault(_span(values), []).append(operation)
    if len(by_span) > 1 or (partial and "" not in found):
        return f" ({'; '.join(f'{span} of {chr(32).join(operations)}' for span, operations in by_span.items())})"
    span = next(iter(by_span))
    return f" from {span}" if span.count(" to ") == 1 and "," not in span else f" ({span})"


def _span(values: Sequence[str]) -> str:
    """Values in few words: `1 to 40`, `1 to 3, 10, 100`, or how many there are."""
    if not all(value.isdecimal() for value in values):
        return ", ".join(values) if len(values) <= _SPANS else f"{len(values):,} of them"
    runs: list[list[int]] = []
    for value in map(int, values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    if len(runs) > _SPANS:
        return f"{len(values):,} of them"
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _what(report: Report) -> str:
    """What was asked: of a suite its name, of a range which."""
    problems = f"{report['problems']:,} problem{'s' * (report['problems'] != 1)}"
    if report["complete"]:
        return f"every problem {' and '.join(map(_range, report['parts']))}: {problems}"
    told = "" if report["unseen"] else " (what it was trained on cannot be told: some may be among them)"
    return f"suite {report['suite']}, version {report['version']}, seed {report['seed']}: {problems}{told}"


def _range(part: Report) -> str:
    kind = f" with {' '.join(part['operations'])}" if part["operations"] else ""
    if not part["digits"]:
        return f"of its range{kind}"
    return f"of two operands of 0 to {'9' * max(max(parse_length(each)) for each in part['digits'])}{kind}"


def _seconds(report: Report) -> str:
    rate, seconds = report["problems_per_second"], f"{report['seconds']:.1f} s"
    if not rate:
        return seconds
    return f"{seconds}, " + (f"{rate:,.0f} problems a second" if rate > 10 else f"{duration_text(1 / rate)} a problem")


def _share(row: Report) -> str:
    """Right answers as they are: a share is rounded, and 100% is only said where all are right."""
    text = f"{row['right']:,} of {row['problems']:,} right"
    return f"{text}, {row_share(row)}" if row["problems"] else text


def _grid(console: Console, report: Report) -> None:
    """Of each operator how many cells are all right, and the worst ones."""
    for operation in dict.fromkeys(row["operation"] for row in report["grid"]):
        cells = [row for row in report["grid"] if row["operation"] == operation]
        full = sum(row["right"] == row["problems"] for row in cells)
        first, second = (max(row[side] for row in cells) for side in ("first", "second"))
        head = f"{operation} up to {first} x {second} digits"
        empty = first * second - len(cells)
        trained = f"; of {empty:,} more every problem was trained on, or none can be asked" if empty else ""
        show_line(
            console,
            f"{head}: {full:,} of {len(cells):,} cells all right{trained}",
            "good" if full == len(cells) else "",
        )
        worst = sorted((row for row in cells if row["right"] < row["problems"]), key=lambda row: row["exact_match"])
        if worst:
            show_table(console, counts_table("", worst[:_SHOWN], "operation", "first", "second"))


def _language(console: Console, tests: Sequence[Report]) -> None:
    if not tests:
        return
    titles = ("problems", "well-formed", "complete", "right", "exact")
    table = Table("", [Column("completed from"), *(Column(title, numeric=True) for title in titles)])
    names = {"operand": "first operand", "expression": "expression without =", "prompt": "prompt"}
    for test in tests:
        figures = [test[name] for name in ("problems", "well_formed", "complete", "right", "exact")]
        table.add(names[test["test"]] + ("" if test["trained"] else " (not trained for)"), *figures)
    show_table(console, table)
    for test in tests:
        if test["refused"]:
            refused = f"{test['refused']:,} of {test['problems']:,} refused"
            show_line(console, f"{names[test['test']]}: {refused}: {test['reason']}")


def _seen_apart(console: Console, report: Report) -> None:
    if report["trained_on"] is None:
        if report["unseen"] is False:
            show_line(console, "what it was trained on cannot be told")
        return
    if not report["trained_on"]["problems"]:
        show_line(console, "none of them was trained on")
        return
    for name, title in (("trained_on", "trained on"), ("never_seen", "never seen")):
        show_line(console, f"{title}: {_share(report[name])}", tone_of(report[name]))


def _places(report: Report) -> str:
    """Digit accuracy in a line: the worst place of each operator."""
    if not report["places"]:
        return "no answer could be read" if report["refused"] < report["problems"] else "nothing could be asked"
    asked, right = (sum(row[name] for row in report["places"]) for name in ("digits", "right"))
    if asked == right:
        return f"every digit of every answer is right: {asked:,}"
    worst = min(report["places"], key=lambda row: row["accuracy"])
    where = f"the {place_text(worst['place'])} of {worst['operation']}"
    return f"digits: {right:,} of {asked:,} right; worst at {where}: {worst['right']:,} of {worst['digits']:,}"


def _compare(console: Console, reports: Sequence[Report]) -> None:
    first = reports[0]
    show_line(console, f"suite {first['suite']}, version {first['version']}, seed {first['seed']}")
    show_table(console, counts_table("", reports, "model"))
    if told := comparison_text(reports):
        show_line(console, told)
    runs = {name: report["run"] for name, report in zip(report_names(reports), reports, strict=True) if report["run"]}
    if len(runs) > 1:
        table, shared = runs_table(list(runs), list(runs.values()), "how they were trained").without_shared()
        if len(table.columns) > 1:
            show_table(console, table)
        show_shared(console, shared)
    for report in reports:
        show_line(console, f"{report['model']}: {_seconds(report)}")


def _show_wrong(console: Console, report: Report, title: str = "") -> None:
    """The wrong answers of which the model was most sure; of what was refused how many, and a reason."""
    answered = [row for row in report["wrong"] if not row["error"]]
    wrong = report["problems"] - report["right"] - report["refused"]
    if wrong:
        shown = answered[:_SHOWN]
        some = f"{len(shown):,} of {wrong:,} wrong answers, those of which it was most sure:"
        head = "wrong answers:" if wrong == len(shown) else some
        console.print()
        show_line(console, f"{title}{head}")
        for row in shown:
            problem, solution = shorten(row["problem"]), shorten(row["solution"])
            show_line(console, f"  {problem}={solution}: {_said(row)}", "bad")
    if report["refused"]:
        refused = report["wrong"][len(answered) :][:1]  # those that were refused come last
        reason = "".join(f", such as {shorten(row['problem'])}: {row['error']}" for row in refused)
        console.print()
        show_line(console, f"{title}{report['refused']:,} refused{reason}", "warning")
    if report["failures_file"] and wrong + report["refused"] > min(wrong, _SHOWN):
        show_line(console, f"all of them: {report['failures_file']}")


def _said(row: Report) -> str:
    """The wrong answer; of a long one the first wrong digit from the units."""
    answer = row["answer"]
    if answer is None:
        return "nothing readable"
    sure = "" if row["confidence"] is None else f", confidence {percent_text(row['confidence'])}"
    if shorten(answer) == answer or row["first_wrong"] is None:
        return f"the model says {shorten(answer)}{sure}"
    return f"the model says {shorten(answer)}: the first wrong digit is at the {place_text(row['first_wrong'])}{sure}"
