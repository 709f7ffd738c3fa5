"""What is asked in an evaluation: problems freshly drawn, none of them trained on, or every problem there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from calcgpt.arithmetic import integers
from calcgpt.arithmetic.counting import count_problems
from calcgpt.arithmetic.operands import OperandSet
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems, keep_wanted
from calcgpt.arithmetic.spec import MAX_EXPRESSIONS
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.metrics import digit_counts

_ATTEMPTS = 30  # draws for a bucket that fills slowly: most of its problems were trained on, or it is small


def fresh(tasks: Sequence[Task], count: int, seed: int, seen: np.ndarray) -> Problems:
    """At most `count` problems for each operator and number of digits, all different, none of them in `seen`.

    Args:
        tasks: the ranges to draw from.
        count: problems a bucket; a bucket that has fewer unseen ones gives what there is.
        seed: of the draws.
        seen: keys of problems that were trained on, sorted.
    """
    rng = np.random.default_rng(seed)
    buckets = []
    for task in tasks:
        for symbol in task.operations:
            longest = len(str(max(abs(task.min_value), abs(task.max_value))))
            for digits in range(1, longest + 1):
                buckets.append(_bucket(replace(task.only(symbol), carry_share=0.0), digits, count, rng, seen))
    return Problems.concatenate([bucket for bucket in buckets if len(bucket)])


def _bucket(task: Task, digits: int, count: int, rng: np.random.Generator, seen: np.ndarray) -> Problems:
    bound = 10**digits - 1
    low, high = max(task.min_value, -bound), min(task.max_value, bound)
    found = Problems.concatenate([])
    if low > high:
        return found
    narrow = replace(task, min_value=low, max_value=high)
    for _ in range(_ATTEMPTS):
        try:
            drawn = narrow.sample(2 * count, rng)
        except ConfigError:  # hardly any problem of so few digits is one of the task's
            break
        drawn = drawn[(digit_counts(drawn) == digits) & ~is_seen(drawn, seen)]
        found = Problems.concatenate([found, drawn])
        _, first = np.unique(found.keys(ordered=True), return_index=True)
        found = found[np.sort(first)]
        if len(found) >= count:
            break
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


def exhaustive_size(tasks: Sequence[Task]) -> int:
    """How many problems `exhaustive` gives.

    Raises:
        ConfigError: more than can be asked.
    """
    pairs = sum(len(task.operations) * (task.max_value - task.min_value + 1) ** 2 for task in tasks)
    if pairs > MAX_EXPRESSIONS:
        raise ConfigError(
            f"the model's range has {integers.readable(pairs)} pairs of operands: expected at most {MAX_EXPRESSIONS:,} "
            "to ask every one; evaluate fresh problems instead"
        )
    return sum(
        count_problems(OPERATIONS[symbol], OperandSet(task.min_value, task.max_value), task.negative_results)
        for task in tasks
        for symbol in task.operations
    )


def exhaustive(tasks: Sequence[Task], block: int = 2**17) -> Iterator[Problems]:
    """Every problem of the tasks, some at a time: by operator, then first operand, then second."""
    for task, symbol in ((each, symbol) for each in tasks for symbol in each.operations):
        span = task.max_value - task.min_value + 1
        for start in range(0, span * span, block):
            index = np.arange(start, min(start + block, span * span), dtype=np.int64)
            operands = np.stack([index // span, index % span], 1) + task.min_value
            yield keep_wanted(Problems((symbol,), np.zeros(len(index), np.uint8), operands), task.negative_results)
