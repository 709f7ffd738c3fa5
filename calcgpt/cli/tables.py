"""Tables on standard output: drawn in a terminal, plain text that is never wrapped elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Drawn
from rich.text import Text

from calcgpt.runtime.figures import NOTHING
from calcgpt.runtime.table import Cell, Table, Tone, text_width, visible

_STYLES = {"": "", "good": "green", "bad": "red", "warning": "yellow", "muted": "dim"}
_NARROW = 20  # characters, below which a cell that breaks is hard to read


def show_line(console: Console, text: str, tone: Tone = "") -> None:
    """Show a line: in a terminal it breaks between words, elsewhere not at all."""
    console.print(Text(visible(text), style=_STYLES[tone]), soft_wrap=not console.is_terminal)


def show_shared(console: Console, shared: Mapping[str, str]) -> None:
    """Show what all rows of a table have in common, where there is anything."""
    if told := ", ".join(f"{title} {text}" for title, text in shared.items() if text != NOTHING):
        show_line(console, f"all of them: {told}", "muted")


def show_table(console: Console, table: Table) -> None:
    """Show a table. In a terminal cells break between words only, and only in columns that say so. Where that is too
    wide, those columns become lines below each row; where the others are still too wide, so do these.
    """
    if not console.is_terminal:  # for grep, cut and files
        console.out(*([visible(table.title)] if table.title else []), str(table), sep="\n", highlight=False)
        return
    if table.title:
        console.print(Text(visible(table.title), style="bold"))
    room, count = console.width, len(table.columns)
    widths = _widths(table, room - 3 * count - 1, whole=True)
    if widths and table.has_heading:
        console.print(_drawn(table, widths, {"box": box.HEAVY_HEAD}))
    elif widths := _widths(table, room - 2 * count + 2, whole=False):
        light = {"box": box.SIMPLE_HEAD, "show_edge": False, "pad_edge": False, "padding": (0, 1, 0, 0)}
        console.print(_drawn(table, widths, light))
    else:
        _show_details(console, table)


def _widths(table: Table, room: int, whole: bool) -> list[int] | None:
    """The width of each column, so that all fit into the room; None where they cannot. `whole`: no cell and no heading
    breaks."""
    natural, least = [], []
    for index, column in enumerate(table.columns):
        texts = [str(row[index]) for row in (*table.rows, *table.foot)]
        longest = max(map(text_width, texts), default=0)
        heading = text_width(str(column)) if whole else _longest_word([str(column)])
        natural.append(max(longest, heading))
        words = max(heading, _longest_word(texts), min(longest, _NARROW))
        least.append(words if column.wraps and not whole else natural[-1])
    widths = natural
    while sum(widths) > room:
        at = max(range(len(widths)), key=lambda index: (widths[index] > least[index], widths[index]))
        if widths[at] <= least[at]:
            return None
        widths[at] -= 1
    spare = room - sum(widths)
    for index, column in enumerate(table.columns):  # headings on one line, where there is room
        more = max(0, text_width(str(column)) - widths[index])
        if more <= spare:
            widths[index], spare = widths[index] + more, spare - more
    return widths


def _longest_word(texts: Sequence[str]) -> int:
    return max((text_width(word) for text in texts for word in text.split()), default=0)


def _drawn(table: Table, widths: Sequence[int], look: Mapping[str, Any]) -> Drawn:
    drawn = Drawn(show_header=table.has_heading, **look)
    for column, width in zip(table.columns, widths, strict=True):
        drawn.add_column(Text(str(column)), justify="right" if column.numeric else "left", width=width)
    for row in table.rows:
        drawn.add_row(*map(_text, row))
    if table.foot:
        drawn.add_section()
    for row in table.foot:
        drawn.add_row(*map(_text, row))
    return drawn


def _text(cell: Cell) -> Text:
    return Text(str(cell), style=_STYLES[cell.tone])


def _show_details(console: Console, table: Table) -> None:
    """Each row on a line, and below it a line for each cell that may break; the first column alone where more is too
    wide.
    """
    inline = [index for index, column in enumerate(table.columns) if not column.wraps or not index]
    brief = Table("", [table.columns[index] for index in inline])
    brief.rows = [tuple(row[index] for index in inline) for row in (*table.rows, *table.foot)]
    widths = _widths(brief, console.width - 2 * len(inline) + 2, whole=True)
    if widths is None:
        inline, widths = [0], [0]
    else:
        titles = [Cell(str(table.columns[index])) for index in inline]
        heading = _line(table, inline, titles, widths)
        heading.stylize("bold")
        console.print(heading)
    for row in (*table.rows, *table.foot):
        console.print(_line(table, inline, [row[index] for index in inline], widths), soft_wrap=True)
        for index, column in enumerate(table.columns):
            if index not in inline and str(row[index]) != NOTHING:
                detail = Text.assemble((f"{column}: ", "dim"), _text(row[index]))
                console.print(Padding(detail, (0, 0, 0, 4)))


def _line(table: Table, indexes: Sequence[int], cells: Sequence[Cell], widths: Sequence[int]) -> Text:
    line = Text()
    for at, (index, cell, width) in enumerate(zip(indexes, cells, widths, strict=True)):
        space = " " * (width - text_width(str(cell)))
        line.append("  " if at else "")
        numeric = table.columns[index].numeric
        line.append(space if numeric else "").append_text(_text(cell)).append("" if numeric else space)
    return line
