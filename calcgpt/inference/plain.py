"""Answering problems that are written as plain text: those that the model can be asked, all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.problems import Problems
from calcgpt.inference.choosing import Completions

if TYPE_CHECKING:
    from calcgpt.inference.solver import CalcGPT


@dataclass
class PlainAnswers:
    """What a model made of N problems.

    values: (N,) what it answered, int64 or Python integers; anything where there is no answer. readable: (N,) whether
    there is one, with its end. refusals: for each problem why it could not be asked, or None. rows: (M,) the problems
    that were asked. completions: M completions, None where none was asked.
    """

    values: NDArray[Any]
    readable: NDArray[np.bool_]
    refusals: list[str | None]
    rows: NDArray[np.intp]
    completions: Completions | None


def ask(solver: CalcGPT, problems: Problems, progress: Callable[[int], None] | None = None) -> PlainAnswers:
    """Have problems answered, greedily.

    `progress` is called with how many are done.
    """
    size, refusals = len(problems), solver.refusals(problems)
    rows = np.flatnonzero([reason is None for reason in refusals])
    answers = PlainAnswers(np.zeros(size, np.int64), np.zeros(size, bool), refusals, rows, None)
    if not len(rows):
        return answers
    report = None if progress is None else lambda done, _: progress(done)
    answers.completions = solver.decode(problems if len(rows) == size else problems[rows], progress=report)
    found, answers.readable[rows] = solver.read_answers(answers.completions)
    answers.values = answers.values.astype(found.dtype)
    answers.values[rows] = found
    return answers
