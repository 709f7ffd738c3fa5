"""One table: what people see, and what programs read, come from the same cells."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.runtime.table import Cell, Column, Table, text_width, visible


def scores() -> Table:
    table = Table("Scores", [Column("model", name="name"), Column("exact match", numeric=True, name="exact_match")])
    table.add("one", Cell(1.0, "100%", "good"))
    table.add("two <b>", Cell(0.5, "50.00%", "bad"))
    table.add("three", None)
    table.add_foot("mean", Cell(0.75, "75.00%"))
    return table


def test_plain_text_is_aligned_and_never_wrapped() -> None:
    assert str(scores()).splitlines() == [
        "model    exact match",
        "one             100%",
        "two <b>       50.00%",
        "three              –",
        "mean          75.00%",
    ]
    long = Table("", [Column("model"), Column("n", numeric=True)])
    long.add("x" * 500, 1)
    assert ["x" * 500 in line for line in str(long).splitlines()] == [False, True]


def test_values_without_a_text_of_their_own() -> None:
    table = Table("", [Column("a"), Column("b"), Column("c"), Column("d")])
    table.add(1234567, 0.123456, True, None)
    assert str(table).splitlines()[1].split() == ["1,234,567", "0.1235", "yes", "–"]


def test_csv_and_records_hold_the_raw_values() -> None:
    assert scores().to_csv() == "name,exact_match\none,1.0\ntwo <b>,0.5\nthree,\n"
    assert scores().records()[1:] == [
        {"name": "two <b>", "exact_match": 0.5},
        {"name": "three", "exact_match": None},
    ]


class Read(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += [data.strip()] if data.strip() else []


def test_html_has_headings_classes_and_no_style() -> None:
    table = scores()
    read = Read(table.to_html())
    assert table._repr_html_() == table.__html__() == table.to_html()
    tags = [tag for tag, _ in read.elements]
    assert tags[:3] == ["table", "caption", "thead"] and {"tbody", "tfoot"} < set(tags)
    assert [attrs["scope"] for tag, attrs in read.elements if tag == "th"] == ["col", "col", *["row"] * 4]
    classes = [attrs.get("class") for tag, attrs in read.elements if tag == "td"]
    assert classes == ["numeric good", "numeric bad", "numeric", "numeric"]
    assert "two <b>" in read.text and "b" not in tags
    assert all("style" not in attrs for _, attrs in read.elements)


@given(st.text())
def test_any_text_is_escaped_shown_on_one_line_and_read_back(text: str) -> None:
    table = Table(text, [Column(f"a{text}"), Column(text, name="raw")])
    table.add(text, text)
    read = Read(table.to_html())
    assert {tag for tag, _ in read.elements} <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert len(str(table).split("\n")) == 2 and str(table).replace("\n", "").isprintable()
    if "\r" not in text:  # which older versions of csv leave unquoted
        rows = list(csv.reader(io.StringIO(table.to_csv(), newline=""), strict=True))
        assert rows == [[f"a{text}", "raw"], [text, text]]
    assert table.records() == [{f"a{text}": text, "raw": text}]


def test_a_table_without_titles_has_no_heading() -> None:
    table = Table("", [Column(""), Column("", numeric=True)])
    table.add("lines", 12)
    table.add("all lines", 3)
    assert str(table) == "lines      12\nall lines   3"
    assert "<thead>" not in table.to_html() and "<caption>" not in table.to_html()
    assert str(Table("", [Column("")])) == ""


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(AssertionError, match="1 cells for 2 columns"):
        scores().add("one")


def test_what_cannot_be_seen_is_a_code() -> None:
    assert visible("a\x1b[2J\nb\u202e") == "a\\x1b[2J\\nb\\u202e"
    assert visible("plain − text") == "plain − text"


def test_widths_are_those_of_a_terminal() -> None:
    assert [text_width(text) for text in ("abc", "–", "模型", "e\u0301")] == [3, 1, 4, 1]
