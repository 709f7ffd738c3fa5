"""What a person sees of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from calcgpt.arithmetic.parsing import shorten
from calcgpt.cli.display import output
from calcgpt.evaluation.lengths import parse_length
from calcgpt.evaluation.report_text import comparison_text, interval_text, place_text, row_share
from calcgpt.runtime.figures import duration_text, percent_text

Report = dict[str, Any]
_SHOWN = 10  # wrong answers that a person sees
_ROWS = 40  # of a table; more say little on a screen


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
    console.print(f"{report['model']}: {_what(report)}", markup=False, soft_wrap=True)
    if report["resumed"]:
        console.print(f"went on after {report['resumed']:,} problems that were asked before", soft_wrap=True)
    _table(console, report["operations"], "operation")
    if report["grid"]:
        _grid(console, report)
    else:
        if len(report["buckets"]) > len(report["operations"]):
            _table(console, report["buckets"], "operation", "digits")
        _table(console, report["carries"], "operation", "chain")
    _table(console, sorted(report["cases"], key=lambda row: row["exact_match"]), "case")
    _language(console, report["language"])
    _seen_apart(console, report)
    console.print(_places(report), soft_wrap=True)
    if report["calibration_error"] is not None:
        apart = percent_text(report["calibration_error"])
        console.print(f"confidence and share of right answers are {apart} apart", soft_wrap=True)
    console.print(f"{_share(report)} in {_seconds(report)}", soft_wrap=True)
    _show_wrong(console, report)


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


def _table(console: Console, rows: Sequence[Report], *titles: str) -> None:
    """Rows of counts; columns of which no row has anything are left out."""
    if not rows:
        return
    table = Table(*titles)
    apart = [name for name in ("malformed", "refused") if any(row[name] for row in rows)]
    estimated = any(row["interval"] for row in rows)
    table.columns[0].overflow = "fold"  # a model's name is never cut
    for title in ("problems", "right", *apart, "exact match", *(["95% interval"] if estimated else [])):
        table.add_column(title, justify="right")
    for column in table.columns[1 : len(titles)]:
        column.justify = "right"
    for row in rows[:_ROWS]:
        figures = [f"{row[name]:,}" for name in ("problems", "right", *apart)]
        share = [row_share(row), *([interval_text(row).replace("% to ", " to ")] if estimated else [])]
        table.add_row(*(str(row[title]) for title in titles), *figures, *share)
    console.print(table)
    if len(rows) > _ROWS:
        right = sum(row["right"] == row["problems"] for row in rows[_ROWS:])
        console.print(f"... and {len(rows) - _ROWS:,} rows more, {right:,} of them all right", soft_wrap=True)


def _grid(console: Console, report: Report) -> None:
    """Of each operator how many cells are all right, and the worst ones."""
    for operation in dict.fromkeys(row["operation"] for row in report["grid"]):
        cells = [row for row in report["grid"] if row["operation"] == operation]
        full = sum(row["right"] == row["problems"] for row in cells)
        first, second = (max(row[side] for row in cells) for side in ("first", "second"))
        head = f"{operation} up to {first} x {second} digits"
        empty = first * second - len(cells)
        trained = f"; of {empty:,} more every problem was trained on, or none can be asked" if empty else ""
        console.print(f"{head}: {full:,} of {len(cells):,} cells all right{trained}", soft_wrap=True)
        worst = sorted((row for row in cells if row["right"] < row["problems"]), key=lambda row: row["exact_match"])
        _table(console, worst[:_SHOWN], "operation", "first", "second")


def _language(console: Console, tests: Sequence[Report]) -> None:
    if not tests:
        return
    table = Table("completed from", "problems", "well-formed", "complete", "right", "exact")
    for column in table.columns[1:]:
        column.justify = "right"
    names = {"operand": "first operand", "expression": "expression without =", "prompt": "prompt"}
    for test in tests:
        figures = [f"{test[name]:,}" for name in ("problems", "well_formed", "complete", "right", "exact")]
        table.add_row(names[test["test"]] + ("" if test["trained"] else " (not trained for)"), *figures)
    console.print(table)
    for test in tests:
        if test["refused"]:
            refused = f"{test['refused']:,} of {test['problems']:,} refused"
            console.print(f"{names[test['test']]}: {refused}: {test['reason']}", soft_wrap=True)


def _seen_apart(console: Console, report: Report) -> None:
    if report["trained_on"] is None:
        if report["unseen"] is False:
            console.print("what it was trained on cannot be told", soft_wrap=True)
        return
    if not report["trained_on"]["problems"]:
        console.print("none of them was trained on", soft_wrap=True)
        return
    console.print(f"trained on: {_share(report['trained_on'])}", soft_wrap=True)
    console.print(f"never seen: {_share(report['never_seen'])}", soft_wrap=True)


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
    console.print(f"suite {first['suite']}, version {first['version']}, seed {first['seed']}", soft_wrap=True)
    _table(console, reports, "model")
    if told := comparison_text(reports):
        console.print(told, markup=False, soft_wrap=True)
    for report in reports:
        console.print(f"{report['model']}: {_seconds(report)}", markup=False, soft_wrap=True)


def _show_wrong(console: Console, report: Report, title: str = "") -> None:
    """The wrong answers of which the model was most sure; of what was refused how many, and a reason."""
    answered = [row for row in report["wrong"] if not row["error"]]
    wrong = report["problems"] - report["right"] - report["refused"]
    if wrong:
        shown = answered[:_SHOWN]
        some = f"{len(shown):,} of {wrong:,} wrong answers, those of which it was most sure:"
        head = "wrong answers:" if wrong == len(shown) else some
        console.print(f"\n{title}{head}", markup=False, soft_wrap=True)
        for row in shown:
            problem, solution = shorten(row["problem"]), shorten(row["solution"])
            console.print(f"  {problem}={solution}: {_said(row)}", markup=False, soft_wrap=True)
    if report["refused"]:
        refused = report["wrong"][len(answered) :][:1]  # those that were refused come last
        reason = "".join(f", such as {shorten(row['problem'])}: {row['error']}" for row in refused)
        console.print(f"\n{title}{report['refused']:,} refused{reason}", markup=False, soft_wrap=True)
    if report["failures_file"] and wrong + report["refused"] > min(wrong, _SHOWN):
        console.print(f"all of them: {report['failures_file']}", markup=False, soft_wrap=True)


def _said(row: Report) -> str:
    """The wrong answer; of a long one the first wrong digit from the units."""
    answer = row["answer"]
    if answer is None:
        return "nothing readable"
    sure = "" if row["confidence"] is None else f", confidence {percent_text(row['confidence'])}"
    if shorten(answer) == answer or row["first_wrong"] is None:
        return f"the model says {shorten(answer)}{sure}"
    return f"the model says {shorten(answer)}: the first wrong digit is at the {place_text(row['first_wrong'])}{sure}"
