"""Sets of operands, and the number of their problems, against loops over everything there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.counting import count_problems
from calcgpt.arithmetic.operands import ALL_DIGITS, OperandSet
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.errors import ConfigError

DIGITS = st.sets(st.sampled_from(ALL_DIGITS), min_size=1).map(lambda digits: "".join(sorted(digits)))
LIMITS = st.tuples(st.integers(-1100, 1100), st.integers(-1100, 1100)).map(sorted)
SMALL_LIMITS = st.tuples(st.integers(-25, 25), st.integers(-25, 25)).map(sorted)


def listed(limits: list[int], digits: str) -> list[int]:
    low, high = limits
    return [value for value in range(low, high + 1) if set(str(abs(value))) <= set(digits)]


@given(LIMITS, st.one_of(DIGITS, st.just(ALL_DIGITS)))
def test_size_and_members(limits: list[int], digits: str) -> None:
    operands, expected = OperandSet(limits[0], limits[1], digits), listed(limits, digits)
    assert operands.size == len(expected)
    assert operands.negative == sum(value < 0 for value in expected)
    assert operands.zero == (0 in expected)
    assert operands.all().tolist() == expected
    ranks = np.arange(operands.size)[::-1].reshape(1, -1)
    assert operands.take(ranks).tolist() == [expected[::-1]]


def test_large_sets() -> None:
    eighteen = OperandSet(10**17, 10**18 - 1, "12345689")
    assert eighteen.size == 8**18
    assert eighteen.take(np.array([0, 8**18 - 1])).tolist() == [int("1" * 18), int("9" * 18)]
    thirty = OperandSet(-(10**30), 10**30, "07")
    ends = thirty.take(np.array([0, thirty.negative, thirty.size - 1], dtype=object))
    assert thirty.size == 2 * 2**30 - 1
    assert ends.tolist() == [-int("7" * 30), 0, int("7" * 30)]


@pytest.mark.parametrize("symbol", OPERATIONS)
@pytest.mark.parametrize("negative_results", [True, False])
@given(limits=SMALL_LIMITS, digits=st.one_of(DIGITS, st.just(ALL_DIGITS)))
def test_number_of_problems(symbol: str, negative_results: bool, limits: list[int], digits: str) -> None:
    operation, values = OPERATIONS[symbol], listed(limits, digits)
    expected = sum(
        1
        for a in values
        for b in values
        if operation.defined(a, b) and (negative_results or operation.apply(a, b) >= 0)
    )
    assert count_problems(operation, OperandSet(limits[0], limits[1], digits), negative_results) == expected


def test_what_has_no_formula_and_is_too_large_is_said() -> None:
    with pytest.raises(ConfigError, match="too many to count.*negative results allowed"):
        count_problems(OPERATIONS["%"], OperandSet(-(10**6), 10**6), False)
    assert count_problems(OPERATIONS["%"], OperandSet(-(10**6), 10**6), True) == (2 * 10**6 + 1) * 2 * 10**6
