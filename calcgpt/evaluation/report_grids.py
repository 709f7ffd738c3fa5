"""Heat maps: exact match by the digits of both operands, and when each place was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from calcgpt.evaluation.report_axes import INK, name_axes, panels, style
from calcgpt.evaluation.report_text import Report, Row, operation_text, place_text, report_names, row_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNT = 0.99  # the share of right digits at which a place counts as learnt
_WRITTEN = 8  # a grid of at most so many lengths a side has its figures in its cells
_VECTORS = 128  # cells; more are drawn as an image, which keeps an SVG small
_MISSING = "#c8c8c8"  # what was not asked: no colour of the map


def length_grid(reports: Sequence[Report]) -> Figure | None:
    """Exact match by digits of the first and the second operand: a panel for each operation and model. None without."""
    names = report_names(reports)
    cells: dict[tuple[str, int], list[Row]] = {}
    for index, report in enumerate(reports):
        for row in report.get("grid") or ():
            if row["problems"]:
                cells.setdefault((row["operation"], index), []).append(row)
    if not cells:
        return None
    symbols, models = list(dict.fromkeys(symbol for symbol, _ in cells)), sorted({index for _, index in cells})
    keys = [(symbol, index) for symbol in symbols for index in models if (symbol, index) in cells]
    full = len(keys) == len(symbols) * len(models)  # a column for each model
    columns = min(3, len(models)) if full and len(models) > 1 else 2
    wide = 5.2 if len(keys) == 1 else 4.0
    figure, all_axes = panels(len(keys), columns, wide, wide * 0.86)
    low = _lowest([row["right"] / row["problems"] for rows in cells.values() for row in rows])
    for axes, (symbol, index) in zip(all_axes, keys, strict=True):
        titles = [names[index]] if len(models) > 1 else []
        mesh = _draw_grid(axes, cells[symbol, index], low)
        name_axes(
            axes,
            _words("digits of the second operand", mesh),
            "digits of the first operand",
            *titles,
            operation_text(symbol),
        )
    _add_scale(figure, mesh, all_axes, "exact match")
    return figure


def _lowest(shares: Sequence[float]) -> float:
    """Where the colours begin: the tenth below the lowest, or 90%, 99%, 99.9% where every share is at least that, so
    that differences show; 0 where there is none.
    """
    errors = 1 - min(shares)
    if errors == 0 or errors > 0.1:
        return floor(10 * min(shares)) / 10 if errors else 0.0
    return 1 - 10.0 ** -floor(-log10(errors) + 1e-9)


def _draw_grid(axes: Axes, rows: Sequence[Row], low: float) -> Any:
    """One panel: the first operand's digits upwards, the second's to the right, shortest at the corner."""
    firsts, seconds = sorted({row["first"] for row in rows}), sorted({row["second"] for row in rows})
    values = np.full((len(firsts), len(seconds)), nan)
    style(axes, grid=False)
    small = max(values.shape) <= _WRITTEN
    for row in rows:
        y, x = firsts.index(row["first"]), seconds.index(row["second"])
        values[y, x] = share = row["right"] / row["problems"]
        if small:
            dark = (share - low) / (1 - low) < 0.55  # white on the map's dark end
            text = row_share(row, 1).removesuffix("%")
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    mesh = _mesh(axes, np.arange(len(seconds) + 1) - 0.5, np.arange(len(firsts) + 1) - 0.5, values, low)
    for axis, lengths in ((axes.xaxis, seconds), (axes.yaxis, firsts)):
        at = _some(lengths)
        axis.set_ticks(at, [f"{lengths[index]:,}" for index in at])
    return mesh


def _some(values: Sequence[int]) -> list[int]:
    """At which of the values an axis has ticks: at all of them, or at round ones, at most 12."""
    if len(values) <= 12:
        return list(range(len(values)))
    every = next(each for each in (2, 5, 10, 20, 50, 100, 200, 500, 1000, len(values)) if len(values) / each <= 11)
    return [index for index, value in enumerate(values) if index == 0 or value % every == 0][:14]


def learning_order(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure | None:
    """The share of right digits at each place by step, and when each was learnt; a panel for each model. None without.

    A place counts as learnt at the first validation from which on at least 99% of its digits are right.
    """
    shown = {name: sorted(_validations(lines).items()) for name, lines in records.items()}
    shown = {name: points for name, points in shown.items() if len(points) > 1}  # a single one shows no order
    if not shown:
        return None
    most = max(len(shares) for points in shown.values() for _, shares in points)
    figure, all_axes = panels(len(shown), 2, 6.8 if len(shown) == 1 else 4.8, min(5.0, 2.2 + 0.22 * most))
    for axes, (name, points) in zip(all_axes, shown.items(), strict=True):
        mesh = _draw_order(axes, points)
        name_axes(axes, _words("step", mesh), "place, from the units (0)", *([name] if len(shown) > 1 else []))
    _add_scale(figure, mesh, all_axes, "right digits (held out)")
    figure.supxlabel(f"dot: from here on at least {LEARNT:.0%} of this place are right", color=INK, fontsize=9)
    return figure


def _validations(lines: Sequence[Mapping[str, Any]]) -> dict[int, Sequence[float | None]]:
    return {line["step"]: line["digit_accuracy"] for line in lines if line.get("digit_accuracy")}


def _draw_order(axes: Axes, points: Sequence[tuple[int, Sequence[float | None]]]) -> Any:
    steps = np.array([step for step, _ in points], float)
    places = max(len(shares) for _, shares in points)
    values = np.full((places, len(points)), nan)
    for column, (_, shares) in enumerate(points):
        values[: len(shares), column] = [nan if share is None else share for share in shares]
    style(axes, grid=False)
    half = np.diff(steps, prepend=2 * steps[0] - steps[1] if len(steps) > 1 else steps[0] - 1) / 2
    edges = np.append(steps - half, steps[-1] + half[-1])  # midway between validations
    mesh = _mesh(axes, edges, np.arange(places + 1) - 0.5, values, 0.0)
    learnt = [
        (step, place) for place in range(places) if (step := learnt_at(steps.tolist(), values[place])) is not None
    ]
    size = 7.0 if places <= 20 else 3.0
    dots: Any = {
        "markerfacecolor": "white",
        "markeredgecolor": "black",
        "markersize": size,
        "clip_on": False,
        "zorder": 5,
    }
    axes.plot([x for x, _ in learnt], [y for _, y in learnt], marker="o", linestyle="none", **dots)
    at = _some(range(places))
    axes.set_yticks(at, [place_text(place) if places <= 5 else str(place) for place in at])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=6)
    return mesh


def learnt_at(steps: Sequence[float], shares: Any) -> float | None:
    """The first step from which on all shares are at least 99%; None where the last is not."""
    learnt = None
    for step, share in zip(reversed(steps), reversed(shares), strict=True):
        if not share >= LEARNT:
            break
        learnt = step
    return learnt


def _mesh(axes: Axes, x: np.ndarray, y: np.ndarray, values: np.ndarray, low: float) -> Any:
    """Cells of colour: cividis, whose brightness grows steadily, in print and for every reader's eyes."""
    axes.set_facecolor(_MISSING)
    return axes.pcolormesh(
        x, y, np.ma.masked_invalid(values), cmap="cividis", vmin=low, vmax=1.0, rasterized=values.size > _VECTORS
    )


def _words(label: str, mesh: Any) -> str:
    return f"{label}\n(grey: not asked)" if np.ma.count_masked(mesh.get_array()) else label


def _add_scale(figure: Figure, mesh: Any, all_axes: Sequence[Axes], what: str) -> None:
    from matplotlib.ticker import FuncFormatter

    # Ten decimals less of binary fractions: 99.95%, not 99.9500000001%
    percent = FuncFormatter(lambda share, _: f"{100 * share:.10g}%")
    scale = figure.colorbar(mesh, ax=list(all_axes), format=percent, shrink=0.9, aspect=30)
    scale.set_label(what, color=INK, fontsize=9)
    scale.ax.tick_params(colors=INK, labelsize=9, labelcolor=INK)
    scale.outline.set_visible(False)
