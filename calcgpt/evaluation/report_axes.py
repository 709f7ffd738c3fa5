"""What the plots share: which models are one line and how it looks, panels with a legend, and axes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial, wraps
from math import ceil, floor, log10, nan
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.comparing import same_recipe
from calcgpt.evaluation.report_text import Report, numbered, report_names, shorten_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from calcgpt.evaluation.report_figure import Plot

INK = "#1b1b1b"  # of text and lines that are not data; on a page, the page's own
# Okabe and Ito's palette, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (8, 1.5, 1, 1.5, 1, 1.5)))
WIDTH = 4.2  # inches of a panel: its words can be read where it is shrunk to a phone's 360 pixels
_SCALE = 0.7  # inches of a scale of colours with its words
_NAME = 40  # characters of a model's name at most
_CLOSE = 0.9  # where every share is at least this, the axis shows shares of errors on a logarithmic scale
_MANY, _SOME = 30, 12  # of so many points of a line each has a marker; of more, so many


@dataclass(frozen=True)
class Series:
    """Models that are drawn as one line: a single one, or the seeds of one recipe.

    Attributes:
        name: in legends and titles.
        members: indices of their reports.
        models: their names in the records of training.
        color, marker, line: how it is drawn, told by color, and in black and white by marker and line.
        size: of its markers, in points. Later ones are smaller, so that points which coincide can all be seen.
    """

    name: str
    members: tuple[int, ...]
    models: tuple[str, ...]
    color: str
    marker: str
    line: Any
    size: float


def series_of(reports: Sequence[Report], models: Iterable[str] = ()) -> list[Series]:
    """What is drawn as one line each, in the order of the reports: runs that differ only in their seed are one.

    Args:
        reports: one or several models'.
        models: names that training has records of; those without a report come last.
    """
    names = report_names(reports)
    groups: list[tuple[str, tuple[int, ...], tuple[str, ...]]] = []
    for same in same_recipe([report.get("run") for report in reports]):
        asked: dict[str, list[int]] = {}  # two suites that one recipe was asked are no two seeds
        for index in same:
            asked.setdefault(json.dumps([reports[index].get(key) for key in _ASKED], default=str), []).append(index)
        for indices in asked.values():
            found = tuple(str(reports[index]["model"]) for index in indices)
            groups.append((_group_name([names[index] for index in indices], reports, indices), tuple(indices), found))
    groups.sort(key=lambda group: group[1][0])
    known = {name for _, _, found in groups for name in found}
    groups += [(name, (), (name,)) for name in models if name not in known]
    step = min(1.5, 6 / max(1, len(groups) - 1))
    return [
        Series(
            *group,
            _COLORS[index % len(_COLORS)],
            _MARKERS[index % len(_MARKERS)],
            _LINES[index % len(_LINES)],
            4.5 + step * (len(groups) - 1 - index),
        )
        for index, group in enumerate(groups)
    ]


_ASKED = ("suite", "version", "seed", "parts")


def _group_name(names: Sequence[str], reports: Sequence[Report], indices: Sequence[int]) -> str:
    if len(names) == 1:
        return names[0]
    seeds = {str(reports[index]["run"].get("seed")) for index in indices}
    common = re.sub(r"[-_. ]*(seed)?[-_. ]*[0-9]*$", "", os.path.commonprefix(names))
    stem = common if common and common[-1] not in "/\\" else f"{names[0]}, …"
    kind = "seeds" if len(seeds) == len(names) else "runs"
    return f"{shorten_middle(stem, _NAME - 12)} ({len(names)} {kind})"


Draw = Callable[..., "Plot | None"]


def plot(draw: Draw) -> Draw:
    """Decorate a function that makes a plot: its style, and the same plot in one column for narrow pages.

    Raises ConfigError without matplotlib.
    """

    @wraps(draw)
    def made(*args: Any, **options: Any) -> Plot | None:
        require_matplotlib()
        from calcgpt.evaluation.report_figure import styled

        with styled():
            figure = draw(*args, **options)
        if figure is not None and figure.get_figwidth() > WIDTH:
            figure.narrow = partial(made, *args, **{**options, "columns": 1})
        return figure

    return made


def require_matplotlib() -> None:
    """Raise ConfigError where matplotlib is missing: before a long evaluation whose plots are wanted."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise ConfigError("plots need matplotlib: pip install matplotlib") from None


def panels(
    count: int, columns: int, height: float, series: Sequence[Series] = (), scale: bool = False
) -> tuple[Plot, list[Axes]]:
    """A figure of `count` panels, `columns` in a row, each `height` inches high, under a legend of the series.

    Where there is one series, there is no legend. With `scale` the last of the axes are for a scale of colours, below.
    """
    from calcgpt.evaluation.report_figure import Plot

    columns = min(count, columns)
    rows = ceil(count / columns)
    names = numbered(fitting(each.name, WIDTH * columns - 1.0) for each in series)
    several = len(series) > 1 or any(len(each.models) > 1 for each in series)  # what is a mean says so
    across = max(1, min(len(names), int(WIDTH * columns / (1.0 + max(map(text_width, names)))))) if several else 1
    above = 0.2 + 0.24 * ceil(len(names) / across) if several else 0.0
    heights = [height] * rows + [_SCALE] * scale
    figure = Plot(figsize=(WIDTH * columns, sum(heights) + above))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=[height] * rows + [0.12] * scale)
    axes = [figure.add_subplot(grid[number // columns, number % columns]) for number in range(count)]
    if scale:
        axes.append(figure.add_subplot(grid[-1, :], box_aspect=0.04))
    if several:
        _add_legend(figure, series, names, across)
    return figure, axes


def _add_legend(figure: Plot, series: Sequence[Series], names: Sequence[str], across: int) -> None:
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], color=each.color, marker=each.marker, linestyle=each.line, markersize=5) for each in series]
    labels = [f"model {number}" for number in range(len(names))]  # matplotlib drops a label that begins with _
    legend = figure.legend(keys, labels, loc="outside upper center", ncols=across)
    for text, each, name in zip(legend.get_texts(), series, names, strict=True):
        text.set_parse_math(False)
        text.set_text(f"{name}: mean, range" if len(each.models) > 1 else name)


def title(axes: Axes, *lines: str) -> None:
    """Lines above a panel, which may hold anything: they are no mathematics, and are cut where they are long."""
    axes.set_title("\n".join(fitting(line, WIDTH - 0.8) for line in lines), parse_math=False)


def fitting(text: str, inches: float) -> str:
    """A name as the font can draw it in so many inches: cut where it is long, and what the font lacks as its code."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))

    def one(character: str) -> str:
        known = character.isprintable() and font.get_char_index(ord(character))
        return character if known else character.encode("unicode_escape").decode("ascii")

    shown = "".join(map(one, shorten_middle(text, _NAME)))
    for most in range(len(shown), 3, -1):
        if text_width(shorten_middle(shown, most)) <= inches:
            return shorten_middle(shown, most)
    return shown


@cache
def text_width(text: str, size: float = 10) -> float:
    """How wide a text is, in inches, at a font size in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    return (
        float(TextPath((0, 0), text.replace("$", r"\$") or " ", prop=FontProperties(), size=size).get_extents().x1) / 72
    )


def draw_series(
    axes: Axes,
    x: Sequence[float],
    shares: Sequence[float],
    ranges: Sequence[Sequence[float] | None],
    series: Series,
    bars: bool,
    joined: bool = True,
) -> None:
    """One line of values (N,) at x (N,), with a bar or a band for each range (low, high) that is known."""
    import numpy as np

    low, high = np.array([each if each is not None else (nan, nan) for each in ranges], float).reshape(-1, 2).T
    every = 1 if len(x) <= _MANY else ceil(len(x) / _SOME)
    look: Any = {"color": series.color, "marker": series.marker, "linestyle": series.line if joined else "none"}
    axes.plot(x, shares, **look, markersize=series.size, markevery=every, clip_on=False)
    if np.isnan(low).all():
        return
    if bars or not joined or len(x) == 1:
        axes.vlines(x, low, high, color=series.color, linewidth=1.2, clip_on=False)
    else:
        axes.fill_between(x, low, high, color=series.color, alpha=0.18, linewidth=0)


def spread(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Mean and range of what the seeds of one recipe reach."""
    return sum(values) / len(values), (min(values), max(values))


def share_axes(all_axes: Sequence[Axes], what: str, lowest: float) -> None:
    """The y axis of shares, in percent, the same for all panels: from 0, or where all are above half, from the tenth
    below the lowest.
    """
    bottom = floor(10 * min(lowest, 0.99)) / 10 if lowest > 0.5 else 0.0
    for axes in all_axes:
        axes.set_ylim(bottom - 0.03 * (1 - bottom), 1 + 0.03 * (1 - bottom))
        axes.yaxis.set_major_formatter(percent_ticks())
        axes.set_ylabel(what)


def error_axes(all_axes: Sequence[Axes], what: str, errors: Sequence[float]) -> None:
    """The y axis of shares near 100%, drawn as shares of errors on a logarithmic scale that ends in none: 99.9% and
    99.99% lie as far apart as 90% and 99%. Labelled with what is right.
    """
    from matplotlib.ticker import NullLocator, SymmetricalLogLocator

    least = 10.0 ** floor(log10(min(error for error in errors if error > 0)) + 1e-9)
    top = max(errors)
    subs = (1.0, 2.0, 5.0) if top / least < 20 else (1.0,)
    for axes in all_axes:
        axes.set_yscale("symlog", linthresh=least, linscale=0.5)
        axes.set_ylim(top * 1.3, -0.15 * least)
        axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=least, subs=subs))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(percent_ticks(errors=True))
        axes.set_ylabel(f"{what}\n(logarithmic towards 100%)")


def percent_ticks(errors: bool = False) -> Any:
    """The labels of shares in percent, or of what errors leave: 99.95%, without the last digits of binary fractions."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * (1 - share if errors else share):.10g}%")


def near_one(shares: Sequence[float]) -> bool:
    """Whether shares are drawn as shares of errors: all are high, and not all are 1."""
    return min(shares) >= _CLOSE and min(shares) < 1


def integer_axis(axes: Axes, values: Iterable[int]) -> None:
    """The x axis for these whole numbers, logarithmic where they span a factor of thirty; ticks are whole numbers."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    ordered = sorted(set(values))
    low, high = ordered[0], ordered[-1]
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if low <= 0 or high < 30 * low or len(ordered) > (high - low) / 2:
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        margin = min(0.4, 0.06 * ((high - low) or 1))  # less than what shows another number
        axes.set_xlim(low - margin, high + margin)
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")  # the scale brings one of its own
    subs = (1.0,) if high / low > 3000 else (1.0, 3.0) if high / low > 200 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low * (low / high) ** 0.06, high * (high / low) ** 0.06)


def step_axis(axes: Axes, last: int) -> None:
    """The x axis of steps, from 0 to the last of all."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, max(1, last))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
