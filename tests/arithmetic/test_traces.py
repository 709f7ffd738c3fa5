"""Written work has the form of its shape and reads back as the answer, damaged work does not; nothing is computed."""

from __future__ import annotations

import doctest
import operator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic import digits
from calcgpt.arithmetic import traces as module
from calcgpt.arithmetic.columns import SYMBOLS, ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.operations import OPERATIONS, Operation
from calcgpt.arithmetic.traces import (
    answer_places,
    characters,
    read,
    sign_place,
    split,
    template,
    write,
    write_prompts,
)

PYTHON = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod}
SHAPES = [
    *(Shape(symbol, (width, width)) for symbol in "+-" for width in (1, 2, 3, 7, 20, 45)),
    *(Shape("+", written_widths("+", (width,) * operands)) for width in (1, 4, 20) for operands in (3, 5, 12)),
    *(
        Shape(symbol, widths)
        for symbol in ("*", "//", "%")
        for widths in ((1, 1), (3, 1), (1, 3), (4, 4), (9, 6), (6, 20))
    ),
    *(Shape(symbol, (width, width), True) for symbol in "+-" for width in (1, 3, 20)),
    *(Shape(symbol, widths, True) for symbol in ("*", "//", "%") for widths in ((1, 1), (4, 2), (2, 4), (9, 6))),
]


def name(shape: Shape) -> str:
    return f"{shape.symbol} {'x'.join(map(str, shape.widths))}{' signed' if shape.signed else ''}"


every_shape = pytest.mark.parametrize("shape", SHAPES, ids=map(name, SHAPES))


SIGNS = ((1, -1), (-1, -1), (-1, 1), (1, 1))


def room(shape: Shape) -> list[int]:
    """How many digits each operand has: a sum of many is padded by more than it has."""
    spare = len(str(len(shape.widths))) if len(shape.widths) > 2 else 0
    return [width - spare for width in shape.widths]


def rows_of(shape: Shape, count: int = 60) -> list[tuple[int, ...]]:
    """Operands of a shape: the smallest and the largest of each, and random ones of every length."""
    rng = np.random.default_rng(len(template(shape)))
    least = [int(index == 1 and shape.symbol in ("//", "%")) for index in range(len(shape.widths))]
    ends = [(low, 10**width - 1) for low, width in zip(least, room(shape), strict=True)]
    rows = [tuple(pair[side] for pair in ends) for side in (0, 1)]
    rows += [(ends[0][side], ends[1][1 - side], *(high for _, high in ends[2:])) for side in (0, 1)]
    for _ in range(count):
        lengths = [int(rng.integers(1, width + 1)) for width in room(shape)]
        texts = ["".join(map(str, rng.integers(0, 10, length))) for length in lengths]
        rows.append(tuple(max(low, int(text)) for low, text in zip(least, texts, strict=True)))
    if shape.signed:
        rows = [
            tuple(value * sign for value, sign in zip(row, SIGNS[i % 4], strict=True)) for i, row in enumerate(rows)
        ]
    return rows


def problems_of(shape: Shape) -> ColumnProblems:
    return ColumnProblems.from_operands(shape.symbol, rows_of(shape), shape.widths, shape.signed)


def texts(rows: np.ndarray) -> list[str]:
    return [bytes(row).decode("ascii") for row in rows]


def answer(symbol: str, row: tuple[int, ...]) -> int:
    return sum(row) if len(row) > 2 else PYTHON[symbol](*row)


@every_shape
def test_work_has_the_form_of_its_shape(shape: Shape) -> None:
    for text in texts(write(problems_of(shape))):
        assert set(text) <= set("0123456789+-")
        assert "".join("0" if character.isdigit() else "+" for character in text) == template(shape)


@every_shape
def test_prompts_are_the_padded_operands(shape: Shape) -> None:
    def padded(value: int, width: int) -> str:
        return ("-" if value < 0 else "+") * shape.signed + str(abs(value)).zfill(width)

    expected = [shape.symbol.join(map(padded, row, shape.widths)) + "=" for row in rows_of(shape)]
    assert texts(write_prompts(problems_of(shape))) == expected


@every_shape
def test_what_is_written_is_read(shape: Shape) -> None:
    problems = problems_of(shape)
    numbers, readable = read(shape, write(problems))
    assert readable.all() and readable.shape == (len(problems),)
    assert numbers.texts() == [str(answer(shape.symbol, row)) for row in rows_of(shape)]
    assert numbers.equal(problems.solutions()).all()


@pytest.mark.parametrize("symbol", ["*", "//", "%"])
@pytest.mark.parametrize("widths", [(1, 1), (4, 2), (2, 4)])
def test_rows_for_people_hold_everything(symbol: str, widths: tuple[int, int]) -> None:
    shape = Shape(symbol, widths)
    for text in texts(write(problems_of(shape)))[:5]:
        rows = split(symbol, widths, text)
        assert "".join(rows).replace(" ", "") == text
        assert len(rows) == (2 * widths[1] if symbol == "*" else 3 + 5 * widths[0])


@every_shape
def test_damaged_work_is_unreadable(shape: Shape) -> None:
    good = write(problems_of(shape))[:1]
    form = template(shape)
    damaged = np.repeat(good, len(form), 0)
    for place, kind in enumerate(form):
        damaged[place, place] = ord("-" if kind == "0" else "7")
    numbers, readable = read(shape, damaged)
    assert not readable.any() and set(numbers.texts()) == {"0"}
    for code in (0, ord("/"), ord(":"), ord("="), ord(" "), 255):
        other = good.copy()
        other[0, len(form) // 2] = code
        assert not read(shape, other)[1].any()
    for wrong in (np.delete(good, len(form) // 2, 1), good[:, :-1], np.repeat(good, 2, 1), good[:, :0]):
        numbers, readable = read(shape, wrong)
        assert not readable.any() and len(readable) == len(wrong) and numbers.texts() == ["0"]


@every_shape
def test_good_and_damaged_work_side_by_side(shape: Shape) -> None:
    written = write(problems_of(shape))
    written[1::2, 0] = ord("x")
    numbers, readable = read(shape, written)
    assert readable.tolist() == [place % 2 == 0 for place in range(len(written))]
    expected = [str(answer(shape.symbol, row)) for row in rows_of(shape)]
    assert numbers.texts()[::2] == expected[::2]


def forbid(*_: Any) -> Any:
    pytest.fail("something was computed")


@pytest.fixture
def no_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Operation, "apply", forbid)
    for symbol, operation in OPERATIONS.items():
        monkeypatch.setitem(OPERATIONS, symbol, replace(operation, function=forbid))
    for name in ("add", "subtract", "multiply", "carried", "complement"):
        monkeypatch.setattr(digits, name, forbid)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_writing_and_solving_do_compute(symbol: str, request: pytest.FixtureRequest) -> None:
    """What `no_arithmetic` forbids is what arithmetic is done with."""
    problems = ColumnProblems.from_operands(symbol, [(12, 34)])
    request.getfixturevalue("no_arithmetic")
    for compute in (problems.solutions, lambda: write(problems)):
        with pytest.raises(pytest.fail.Exception, match="something was computed"):
            compute()


@every_shape
def test_the_answer_is_what_is_written_and_nothing_is_computed(shape: Shape, request: pytest.FixtureRequest) -> None:
    """Another digit in the answer is another number, by as much as its place is worth; another elsewhere is not."""
    rows = rows_of(shape)
    line = max(index for index, row in enumerate(rows) if answer(shape.symbol, row))
    written, row = write(problems_of(shape))[line : line + 1], rows[line]
    places = answer_places(shape).tolist()
    negative = answer(shape.symbol, row) < 0
    expected = {}
    for place, kind in enumerate(template(shape)):
        if kind == "0":
            worth = 10 ** places.index(place) if place in places else 0
            digit = int(chr(written[0, place]))
            by = ((digit + 1) % 10 - digit) * worth
            expected[place] = answer(shape.symbol, row) + (-by if negative else by)
    changed = np.repeat(written, len(expected), 0)
    for index, place in enumerate(expected):
        changed[index, place] = ord("0") + (changed[index, place] - ord("0") + 1) % 10
    request.getfixturevalue("no_arithmetic")
    numbers, readable = read(shape, changed)
    found = numbers.texts()
    assert readable.all() and found == [str(value) for value in expected.values()]
    assert len(set(found)) == len(places) + (len(places) < len(expected))


def test_a_sign_is_read_as_written() -> None:
    shape = Shape("-", (2, 2))
    completions = np.concatenate([characters(text) for text in ("83+83", "83-83", "00+21", "00-21")])
    assert read(shape, completions)[0].texts() == ["38", "-38", "12", "-12"]
    signs = np.concatenate([characters(text) for text in ("60214238+059+010-289-210", "60214238-059-010+289-210")])
    for symbol in ("//", "%"):
        numbers, readable = read(Shape(symbol, (1, 1)), signs)
        assert readable.all() and not numbers.negative.any(), "the sign of a row is not the answer's"


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.signed or shape.symbol == "-"], ids=name)
def test_the_other_sign_is_the_negative_of_the_answer(shape: Shape) -> None:
    written, place = write(problems_of(shape)), sign_place(shape)
    assert place is not None and template(shape)[place] == "+"
    written[:, place] = ord("+") + ord("-") - written[:, place]
    numbers, readable = read(shape, written)
    assert readable.all()
    assert numbers.texts() == [str(-answer(shape.symbol, row)) for row in rows_of(shape)]


def test_nothing_is_read_of_no_completions() -> None:
    shape = Shape("*", (3, 2))
    numbers, readable = read(shape, np.zeros((0, len(template(shape))), np.uint8))
    assert numbers.texts() == [] and readable.shape == (0,)


@every_shape
def test_an_answer_has_a_place_of_its_own_for_each_digit(shape: Shape) -> None:
    places, form = answer_places(shape).tolist(), template(shape)
    assert len(set(places)) == len(places) and all(form[place] == "0" for place in places)
    a, b = shape.widths[:2]
    total = a + 1 if len(shape.widths) == 2 else a
    expected = {"+": total, "-": total if shape.signed else a, "*": a + b, "//": a, "%": b + 1}
    assert len(places) == expected[shape.symbol]


def test_the_examples_of_the_docstrings() -> None:
    found = doctest.testmod(module)
    assert found.attempted > 8 and not found.failed


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("widths", [(1, 1), (3, 3), (5, 2), (2, 4), (4, 4, 4)])
@pytest.mark.parametrize("symbol", ["+", "-", "*", "//", "%"])
def test_the_length_of_a_completion_is_known_without_writing_it(
    symbol: str, widths: tuple[int, ...], signed: bool
) -> None:
    if (len(widths) == 2 or (symbol == "+" and not signed)) and (symbol not in "+-" or len(set(widths)) == 1):
        shape = Shape(symbol, widths, signed)
        assert module.length(shape) == len(template(shape))
