"""Pieces of an HTML page: escaped text, tables, and figures drawn into the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from calcgpt.evaluation.plots import inline_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTIONS: Mapping[str, str] = {
    "length-grid": "Exact match by the number of digits of the first and the second operand.",
    "by-length": "Exact match by length; bars and bands are 95% intervals of drawn problems, or the range of seeds.",
    "by-place": "How many digits of each place are right, from the units upwards, of the answers that can be read.",
    "by-carry": "Exact match by the longest chain of carries or borrows in a problem; bars and bands are 95% "
    "intervals of drawn problems, or the range of seeds.",
    "calibration": "How often answers are right, by how sure the model is. On the dashed line it is right as often "
    "as it says; below, how many problems there are of each.",
    "training": "Losses and exact match on held-out problems, by step of the training.",
    "learning-order": "When each place of the answer was learnt, on held-out problems.",
}
_WIDE = 7.5  # inches; a wider figure has a row of the page for itself


def text(value: object) -> str:
    """Anything as text of a page: escaped, and what cannot be seen (control characters and the like) as a code."""
    return escape("".join(map(_visible, str(value))))


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def code(value: object) -> str:
    """Anything as code of a page."""
    return f"<code>{text(value)}</code>"


def table(caption: str, titles: Sequence[str], rows: Iterable[Sequence[object]], words: int = 1) -> str:
    """A table in a box of its own that scrolls; the first `words` columns are words, the others figures."""
    kinds = [' class="text"' if column < words else "" for column in range(len(titles))]
    head = "".join(f'<th scope="col"{kind}>{text(title)}</th>' for kind, title in zip(kinds, titles, strict=True))
    body = []
    for row in rows:
        first, *others = (text(cell) for cell in row)
        cells = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds[1:], others, strict=True))
        body.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{cells}</tr>')
    return (
        f"<section>{scrolling(caption)}<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>\n"
        f"<tbody>{chr(10).join(body)}</tbody></table></div></section>"
    )


def scrolling(label: str) -> str:
    """The beginning of a box that scrolls sideways, by keyboard as well."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{text(label)}">'


def figures(plots: Mapping[str, Figure]) -> str:
    """All plots, each with its caption."""
    return '<div class="plots">\n' + "\n".join(_figure(name, plot) for name, plot in plots.items()) + "\n</div>"


def _figure(name: str, plot: Figure) -> str:
    caption = CAPTIONS.get(name, name)
    wide = ' class="wide"' if plot.get_figwidth() > _WIDE else ""
    return f"<figure{wide}>{inline_svg(plot, name, caption)}<figcaption>{text(caption)}</figcaption></figure>"
