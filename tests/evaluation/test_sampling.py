"""Problems of a range: drawn ones are new and different, and every problem means every one, once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.sampling import (
    among,
    bucket,
    check_size,
    digit_counts,
    exhaustive_blocks,
    is_seen,
)

NOTHING = np.zeros(0, np.uint64)


def all_of(task: Task) -> list[str]:
    """Every problem of a task, by counting."""
    numbers = range(task.min_value, task.max_value + 1)
    triples = [(OPERATIONS[symbol], a, b) for symbol in task.operations for a in numbers for b in numbers]
    wanted = [(operation.symbol, a, b) for operation, a, b in triples if operation.defined(a, b)]
    if not task.negative_results:
        wanted = [row for row in wanted if OPERATIONS[row[0]].apply(*row[1:]) >= 0]
    return [f"{a}{symbol}{b}" if b >= 0 else f"{a}{symbol}({b})" for symbol, a, b in wanted]


TASKS = [
    Task(("+",), 0, 12),
    Task(("+", "-"), 0, 9, negative_results=False),
    Task(("-", "*"), -7, 5),
    Task(("-", "*", "+"), -7, 5, negative_results=False),
    Task(("//", "%"), -4, 6),
    Task(("//", "%"), -4, 6, negative_results=False),
    Task(("%",), 0, 0),
]


@pytest.mark.parametrize("task", TASKS, ids=str)
@pytest.mark.parametrize("block", [2**17, 10])
def test_exhaustive_asks_each_problem_once(task: Task, block: int) -> None:
    built = [build() for symbol in task.operations for build in exhaustive_blocks(task, symbol, block)]
    assert [text for part in built for text in part.expressions()] == all_of(task)
    assert all(len(part) <= block for part in built)


def test_too_many_to_ask() -> None:
    check_size([Task(("+",), 0, 9999)] * 10)
    for tasks in ([Task(("+",), 0, 9999)] * 11, [Task(("+",), 0, 10**30)]):
        with pytest.raises(ConfigError, match="expected at most 1,000,000,000 pairs of operands"):
            check_size(tasks)


def test_a_bucket_is_unseen_and_different() -> None:
    trained = Task(("+", "-"), 0, 999).sample(300_000, np.random.default_rng(0))
    seen = np.unique(trained.keys())
    for symbol in ("+", "-"):
        task = Task((symbol,), 0, 999)
        for digits, expected in ((1, None), (2, 200), (3, 200)):
            problems = bucket(task, digits, 200, np.random.default_rng(1), seen)
            assert not is_seen(problems, seen).any()
            assert not set(problems.expressions()) & set(trained.expressions())
            assert len(set(problems.expressions())) == len(problems)
            assert task.contains(problems).all() and set(digit_counts(problems).tolist()) == {digits}
            if expected is None:
                assert 1 <= len(problems) <= 100, "there are a hundred of one digit, most of them trained on"
            else:
                assert len(problems) == expected
    assert not len(bucket(Task(("+",), 0, 999), 4, 200, np.random.default_rng(1), seen)), "there is none"


def test_a_bucket_follows_the_seed() -> None:
    task = Task(("-",), -500, 999)
    one, same, other = (bucket(task, 3, 50, np.random.default_rng(seed), NOTHING).expressions() for seed in (1, 1, 2))
    assert one == same != other and any("(" in text for text in one)


def test_a_bucket_gives_what_there_is() -> None:
    task, rng = Task(("+",), 0, 9), np.random.default_rng(0)
    assert sorted(bucket(task, 1, 1000, rng, NOTHING).expressions()) == sorted(all_of(task)), "both orders of each sum"
    every = np.unique(next(exhaustive_blocks(task, "+"))().keys())
    assert len(bucket(task, 1, 10, rng, every)) == 0
    # Three digits and more are hardly ever wanted: the others are asked all the same.
    lopsided = Task(("+",), -(10**9), 20, negative_results=False)
    found = [bucket(lopsided, digits, 20, rng, NOTHING) for digits in range(1, 11)]
    assert [len(part) for part in found[:2]] == [20, 20]
    assert all((part.solutions() >= 0).all() for part in found if len(part))


@given(st.lists(st.tuples(*[st.integers(-(10**22), 10**22)] * 2), min_size=1, max_size=8))
def test_digits_are_those_of_the_longer_operand(pairs: list[tuple[int, int]]) -> None:
    problems = Problems(("+",), np.zeros(len(pairs), np.uint8), np.array(pairs, dtype=object))
    assert digit_counts(problems).tolist() == [max(len(str(abs(a))), len(str(abs(b)))) for a, b in pairs]


@given(st.lists(st.integers(0, 50)), st.lists(st.integers(0, 50)))
def test_keys_among_others(keys: list[int], seen: list[int]) -> None:
    found = among(np.array(keys, np.uint64), np.unique(np.array(seen, np.uint64)))
    assert found.tolist() == [key in seen for key in keys]


def test_a_sum_is_seen_where_the_exchanged_one_was() -> None:
    seen = np.unique(Problems(("+", "-"), np.array([0, 1]), [[3, 5], [3, 5]]).keys())
    asked = Problems(("+", "-"), np.array([0, 0, 0, 1, 1]), [[3, 5], [5, 3], [4, 5], [3, 5], [5, 3]])
    assert is_seen(asked, seen).tolist() == [True, True, False, True, False]
    assert is_seen(asked, NOTHING).tolist() == [False] * 5
    assert is_seen(Problems.concatenate([]), seen).tolist() == []
