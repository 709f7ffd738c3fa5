"""Tables on a screen: nothing is cut, words stay whole, and elsewhere there is plain text."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from calcgpt.cli.tables import show_line, show_shared, show_table
from calcgpt.runtime.table import Cell, Column, Table

WORDS = "notation.reverse false, num_layers 1, max_steps 300, learning_rate 0.001"


def models(names: int = 3) -> Table:
    columns = [Column("model"), Column("settings that differ", wraps=True), Column("exact match", numeric=True)]
    table = Table("models", [*columns, Column("parameters", numeric=True)])
    for index in range(names):
        table.add(f"a-model-with-quite-a-long-name-{index}", WORDS, Cell(0.5, "50.00%", "bad"), 26464)
    return table


def shown(table: Table, width: int, terminal: bool = True, colours: bool = False) -> str:
    file = io.StringIO()
    system = "truecolor" if colours else None
    show_table(Console(file=file, width=width, force_terminal=terminal, color_system=system, highlight=False), table)
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_in_any_width_nothing_is_cut_and_no_word_is_broken(width: int) -> None:
    text = shown(models(), width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for index in range(3):
        assert f"a-model-with-quite-a-long-name-{index}" in text
    for word in (*WORDS.split(), "50.00%", "26,464"):
        assert text.count(word) >= 3


def test_it_is_drawn_where_it_fits_and_has_lines_below_where_it_does_not() -> None:
    assert "┃ settings that differ" in shown(models(), 200)
    assert "┃" not in shown(models(), 110) and "settings that differ:" not in shown(models(), 110)
    assert "    settings that differ: notation.reverse false" in shown(models(), 70)
    assert "    parameters: 26,464" in shown(models(), 45)


def test_in_a_pipe_a_row_is_a_line_whatever_the_width() -> None:
    text = shown(models(), 20, terminal=False)
    assert text == f"models\n{models()}\n" and len(text.splitlines()) == 5


def test_a_table_without_rows_or_headings() -> None:
    assert "model" in shown(models(0), 80)
    bare = Table("", [Column(""), Column("", numeric=True)])
    bare.add("lines", 12)
    bare.add("  +", 3)
    assert [line.rstrip() for line in shown(bare, 80).splitlines()] == ["lines  12", "  +     3"]


def test_summary_rows_stand_apart() -> None:
    table = Table("", [Column("seed"), Column("loss", numeric=True)])
    table.add(1, 0.5)
    table.add_foot("mean", 0.5)
    lines = shown(table, 80).splitlines()
    assert lines[4].startswith("├") and "mean" in lines[5]


def test_colour_is_beside_the_text() -> None:
    coloured = shown(models(), 200, colours=True)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert re.search(r"\x1b\[31m *50\.00%", coloured) and plain == shown(models(), 200)


def test_nothing_moves_the_cursor() -> None:
    table = Table("\x1b[2J", [Column("a\x1b[2J")])
    table.add("b\x1b[2J[red]:smile:")
    for terminal in (True, False):
        text = shown(table, 80, terminal)
        assert "\x1b[2J" not in text and "b\\x1b[2J[red]:smile:" in text


def test_lines_break_between_words_in_a_terminal_only() -> None:
    for terminal, most in ((True, 30), (False, 1000)):
        file = io.StringIO()
        console = Console(file=file, width=30, force_terminal=terminal, color_system=None, highlight=False)
        show_line(console, WORDS, "warning")
        show_shared(console, {"version": "1", "date": "–"})
        show_shared(console, {})
        *lines, shared = file.getvalue().splitlines()
        assert shared == "all of them: version 1"
        assert [word for line in lines for word in line.split()] == WORDS.split()
        assert max(map(len, lines)) <= most and (len(lines) > 1) == terminal
