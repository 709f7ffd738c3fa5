"""Reports as one HTML page: nothing is loaded from anywhere, and no script runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.plots import Records, all_plots
from calcgpt.evaluation.report_failures import failures_section
from calcgpt.evaluation.report_html import code, figures, text
from calcgpt.evaluation.report_tables import comparison, differences, model_tables
from calcgpt.evaluation.report_text import Report, comparison_text, interval_text, report_names, row_share
from calcgpt.runtime.figures import duration_text, figure_text, percent_text
from calcgpt.runtime.files import write_atomic

_WORST, _WORST_EACH = 20, 10  # failures shown of one model, and of each of several
_STYLE = Path(__file__).with_name("report.css")


def html_report(reports: Sequence[Mapping[str, Any]], records: Records | None = None) -> str:
    """Reports of one model, or of several side by side, as one page of HTML that stands alone.

    Args:
        reports: as `calcgpt evaluate` makes them.
        records: what metrics.jsonl holds, by the model's name, for the training curves; None for none.

    Raises:
        ConfigError: there is no report, or matplotlib is missing.
    """
    if not reports:
        raise ConfigError("expected at least one report to make a page of, and got none")
    plots = all_plots(reports, records)
    body = list(_one(reports[0], figures(plots)) if len(reports) == 1 else _several(reports, figures(plots)))
    named = reports[0]["model"] if len(reports) == 1 else f"{len(reports)} models"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evaluation of {text(named)}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n"
        "</head>\n<body>\n" + "\n".join(part for part in body if part) + "\n</body>\n</html>\n"
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


def _one(report: Report, plots: str) -> Iterator[str]:
    yield f"<main>\n<h1>Evaluation of {text(report['model'])}</h1>"
    yield _summary(report)
    yield "<h2>Figures</h2>"
    yield model_tables(report)
    yield "<h2>Plots</h2>"
    yield plots
    yield failures_section(report, _WORST, level=2)
    yield "<h2>How it was asked</h2>"
    yield _asked(report)
    yield "</main>"


def _several(reports: Sequence[Report], plots: str) -> Iterator[str]:
    names = report_names(reports)
    yield f"<main>\n<h1>Evaluation of {len(reports)} models</h1>"
    yield "<h2>Side by side</h2>"
    if different := list(differences(reports)):
        yield f"<p><strong>Not asked the same problems:</strong> the {' and '.join(different)} differ.</p>"
    yield comparison(reports)
    yield f"<p>{text(comparison_text(reports))}.</p>"
    yield "<h2>Plots</h2>"
    yield plots
    for name, report in zip(names, reports, strict=True):
        yield f"<h2>{text(name)}</h2>"
        yield _summary(report)
        yield f"<details><summary>Its tables</summary>\n{model_tables(report)}</details>"
        yield failures_section(report, _WORST_EACH)
        yield "<h3>How it was asked</h3>"
        yield _asked(report)
    yield "</main>"


def _summary(report: Report) -> str:
    """What a reader wants to know first, in a few lines."""
    if not report["problems"]:
        return '<p class="headline">Nothing was asked: the suite has no problem for this model.</p>'
    interval = f" (95% interval: {interval_text(report)})" if report["interval"] else ""
    headline = (
        f'<p class="headline"><strong>{row_share(report)}</strong> exact match: {report["right"]:,} of '
        f"{report['problems']:,} problems right{interval}.</p>"
    )
    lines = [
        f"Malformed answers: {report['malformed']:,}; problems refused: {report['refused']:,}. Both count as wrong.",
        _seen(report),
        _speed(report),
    ]
    if report.get("calibration_error") is not None:
        error = percent_text(report["calibration_error"])
        lines.append(f"Expected calibration error {error}: so far is its confidence from how often it is right.")
    return headline + "\n" + "\n".join(f"<p>{line}</p>" for line in lines)


def _speed(report: Report) -> str:
    if report["milliseconds"] is None:
        return "No problem could be asked."
    each, rate = figure_text(report["milliseconds"]), figure_text(report["problems_per_second"])
    return f"{each} ms a problem, {rate} problems a second, {duration_text(report['seconds'])} in all."


def _seen(report: Report) -> str:
    trained, never = report.get("trained_on"), report.get("never_seen")
    if trained is None and never is None:
        return "What it was trained on cannot be told: some of the problems may be among it."
    if trained is not None and not trained["problems"]:
        return "None of the problems was trained on."
    parts = [("trained on", trained), ("never seen in training", never)]
    said = [
        f"{words}: {row['right']:,} of {row['problems']:,} right, {row_share(row)}"
        if row["problems"]
        else f"{words}: none"
        for words, row in parts
        if row is not None
    ]
    return f"Problems {'; '.join(said)}."


def _asked(report: Report) -> str:
    """The suite, and the command that asks the same again."""
    suite, seed = str(report["suite"]), report["seed"]
    command = report.get("command") or f"calcgpt.evaluation.evaluate(model, {suite!r})"
    described = f" {text(' '.join(str(report['description']).split()))}" if report.get("description") else ""
    return (
        f"<p>Suite {code(suite)}, version {text(report['version'])}, seed {text(seed)}.{described}</p>\n"
        f"<p>Ask the same again: {code(command)}</p>"
    )
