"""Plots of reports and training records, as matplotlib figures: one model, or several in one plot."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.report_axes import (
    INK,
    add_legend,
    draw_shares,
    line_key,
    looks,
    name_axes,
    new_figure,
    number_axis,
    panels,
    share_axes,
    style,
)
from calcgpt.evaluation.report_text import Report, Row, natural, operation_text, place_text, report_names
from calcgpt.runtime.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Mapping[str, Sequence[Mapping[str, Any]]]
_SALT = "calcgpt"  # of the ids in an SVG, so that they are the same every time
_NAMED_PLACES = 4  # as many places have names on an axis; longer ones would touch


def all_plots(reports: Sequence[Report], records: Records | None = None) -> dict[str, Figure]:
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
        "training": training_curves(records or {}),
        "learning-order": learning_order(records or {}),
    }
    return {name: figure for name, figure in made.items() if figure is not None}


def require_matplotlib() -> None:
    """Raises ConfigError where matplotlib is missing: before a long evaluation whose plots are wanted."""
    new_figure(1, 1)


def accuracy_by_length(reports: Sequence[Report]) -> Figure | None:
    """Exact match by digits, with 95% intervals; a panel for each operation. None without buckets."""
    return _by_operation(reports, "buckets", "exact match", "digits", _length_axis)


def accuracy_by_place(reports: Sequence[Report]) -> Figure | None:
    """The share of right digits at each place of the solution; a panel for each operation. None without places."""

    def axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
        number_axis(axes, values)
        axes.set_xlabel("place of the digit, counted from the units (0)", color=INK, fontsize=9)
        if max(values) < _NAMED_PLACES:
            axes.set_xticks(sorted(set(values)), [place_text(place) for place in sorted(set(values))])
            axes.set_xlabel("place of the digit", color=INK, fontsize=9)
        return float

    return _by_operation(reports, "places", "right digits", "place", axis)


def accuracy_by_carry(reports: Sequence[Report]) -> Figure | None:
    """Exact match by the longest chain of carries, with 95% intervals; a panel for each of + and -. None without."""

    def axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
        number_axis(axes, values)
        kind = "borrows" if symbol == "-" else "carries"
        axes.set_xlabel(f"longest chain of {kind} in the problem", color=INK, fontsize=9)
        return float

    return _by_operation(reports, "carries", "exact match", "chain", axis)


def calibration(reports: Sequence[Report]) -> Figure | None:
    """How often the model is right, by how sure it is; below, of how many problems. None without bins."""
    every = zip(report_names(reports), looks(len(reports)), reports, strict=True)
    shown = [(name, way, report["calibration"]) for name, way, report in every if report.get("calibration")]
    if not shown:
        return None
    figure = new_figure(5.0, 5.4)
    top, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    style(top)
    style(below)
    bins = [each for _, _, rows in shown for each in rows]
    low = min(min(each["confidence"], each["right"] / each["problems"], each["low"]) for each in bins)
    low = int(low * 10) / 10
    top.plot([low, 1], [low, 1], color="#808080", linewidth=1, linestyle="--")
    for _, way, rows in shown:
        shares = [row["right"] / row["problems"] for row in rows]
        confidences = [row["confidence"] for row in rows]
        look: Any = {"color": way.color, "marker": way.marker, "linestyle": way.line}
        top.plot(confidences, shares, markersize=5, linewidth=1.6, clip_on=False, **look)
        below.plot(confidences, [row["problems"] for row in rows], markersize=4, linewidth=1.2, **look)
    margin = 0.03 * (1 - low)
    top.set(xlim=(low - margin, 1 + margin), ylim=(low - margin, 1 + margin))
    below.set(yscale="log", ylim=(0.5, None))
    below.yaxis.set_major_formatter("{x:,.0f}")
    _percent(top.yaxis, below.xaxis)
    name_axes(top, y="answers that are right\n(below the dashed line: too sure)")
    name_axes(below, x="confidence: the model's probability of its own answer", y="problems")
    add_legend(figure, [line_key(way) for _, way, _ in shown], [name for name, _, _ in shown])
    return figure


def training_curves(records: Records) -> Figure | None:
    """Loss, validation loss and exact match by step, one panel each. None without records."""
    wanted = {
        "loss": "training loss",
        "eval_loss": "validation loss",
        "exact_match": "exact match (held out)",
    }
    curves = {key: {name: _curve(lines, key) for name, lines in records.items()} for key in wanted}
    keys = [key for key in wanted if any(steps for steps, _ in curves[key].values())]
    if not keys:
        return None
    shown = [
        (name, way)
        for name, way in zip(records, looks(len(records)), strict=True)
        if any(curves[key][name][0] for key in keys)
    ]
    figure, all_axes = panels(len(keys), 1, 7.0, 2.1)
    for key, axes in zip(keys, all_axes, strict=True):
        name_axes(axes, x="step" if key == keys[-1] else "", y=wanted[key])
        for name, way in shown:
            steps, values = curves[key][name]
            few = 0 < len(steps) <= 60
            axes.plot(
                steps, values, color=way.color, linestyle=way.line, linewidth=1.4, marker=way.marker, markersize=4,
                markevery=1 if few else max(1, len(steps) // 12), clip_on=False,
            )  # fmt: skip
        axes.set_xlim(0, max(1, *(steps[-1] for each in curves.values() for steps, _ in each.values() if steps)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        if key == "exact_match":
            share_axes([axes], wanted[key], [share for _, shares in curves[key].values() for share in shares], [], 1000)
        elif any(value > 0 for _, values in curves[key].values() for value in values):
            axes.set_yscale("log")
    add_legend(figure, [line_key(way) for _, way in shown], [name for name, _ in shown])
    return figure


def _curve(lines: Sequence[Mapping[str, Any]], key: str, most: int = 600) -> tuple[list[int], list[float]]:
    """Steps and values of one figure in the records; evenly spaced records where there are more than `most`."""
    points = {line["step"]: line[key] for line in lines if line.get(key) is not None}  # a resumed step counts once
    steps = sorted(points)
    every = -(-len(steps) // most)
    steps = sorted({*steps[:: every or 1], *steps[-1:]})
    return steps, [points[step] for step in steps]


Axis = Callable[["Axes", list[Any], str], Callable[[Any], float]]


def _by_operation(reports: Sequence[Report], key: str, what: str, where: str, axis: Axis) -> Figure | None:
    """A panel for each operation in `key` of the reports, a line for each model, shares by what a row says of `where`.

    axis: sets the x axis for these values, and says where each is on it.
    """
    names = report_names(reports)
    rows = [[row for row in report.get(key) or () if _share(row) is not None] for report in reports]
    shown = [index for index, own in enumerate(rows) if own]
    symbols = list(dict.fromkeys(row["operation"] for own in rows for row in own))
    if not symbols:
        return None
    columns = 1 if len(symbols) == 1 else 2
    figure, all_axes = panels(len(symbols), columns, 6.4 if columns == 1 else 4.6, 3.4)
    every_look = looks(len(reports))  # a model without rows leaves the others as they are in the other plots
    ways = [every_look[index] for index in shown]
    for axes, symbol in zip(all_axes, symbols, strict=True):
        parts = [[row for row in rows[index] if row["operation"] == symbol] for index in shown]
        name_axes(axes, "", "", operation_text(symbol))
        at = axis(axes, [row[where] for part in parts for row in part], symbol)
        for way, part in zip(ways, parts, strict=True):
            points = sorted(((at(row[where]), row) for row in part), key=lambda point: point[0])
            if points:
                shares = [_share(row) or 0.0 for _, row in points]
                bars = [row.get("interval") for _, row in points]
                draw_shares(axes, [x for x, _ in points], shares, bars, way, joined=axes.get_xlabel() != _SHAPES)
    every = [row for own in rows for row in own]
    lows = [row["interval"][0] for row in every if row.get("interval")]
    most = max(row.get("problems", row.get("digits")) for row in every)
    share_axes(all_axes, what, [_share(row) or 0.0 for row in every], lows, most)
    add_legend(figure, [line_key(way) for way in ways], [names[index] for index in shown])
    return figure


_SHAPES = "digits of each operand"  # of lengths that are not one number: they are in no order that a line could join


def _length_axis(axes: Axes, values: list[Any], symbol: str) -> Callable[[Any], float]:
    lengths = sorted({str(value) for value in values}, key=natural)
    if all(length.isdecimal() for length in lengths):
        number_axis(axes, map(int, lengths))
        axes.set_xlabel("digits of the operands", color=INK, fontsize=9)
        return float
    every = -(-len(lengths) // 24)
    axes.set_xticks(range(0, len(lengths), every), lengths[::every], rotation=45 if len(lengths) > 5 else 0)
    axes.set_xlim(-0.5, len(lengths) - 0.5)
    axes.set_xlabel(_SHAPES, color=INK, fontsize=9)
    return lambda value: float(lengths.index(str(value)))


def _share(row: Row) -> float | None:
    """The share that a row of any table holds; None where nothing was asked."""
    share: float | None = row.get("exact_match", row.get("accuracy"))
    return share if row.get("problems", row.get("digits")) else None


def _percent(*axes: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1.0))


def svg_text(figure: Figure, transparent: bool = False) -> str:
    """A figure as an SVG document, the same text every time; its words stay words."""
    return _drawn(figure, "svg", transparent).decode("utf-8")


def save_plots(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    """Write each figure as NAME.png and NAME.svg into a folder, which is made where it is missing.

    Returns the files. Raises ConfigError for a name that is no file name, OSError for what cannot be written.
    """
    folder = Path(folder)
    if bad := [name for name in figures if Path(name).name != name]:
        raise ConfigError(f"expected names of files for the plots, not {bad[0]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name, figure in figures.items():
        for kind in ("png", "svg"):
            paths.append(folder / f"{name}.{kind}")
            write_atomic(paths[-1], _drawn(figure, kind, transparent=False))
    return paths


def _drawn(figure: Figure, kind: str, transparent: bool) -> bytes:
    from matplotlib import rc_context

    empty: Iterable[str] = ("Date", "Creator", "Format", "Type") if kind == "svg" else ("Software",)
    metadata: Any = dict.fromkeys(empty)  # no date and no version: the same figure is the same file
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none"}):
        figure.savefig(file, format=kind, metadata=metadata, transparent=transparent, dpi=150)
    return file.getvalue()
