"""Cascades against column-by-column arithmetic on Python's integers, and draws that have what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.cascades import cascades, draw_cascades, has_cascades
from calcgpt.arithmetic.columns import ColumnProblems, Shape, as_problems


def reference(symbol: str, a: int, b: int) -> int:
    """By hand: how far the longest carry runs before a column that does not merely hand it on."""
    subtracts = (symbol == "-") ^ (a < 0) ^ (b < 0)
    high, low = max(abs(a), abs(b)), min(abs(a), abs(b))
    best = run = 0
    for place in range(len(str(high))):
        x, y = high // 10**place % 10, low // 10**place % 10
        if (x < y) if subtracts else (x + y > 9):
            run = 1
        elif run and ((x == y) if subtracts else (x + y == 9)):
            run += 1
        else:
            run = 0
        best = max(best, run)
    return best


NUMBER = st.one_of(st.integers(-99, 99), st.integers(-(10**25), 10**25))


@given(st.sampled_from("+-"), NUMBER, NUMBER)
def test_cascades_are_those_of_a_person(symbol: str, a: int, b: int) -> None:
    problems = ColumnProblems.from_operands(symbol, [[a, b]], signed=True)
    assert cascades(problems).tolist() == [reference(symbol, a, b)]


@pytest.mark.parametrize("symbol", ["+", "-"])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 40])
def test_draws_have_the_length_that_was_asked_for(symbol: str, width: int) -> None:
    rng = np.random.default_rng(0)
    for length in range(width + (symbol == "+")):
        drawn = draw_cascades(symbol, width, length, 50, rng)
        assert len(drawn) == 50 and drawn.shape == Shape(symbol, (width, width))
        assert {reference(symbol, *pair) for pair in as_problems(drawn).operands.tolist()} == {length}
    if symbol == "-":
        assert not len(draw_cascades(symbol, width, width, 50, rng)), "its topmost digits end it"


def test_draws_are_not_all_alike() -> None:
    drawn = draw_cascades("-", 6, 3, 300, np.random.default_rng(1))
    pairs = as_problems(drawn).operands
    assert len({tuple(pair) for pair in pairs.tolist()}) > 250
    assert 0.3 < (pairs[:, 0] < pairs[:, 1]).mean() < 0.7, "each sign"


def test_only_sums_and_differences_of_two_have_them() -> None:
    assert has_cascades(Shape("+", (3, 3))) and has_cascades(Shape("-", (3, 3)))
    assert not has_cascades(Shape("*", (3, 3))) and not has_cascades(Shape("+", (3, 3, 3)))
