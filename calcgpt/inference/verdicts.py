"""Verdicts: a model's answers compared with the solutions, integer by integer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calcgpt.arithmetic.accuracy import Counts, add_places, digits_right, numbers
from calcgpt.arithmetic.problems import Problems
from calcgpt.inference.plain import ask
from calcgpt.inference.solver import CalcGPT

Progress = Callable[[int, int], None]
BLOCK = 16_384  # problems judged at a time; bounds the memory


@dataclass
class Verdicts:
    """What a model made of N problems.

    right: (N,) whether each answer is. readable: (N,) whether there is an answer at all. digits: how many were asked
    for at each place from the units, and how many of them are right (`digits_right`).
    """

    problems: Problems
    right: np.ndarray
    readable: np.ndarray
    digits: tuple[Counts, Counts]

    @property
    def exact_match(self) -> float:
        """The share of right answers, in [0, 1]; 0 where nothing was asked."""
        return float(self.right.mean()) if len(self.right) else 0.0


def judge(solver: CalcGPT, problems: Problems, progress: Progress | None = None) -> Verdicts:
    """Ask every problem, greedily, and compare the answers with the solutions.

    A problem that the model cannot be asked counts as wrong, and as unreadable.
    """
    right, readable = np.zeros(len(problems), bool), np.zeros(len(problems), bool)
    digits = []
    for start in range(0, len(problems), BLOCK):
        rows = slice(start, start + BLOCK)
        block = problems[rows]
        solutions, answers = block.solutions(), ask(solver, block)
        right[rows] = answers.readable & (answers.values == solutions).astype(bool)
        readable[rows] = answers.readable
        digits.append(digits_right(numbers(answers.values), numbers(solutions), answers.readable))
        if progress:
            progress(min(start + BLOCK, len(problems)), len(problems))
    return Verdicts(problems, right, readable, add_places(digits))
