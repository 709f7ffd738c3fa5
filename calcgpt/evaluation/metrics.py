"""How answers are counted: each verdict is an integer compared with an integer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcgpt.arithmetic import integers
from calcgpt.arithmetic.problems import Problems
from calcgpt.inference.solver import CalcGPT

Progress = Callable[[int, int], None]
BLOCK = 16_384  # problems judged at a time; bounds the memory


@dataclass
class Verdicts:
    """What a model made of N problems: whether each answer is right (N,) and whether there is an answer at all (N,)."""

    problems: Problems
    right: np.ndarray
    readable: np.ndarray

    @property
    def exact_match(self) -> float:
        """The share of right answers, in [0, 1]; 0 where nothing was asked."""
        return float(self.right.mean()) if len(self.right) else 0.0

    def __getitem__(self, index: Any) -> Verdicts:
        return Verdicts(self.problems[index], self.right[index], self.readable[index])


def judge(solver: CalcGPT, problems: Problems, progress: Progress | None = None) -> Verdicts:
    """Ask every problem, greedily, and compare the answers with the solutions.

    A problem that the model cannot be asked counts as wrong, and as unreadable.
    """
    right, readable = np.zeros(len(problems), bool), np.zeros(len(problems), bool)
    for start in range(0, len(problems), BLOCK):
        block = problems[start : start + BLOCK]
        asked = np.array([reason is None for reason in solver.refusals(block)], bool)
        if asked.any():
            possible = block[asked]
            values, has_answer = solver.read_answers(solver.decode(possible))
            rows = start + np.flatnonzero(asked)
            readable[rows] = has_answer
            right[rows] = has_answer & (values == possible.solutions()).astype(bool)
        if progress:
            progress(min(start + BLOCK, len(problems)), len(problems))
    return Verdicts(problems, right, readable)


def by_operation_and_digits(verdicts: Verdicts) -> Iterator[dict[str, Any]]:
    """A row for each operator and number of digits (of the longer operand): problems, right, exact_match."""
    lengths = digit_counts(verdicts.problems)
    for index, symbol in enumerate(verdicts.problems.symbols):
        for digits in np.unique(lengths[verdicts.problems.operation == index]).tolist():
            part = verdicts[(verdicts.problems.operation == index) & (lengths == digits)]
            yield {
                "operation": symbol,
                "digits": digits,
                "problems": len(part.right),
                "right": int(part.right.sum()),
                "exact_match": part.exact_match,
            }


def digit_counts(problems: Problems) -> np.ndarray:
    """(N,) digits of the longer operand of each problem."""
    first, second = (integers.digit_counts(problems.operands[:, side]) for side in (0, 1))
    return np.maximum(first, second)
