"""Heat maps: exact match by the digits of both operands, and when each digit position was learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, log10, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from calcgpt.arithmetic.operations import rank
from calcgpt.evaluation.report_axes import (
    WIDTH,
    panels,
    percent_ticks,
    plot,
    series_of,
    spread,
    step_axis,
    text_width,
    title,
)
from calcgpt.evaluation.report_text import Report, operation_text, place_text, row_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from calcgpt.evaluation.report_figure import Plot

LEARNT = 0.99  # the share of right digits at which a digit position counts as learnt
_CELLS = WIDTH - 1.1  # inches of a grid's side
_VECTORS = 128  # cells; more are drawn as an image, which keeps an SVG small
_MISSING = "#c8c8c8"  # what was not asked: no colour of the map


@plot
def length_grid(reports: Sequence[Report], columns: int = 3) -> Plot | None:
    """Exact match by digits of the first and the second operand: a panel for each operation and model. None without.

    Seeds of one recipe share a panel, which counts the problems of all of them.
    """
    series = series_of(reports)
    cells: dict[tuple[str, int], dict[tuple[int, int], list[int]]] = {}
    for number, each in enumerate(series):
        for row in (row for index in each.members for row in reports[index].get("grid") or () if row["problems"]):
            counts = cells.setdefault((row["operation"], number), {}).setdefault((row["first"], row["second"]), [0, 0])
            counts[0] += row["right"]
            counts[1] += row["problems"]
    if not cells:
        return None
    shown = sorted({number for _, number in cells})
    symbols = sorted({symbol for symbol, _ in cells}, key=rank)
    keys = [(symbol, number) for symbol in symbols for number in shown if (symbol, number) in cells]
    if len(keys) == len(symbols) * len(shown) and len(shown) > 1:
        columns = min(columns, len(shown)) if len(shown) != 4 else min(columns, 2)  # a model, a column
    figure, (*all_axes, below) = panels(len(keys), min(columns, 3 if len(shown) > 1 else 2), WIDTH * 0.9, scale=True)
    low = _lowest([right / problems for found in cells.values() for right, problems in found.values()])
    for axes, (symbol, number) in zip(all_axes, keys, strict=True):
        mesh = _draw_grid(axes, cells[symbol, number], low)
        axes.set_xlabel(_words("digits of the second operand", mesh))
        axes.set_ylabel("digits of the first operand")
        several = len(series) > 1 or len(series[number].members) > 1
        title(axes, *([series[number].name] if several else []), operation_text(symbol))
    _add_scale(figure, mesh, below, "exact match")
    return figure


def _lowest(shares: Sequence[float]) -> float:
    """Where the colours begin: the tenth below the lowest, or 90%, 99%, 99.9% where every share is at least that, so
    that differences show; 0 where there is none.
    """
    errors = 1 - min(shares)
    if errors == 0 or errors > 0.1:
        return floor(10 * min(shares)) / 10 if errors else 0.0
    return 1 - 10.0 ** -floor(-log10(errors) + 1e-9)


def _draw_grid(axes: Axes, cells: Mapping[tuple[int, int], Sequence[int]], low: float) -> Any:
    """One panel: the first operand's digits upwards, the second's to the right, shortest at the corner."""
    firsts, seconds = sorted({first for first, _ in cells}), sorted({second for _, second in cells})
    values = np.full((len(firsts), len(seconds)), nan)
    texts: dict[tuple[int, int], str] = {}
    for (first, second), (right, problems) in cells.items():
        y, x = firsts.index(first), seconds.index(second)
        values[y, x] = right / problems
        texts[y, x] = row_share({"right": right, "problems": problems}, 1).removesuffix("%")
    mesh = _mesh(axes, np.arange(len(seconds) + 1) - 0.5, np.arange(len(firsts) + 1) - 0.5, values, low)
    size = min(9.0, 9 * 0.9 * _CELLS / max(values.shape) / text_width(max(texts.values(), key=len), 9))
    if size >= 7:  # smaller figures cannot be read
        for (y, x), text in texts.items():
            dark = (values[y, x] - low) / (1 - low) < 0.55  # white on the map's dark end
            axes.text(x, y, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")
    for axis, lengths in ((axes.xaxis, seconds), (axes.yaxis, firsts)):
        at = _some(lengths)
        words = [f"{lengths[index]:,}" for index in at]
        turned = axis is axes.xaxis and sum(0.1 + text_width(word) for word in words) > 0.9 * _CELLS
        axis.set_ticks(at, words, rotation=90 if turned else 0)
    return mesh


def _some(values: Sequence[int]) -> list[int]:
    """At which of the values an axis has ticks: at all of them, or at round ones, at most 12."""
    if len(values) <= 12:
        return list(range(len(values)))
    every = next(each for each in (2, 5, 10, 20, 50, 100, 200, 500, 1000, len(values)) if len(values) / each <= 11)
    return [index for index, value in enumerate(values) if index == 0 or value % every == 0][:14]


@plot
def learning_order(records: Records, reports: Sequence[Report] = (), columns: int = 2) -> Plot | None:
    """The share of right digits at each digit position by step, and when each was learnt; a panel for each model. None
    where no run has two validations, as a single one shows no order.

    A digit position counts as learnt at the first validation from which on at least 99% of its digits are right. Of
    seeds of one recipe the mean share is shown, and where all have learnt it, the mean and the range of the steps.

    Args:
        records: what metrics.jsonl holds, by the model's name.
        reports: of the same models; they say which are seeds of one recipe.
        columns: panels in a row, at most.
    """
    found = {name: _validations(lines) for name, lines in records.items()}
    runs = [(each, [found[name] for name in each.models if found.get(name)]) for each in series_of(reports, records)]
    shown = [(each, own) for each, own in runs if len({step for run in own for step in run}) > 1]
    if not shown:
        return None
    most = max(len(shares) for _, own in shown for run in own for shares in run.values())
    figure, (*all_axes, below) = panels(len(shown), columns, 1.2 + min(3.0, 0.28 * max(3, most)), scale=True)
    last = max(step for _, own in shown for run in own for step in run)
    for axes, (each, own) in zip(all_axes, shown, strict=True):
        mesh = _draw_order(axes, own, last)
        axes.set_xlabel(_words("step", mesh))
        if most > _NAMED:
            axes.set_ylabel("digit position")
        title(axes, *([each.name] if len(runs) > 1 or len(own) > 1 else []))
    _add_scale(figure, mesh, below, f"right digits (held out)\ndot: at least {LEARNT:.0%} right from here on")
    return figure


Records = Mapping[str, Sequence[Mapping[str, Any]]]
_NAMED = 5  # as many digit positions have their names at the axis, more their numbers
Validations = Mapping[int, Sequence[float | None]]  # shares of right digits by position, by step


def _validations(lines: Sequence[Mapping[str, Any]]) -> Validations:
    return {line["step"]: line["digit_accuracy"] for line in lines if line.get("digit_accuracy")}


def _draw_order(axes: Axes, runs: Sequence[Validations], last: int) -> Any:
    steps = sorted({step for run in runs for step in run})
    places = max(len(shares) for run in runs for shares in run.values())
    values = np.full((len(runs), places, len(steps)), nan)
    for number, run in enumerate(runs):
        for step, shares in run.items():
            column = [nan if share is None else share for share in shares]
            values[number, : len(shares), steps.index(step)] = column
    known = ~np.isnan(values)
    means = np.where(known, values, 0).sum(0) / np.where(known.any(0), known.sum(0), nan)
    inner = [(one + other) / 2 for one, other in zip(steps, steps[1:], strict=False)]  # midway between validations
    edges = [max(0.0, 1.5 * steps[0] - 0.5 * steps[1]), *inner, 1.5 * steps[-1] - 0.5 * steps[-2]]
    mesh = _mesh(axes, np.array(edges), np.arange(places + 1) - 0.5, means, 0.0)
    step_axis(axes, last)
    axes.set_xlim(0, max(edges[-1], last))
    for place in range(places):
        learnt = [at for run in values if (at := _learnt(steps, run[place])) is not None]
        if len(learnt) == len(runs):
            _mark(axes, learnt, place, 7.0 if places <= 20 else 3.0)
    named = _some(range(places))
    axes.set_yticks(named, [place_text(place) if places <= _NAMED else str(place) for place in named])
    return mesh


def _learnt(steps: Sequence[int], shares: np.ndarray) -> float | None:
    """`learnt_at`, of the validations that this run had."""
    had = ~np.isnan(shares)
    return learnt_at([step for step, here in zip(steps, had, strict=True) if here], shares[had])


def _mark(axes: Axes, steps: Sequence[float], place: int, size: float) -> None:
    mean, around = spread(steps)
    if len(steps) > 1:
        axes.plot(around, [place, place], color="white", linewidth=3, solid_capstyle="butt", clip_on=False)
        axes.plot(around, [place, place], color="black", linewidth=1.2, clip_on=False)
    axes.plot(
        [mean], [place], marker="o", markersize=size, markerfacecolor="white", markeredgecolor="black", clip_on=False
    )


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
    from matplotlib import colormaps

    axes.grid(False)
    colors = colormaps["cividis"].with_extremes(bad=_MISSING)
    shown = np.ma.masked_invalid(values)
    image = values.size > _VECTORS
    seams: Any = {} if image else {"edgecolors": "face", "linewidth": 0.4}  # else paper shows through
    return axes.pcolormesh(x, y, shown, cmap=colors, vmin=low, vmax=1.0, rasterized=image, **seams)


def _words(label: str, mesh: Any) -> str:
    return f"{label}\n(grey: not asked)" if np.ma.count_masked(mesh.get_array()) else label


def _add_scale(figure: Plot, mesh: Any, below: Axes, what: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ticks: Any = MaxNLocator(5 if mesh.norm.vmin < 0.99 else 2, steps=[1, 2, 5, 10])  # 99.995% is a long word
    scale = figure.colorbar(mesh, cax=below, orientation="horizontal", format=percent_ticks(), ticks=ticks, label=what)
    scale.outline.set_visible(False)
