"""Digits by place: against a count over strings, and integers as digit arrays against Python's own."""

from __future__ import annotations

import doctest
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calcgpt.arithmetic import accuracy
from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.accuracy import add_places, digit_lengths, digits_right, numbers, numbers_from_texts
from calcgpt.arithmetic.columns import Numbers
from calcgpt.arithmetic.integers import integer_array

LARGE = st.integers(-(10**30), 10**30)
SMALL = st.integers(-120, 120)  # in which answers often share digits
ROWS = st.lists(st.tuples(SMALL | LARGE, SMALL | LARGE, st.booleans()), max_size=20)


def counted(answers: list[int], solutions: list[int], readable: list[bool]) -> tuple[list[int], list[int]]:
    """The same over strings, digit by digit."""
    asked: dict[int, int] = {}
    right: dict[int, int] = {}
    for answer, solution, good in zip(answers, solutions, readable, strict=True):
        written = str(abs(answer))[::-1]
        for place, digit in enumerate(str(abs(solution))[::-1]):
            asked[place] = asked.get(place, 0) + 1
            right[place] = right.get(place, 0) + (good and written[place : place + 1] == digit)
    return [asked[place] for place in range(len(asked))], [right[place] for place in range(len(right))]


def widened(values: list[int], spare: int) -> Numbers:
    found = numbers(integer_array(values))
    return Numbers(d.widen(found.digits, found.digits.shape[1] + spare), found.negative)


@settings(deadline=None)
@given(ROWS, st.integers(0, 3), st.integers(0, 3))
def test_digits_by_place_are_those_of_a_count_over_strings(
    rows: list[tuple[int, int, bool]], spare: int, more: int
) -> None:
    answers, solutions, readable = ([row[column] for row in rows] for column in range(3))
    found = digits_right(widened(answers, spare), widened(solutions, more), np.array(readable, bool))
    assert [part.tolist() for part in found] == list(counted(answers, solutions, readable))  # type: ignore[arg-type]
    assert all(part.dtype == np.int64 for part in found)


@pytest.mark.parametrize(
    ("answer", "solution", "right"),
    [
        (38, 38, [1, 1]),
        (-38, 38, [1, 1]),  # the sign is no digit
        (5, 105, [1, 0, 0]),  # the tens' 0 is not there
        (105, 5, [1]),
        (0, 0, [1]),
        (0, 10, [1, 0]),
        (10, 0, [1]),
        (83, 38, [0, 0]),
    ],
)
def test_one_answer(answer: int, solution: int, right: list[int]) -> None:
    found = digits_right(widened([answer], 0), widened([solution], 2), np.array([True]))
    assert [part.tolist() for part in found] == [[1] * len(right), right]
    assert digits_right(widened([answer], 0), widened([solution], 2), np.array([False]))[1].tolist() == [0] * len(right)


def test_more_numbers_than_one_byte_counts() -> None:
    size = 3 * 255 + 7
    found = digits_right(widened([12] * size, 0), widened([12] * size, 0), np.ones(size, bool))
    assert [part.tolist() for part in found] == [[size, size], [size, size]]


def test_numbers_without_digits_are_0() -> None:
    none = Numbers(np.zeros((2, 0), np.uint8), np.zeros(2, bool))
    found = digits_right(none, widened([0, 7], 0), np.ones(2, bool))
    assert [part.tolist() for part in found] == [[2], [1]]
    assert [part.tolist() for part in digits_right(widened([0, 7], 0), none, np.ones(2, bool))] == [[2], [1]]


@settings(deadline=None)
@given(st.lists(ROWS, max_size=4))
def test_parts_add_up(parts: list[list[tuple[int, int, bool]]]) -> None:
    def count(rows: list[tuple[int, int, bool]]) -> tuple[np.ndarray, np.ndarray]:
        columns = [[row[column] for row in rows] for column in range(3)]
        return digits_right(widened(columns[0], 0), widened(columns[1], 0), np.array(columns[2], bool))

    whole = count([row for part in parts for row in part])
    added = add_places([count(part) for part in parts])
    assert [part.tolist() for part in added] == [part.tolist() for part in whole]


INT64 = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None)
@given(st.lists(INT64, max_size=20) | st.lists(LARGE, max_size=20))
@example([-(2**63), 0, 2**63 - 1])
def test_integers_as_digits(values: list[int]) -> None:
    texts = list(map(str, values))
    for found in (numbers(integer_array(values)), numbers(np.array(values, object)), numbers_from_texts(texts)):
        assert found.digits.dtype == np.uint8 and found.negative.dtype == bool
        assert found.texts() == texts and found.negative.tolist() == [value < 0 for value in values]
        assert found.digits.shape == (len(values), max((len(text.removeprefix("-")) for text in texts), default=1))
        lengths = digit_lengths(np.pad(found.digits, ((0, 0), (0, 2))))
        assert lengths.tolist() == [len(text.removeprefix("-")) for text in texts]


def test_long_ones_are_quick() -> None:
    rng = np.random.default_rng(0)
    ours = rng.integers(0, 10, (4_000, 1_000), dtype=np.uint8)
    theirs = np.where(rng.random(ours.shape) < 0.1, np.uint8(0), ours).astype(np.uint8)
    some = np.ones(len(ours), bool)
    started = time.perf_counter()
    asked, right = digits_right(Numbers(ours, some), Numbers(theirs, some), some)
    assert time.perf_counter() - started < 1, "some milliseconds are usual"
    assert asked[0] == 4_000 and right[0] == (ours[:, 0] == theirs[:, 0]).sum()


def test_the_example_of_the_module() -> None:
    found = doctest.testmod(accuracy)
    assert found.attempted and not found.failed
