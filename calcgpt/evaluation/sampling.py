"""Problems of a range: drawn by their digits, none of them trained on, or every one there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from calcgpt.arithmetic import integers
from calcgpt.arithmetic.problems import Problems, keep_wanted
from calcgpt.arithmetic.spec import MAX_EXPRESSIONS
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError

_ATTEMPTS = 30  # draws in a row that bring nothing new, after which there is hardly anything left
_DRAWN = 2**16  # problems drawn at a time, at most
BLOCK = 2**15  # of every problem there is, in one portion: what an interrupted evaluation may have to ask again


def bucket(task: Task, digits: int, count: int, rng: np.random.Generator, seen: np.ndarray) -> Problems:
    """At most `count` problems of a task with one operator, the longer operand of so many digits, none in `seen`."""
    bound = 10**digits - 1
    low, high = max(task.min_value, -bound), min(task.max_value, bound)
    found = Problems.concatenate([])
    if low > high:
        return found
    narrow, idle = replace(task, min_value=low, max_value=high), 0
    while len(found) < count and idle < _ATTEMPTS:
        try:
            drawn = narrow.sample(min(2 * count, _DRAWN), rng)
        except ConfigError:  # hardly any problem of so few digits is one of the task's
            break
        drawn = drawn[(digit_counts(drawn) == digits) & ~is_seen(drawn, seen)]
        before, found = len(found), Problems.concatenate([found, drawn])
        _, first = np.unique(found.keys(ordered=True), return_index=True)
        found = found[np.sort(first)]
        idle = 0 if len(found) > before else idle + 1
    return found[:count]


def is_seen(problems: Problems, seen: np.ndarray) -> np.ndarray:
    """(N,) whether each problem, or for sums and products the exchanged one, has its key among the sorted `seen`."""
    return among(problems.keys(), seen)


def among(keys: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(N,) whether each key is among the sorted `seen`."""
    if not len(seen) or not len(keys):
        return np.zeros(len(keys), bool)
    places = np.minimum(np.searchsorted(seen, keys), len(seen) - 1)
    return np.asarray(seen[places] == keys, bool)


def check_size(tasks: Sequence[Task]) -> None:
    """Raises ConfigError where every problem of the tasks, each of one operator, is more than can be asked."""
    pairs = sum((task.max_value - task.min_value + 1) ** 2 for task in tasks)
    if pairs > MAX_EXPRESSIONS:
        raise ConfigError(
            f"expected at most {MAX_EXPRESSIONS:,} pairs of operands to ask every one, not {integers.readable(pairs)}; "
            "ask drawn problems instead (--suite standard), or every one of fewer digits (--digits 3)"
        )


def exhaustive_blocks(task: Task, symbol: str, block: int = BLOCK) -> Iterator[Callable[[], Problems]]:
    """Every problem of one operator, in blocks that are built when they are called: by first operand, then second."""
    span = task.max_value - task.min_value + 1
    for start in range(0, span * span, block):
        yield partial(_block, task, symbol, start, min(start + block, span * span))


def _block(task: Task, symbol: str, start: int, stop: int) -> Problems:
    span = task.max_value - task.min_value + 1
    index = np.arange(start, stop, dtype=np.int64)
    operands = np.stack([index // span, index % span], 1) + task.min_value
    return keep_wanted(Problems((symbol,), np.zeros(len(index), np.uint8), operands), task.negative_results)


def digit_counts(problems: Problems) -> np.ndarray:
    """(N,) digits of the longer operand of each problem."""
    first, second = (integers.digit_counts(problems.operands[:, side]) for side in (0, 1))
    return np.maximum(first, second)
