"""Where tokens stand: as many places as tokens, from the shape alone, and digits of one worth in one column."""

from __future__ import annotations

import doctest
import random
from collections.abc import Sequence

import numpy as np
import pytest

from calcgpt.arithmetic import cells as module
from calcgpt.arithmetic.cells import AXES, COLUMN, FAR, LOCAL, PASS, ROW, SEGMENTS, Cells, lay_out
from calcgpt.arithmetic.columns import ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.traces import template, write, write_prompts

SHAPES = [
    *(Shape(symbol, (width, width)) for symbol in "+-" for width in (1, 2, 7, 30)),
    *(Shape("+", written_widths("+", (width,) * operands)) for width, operands in ((1, 3), (5, 4), (2, 11))),
    *(Shape(symbol, widths) for symbol in ("*", "//", "%") for widths in ((1, 1), (5, 2), (2, 5), (8, 8))),
]
SIGNED = [Shape(symbol, widths, True) for symbol in "+-" for widths in ((1, 1), (6, 6))]
SIGNED += [Shape(symbol, widths, True) for symbol in ("*", "//", "%") for widths in ((1, 1), (4, 2), (2, 4))]


def name(shape: Shape) -> str:
    return f"{shape.symbol} {'x'.join(map(str, shape.widths))}{' signed' if shape.signed else ''}"


every_shape = pytest.mark.parametrize("shape", [*SHAPES, *SIGNED], ids=name)


def operands_of(shape: Shape, seed: int) -> tuple[int, ...]:
    """Random ones, of a sum so small that the last column stays free."""
    rng, spare = random.Random(seed), len(str(len(shape.widths))) if len(shape.widths) > 2 else 0
    values = tuple(rng.randrange(1, 10 ** (width - spare)) for width in shape.widths)
    return tuple(rng.choice((1, -1)) * value for value in values) if shape.signed else values


def text_of(shape: Shape, operands: Sequence[int]) -> str:
    problems = ColumnProblems.from_operands(shape.symbol, [operands], shape.widths, shape.signed)
    return bytes(np.concatenate([write_prompts(problems), write(problems)], 1)[0]).decode("ascii")


def digit(value: int, place: int) -> int:
    return value // 10**place % 10


def segment_of(cells: Cells, token: int) -> str:
    return SEGMENTS[cells.segments[token]]


@every_shape
def test_every_token_and_the_end_has_a_cell(shape: Shape) -> None:
    cells, text = lay_out(shape), text_of(shape, operands_of(shape, 0))
    assert cells.prompt == text.index("=") + 1
    assert len(cells.ids) == cells.prompt + len(template(shape)) + 1 == len(text) + 1
    assert cells.ids.shape == cells.anywhere.shape == (len(text) + 1, len(AXES))
    assert cells.segments.shape == cells.places.shape == (len(text) + 1,)
    ends = cells.segments == SEGMENTS.index("end")
    assert ends.nonzero()[0].tolist() == [len(text)], "one token ends it, the last"


@every_shape
def test_cells_follow_from_the_shape_alone(shape: Shape) -> None:
    """Other digits, the same cells: what is laid out anew for them is what is kept."""
    one, other = operands_of(shape, 1), operands_of(shape, 2)
    found = [
        lay_out.__wrapped__(ColumnProblems.from_operands(shape.symbol, [row], shape.widths, shape.signed).shape)
        for row in (one, other, (1,) * len(shape.widths))
    ]
    for cells in found:
        for name in ("ids", "anywhere", "segments", "places"):
            assert (getattr(cells, name) == getattr(lay_out(shape), name)).all(), name
        assert cells.prompt == lay_out(shape).prompt


@every_shape
def test_what_is_anywhere_and_what_has_a_place(shape: Shape) -> None:
    cells, text = lay_out(shape), text_of(shape, operands_of(shape, 3)) + "$"
    for token, character in enumerate(text):
        if segment_of(cells, token) in ("mark", "end"):
            many = len(shape.widths) > 2 and segment_of(cells, token) == "mark"  # of ever more operands, in its row
            axes = [axis for axis in range(len(AXES)) if not (many and axis == ROW)]
            assert not character.isdigit() and cells.anywhere[token][axes].all() and cells.places[token] == 0
            assert cells.anywhere[token, ROW] != many
        else:
            assert character.isdigit() or segment_of(cells, token) in ("sign", "operand's sign", "kind", "rounding")
            assert (cells.places[token] > 0) == character.isdigit()
    stands = cells.ids.copy()
    if shape.signed:  # the last rows of a division are of no number that is used in every row
        stands[np.isin(cells.segments, [SEGMENTS.index(each) for each in ("carry", "rounded quotient")]), LOCAL] = 0
    assert (stands[~cells.anywhere] >= 0).all(), "what is seen from one place alone stands on the paper"
    assert ((cells.ids >= 0) | (cells.ids == FAR)).all()


@every_shape
def test_the_digits_of_operands_stand_in_the_columns_of_their_worth(shape: Shape) -> None:
    operands = operands_of(shape, 4)
    cells, text = lay_out(shape), text_of(shape, operands)
    axes = {"*": (LOCAL, ROW), "//": (COLUMN, LOCAL), "%": (COLUMN, LOCAL)}.get(shape.symbol, (COLUMN,) * len(operands))
    token = 0
    for value, width, axis in zip(operands, shape.widths, axes, strict=True):
        if shape.signed:
            assert segment_of(cells, token) == "operand's sign" and text[token] == ("-" if value < 0 else "+")
            token += 1
        for _ in range(width):
            place = int(cells.ids[token, axis])
            assert int(text[token]) == digit(abs(value), place) and not cells.anywhere[token, axis]
            assert cells.places[token] == place + 1
            token += 1
        token += len(shape.symbol)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.symbol in "+-"], ids=name)
def test_the_written_digits_share_the_columns_of_the_operands(shape: Shape) -> None:
    operands = operands_of(shape, 5)
    cells, text = lay_out(shape), text_of(shape, operands)
    row = 0
    for token in range(cells.prompt, len(text)):
        column, segment = int(cells.ids[token, COLUMN]), segment_of(cells, token)
        if segment == "sign":
            continue
        if segment == "running sum":
            row = int(cells.ids[token, ROW])
            value = sum(operands[: row + 1])
        elif segment == "difference":
            value = (operands[0] - operands[1]) % 10 ** shape.widths[0]
        else:
            assert segment == {"+": "answer", "-": "magnitude"}[shape.symbol]
            value = sum(operands) if shape.symbol == "+" else abs(operands[0] - operands[1])
        assert int(text[token]) == digit(value, column) and cells.places[token] == column + 1
    assert row == (len(operands) - 1 if len(operands) > 2 else 0)
    units = [t for t in range(len(text)) if cells.ids[t, COLUMN] == 0 and not cells.anywhere[t, COLUMN]]
    rows = len(operands) if len(operands) > 2 else 1 if shape.symbol == "+" else 2
    assert len(units) == len(operands) + rows, "the units of every number share column 0"


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.symbol == "*"], ids=name)
def test_the_columns_and_rows_of_a_product(shape: Shape) -> None:
    a, b = operands_of(shape, 6)
    cells, text = lay_out(shape), text_of(shape, (a, b))
    seen = set()
    for token in range(cells.prompt, len(text)):
        column, local, row = (int(cells.ids[token, axis]) for axis in (COLUMN, LOCAL, ROW))
        segment = segment_of(cells, token)
        worth = a * (b % 10 ** (row + 1))  # what the rows so far make of a
        if segment == "row digit":
            assert int(text[token]) == digit(b, row) and cells.anywhere[token, COLUMN] and cells.anywhere[token, LOCAL]
            continue
        assert column == row + local and cells.anywhere[token, LOCAL] and not cells.anywhere[token, COLUMN]
        expected = digit(a * digit(b, row), local) if segment == "product" else digit(worth, column)
        assert segment in ("product", "running sum") and int(text[token]) == expected
        seen.add((segment, row, local))
    assert len(seen) == 2 * shape.widths[1] * (shape.widths[0] + 1)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.symbol in ("//", "%")], ids=name)
def test_the_columns_rows_and_passes_of_a_division(shape: Shape) -> None:
    a, b = operands_of(shape, 7)
    cells, text = lay_out(shape), text_of(shape, (a, b))
    left = shape.widths[0]
    first = cells.ids[:left]
    assert first[:, ROW].tolist() == [5 * step for step in range(left)], "a digit is asked for where it is brought down"
    rows = set()
    for token in range(left + len(shape.symbol), len(text)):
        column, local, row, which = (int(place) for place in cells.ids[token])
        segment = segment_of(cells, token)
        if segment == "second operand":
            assert which == 1 and cells.anywhere[token, ROW]
        elif segment == "multiple":
            assert int(text[token]) == digit(2 ** (which - 1) * b, local) and cells.anywhere[token, ROW]
        elif segment != "mark":
            step, index = divmod(row, 5)
            rows.add(row)
            assert which == (4 - index if index < 4 else 1) and not cells.anywhere[token, ROW]
            if segment == "remainder":
                rest = a // 10 ** (left - 1 - step) % b
                assert index == 4 and int(text[token]) == digit(rest, local)
            if segment in ("sign", "quotient"):
                assert cells.anywhere[token, [COLUMN, LOCAL, PASS]].all()
            else:
                assert column == left - 1 - step + local and not cells.anywhere[token, COLUMN]
                assert segment == f"pass {(8, 4, 2, 1)[index]}" if index < 4 else segment == "remainder"
            if segment == "quotient" and index == 3:
                assert int(text[token]) == digit(a // b, cells.places[token] - 1)
    assert rows == set(range(5 * left))


@pytest.mark.parametrize("shape", [shape for shape in SIGNED if shape.symbol in "+-"], ids=name)
def test_the_columns_of_a_sum_with_signs(shape: Shape) -> None:
    a, b = operands_of(shape, 8)
    cells, text = lay_out(shape), text_of(shape, (a, b))
    value, width = (a + b if shape.symbol == "+" else a - b), shape.widths[0]
    left = abs(a) + abs(b) if text[cells.prompt] == "+" else (abs(a) - abs(b)) % 10 ** (width + 1)
    counts = dict.fromkeys(("kind", "difference", "sign", "magnitude"), 0)
    for token in range(cells.prompt, len(text)):
        segment, column = segment_of(cells, token), int(cells.ids[token, COLUMN])
        counts[segment] += 1
        if segment in ("difference", "magnitude"):
            expected = digit(left if segment == "difference" else abs(value), column)
            assert int(text[token]) == expected and not cells.anywhere[token, COLUMN]
    assert counts == {"kind": 1, "difference": width + 1, "sign": 1, "magnitude": width + 1}


@pytest.mark.parametrize("shape", [shape for shape in SIGNED if shape.symbol in ("//", "%")], ids=name)
def test_the_columns_of_what_rounds_a_division(shape: Shape) -> None:
    a, b = operands_of(shape, 9)
    cells, text = lay_out(shape), text_of(shape, (a, b))
    quotient, rest = abs(a // b), abs(a) % abs(b)
    rounds = int(quotient != abs(a) // abs(b))
    seen = dict.fromkeys(("something left", "rounded remainder", "carry", "rounded quotient"), 0)
    for token in range(cells.prompt, len(text)):
        segment, column = segment_of(cells, token), int(cells.ids[token, COLUMN])
        if segment not in seen:
            continue
        seen[segment] += 1
        expected = {
            "something left": int(rest % 10 ** (column + 1) > 0),
            "rounded remainder": digit(abs(a % b), column),
            "carry": int(bool(rounds) and abs(a) // abs(b) % 10**column == 10**column - 1),
            "rounded quotient": digit(quotient, column),
        }
        assert int(text[token]) == expected[segment] and not cells.anywhere[token, COLUMN]
    left, right = shape.widths
    assert list(seen.values()) == [right + 1, right + 1, left, left]


def test_every_segment_is_used() -> None:
    used = set(np.concatenate([lay_out(shape).segments for shape in [*SHAPES, *SIGNED]]).tolist())
    assert used == set(range(len(SEGMENTS)))


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
