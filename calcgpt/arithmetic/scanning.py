"""Many lines at once as examples: what reading, splitting, augmenting and analysing a file have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.integers import IntegerArray, format_integer, integer_array, parse_integers
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.parsing import example_groups, parse_example, shorten, write_expression
from calcgpt.arithmetic.problems import Problems
from calcgpt.errors import DataError, UnsupportedProblem

Progress = Callable[[int, int], None]
"""Called with how many lines, or expressions, are done, of how many."""

_BLOCK = 250_000  # lines between two reports of progress; bounds the memory that is used on the way


@dataclass(frozen=True)
class Scan:
    """The N lines among those scanned that are canonical examples with a solution, right or wrong.

    lines: (N,) their places among the lines. problems: N. answers: (N,) as written, int64 or object.
    """

    lines: NDArray[np.int64]
    problems: Problems
    answers: IntegerArray

    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the answer is the solution."""
        return np.asarray(self.problems.solutions() == self.answers, dtype=bool)


def scan(lines: Sequence[str], progress: Progress | None = None) -> Scan:
    """Every line that is a canonical example; the others are left out."""
    parts = [Scan(np.zeros(0, dtype=np.int64), Problems.concatenate([]), np.zeros(0, dtype=np.int64))]
    for start in range(0, len(lines), _BLOCK):
        parts.append(_scan_block(lines[start : start + _BLOCK], start))
        if progress is not None:
            progress(min(start + _BLOCK, len(lines)), len(lines))
    return Scan(
        np.concatenate([part.lines for part in parts]),
        Problems.concatenate([part.problems for part in parts]),
        np.concatenate([part.answers for part in parts]),
    )


def _scan_block(lines: Sequence[str], start: int) -> Scan:
    groups = example_groups(lines)
    places = np.flatnonzero([bool(group[0]) for group in groups])
    found = [groups[place] for place in places.tolist()]
    written = [group[1] for group in found]
    used = set(written)
    symbols = tuple(symbol for symbol in OPERATIONS if symbol in used)
    index = {symbol: number for number, symbol in enumerate(symbols)}
    operation = np.array([index[symbol] for symbol in written], dtype=np.uint8)
    columns = (
        [group[0] for group in found],
        [group[2] or group[3] for group in found],
        [group[4] for group in found],
    )
    first, second, answers = (integer_array(parse_integers(texts)) for texts in columns)
    problems = Problems(symbols, operation, np.stack([first, second], axis=1))
    defined = problems.defined()
    if not defined.all():
        places, problems, answers = places[defined], problems[defined], answers[defined]
    return Scan(places + start, problems, answers)


def explain(line: str) -> str | None:
    """Why a line is not a right example; None where it is one."""
    try:
        symbol, a, b, answer = parse_example(line)
    except (DataError, UnsupportedProblem) as error:
        return str(error)
    solution = OPERATIONS[symbol].apply(a, b)
    if solution == answer:
        return None
    expression = write_expression(symbol, a, b)
    return f"{shorten(line)}: {shorten(expression)} is {shorten(format_integer(solution))}"
