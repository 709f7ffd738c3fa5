"""What is asked: fresh problems are new and different, and every problem means every one, once."""

from __future__ import annotations

import numpy as np
import pytest

from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.metrics import digit_counts
from calcgpt.evaluation.suites import exhaustive, exhaustive_size, fresh, is_seen

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
    parts = list(exhaustive([task], block))
    asked = [text for part in parts for text in part.expressions()]
    assert asked == all_of(task) and len(asked) == exhaustive_size([task])
    assert all(len(part) <= block for part in parts)


def test_exhaustive_over_the_ranges_of_a_file() -> None:
    tasks = [Task(("+",), 0, 5), Task(("-",), 2, 9, False)]
    assert [text for part in exhaustive(tasks) for text in part.expressions()] == all_of(tasks[0]) + all_of(tasks[1])
    assert exhaustive_size(tasks) == 36 + 36


def test_too_many_to_ask() -> None:
    for task in (Task(("+",), 0, 10**6), Task(("+",), 0, 10**30)):
        with pytest.raises(ConfigError, match="expected at most 1,000,000,000 to ask every one"):
            exhaustive_size([task])


def test_fresh_problems_are_unseen_and_different() -> None:
    task = Task(("+", "-"), 0, 999)
    trained = task.sample(300_000, np.random.default_rng(0))
    seen = np.unique(trained.keys())
    problems = fresh([task], 200, 1, seen)
    assert not is_seen(problems, seen).any()
    assert not set(problems.expressions()) & set(trained.expressions())
    assert len(set(problems.expressions())) == len(problems)
    assert task.contains(problems).all()
    for index, symbol in enumerate(problems.symbols):
        counts = np.bincount(digit_counts(problems[problems.operation == index]), minlength=4)
        assert counts[2] == counts[3] == 200, symbol
        assert 1 <= counts[1] <= 100, "there are a hundred of one digit, most of them trained on"


def test_fresh_problems_follow_the_seed() -> None:
    one, same, other = (fresh([Task(max_value=999)], 50, seed, NOTHING).expressions() for seed in (1, 1, 2))
    assert one == same != other


def test_a_bucket_gives_what_there_is() -> None:
    task = Task(("+",), 0, 9)
    assert sorted(fresh([task], 1000, 0, NOTHING).expressions()) == sorted(all_of(task))
    every = np.unique(next(exhaustive([task])).keys())
    assert len(fresh([task], 10, 0, every)) == 0
    # Three digits and more are hardly ever wanted: the others are asked all the same.
    lopsided = Task(("+",), -(10**9), 20, negative_results=False)
    assert set(digit_counts(fresh([lopsided], 20, 0, NOTHING)).tolist()) >= {1, 2}


def test_a_sum_is_seen_where_the_exchanged_one_was() -> None:
    seen = np.unique(Problems(("+", "-"), np.array([0, 1]), [[3, 5], [3, 5]]).keys())
    asked = Problems(("+", "-"), np.array([0, 0, 0, 1, 1]), [[3, 5], [5, 3], [4, 5], [3, 5], [5, 3]])
    assert is_seen(asked, seen).tolist() == [True, True, False, True, False]
    assert is_seen(asked, NOTHING).tolist() == [False] * 5
    assert is_seen(Problems.concatenate([]), seen).tolist() == []
