"""The rows of work, against the same work done with Python's integers, and by hand."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.columns import SYMBOLS, ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.traces import read, shown, split, write

PYTHON = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod}


def texts(rows: np.ndarray) -> list[str]:
    return [bytes(row).decode("ascii") for row in rows]


def units_first(value: int, width: int) -> str:
    return str(value).zfill(width)[::-1]


def worked(shape: Shape, row: tuple[int, ...]) -> str:
    """The definition, one problem at a time."""
    symbol, widths = shape.symbol, shape.widths
    if shape.signed:
        return signed_work(symbol, *row, *widths)
    if symbol == "+":
        if len(row) == 2:
            return units_first(sum(row), widths[0] + 1)
        return "".join(units_first(sum(row[:count]), widths[0]) for count in range(1, len(row) + 1))
    if symbol == "-":
        value = row[0] - row[1]
        return units_first(value % 10 ** widths[0], widths[0]) + sign(value < 0) + units_first(abs(value), widths[0])
    return "".join(product_rows(*row, *widths) if symbol == "*" else division_rows(*row, *widths))


def sign(negative: bool) -> str:
    return "-" if negative else "+"


def signed_work(symbol: str, a: int, b: int, left: int, right: int) -> str:
    """The definition of what signs add."""
    apart, value = (a < 0) != (b < 0), PYTHON[symbol](a, b)
    if symbol in ("+", "-"):
        subtracts = apart != (symbol == "-")
        columns = (abs(a) - abs(b)) % 10 ** (left + 1) if subtracts else abs(a) + abs(b)
        negative = value < 0 or (value == 0 and a < 0)
        digits = [units_first(each, left + 1) for each in (columns, abs(value))]
        return sign(subtracts) + digits[0] + sign(negative) + digits[1]
    if symbol == "*":
        return sign(apart) + "".join(product_rows(abs(a), abs(b), left, right))
    quotient, rest = divmod(abs(a), abs(b))
    rounds = apart and rest > 0
    some = "".join(str(int(rest % 10 ** (place + 1) > 0)) for place in range(right + 1))
    work = "".join(division_rows(abs(a), abs(b), left, right)) + some + sign(rounds) + sign(apart) + sign(b < 0)
    carries = [int(rounds and quotient % 10**place == 10**place - 1) for place in range(left)]
    rounded = units_first(abs(a // b), left)
    pairs = (f"{carry}{digit}" for carry, digit in zip(carries, rounded, strict=True))
    return work + units_first(abs(a % b), right + 1) + "".join(pairs)


def product_rows(a: int, b: int, width: int, rows: int) -> Iterator[str]:
    above = 0  # what the rows before have not made final yet
    for digit in map(int, units_first(b, rows)):
        partial = a * digit
        total = above + partial
        pairs = zip(units_first(partial, width + 1), units_first(total, width + 1), strict=True)
        yield str(digit) + "".join(x + y for x, y in pairs)
        above = total // 10


def division_rows(a: int, b: int, digits: int, width: int) -> Iterator[str]:
    """Non-restoring division with signed integers; a negative one is written as columns leave it."""

    def row(value: int) -> str:
        return units_first(value % 10 ** (width + 1), width + 1)

    yield from (row(multiple * b) for multiple in (2, 4, 8))
    left = 0
    for digit in map(int, str(a).zfill(digits)):
        left, quotient = 10 * left + digit, 0
        for multiple in (8, 4, 2, 1):
            left += multiple * b if left < 0 else -multiple * b
            quotient += multiple if left >= 0 else 0
            yield row(left) + ("-" if left < 0 else "+") + str(quotient)
        left += b if left < 0 else 0
        assert 0 <= left < b
        yield row(left)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("widths", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("signed", [False, True])
def test_all_small_problems(symbol: str, widths: tuple[int, int], signed: bool) -> None:
    widths = written_widths(symbol, widths)
    step = 7 if widths == (2, 2) else 1
    sides = [range(1 - 10**width if signed else 0, 10**width, step) for width in widths]
    rows = [(a, b) for a, b in product(*sides) if b or symbol not in ("//", "%")]
    problems = ColumnProblems.from_operands(symbol, rows, widths, signed)
    written = write(problems)
    assert texts(written) == [worked(problems.shape, row) for row in rows]
    numbers, readable = read(problems.shape, written)
    assert readable.all() and numbers.texts() == [str(PYTHON[symbol](a, b)) for a, b in rows]


@given(st.sampled_from(SYMBOLS), st.integers(1, 60), st.integers(1, 25), st.integers(2, 8), st.data())
def test_any_problem(symbol: str, left: int, right: int, operands: int, data: st.DataObject) -> None:
    signed = data.draw(st.booleans())
    count = operands if symbol == "+" and not signed else 2
    sizes = ((left, right) * 4)[:count]
    least = [0, int(symbol in ("//", "%")), *[0] * count]
    row = tuple(data.draw(st.integers(low, 10**size - 1)) for low, size in zip(least, sizes, strict=False))
    if signed:
        row = tuple(value * data.draw(st.sampled_from((1, -1))) for value in row)
    problems = ColumnProblems.from_operands(symbol, [row], written_widths(symbol, sizes), signed)
    written = write(problems)
    assert texts(written) == [worked(problems.shape, row)]
    numbers, readable = read(problems.shape, written)
    assert readable.all() and numbers.texts() == [str(sum(row) if len(row) > 2 else PYTHON[symbol](*row))]


def test_a_long_division_by_hand() -> None:
    """7 // 3, then 95 // 4, row by row; a row's digits stand units first, a negative one is 100 or more below."""
    by_hand = [
        *("60", "21", "42"),  # 2 * 3 = 06, 4 * 3 = 12, 8 * 3 = 24
        "38-0",  # bring down 7; 7 - 24 = -17, which columns leave as 83
        "59-0",  # negative, so add 12: -5, which is 95
        "10+2",  # add 6: 1, no longer negative, so 2 threes are in 7
        "89-2",  # take 3: -2, which is 98
        "10",  # negative in the end: add 3 back, and 1 is left
    ]
    assert split("//", (1, 1), shown("//", 7, 3).split("=")[1]) == by_hand
    assert split("%", (1, 1), shown("%", 7, 3).split("=")[1]) == by_hand
    by_hand = [
        *("80", "61", "23"),  # 2 * 4 = 08, 4 * 4 = 16, 8 * 4 = 32
        "77-0",  # bring down 9; 9 - 32 = -23, which columns leave as 77
        "39-0",  # add 16: -7, which is 93
        "10+2",  # add 8: 1, no longer negative, so 2 fours are in 9
        "79-2",  # take 4: -3, which is 97
        "10",  # add 4 back: 1 is left
        "38-0",  # bring down 5 to make it 15; 15 - 32 = -17, which is 83
        "99-0",  # add 16: -1, which is 99
        "70+2",  # add 8: 7
        "30+3",  # take 4: 3, not negative, so 3 fours are in 15
        "30",  # 3 is left
    ]
    assert split("//", (2, 1), shown("//", 95, 4).split("=")[1]) == by_hand
    assert (95 // 4, 95 % 4) == (23, 3)


def test_a_rounded_division_by_hand() -> None:
    """95 is 23 fours and 3. -95 is 24 fours below 0, and 1 above that: the quotient -24, and 4 - 3 is left."""
    for row, signs in (((-95, 4), "--+"), ((95, -4), "---")):
        text = shown("//", *row, signed=True)
        assert text.endswith("30" + "11" + signs + "10" + "14" + "02"), "3 left; some; rounded, signs; 1; 3+1=4, 2"
    assert shown("//", -95, -4, signed=True).endswith("30" + "11" + "++-" + "30" + "03" + "02")
    assert shown("//", -99, 50, signed=True).endswith("940" + "111" + "--+" + "100" + "12" + "00")
    assert shown("%", -80, 4, signed=True).endswith("00" + "00" + "+-+" + "00" + "00" + "02"), "nothing to round"
    assert (-95 // 4, -95 % 4, 95 // -4, 95 % -4, -95 // -4, -95 % -4) == (-24, 1, -24, -1, 23, -3)
