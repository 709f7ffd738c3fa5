"""Integers of any size: as text, as arrays, and drawn at random."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.integers import (
    digit_counts,
    digit_sums,
    format_integer,
    integer_array,
    parse_integer,
    parse_integers,
    random_below,
    readable,
)

ANY = st.one_of(st.integers(), st.integers(-(10**40), 10**40), st.integers(0, 1200).map(lambda n: 10**n))


@given(ANY)
def test_text_of_an_integer_and_back(value: int) -> None:
    assert format_integer(value) == str(value)
    assert parse_integer(str(value)) == value
    assert parse_integers([str(value), "-7"]) == [value, -7]


def test_more_digits_than_python_converts_in_one_call() -> None:
    digits = "123456789" * 1000
    assert len(digits) > sys.int_info.default_max_str_digits
    value = parse_integer("-" + digits)
    assert value % 10**9 == -123456789 % 10**9
    assert format_integer(value) == "-" + digits
    assert parse_integers(["1", digits]) == [1, -value]
    assert parse_integer("+007") == 7


@pytest.mark.parametrize("values", [[0, 5], [2**63 - 1, -(2**63)], [2**63, -1], [2**64, 1], [10**30, 1], []])
def test_arrays_are_never_float(values: list[int]) -> None:
    array = integer_array(values)
    assert array.tolist() == values
    assert array.dtype == (np.int64 if all(-(2**63) <= value < 2**63 for value in values) else object)


@given(st.lists(ANY, min_size=1))
def test_digit_counts_and_sums(values: list[int]) -> None:
    for array in (integer_array(values), np.array(values, dtype=object)):
        assert digit_counts(array).tolist() == [len(str(abs(value))) for value in values]
        assert digit_sums(array).tolist() == [sum(map(int, str(abs(value)))) for value in values]


@given(st.one_of(st.integers(1, 100), st.integers(2**62, 2**66), st.integers(10**29, 10**31)), st.integers(0, 9))
def test_random_integers_lie_below_the_limit(limit: int, seed: int) -> None:
    values = random_below(np.random.default_rng(seed), limit, (3, 2))
    assert values.shape == (3, 2)
    assert all(0 <= value < limit for value in values.reshape(-1).tolist())


@pytest.mark.parametrize("limit", [3, 3 * 2**62, 3 * 10**30])
def test_random_integers_are_uniform(limit: int) -> None:
    values = random_below(np.random.default_rng(0), limit, (3000,))
    thirds = np.bincount([3 * value // limit for value in values.tolist()])
    assert len(thirds) == 3 and abs(thirds - 1000).max() < 130


def test_readable() -> None:
    assert readable(1234567) == "1,234,567"
    assert readable(12 * 10**35) == "about 10^36"
