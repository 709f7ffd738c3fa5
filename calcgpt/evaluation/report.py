"""Reports of evaluations as one HTML page: nothing is loaded from anywhere, and no script runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.plots import Records, all_plots
from calcgpt.evaluation.report_failures import LOW, failures_of
from calcgpt.evaluation.report_html import Page, figures, render
from calcgpt.evaluation.report_tables import (
    comparison,
    differences,
    model_tables,
    runs,
    settings,
    training,
    weakest,
)
from calcgpt.evaluation.report_text import Report, Row, comparison_text, interval_text, report_names, row_share
from calcgpt.runtime.figures import duration_text, figure_text, percent_text
from calcgpt.runtime.files import write_atomic

Card = tuple[str, str, str]  # a title, a figure, and a note
_WORST, _WORST_EACH = 20, 10  # failures shown of one model, and of each of several
_LONG = 60  # rows; a longer table is folded
_TRAINING = ("training", "learning-order")  # plots that say something where every answer is right


def html_report(reports: Sequence[Mapping[str, Any]], records: Records | None = None) -> Page:
    """Reports of one model, or of several side by side, as one page of HTML that stands alone.

    Args:
        reports: as `calcgpt evaluate` makes them.
        records: what metrics.jsonl holds, by the model's name, for the training curves; None for none.

    Returns:
        The page: text, which a notebook shows as it is.

    Raises:
        ConfigError: there is no report, or matplotlib is missing.
    """
    if not reports:
        raise ConfigError("expected at least one report to make a page of, and got none")
    several = len(reports) > 1
    all_right = all(report["problems"] and report["right"] == report["problems"] for report in reports)
    plots = list(figures(all_plots(reports, records)))
    named = f"{len(reports)} models" if several else reports[0]["model"]
    return render(
        "report.html",
        title=f"Evaluation of {named}",
        verdict=f"{comparison_text(reports)}." if several else _verdict(reports[0]),
        tone="good" if all_right else "",
        summary=[] if several else list(_summary(reports[0])),
        comparison=comparison(reports),
        differences=list(differences(reports)),
        runs=runs(reports),
        figures=[plot for plot in plots if not all_right or plot["name"] in _TRAINING],
        flat_figures=[plot for plot in plots if all_right and plot["name"] not in _TRAINING],
        models=[
            _model(name, report, _WORST_EACH if several else _WORST)
            for name, report in zip(report_names(reports), reports, strict=True)
        ],
        low=LOW,
        long=_LONG,
    )


def write_report(path: str | Path, reports: Sequence[Mapping[str, Any]], records: Records | None = None) -> None:
    """Write `html_report` to a file, whole or not at all; its folder is made where it is missing.

    Raises:
        ConfigError: there is no report, or matplotlib is missing.
        OSError: the file cannot be written.
    """
    page = html_report(reports, records)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, page)


def _model(name: str, report: Report, most: int) -> dict[str, Any]:
    """One report as the template shows it; `most` failures at most."""
    problems, right, tables = report["problems"], report["right"], model_tables(report)
    parts = ", ".join(f"{table.title[0].lower()}{table.title[1:]} ({len(table.rows):,})" for table in tables)
    return {
        "name": name,
        "cards": list(_cards(report)),
        "failed": right < problems,
        "weakest": list(weakest(report)),
        "failures": failures_of(report, most),
        "all_right": f"All is right, in every row of its tables: {parts}." if problems and right == problems else "",
        "tables": tables,
        "asked": _asked(report),
    }


def _verdict(report: Report) -> str:
    problems, right = report["problems"], report["right"]
    if not problems:
        return "Nothing was asked: the suite has no problem for this model."
    if report["refused"] == problems:
        return f"All {problems:,} problems were refused."
    if right == problems:
        return f"All {problems:,} problems right: 100% exact match."
    return f"{row_share(report)} exact match: {right:,} of {problems:,} problems right."


def _summary(report: Report) -> Iterator[str]:
    """What a reader wants to know next."""
    run = report.get("run") or {}
    seconds, created = run.get("training_time"), run.get("created")
    facts = (
        run.get("recipe") and f"recipe {run['recipe']}",
        run.get("computes") and f"trained on {run['computes']}",
        None if run.get("steps") is None else f"{run['steps']:,} steps",
        None if seconds is None else f"in {duration_text(seconds)}",
        None if run.get("seed") is None else f"seed {run['seed']}",
        created and f"on {str(created)[:10]}",
        run.get("version") and f"with CalcGPT {run['version']}",
    )
    if any(facts):
        told = ", ".join(filter(None, facts))
        yield f"{told[0].upper()}{told[1:]}."
    if report["problems"] and report.get("complete"):
        yield "Every problem of its range was asked: this is a count, not an estimate."
    trained, never = report.get("trained_on"), report.get("never_seen")
    if trained is None and never is None:
        yield "What it was trained on cannot be told: some of the problems may be among it."
    elif trained is not None and not trained["problems"]:
        yield "None of the problems was trained on."


def _cards(report: Report) -> Iterator[Card]:
    """The headline figures."""
    interval = f", 95% interval {interval_text(report)}" if report["interval"] else ""
    yield "exact match", row_share(report), f"{_of(report)}{interval}"
    for title, row in (("never seen", report.get("never_seen")), ("trained on", report.get("trained_on"))):
        if row is not None and row["problems"]:
            yield title, row_share(row), _of(row)
    yield "malformed", f"{report['malformed']:,}", "answers that are no number; they count as wrong"
    yield "refused", f"{report['refused']:,}", "problems the model cannot be asked; they count as wrong"
    if report.get("calibration_error") is not None:
        error = percent_text(report["calibration_error"])
        yield "calibration error", error, "between its confidence and how often it is right"
    if report["milliseconds"] is None:
        yield "speed", "–", "No problem could be asked."
    else:
        each, rate = figure_text(report["milliseconds"]), figure_text(report["problems_per_second"])
        yield "speed", f"{rate}/s", f"problems; {each} ms each, {duration_text(report['seconds'])} in all"
    if report.get("parameters") is not None:
        yield "parameters", f"{report['parameters']:,}", ""


def _of(row: Row) -> str:
    return f"{row['right']:,} of {row['problems']:,} right"


def _asked(report: Report) -> dict[str, Any]:
    """The suite, what the model is, and the command that asks the same again."""
    suite = str(report["suite"])
    return {
        "suite": suite,
        "version": report["version"],
        "seed": report["seed"],
        "description": " ".join(str(report.get("description") or "").split()),
        "command": report.get("command") or f"calcgpt.evaluation.evaluate(model, {suite!r})",
        "training": training(report),
        "settings": settings(report),
    }
