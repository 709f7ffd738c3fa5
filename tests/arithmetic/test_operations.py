"""The operations against Python's own arithmetic and against columns worked by hand."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.operations import OPERATIONS, Operation, find_operation, register, unregister
from calcgpt.arithmetic.parsing import parse_expression
from calcgpt.arithmetic.problems import Problems
from calcgpt.errors import ConfigError, UnsupportedProblem

PYTHON = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod}
INT32 = st.integers(-(2**31), 2**31)
LARGE = st.integers(-(10**30), 10**30)


def carries_by_hand(a: int, b: int) -> int:
    carry = count = 0
    while a or b or carry:
        carry = int(a % 10 + b % 10 + carry >= 10)
        count += carry
        a, b = a // 10, b // 10
    return count


def borrows_by_hand(a: int, b: int) -> int:
    a, b = max(a, b), min(a, b)
    borrow = count = 0
    while a:
        borrow = int(a % 10 - b % 10 - borrow < 0)
        count += borrow
        a, b = a // 10, b // 10
    return count


@pytest.fixture
def maximum() -> Iterator[Operation]:
    operation = Operation("max", "maximum", lambda a, b: np.where(a > b, a, b)[()], commutative=True)
    register(operation)
    yield operation
    unregister("max")


def test_the_operations_and_their_order() -> None:
    assert list(OPERATIONS) == ["+", "-", "*", "//", "%"]
    assert [operation.commutative for operation in OPERATIONS.values()] == [True, False, True, False, False]


@pytest.mark.parametrize("symbol", PYTHON)
@given(pairs=st.lists(st.tuples(INT32, INT32), min_size=1, max_size=20))
def test_apply_is_pythons_on_integers_and_int64(symbol: str, pairs: list[tuple[int, int]]) -> None:
    operation = OPERATIONS[symbol]
    pairs = [(a, b) for a, b in pairs if operation.defined(a, b)]
    a, b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    expected = [PYTHON[symbol](x, y) for x, y in pairs]
    assert operation.apply(a, b).tolist() == expected
    assert [operation.apply(x, y) for x, y in pairs] == expected


@pytest.mark.parametrize("symbol", PYTHON)
@given(pairs=st.lists(st.tuples(LARGE, LARGE), min_size=1, max_size=20))
def test_apply_is_pythons_on_large_integers(symbol: str, pairs: list[tuple[int, int]]) -> None:
    operation = OPERATIONS[symbol]
    pairs = [(a, b) for a, b in pairs if operation.defined(a, b)]
    a, b = np.array(pairs, dtype=object).reshape(-1, 2).T
    assert operation.apply(a, b).tolist() == [PYTHON[symbol](x, y) for x, y in pairs]


@pytest.mark.parametrize(("a", "b"), [(7, 3), (-7, 3), (7, -3), (-7, -3), (0, -3), (-6, 3)])
def test_division_rounds_down_and_the_remainder_has_the_divisors_sign(a: int, b: int) -> None:
    for x, y in ((a, b), (np.array([a]), np.array([b])), (np.array([a], object), np.array([b], object))):
        assert OPERATIONS["//"].apply(x, y) == a // b
        assert OPERATIONS["%"].apply(x, y) == a % b


@pytest.mark.parametrize("symbol", ["//", "%"])
def test_division_by_zero_is_not_defined(symbol: str) -> None:
    operation = OPERATIONS[symbol]
    assert operation.defined(5, 0) is False and operation.defined(0, 5) is True
    assert operation.defined(np.array([1, 2]), np.array([0, 3])).tolist() == [False, True]
    with pytest.raises(UnsupportedProblem, match=r"5(//|%)0 is not defined"):
        operation.apply(5, 0)
    with pytest.raises(UnsupportedProblem, match=r"7(//|%)0 is not defined"):
        operation.apply(np.array([1, 7]), np.array([1, 0]))


def test_the_others_are_defined_everywhere() -> None:
    assert OPERATIONS["+"].defined(1, 0) is True
    assert OPERATIONS["-"].defined(np.zeros(3), np.zeros(3)).tolist() == [True] * 3


@given(st.lists(st.tuples(LARGE, LARGE), min_size=1, max_size=10))
def test_carries_and_borrows_of_large_integers(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=object).T
    sums = [carries_by_hand(abs(x), abs(y)) for x, y in pairs]
    differences = [borrows_by_hand(abs(x), abs(y)) for x, y in pairs]
    assert OPERATIONS["+"].carries(a, b).tolist() == sums
    assert OPERATIONS["-"].carries(a, b).tolist() == differences
    assert [OPERATIONS["+"].carries(x, y) for x, y in pairs] == sums
    assert [OPERATIONS["-"].carries(x, y) for x, y in pairs] == differences


@given(st.lists(st.tuples(INT32, INT32), min_size=1, max_size=10))
def test_carries_and_borrows_of_int64(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=np.int64).T
    assert OPERATIONS["+"].carries(a, b).tolist() == [carries_by_hand(abs(x), abs(y)) for x, y in pairs]
    assert OPERATIONS["-"].carries(a, b).tolist() == [borrows_by_hand(abs(x), abs(y)) for x, y in pairs]


def test_carries_at_the_edge_of_int64_and_of_the_others() -> None:
    top = 2**63 - 1
    assert OPERATIONS["+"].carries(np.array([top]), np.array([top])).tolist() == [carries_by_hand(top, top)]
    assert OPERATIONS["+"].carries(999, 1) == 3
    assert OPERATIONS["*"].carries(99, 99) == 0
    assert OPERATIONS["%"].carries(np.array([99]), np.array([9])).tolist() == [0]


@pytest.mark.parametrize("symbol", PYTHON)
@given(a=st.integers(-50, 50), b=st.integers(-50, 50), x=st.integers(0, 30), y=st.integers(0, 30))
def test_bounds_hold(symbol: str, a: int, b: int, x: int, y: int) -> None:
    operation = OPERATIONS[symbol]
    assert operation.bound is not None
    if operation.defined(a, b):
        assert abs(operation.apply(a, b)) <= operation.bound(abs(a) + x, abs(b) + y)


def test_a_registered_operation_is_read_and_solved(maximum: Operation) -> None:
    assert parse_expression("3 max -5=") == ("max", 3, -5)
    problems = Problems(("max",), np.zeros(2), [[3, 5], [9, 2]])  # type: ignore[arg-type]
    assert problems.solutions().tolist() == [5, 9]
    assert problems.examples() == ["3max5=5", "9max2=9"]
    assert problems.operands.dtype == object  # nothing is known about how large its solutions are


@pytest.mark.parametrize("symbol", ["", "1", "a b", "=", "(", "a1"])
def test_symbols_that_cannot_be_read_back_are_refused(symbol: str) -> None:
    with pytest.raises(ConfigError, match="symbol"):
        register(Operation(symbol, "something", operator.add))


def test_names_and_symbols_are_taken_once() -> None:
    with pytest.raises(ConfigError, match="there already"):
        register(Operation("+", "something", operator.add))
    with pytest.raises(ConfigError, match="there already"):
        register(Operation("plus", "addition", operator.add))
    with pytest.raises(ConfigError, match="lower-case"):
        register(Operation("plus", "Plus it", operator.add))
    with pytest.raises(ConfigError, match="unknown operation '\\^'"):
        unregister("^")


def test_find_operation_by_symbol_and_name() -> None:
    assert find_operation("//") is find_operation("division") is OPERATIONS["//"]
