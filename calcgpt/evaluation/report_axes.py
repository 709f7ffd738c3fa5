"""What the plots share: how each model's line looks, panels, and axes on which shares near 100% can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from calcgpt.errors import ConfigError
from calcgpt.evaluation.report_text import numbered, shorten_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b1b1b"  # of all text and lines that are not data; a page puts its own colour there
# Okabe and Ito's palette, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (8, 1.5, 1, 1.5, 1, 1.5)))
_NAME = 40  # characters of a model's name in a legend
_HIGH = 0.9  # where every share is at least this, the axis is stretched
_MANY = 100  # markers on one line at most


@dataclass(frozen=True)
class Look:
    """How one model is drawn: told by colour, and in black and white by marker and line."""

    color: str
    marker: str
    line: Any
    shift: float  # points to the right, so that intervals at one place do not hide each other


def looks(count: int) -> list[Look]:
    """How each of so many models is drawn."""
    return [
        Look(
            _COLORS[index % len(_COLORS)],
            _MARKERS[index % len(_MARKERS)],
            _LINES[index % len(_LINES)],
            3.0 * (index - (count - 1) / 2),
        )
        for index in range(count)
    ]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. Raises ConfigError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("plots need matplotlib: pip install matplotlib") from None
    return Figure(figsize=(width, height), dpi=100, facecolor="white", layout="constrained")


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` in a row, each of that size in inches."""
    columns = min(count, columns)
    rows = ceil(count / columns)
    figure = new_figure(width * columns, height * rows)
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(count)]
    for each in axes:
        style(each)
    return figure, axes


def style(axes: Axes, grid: bool = True) -> None:
    """Ink, font sizes and a faint grid."""
    axes.tick_params(colors=INK, labelsize=9, labelcolor=INK)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_linewidth(0.8)
        spine.set_visible(side in ("left", "bottom") or not grid)
    if grid:
        axes.grid(True, color="#808080", alpha=0.3, linewidth=0.6)
        axes.set_axisbelow(True)


def name_axes(axes: Axes, x: str = "", y: str = "", *titles: str) -> None:
    """The words at an axis, and lines above it, which may hold anything: they are no mathematics."""
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)
    axes.set_title("\n".join(map(drawable, titles)), color=INK, fontsize=10, parse_math=False)


def drawable(text: str) -> str:
    """A name as the font can draw it: cut where it is long, and what the font lacks as its code."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))

    def one(character: str) -> str:
        known = character.isprintable() and font.get_char_index(ord(character))
        return character if known else character.encode("unicode_escape").decode("ascii")

    return "".join(map(one, shorten_middle(text, _NAME)))


def add_legend(figure: Figure, handles: Sequence[Any], names: Iterable[str]) -> None:
    """The models' names above the panels; none for a single model."""
    if len(handles) < 2:
        return
    shown = numbered(map(drawable, names))
    entry = 0.6 + 0.085 * max(map(len, shown))  # inches
    legend = figure.legend(
        list(handles),
        [f"model {number}" for number in range(len(shown))],  # matplotlib drops a label that begins with _
        loc="outside upper center",
        ncols=max(1, min(len(handles), int(figure.get_figwidth() / entry))),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=3.5,
    )
    for text, name in zip(legend.get_texts(), shown, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def line_key(look: Look) -> Any:
    """What stands for a model in a legend of lines."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=look.color, marker=look.marker, linestyle=look.line, markersize=5, linewidth=1.6)


def draw_shares(
    axes: Axes,
    x: Sequence[float],
    shares: Sequence[float],
    intervals: Sequence[Sequence[float] | None],
    look: Look,
    joined: bool = True,
) -> None:
    """One model's shares (N,) in [0, 1] at x (N,), with bars where there is an interval."""
    from matplotlib.transforms import ScaledTranslation

    bars = [interval or (share, share) for interval, share in zip(intervals, shares, strict=True)]
    below = [max(0.0, share - bar[0]) for share, bar in zip(shares, bars, strict=True)]
    above = [max(0.0, bar[1] - share) for share, bar in zip(shares, bars, strict=True)]
    figure: Any = axes.figure
    axes.errorbar(
        x,
        shares,
        yerr=[below, above] if any(below + above) else None,
        transform=axes.transData + ScaledTranslation(look.shift / 72, 0, figure.dpi_scale_trans),
        color=look.color,
        marker=look.marker,
        markevery=ceil(len(x) / _MANY),
        linestyle=look.line if joined else "none",
        markersize=5 if len(x) <= 30 else 3,
        linewidth=1.6,
        elinewidth=1.1,
        capsize=2.5 if len(x) <= 30 else 1.5,
        clip_on=False,
    )


def share_axes(all_axes: Sequence[Axes], what: str, shares: Sequence[float], lows: Sequence[float], most: int) -> None:
    """The y axis of shares, in percent, the same for all panels.

    From 0 as a rule, from the tenth below the lowest where all are above half. Where every share is at least 90% the
    axis is stretched towards 100%: each step up stands for ten times fewer errors, and 99.9% and 99.99% lie as far
    apart as 90% and 99%. 100% itself has a place, at the top: half an error of `most` problems is added to every share
    of errors.

    Args:
        all_axes: the panels.
        what: is shown, in words.
        shares: all that is shown, in [0, 1].
        lows: the lower ends of their intervals.
        most: problems of a point, at most.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    percent = FuncFormatter(lambda share, _: f"{100 * share:.12g}%")
    if not shares or min(shares) < _HIGH:
        lowest = min(*shares, *lows, 1.0) if shares else 0.0
        bottom = floor(10 * lowest) / 10 if lowest > 0.5 else 0.0
        for axes in all_axes:
            axes.set_ylim(bottom - 0.03 * (1 - bottom), 1 + 0.03 * (1 - bottom))
            axes.yaxis.set_major_formatter(percent)
            axes.set_ylabel(what, color=INK, fontsize=9)
        return
    least = min([1 / most, *(1 - share for share in shares if share < 1)]) / 2
    forward, inverse = stretch(least)
    bottom = inverse(forward(min(*shares, *lows, 1 - 8 * least)) - 0.1)
    for axes in all_axes:
        axes.set_yscale("function", functions=(forward, inverse))
        axes.yaxis.set_major_locator(FixedLocator(list(_ticks(float(bottom), least))))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(percent)
        axes.set_ylim(float(bottom), float(inverse(forward(1.0) + 0.1)))
        axes.set_ylabel(f"{what}\n(stretched towards 100%)", color=INK, fontsize=9)


def stretch(least: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The stretched axis and its inverse: y = -log10(1 - share + least), finite at a share of 1."""
    import numpy as np

    def forward(share: Any) -> Any:
        return -np.log10(np.maximum(1 + least - np.asarray(share, float), 1e-300))

    def inverse(y: Any) -> Any:
        return 1 + least - 10.0 ** -np.asarray(y, float)

    return forward, inverse


def _ticks(bottom: float, least: float) -> Iterator[float]:
    """100%, and 90%, 99%, 99.9% as far as problems can tell; with 80%, 95% and 98% where the axis is short."""
    decades = log10((1 - bottom) / least)
    for exponent in range(ceil(-log10(least)) + 1):
        for part in (1.0, 0.5, 0.2) if decades < 2.5 else (1.0,):
            errors = part * 10.0**-exponent
            if 1.9 * least < errors <= 1 - bottom:
                yield 1 - errors
    yield 1.0


def number_axis(axes: Axes, values: Iterable[int]) -> None:
    """The x axis for these whole numbers: ticks at round ones, or at some of them where they span a factor of thirty
    and the axis is logarithmic.
    """
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    ordered = sorted(set(values))
    low, high = ordered[0], ordered[-1]
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if low <= 0 or high < 30 * low or len(ordered) > (high - low) / 2:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        margin = 0.06 * ((high - low) or 1)
        axes.set_xlim(low - margin, high + margin)
        return
    axes.set_xscale("log")
    kept = ordered[-1:]
    for value in reversed(ordered):
        if log10(kept[-1] / value) >= log10(high / low) / 12:
            kept.append(value)
    axes.xaxis.set_major_locator(FixedLocator(kept[::-1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlim(low * (low / high) ** 0.06, high * (high / low) ** 0.06)
