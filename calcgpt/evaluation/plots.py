"""Plots of reports and training records, as matplotlib figures: one model, or several in one plot.

Each function returns a figure that displays itself in a notebook, or None where there is nothing to show. Runs that
differ only in their seed are drawn as one line, their mean, with their range. `columns` is how many panels stand in a
row, at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.arithmetic.operations import rank
from calcgpt.errors import ConfigError
from calcgpt.evaluation.report_axes import (
    Series,
    draw_series,
    error_axes,
    integer_axis,
    near_one,
    panels,
    percent_ticks,
    plot,
    series_of,
    share_axes,
    spread,
    step_axis,
    text_width,
    title,
)
from calcgpt.evaluation.report_axes import require_matplotlib as require_matplotlib
from calcgpt.evaluation.report_text import Report, Row, natural, operation_text, place_text
from calcgpt.runtime.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from calcgpt.evaluation.report_figure import Plot

Records = Mapping[str, Sequence[Mapping[str, Any]]]
_NAMED_PLACES = 4  # as many digit positions have names on an axis; longer ones would touch
_HEIGHT = 3.2  # inches of a panel


def all_plots(reports: Sequence[Report], records: Records | None = None) -> dict[str, Plot]:
    """Every plot that has something to show, by name.

    Args:
        reports: of one model or several.
        records: what metrics.jsonl holds, by the model's name; None for no training curves.

    Raises:
        ConfigError: matplotlib is missing.
    """
    from calcgpt.evaluation.report_grids import learning_order, length_grid

    require_matplotlib()
    made = {
        "length-grid": length_grid(reports),
        "by-length": accuracy_by_length(reports),
        "by-place": accuracy_by_place(reports),
        "by-carry": accuracy_by_carry(reports),
        "calibration": calibration(reports),
        "training": training_curves(records or {}, reports),
        "learning-order": learning_order(records or {}, reports),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


@plot
def accuracy_by_length(reports: Sequence[Report], columns: int = 2) -> Plot | None:
    """Exact match by digits, with 95% intervals; a panel for each operation. None without buckets."""
    return _by_operation(reports, "buckets", "exact match", "digits", _length_axis, columns)


@plot
def accuracy_by_place(reports: Sequence[Report], columns: int = 2) -> Plot | None:
    """The share of right digits at each digit position of the solution; a panel for each operation. None without."""

    def axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
        integer_axis(axes, values)
        axes.set_xlabel("digit position (0: units)")
        if max(values) < _NAMED_PLACES:
            axes.set_xticks(sorted(set(values)), [place_text(place) for place in sorted(set(values))])
            axes.set_xlabel("digit position")
        return float

    return _by_operation(reports, "places", "right digits", "place", axis, columns)


@plot
def accuracy_by_carry(reports: Sequence[Report], columns: int = 2) -> Plot | None:
    """Exact match by the longest chain of carries, with 95% intervals; a panel for each of + and -. None without."""

    def axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
        integer_axis(axes, values)
        axes.set_xlabel(f"longest chain of {'borrows' if symbol == '-' else 'carries'} in the problem")
        return float

    return _by_operation(reports, "carries", "exact match", "chain", axis, columns)


@plot
def calibration(reports: Sequence[Report], columns: int = 1) -> Plot | None:
    """How often the model is right, by how sure it is; below, of how many problems. None without bins."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    series = [each for each in series_of(reports) if any(reports[index].get("calibration") for index in each.members)]
    if not series:
        return None
    figure, (whole,) = panels(1, columns, 4.6, series)
    whole.remove()
    top, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    bins = [row for report in reports for row in report.get("calibration") or ()]
    low = min(min(each["confidence"], each["right"] / each["problems"], each["low"]) for each in bins)
    low = int(low * 10) / 10
    top.plot([low, 1], [low, 1], color="#808080", linewidth=1, linestyle="--")
    for each in series:
        rows: dict[float, list[Row]] = {}
        for index in each.members:
            for row in reports[index].get("calibration") or ():
                rows.setdefault(row["low"], []).append(row)
        found = [rows[edge] for edge in sorted(rows)]
        confidences = [spread([row["confidence"] for row in same])[0] for same in found]
        for axes, value in ((top, lambda row: row["right"] / row["problems"]), (below, lambda row: row["problems"])):
            means = [spread([value(row) for row in same]) for same in found]
            ranges = [around if len(each.members) > 1 else None for _, around in means]
            draw_series(axes, confidences, [mean for mean, _ in means], ranges, each, bars=False)
    margin = 0.03 * (1 - low)
    top.set(xlim=(low - margin, 1 + margin), ylim=(low - margin, 1 + margin))
    top.set_ylabel("answers that are right\n(below the dashed line: too sure)")
    below.set(yscale="log", ylim=(0.5, None), ylabel="problems", xlabel="confidence: probability of its own answer")
    below.yaxis.set_major_locator(LogLocator(numticks=4))
    below.yaxis.set_minor_locator(NullLocator())
    below.yaxis.set_major_formatter("{x:,.0f}")
    for axis in (top.yaxis, below.xaxis):
        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(percent_ticks())
    return figure


@plot
def training_curves(records: Records, reports: Sequence[Report] = (), columns: int = 1) -> Plot | None:
    """Loss, validation loss and exact match by step, one panel each. None without records.

    Args:
        records: what metrics.jsonl holds, by the model's name.
        reports: of the same models; they say which are seeds of one recipe, and keep each model's colour.
        columns: panels in a row, at most.
    """
    wanted = {"loss": "training loss", "eval_loss": "validation loss", "exact_match": "exact match (held out)"}
    curves = {key: {name: _curve(lines, key) for name, lines in records.items()} for key in wanted}
    keys = [key for key in wanted if any(curves[key].values())]
    series = [
        each
        for each in series_of(reports, records)
        if any(curves[key].get(model) for key in keys for model in each.models)
    ]
    if not keys:
        return None
    figure, all_axes = panels(len(keys), columns, 2.3, series)
    last = max(step for key in keys for curve in curves[key].values() for step in curve)
    for key, axes in zip(keys, all_axes, strict=True):
        lines = {each.name: _mean_curve([curves[key].get(model, {}) for model in each.models]) for each in series}
        shares = [value for curve in curves[key].values() for value in curve.values()]
        errors = key == "exact_match" and near_one(shares)
        for each in series:
            steps, means, ranges = lines[each.name]
            _draw(axes, steps, means, ranges, each, errors=errors, bars=False)
        if key == "exact_match":
            _name_shares([axes], wanted[key], errors, shares)
        else:
            _loss_axis(axes, wanted[key], shares)
        step_axis(axes, last)
        axes.set_xlabel("step")
    return figure


def _loss_axis(axes: Axes, what: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_ylabel(what)
    positive = [value for value in values if value > 0]
    if positive:
        wide = max(positive) / min(positive) > 50
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))


def _curve(lines: Sequence[Mapping[str, Any]], key: str, most: int = 600) -> dict[int, float]:
    """One figure in the records by its step; evenly spaced records where there are more than `most`."""
    points = {line["step"]: line[key] for line in lines if line.get(key) is not None}  # a resumed step counts once
    steps = sorted(step for step, value in points.items() if isfinite(value))
    every = -(-len(steps) // most)
    return {step: points[step] for step in sorted({*steps[:: every or 1], *steps[-1:]})}


def _mean_curve(
    curves: Sequence[Mapping[int, float]],
) -> tuple[list[int], list[float], list[tuple[float, float] | None]]:
    """Steps, and the mean and the range of one figure at each; no range of a single curve."""
    steps = sorted({step for curve in curves for step in curve})
    found = [spread([curve[step] for curve in curves if step in curve]) for step in steps]
    return steps, [mean for mean, _ in found], [around if len(curves) > 1 else None for _, around in found]


Axis = Callable[["Axes", list[Any], str], Callable[[Any], float]]


def _by_operation(reports: Sequence[Report], key: str, what: str, where: str, axis: Axis, columns: int) -> Plot | None:
    """A panel for each operation in `key` of the reports, a line for each series, shares by what a row says of `where`.

    axis: sets the x axis for these values, and says where each is on it.
    """
    rows = [[row for row in report.get(key) or () if _share(row) is not None] for report in reports]
    series = [each for each in series_of(reports) if any(rows[index] for index in each.members)]
    every = [row for own in rows for row in own]
    symbols = sorted(dict.fromkeys(row["operation"] for row in every), key=rank)
    if not symbols:
        return None
    figure, all_axes = panels(len(symbols), columns, _HEIGHT, series)
    shares = [_share(row) or 0.0 for row in every] + [row["interval"][0] for row in every if row.get("interval")]
    errors = near_one([_share(row) or 0.0 for row in every])
    alone = len(series) == 1 and len(series[0].members) == 1
    for axes, symbol in zip(all_axes, symbols, strict=True):
        title(axes, operation_text(symbol))
        at = axis(axes, [row[where] for row in every if row["operation"] == symbol], symbol)
        joined = axes.get_xlabel() != _SHAPES
        for number, each in enumerate(series):
            points: dict[float, list[Row]] = {}
            for row in (row for index in each.members for row in rows[index] if row["operation"] == symbol):
                points.setdefault(at(row[where]), []).append(row)
            x = sorted(points)
            means = [spread([_share(row) or 0.0 for row in points[value]]) for value in x]
            ranges = [
                around if len(each.members) > 1 else points[value][0].get("interval")
                for value, (_, around) in zip(x, means, strict=True)
            ]
            if not joined:  # names have room beside them, numbers have none
                x = [value + 0.6 * ((number + 0.5) / len(series) - 0.5) for value in x]
            _draw(axes, x, [mean for mean, _ in means], ranges, each, errors, alone, joined)
    _name_shares(all_axes, what, errors, shares)
    return figure


def _draw(
    axes: Axes,
    x: Sequence[float],
    shares: Sequence[float],
    ranges: Sequence[Sequence[float] | None],
    series: Series,
    errors: bool,
    bars: bool,
    joined: bool = True,
) -> None:
    """`draw_series` of shares, or of the errors that are left."""
    if errors:
        shares = [1 - share for share in shares]
        ranges = [around and (max(0.0, 1 - around[1]), 1 - around[0]) for around in ranges]
    draw_series(axes, x, shares, ranges, series, bars, joined)


def _name_shares(all_axes: Sequence[Axes], what: str, errors: bool, shares: Sequence[float]) -> None:
    if errors:
        error_axes(all_axes, what, [1 - share for share in shares])
    else:
        share_axes(all_axes, what, min(shares, default=0.0))


_SHAPES = "digits of each operand"  # of lengths that are not one number: they are in no order that a line could join


def _length_axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
    lengths = sorted({str(value) for value in values}, key=natural)
    if all(length.isdecimal() for length in lengths):
        integer_axis(axes, map(int, lengths))
        axes.set_xlabel("digits of the operands")
        return float
    every = -(-len(lengths) // 16)
    turned = sum(0.1 + text_width(length) for length in lengths[::every]) > 3.2  # inches of the axis
    axes.set_xticks(range(0, len(lengths), every), lengths[::every], rotation=90 if turned else 0)
    axes.set_xlim(-0.5, len(lengths) - 0.5)
    axes.set_xlabel(_SHAPES)
    return lambda value: float(lengths.index(str(value)))


def _share(row: Row) -> float | None:
    """The share that a row of any table holds; None where nothing was asked."""
    share: float | None = row.get("exact_match", row.get("accuracy"))
    return share if row.get("problems", row.get("digits")) else None


def svg_text(figure: Figure, transparent: bool = False) -> str:
    """A figure as an SVG document, the same text every time; its words stay words.

    It has its own paper and ink for light and for dark screens, or with `transparent` what is around it.
    """
    from calcgpt.evaluation import report_figure

    return report_figure.svg_text(figure, transparent)


def inline_svg(figure: Figure, name: str, label: str = "") -> str:
    """A figure as an `svg` element of an HTML page, as wide as its container at most, in the page's own text colour.

    A figure of several columns comes as two elements, of which a screen shows the one that fits it.

    Args:
        figure: one of the plots, or any other figure.
        name: begins the ids inside, so that they are unique on the page.
        label: what is seen, for who cannot see it.
    """
    from calcgpt.evaluation import report_figure

    return report_figure.inline_svg(figure, name, label)


def save_plots(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    """Write each figure as NAME.png and NAME.svg into a folder, which is made where it is missing.

    Returns the files. Raises ConfigError for a name that is no file name, OSError for what cannot be written.
    """
    from calcgpt.evaluation.report_figure import drawn

    folder = Path(folder)
    if bad := [name for name in figures if Path(name).name != name]:
        raise ConfigError(f"expected names of files for the plots, not {bad[0]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, figure in figures.items():
        for kind, content in (("png", drawn(figure, "png")), ("svg", svg_text(figure).encode("utf-8"))):
            paths.append(folder / f"{name}.{kind}")
            write_atomic(paths[-1], content)
    return paths
