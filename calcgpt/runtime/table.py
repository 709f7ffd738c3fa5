"""One table for every output: plain text, HTML, CSV and records all come from the same cells."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from calcgpt.runtime.figures import NOTHING

Value = str | int | float | bool | None
Tone = Literal["", "good", "bad", "warning", "muted"]


@dataclass(frozen=True)
class Cell:
    """One value, as programs read it and as people do.

    value: what CSV and `records` hold. text: what people see; None derives it from the value. tone: what the value
    means to a reader; shown as a colour, so the text must say it too.
    """

    value: Value
    text: str | None = None
    tone: Tone = ""

    def __str__(self) -> str:
        return visible(_text_of(self.value) if self.text is None else self.text)


@dataclass(frozen=True)
class Column:
    """A column.

    title: its heading. numeric: whether it holds numbers, which are aligned to the right. name: its name in CSV and
    `records`; None for the title. wraps: whether a narrow terminal may break its cells, between words.
    """

    title: str
    numeric: bool = False
    name: str | None = None
    wraps: bool = False

    @property
    def key(self) -> str:
        """Its name for programs."""
        return self.title if self.name is None else self.name

    def __str__(self) -> str:
        return visible(self.title)


@dataclass
class Table:
    """A titled table; its first column names the rows.

    Without any column title it is shown without a heading. `foot` holds summary rows (a mean, a total), which are
    shown below the others and are in no CSV.
    """

    title: str
    columns: Sequence[Column]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)
    foot: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell | Value) -> None:
        """Add a row: a cell or a bare value for each column."""
        self.rows.append(self._row(cells))

    def add_foot(self, *cells: Cell | Value) -> None:
        """Add a summary row."""
        self.foot.append(self._row(cells))

    def _row(self, cells: tuple[Cell | Value, ...]) -> tuple[Cell, ...]:
        assert len(cells) == len(self.columns), f"{len(cells)} cells for {len(self.columns)} columns"
        return tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)

    @property
    def has_heading(self) -> bool:
        """Whether any column has a title."""
        return any(column.title for column in self.columns)

    def without_shared(self) -> tuple[Table, dict[str, str]]:
        """The table without the columns in which all of several rows agree, and what they agree on, by title.

        The first column stays, and a single row agrees on nothing.
        """
        shared = {}
        for index, column in enumerate(self.columns):
            texts = {str(row[index]) for row in self.rows}
            if index and len(self.rows) > 1 and len(texts) == 1:
                shared[column.title] = texts.pop()
        kept = [index for index, column in enumerate(self.columns) if column.title not in shared]
        rows, foot = ([tuple(row[index] for index in kept) for row in part] for part in (self.rows, self.foot))
        return Table(self.title, [self.columns[index] for index in kept], rows, foot), shared

    def records(self) -> list[dict[str, Value]]:
        """A dict of raw values for each row, as JSON and pandas take them."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, (cell.value for cell in row), strict=True)) for row in self.rows]

    def to_csv(self) -> str:
        """The raw values as CSV, with a heading; None is an empty field."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows([cell.value for cell in row] for row in self.rows)
        return text.getvalue()

    def to_text(self) -> str:
        """Aligned columns with two spaces between them; no line is wrapped and no cell is cut."""
        lines = [[str(column) for column in self.columns]] if self.has_heading else []
        lines += [[str(cell) for cell in row] for row in (*self.rows, *self.foot)]
        widths = [max(map(text_width, column)) for column in zip(*lines, strict=True)]
        return "\n".join(self._aligned(line, widths) for line in lines)

    def _aligned(self, texts: Sequence[str], widths: Sequence[int]) -> str:
        cells = []
        for column, text, width in zip(self.columns, texts, widths, strict=True):
            space = " " * (width - text_width(text))
            cells.append(space + text if column.numeric else text + space)
        return "  ".join(cells).rstrip()

    def to_html(self) -> str:
        """A `table` element of class `calcgpt-table`: everything escaped, and no style of its own.

        Cells of numeric columns have the class `numeric`, cells with a tone the tone's name.
        """
        parts = ['<table class="calcgpt-table">']
        if self.title:
            parts.append(f"<caption>{escape(visible(self.title))}</caption>")
        if self.has_heading:
            titles = (f'<th scope="col"{_classes(column)}>{escape(str(column))}</th>' for column in self.columns)
            parts.append(f"<thead><tr>{''.join(titles)}</tr></thead>")
        for element, rows in (("tbody", self.rows), ("tfoot", self.foot)):
            if rows:
                parts += [f"<{element}>", *self._html_rows(rows), f"</{element}>"]
        return "\n".join([*parts, "</table>"])

    def _html_rows(self, rows: Iterable[tuple[Cell, ...]]) -> Iterator[str]:
        for row in rows:
            first, *others = zip(self.columns, row, strict=True)
            cells = [f'<th scope="row"{_classes(*first)}>{escape(str(first[1]))}</th>']
            cells += [f"<td{_classes(column, cell)}>{escape(str(cell))}</td>" for column, cell in others]
            yield f"<tr>{''.join(cells)}</tr>"

    def __str__(self) -> str:
        return self.to_text()

    def __html__(self) -> str:  # jinja2 and markupsafe take this unescaped
        return self.to_html()

    def _repr_html_(self) -> str:
        return self.to_html()


def visible(text: str) -> str:
    """A text with control characters and the like as codes: they could move a cursor, or hide what follows.

    >>> visible("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def text_width(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _text_of(value: Value) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else value


def _classes(column: Column, cell: Cell | None = None) -> str:
    names = [*(["numeric"] if column.numeric else []), *([cell.tone] if cell and cell.tone else [])]
    return f' class="{" ".join(names)}"' if names else ""
