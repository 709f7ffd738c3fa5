"""Exact match by length: how far beyond the digits it was trained on a model is right."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from calcgpt.arithmetic.columns import ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.drawing import draw, edge_cases
from calcgpt.arithmetic.hashing import text_key
from calcgpt.errors import ConfigError, UnsupportedProblem
from calcgpt.evaluation.suites import among
from calcgpt.inference.columns import ask, trained_shape
from calcgpt.inference.solver import CalcGPT

Progress = Callable[[int, int], None]
CARRY_SHARE = 0.3  # of the problems of each length
_KEPT = 20  # wrong answers of each length that a report lists
_ATTEMPTS = 20  # draws for a shape most of whose problems were trained on


def parse_length(text: str) -> tuple[int, ...]:
    """Digits of each operand: `100` of both, `20x10` of the first and the second, `30*30` of thirty operands.

    >>> parse_length("100"), parse_length("20x10"), parse_length("30*3")
    ((100, 100), (20, 10), (30, 30, 30))

    Raises:
        ConfigError: it is none of these.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})(?:([x*])([1-9][0-9]{0,5}))?", text)
    if not match or match[0].endswith("*1"):
        raise ConfigError(f"expected digits such as 100, 20x10 (20 and 10) or 30*5 (five operands of 30), not {text!r}")
    first, kind, second = int(match[1]), match[2], int(match[3] or 2)
    if kind == "x":
        return first, second
    return (first,) * second


def evaluate_lengths(
    solver: CalcGPT,
    lengths: Sequence[tuple[int, ...]] | None,
    seen: np.ndarray | None,
    count: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Exact match of free-running greedy answers at each length, edge cases and long carries among the problems.

    Args:
        solver: a model that writes columns.
        lengths: digits of each operand; every operator of the model that takes so many operands is asked. With None
            each operator is asked the longest problems that the model was trained on.
        seen: sorted keys of what the model was trained on (`calcgpt.training.seen`); None where that cannot be told.
        count: problems for each operator and length.
        seed: of the draws.
        progress: called with how many problems are done, of how many.

    Returns:
        suite, seed, unseen, problems, right, exact_match, buckets (a row for each operator and length), wrong (the
        first of them), seconds.

    Raises:
        ConfigError: the model does not write columns, or no operator takes so many operands.
    """
    started = time.perf_counter()
    shapes = list(dict.fromkeys(_shapes(solver, lengths)))  # 20x10 and 20 are the same sum
    if not shapes:
        raise ConfigError("this model has no operator for so many operands")
    rows: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    for number, shape in enumerate(shapes):
        stream = text_key(f"{shape.symbol} {describe_length(shape)}")  # its own, whatever else is asked
        problems = unseen_problems(shape, count, np.random.default_rng((seed, stream)), seen)
        if len(problems):
            rows.append(_ask(solver, problems, wrong, _shifted(progress, number * count, len(shapes) * count)))
    total, right = sum(row["problems"] for row in rows), sum(row["right"] for row in rows)
    return {
        "suite": "lengths",
        "seed": seed,
        "unseen": seen is not None,
        "problems": total,
        "right": right,
        "exact_match": right / total if total else None,
        "buckets": rows,
        "wrong": wrong,
        "seconds": time.perf_counter() - started,
    }


def unseen_problems(shape: Shape, count: int, rng: np.random.Generator, seen: np.ndarray | None) -> ColumnProblems:
    """At most `count` problems of a shape, edge cases first, none of them among the sorted keys `seen`."""
    known = np.zeros(0, np.uint64) if seen is None else seen
    widths = (shape.number_width,) * len(shape.widths) if shape.symbol in ("+", "-") else shape.widths
    found = ColumnProblems.from_operands(shape.symbol, edge_cases(shape.symbol, widths), shape.widths, shape.signed)
    for _ in range(_ATTEMPTS):
        found = ColumnProblems.concatenate([found, draw(shape, count, rng, CARRY_SHARE)])
        found = found[~among(found.keys(), known)]
        rows = np.concatenate([found.digits, found.negative[..., None]], 2)
        _, different = np.unique(rows, axis=0, return_index=True)
        found = found[np.sort(different)][:count]
        if len(found) == count:
            break
    return found


def _shapes(solver: CalcGPT, lengths: Sequence[tuple[int, ...]] | None) -> Iterator[Shape]:
    for task in solver.tasks:
        for symbol in task.operations if task.max_digits else ():
            most = task.max_operands if symbol == "+" else 2
            own = [(task.widths(symbol) * most)[:operands] for operands in range(2, most + 1)]
            for widths in own if lengths is None else lengths:
                if len(widths) == 2 or most > 2:
                    yield Shape(symbol, written_widths(symbol, widths), solver.notation.signed)


def _shifted(progress: Progress | None, before: int, total: int) -> Callable[[int], None] | None:
    """What a part of the problems reports to."""
    return None if progress is None else lambda done: progress(before + done, total)


def _ask(
    solver: CalcGPT, problems: ColumnProblems, wrong: list[dict[str, Any]], report: Callable[[int], None] | None
) -> dict[str, Any]:
    """A row for problems of one shape; the first wrong answers are added to `wrong`."""
    started = time.perf_counter()
    try:
        answers = ask(solver, problems, progress=report)
    except UnsupportedProblem as error:  # a length that the model has no ids for: none of it is right
        length = describe_length(problems.shape)
        wrong.append({"problem": length, "answer": None, "solution": "", "error": str(error)})
        return _row(solver, problems, 0, 0.0)
    seconds = time.perf_counter() - started
    places = np.flatnonzero(~answers.right)[:_KEPT]
    if len(places):
        part = problems[places]
        texts, solutions = part.expressions(), part.solutions().texts()
        numbers = answers.numbers.texts()
        for place, text, solution in zip(places.tolist(), texts, solutions, strict=True):
            answer = numbers[place] if answers.readable[place] else None
            wrong.append({"problem": text, "answer": answer, "solution": solution, "error": None})
    return _row(solver, problems, int(answers.right.sum()), seconds)


def _row(solver: CalcGPT, problems: ColumnProblems, right: int, seconds: float) -> dict[str, Any]:
    total = len(problems)
    return {
        "operation": problems.shape.symbol,
        "digits": describe_length(problems.shape),
        "trained": trained_shape(solver, problems.shape),
        "problems": total,
        "right": right,
        "exact_match": right / total,
        "seconds": seconds,
    }


def describe_length(shape: Shape) -> str:
    """The inverse of `parse_length`, for a shape.

    >>> describe_length(Shape("*", (20, 10))), describe_length(Shape("+", (5, 5, 5)))
    ('20x10', '4*3')
    """
    if len(shape.widths) > 2:
        return f"{shape.number_width}*{len(shape.widths)}"
    return str(shape.widths[0]) if shape.widths[0] == shape.widths[1] else "x".join(map(str, shape.widths))
