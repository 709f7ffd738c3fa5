"""Pages of HTML: templates with one style sheet, plots as inline SVG, and a page that a notebook can show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from calcgpt import __version__
from calcgpt.evaluation.plots import inline_svg
from calcgpt.runtime.table import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INTERVALS = "bands and bars are 95% intervals of drawn problems, or of several seeds their range."
CAPTIONS: Mapping[str, str] = {
    "length-grid": "Exact match by the number of digits of the first and the second operand.",
    "by-length": f"Exact match by length; {_INTERVALS}",
    "by-place": "Right digits by digit position, from the units upwards, of the answers that can be read.",
    "by-carry": f"Exact match by the longest chain of carries or borrows in a problem; {_INTERVALS}",
    "calibration": "How often answers are right, by how sure the model is. On the dashed line it is right as often "
    "as it says; below, how many problems there are of each.",
    "training": "Losses and exact match on held-out problems, by step of the training.",
    "learning-order": "When each digit of the answer was learnt, on held-out problems.",
}
_WIDE = 10.0  # inches; a wider figure has a row of the page for itself
# A page in a notebook has a document of its own, so that neither's styles reach the other. It grows with what is
# folded out; `base` keeps links within the page inside the frame.
_FRAME = Markup(
    '<iframe srcdoc="{}" title="{}" style="width:100%;height:40rem;border:0" onload="const frame=this,'
    "root=frame.contentDocument.documentElement;new ResizeObserver(()=>{{frame.style.height=root.offsetHeight+'px'}})"
    '.observe(root)"></iframe>'
)


class Page(str):
    """A whole page of HTML: text, which a notebook shows as the page.

    Write it to a file as any text; as the last line of a notebook's cell it is shown in a frame of its own.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        title = re.search(r"<title>(.*?)</title>", self)
        inside = self.replace("<head>", '<head>\n<base href="about:srcdoc">', 1)
        return str(_FRAME.format(str(inside), Markup(title[1]) if title else "CalcGPT"))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # the text beside it in a notebook's file
        printer.text(f"<page of {len(self):,} characters>")


def render(template: str, **values: Any) -> Page:
    """A page from a template of this package; whatever is put in is escaped."""
    return Page(_environment().get_template(template).render(values, version=__version__))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("calcgpt.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """What a template puts in: HTML of ours as it is, anything else as text without invisible characters."""
    return value if hasattr(value, "__html__") else visible(str(value))


def figures(plots: Mapping[str, Figure]) -> Iterator[dict[str, Any]]:
    """Each plot with its caption, as a template shows it."""
    for name, plot in plots.items():
        caption = CAPTIONS.get(name, name)
        svg = re.sub(r"<style.*?</style>", "", inline_svg(plot, name, caption), flags=re.DOTALL)  # the page has its own
        yield {"name": name, "caption": caption, "wide": plot.get_figwidth() > _WIDE, "svg": Markup(svg)}
