"""Digit arrays against Python's integers: every function, any width, and far beyond what Python writes in one call."""

from __future__ import annotations

import doctest
import random
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic import digits as module
from calcgpt.arithmetic.digits import (
    Digits,
    add,
    carried,
    complement,
    from_array,
    from_integers,
    multiply,
    subtract,
    to_array,
    to_integers,
    to_texts,
    widen,
    words,
)

WIDTHS = st.integers(1, 60)


def integers(width: int) -> st.SearchStrategy[int]:
    """Numbers of a width, those around a power of ten among them."""
    near = st.builds(lambda place, by: max(0, 10**place + by), st.integers(0, width), st.integers(-2, 1))
    return st.one_of(st.integers(0, 10**width - 1), near.filter(lambda value: value < 10**width))


@st.composite
def columns_of_numbers(draw: Any, columns: int) -> tuple[int, list[list[int]]]:
    """A width, and as many lists of numbers of it, all of one length, perhaps none."""
    width, size = draw(WIDTHS), draw(st.integers(0, 5))
    numbers = st.lists(integers(width), min_size=size, max_size=size)
    return width, [draw(numbers) for _ in range(columns)]


def value(row: list[int]) -> int:
    """The definition: column c is worth 10**c."""
    return sum(digit * 10**column for column, digit in enumerate(row))


def values(digits: Digits) -> list[int]:
    assert digits.dtype == np.uint8 and digits.ndim == 2 and (digits < 10).all()
    return [value(row) for row in digits.tolist()]


@given(columns_of_numbers(1))
def test_digits_are_those_of_the_integers(case: tuple[int, list[list[int]]]) -> None:
    width, (numbers,) = case
    digits = from_integers(numbers, width)
    assert digits.shape == (len(numbers), width) and values(digits) == numbers
    assert to_integers(digits) == numbers
    assert to_texts(digits) == [str(number) for number in numbers]


@given(columns_of_numbers(1), st.integers(0, 30))
def test_a_width_changes_no_number_and_no_hash(case: tuple[int, list[list[int]]], more: int) -> None:
    width, (numbers,) = case
    digits = from_integers(numbers, width)
    wide = widen(digits, width + more)
    assert wide.shape == (len(numbers), width + more) and values(wide) == numbers
    assert words(wide).tolist() == words(digits).tolist()


@given(columns_of_numbers(2))
def test_sums_differences_and_order(case: tuple[int, list[list[int]]]) -> None:
    width, (first, second) = case
    a, b = from_integers(first, width), from_integers(second, width)
    total, (left, borrowed) = add(a, b), subtract(a, b)
    assert total.shape == (len(first), width + 1) and left.shape == a.shape
    assert values(total) == [x + y for x, y in zip(first, second, strict=True)]
    assert values(left) == [(x - y) % 10**width for x, y in zip(first, second, strict=True)]
    assert borrowed.tolist() == [x < y for x, y in zip(first, second, strict=True)]
    assert values(a) == first and values(b) == second, "what is given stays as it was"


@given(columns_of_numbers(1))
def test_complements(case: tuple[int, list[list[int]]]) -> None:
    width, (numbers,) = case
    assert values(complement(from_integers(numbers, width))) == [-number % 10**width for number in numbers]


@given(WIDTHS, WIDTHS, st.data())
def test_products_of_any_two_widths(left: int, right: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 4))
    first, second = (data.draw(st.lists(integers(width), min_size=size, max_size=size)) for width in (left, right))
    product = multiply(from_integers(first, left), from_integers(second, right))
    assert product.shape == (size, left + right)
    assert values(product) == [x * y for x, y in zip(first, second, strict=True)]


@given(st.lists(st.lists(st.integers(0, 20_000), min_size=7, max_size=7), max_size=4), st.integers(0, 12))
def test_carries_of_columns_of_any_size(rows: list[list[int]], room: int) -> None:
    columns = np.zeros((len(rows), 7 + room), np.int64)
    columns[:, :7] = np.array(rows, np.int64).reshape(-1, 7)
    before = columns.copy()
    assert values(carried(columns)) == [value(row) % 10 ** (7 + room) for row in rows]
    assert (columns == before).all()


@given(st.integers(1, 18), st.sets(st.integers(0, 10**18 - 1), max_size=40))
def test_hashes_tell_numbers_apart(width: int, numbers: set[int]) -> None:
    narrow = sorted(number % 10**width for number in numbers)
    found = words(from_integers(narrow, width)).tolist()
    assert len(set(found)) == len(set(narrow))


def test_hashes_of_all_small_numbers_differ_and_spread() -> None:
    found = words(from_integers(range(100_000), 5))
    assert len(np.unique(found)) == 100_000
    bits = (found[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(0) - 0.5).max() < 0.02, "every bit is set as often as not"


@pytest.mark.parametrize(("sign", "power", "width"), [(-1, 0, 3), (1, 3, 3), (1, 60, 60), (-1, 5000, 9)])
def test_what_has_no_place_is_refused(sign: int, power: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"at most {width} digits") as caught:
        from_integers([1, sign * 10**power], width)
    assert len(str(caught.value)) < 200


def test_numbers_without_any_digit_are_zeros() -> None:
    assert to_texts(np.zeros((2, 0), np.uint8)) == ["0", "0"]
    assert from_integers([], 3).shape == (0, 3) and to_texts(np.zeros((0, 3), np.uint8)) == []
    assert words(np.zeros((1, 0), np.uint8)).tolist() == words(from_integers([0], 9)).tolist()


def test_five_thousand_digits() -> None:
    limit = sys.get_int_max_str_digits()
    rng = random.Random(0)
    first = [10**5000 - 1, 10**4999, rng.randrange(10**5000), 0]
    second = [10**5000 - 1, 10**5000 - 1, rng.randrange(10**5000), 7]
    a, b = from_integers(first, 5000), from_integers(second, 5000)
    assert to_integers(a) == first and to_integers(b) == second
    assert to_integers(add(a, b)) == [x + y for x, y in zip(first, second, strict=True)]
    assert to_integers(multiply(a, b)) == [x * y for x, y in zip(first, second, strict=True)]
    left, borrowed = subtract(a, b)
    assert to_integers(left) == [(x - y) % 10**5000 for x, y in zip(first, second, strict=True)]
    assert borrowed.tolist() == [x < y for x, y in zip(first, second, strict=True)]
    assert sys.get_int_max_str_digits() == limit, "Python's own limit is left alone"


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


@given(st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=5), st.integers(0, 5))
def test_arrays_of_int64_and_of_python_integers_alike(values: list[int], wider: int) -> None:
    width = len(str(max(values))) + wider
    for kind in (np.int64, object):
        digits = from_array(np.array(values, dtype=kind), width)
        assert digits.tolist() == from_integers(values, width).tolist() and digits.dtype == np.uint8
        assert to_array(digits).tolist() == values
    with pytest.raises(ValueError, match="at most 1 digits"):
        from_array(np.array([12]), 1)
