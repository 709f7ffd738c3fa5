"""A figure that displays itself: the style of every plot, PNG, and SVG for light and dark pages. Imports matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from calcgpt.evaluation.report_axes import INK

PAPER = "#ffffff"
_DARK_INK, _DARK_PAPER = "#e8e8e6", "#161616"
# matplotlib's defaults with these changes, whatever the caller's own settings are
_STYLE: Any = {
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    **{f"axes.{part}color": INK for part in ("edge", "label", "title")},
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.facecolor": PAPER,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.color": "#808080",  # seen on light and on dark paper
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "svg.fonttype": "none",  # words stay words
    "svg.hashsalt": "calcgpt",  # the same ids every time
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}
_THEME = f"""<style>
@media screen and (prefers-color-scheme: dark) {{
  .calcgpt-plot {{ color: {_DARK_INK}; }}
  .calcgpt-plot > .paper {{ fill: {_DARK_PAPER}; }}
}}
</style>
<rect class="paper" width="100%" height="100%" fill="{PAPER}"/>
"""
# Of a plot's two drawings on a page, the one that fits the screen is shown
_CHOICE = """<style>
.calcgpt-narrow { display: none !important; }
@media screen and (max-width: 48rem) {
  .calcgpt-wide { display: none !important; }
  .calcgpt-narrow { display: block !important; }
}
</style>
"""


@contextmanager
def styled() -> Iterator[None]:
    """The plots' style, for as long as the context lasts; also a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class Plot(Figure):
    """A matplotlib figure that a notebook shows where it is a cell's last line, without pyplot or a backend.

    `narrow` draws the same plot for a narrow page; None where it is narrow already.
    """

    narrow: Callable[[], Any] | None = None

    def _repr_png_(self) -> bytes:
        return drawn(self, "png")

    def _repr_svg_(self) -> str:
        return svg_text(self)


def drawn(figure: Figure, kind: str, paper: str = PAPER) -> bytes:
    """A figure as `png` or `svg` on paper of a colour, the same bytes every time: no date, no version."""
    empty = ("Date", "Creator", "Format", "Type") if kind == "svg" else ("Software",)
    metadata: Any = dict.fromkeys(empty)
    file = io.BytesIO()
    with styled():
        figure.savefig(file, format=kind, metadata=metadata, facecolor=paper, dpi=150)
    return file.getvalue()


def svg_text(figure: Figure, transparent: bool = False) -> str:
    """A figure as an SVG document; its words stay words.

    It has its own paper and ink for light and for dark screens, or with `transparent` what is around it.
    """
    svg = drawn(figure, "svg", "none").decode("utf-8")
    svg = svg[svg.index("<svg") :].strip().replace(INK, "currentColor")
    if transparent:
        return svg
    start, _, rest = svg.partition(">")
    size = "max-width: 100%; height: auto"
    return f'{start} class="calcgpt-plot" color="{INK}" style="{size}">{_THEME}{rest}'


def inline_svg(figure: Figure, name: str, label: str = "") -> str:
    """`plots.inline_svg`."""
    narrow = figure.narrow() if isinstance(figure, Plot) and figure.narrow is not None else None
    if narrow is None:
        return _element(figure, name, label, "calcgpt-plot")
    wide = _element(figure, name, label, "calcgpt-plot calcgpt-wide")
    return _CHOICE + wide + _element(narrow, f"{name}-narrow", label, "calcgpt-plot calcgpt-narrow")


def _element(figure: Figure, name: str, label: str, classes: str) -> str:
    from html import escape

    svg = svg_text(figure, transparent=True)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"| version="[^"]*"', "", svg)  # HTML knows them
    svg = re.sub(r' (?:width|height)="[0-9.]+pt"', "", svg, count=2)
    svg = re.sub(r'(\bid="|url\(#|href="#)', lambda match: f"{match[0]}{name}-", svg)
    size = f"width:100%;max-width:{96 * figure.get_figwidth():.0f}px;height:auto"
    said = f' role="img" aria-label="{escape(label)}"' if label else ""
    return svg.replace("<svg", f'<svg class="{classes}"{said} style="{size}"', 1)
