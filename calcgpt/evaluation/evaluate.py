"""A model's exact match: on fresh problems by operation and length, or on every problem of its range."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.lengths import evaluate_lengths
from calcgpt.evaluation.metrics import Progress, by_operation_and_digits, judge
from calcgpt.evaluation.suites import exhaustive, exhaustive_size, fresh, is_seen
from calcgpt.inference.solver import CalcGPT

_KEPT = 100  # wrong answers that a report lists


def evaluate_fresh(
    solver: CalcGPT, seen: np.ndarray | None, count: int = 1000, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """Exact match on problems that training never saw, `count` for each operator and number of digits.

    Args:
        solver: the model, with what its run.json says.
        seen: sorted keys of what it was trained on (`calcgpt.training.seen`); None where that cannot be told, and then
            the problems are fresh but perhaps not unseen, which the result says.
        count: problems for each operator and number of digits.
        seed: of the draws.
        progress: called with how many problems are done, of how many.

    Returns:
        suite, seed, unseen, problems, right, exact_match, buckets (a row for each operator and number of digits),
        wrong (the first of them), seconds.

    Raises:
        ConfigError: the model was trained on text without arithmetic, or no unseen problem is left.
    """
    if solver.notation.work == "columns":
        return evaluate_lengths(solver, None, seen, count, seed, progress)
    started = time.perf_counter()
    problems = fresh(_tasks(solver), count, seed, _keys(seen))
    if not len(problems):
        raise ConfigError("no unseen problem is left: every problem of the range was trained on; use --exhaustive")
    verdicts = judge(solver, problems, progress)
    return {
        "suite": "fresh",
        "seed": seed,
        "unseen": seen is not None,
        **_count(verdicts.right),
        "buckets": list(by_operation_and_digits(verdicts)),
        "wrong": describe_wrong(solver, verdicts.problems[~verdicts.right][:_KEPT]),
        "seconds": time.perf_counter() - started,
    }


def evaluate_exhaustive(solver: CalcGPT, seen: np.ndarray | None, progress: Progress | None = None) -> dict[str, Any]:
    """Exact match on every problem of the model's range, what it was trained on and what it never saw counted apart.

    Args are those of `evaluate_fresh`.

    Returns:
        suite, problems, right, exact_match, trained_on and never_seen (each problems, right, exact_match; None where
        that cannot be told), operations (a row for each operator), wrong (the first of them), seconds.

    Raises:
        ConfigError: the model was trained on text without arithmetic, or its range has too many problems.
    """
    if solver.notation.work == "columns":
        raise ConfigError("a model that writes columns has no range to exhaust: ask lengths (--digits)")
    started = time.perf_counter()
    tasks = _tasks(solver)
    total, done = exhaustive_size(tasks), 0
    rights, sights = [], []
    rows: dict[str, list[np.ndarray]] = {}
    wrong: list[Problems] = []

    def report(block_done: int, _: int) -> None:
        if progress:
            progress(done + block_done, total)

    for problems in exhaustive(tasks):
        verdicts = judge(solver, problems, report)
        done += len(problems)
        rights.append(verdicts.right)
        sights.append(is_seen(problems, _keys(seen)))
        rows.setdefault(problems.symbols[0], []).append(verdicts.right)
        if sum(map(len, wrong)) < _KEPT:
            wrong.append(problems[~verdicts.right])
    right, trained = np.concatenate(rights), np.concatenate(sights)
    return {
        "suite": "exhaustive",
        **_count(right),
        "trained_on": None if seen is None else _count(right[trained]),
        "never_seen": None if seen is None else _count(right[~trained]),
        "operations": [{"operation": symbol, **_count(np.concatenate(parts))} for symbol, parts in rows.items()],
        "wrong": describe_wrong(solver, Problems.concatenate(wrong)[:_KEPT]),
        "seconds": time.perf_counter() - started,
    }


def describe_wrong(solver: CalcGPT, problems: Problems) -> list[dict[str, Any]]:
    """What the model answers to some problems, beside the solutions."""
    if not len(problems):
        return []
    answers = solver.solve_batch(problems.expressions())
    return [
        {"problem": answer["problem"], "answer": answer["answer"], "solution": str(solution), "error": answer["error"]}
        for answer, solution in zip(answers, problems.solutions().tolist(), strict=True)
    ]


def _tasks(solver: CalcGPT) -> Sequence[Task]:
    if not solver.tasks:
        raise ConfigError("this model was trained on text without arithmetic: there are no problems to ask it")
    return solver.tasks


def _keys(seen: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, np.uint64) if seen is None else seen


def _count(right: np.ndarray) -> dict[str, Any]:
    total, good = len(right), int(right.sum())
    return {"problems": total, "right": good, "exact_match": good / total if total else None}
