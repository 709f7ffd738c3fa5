"""What can be evaluated: models of ours, and anything that completes prompts, all asked in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from calcgpt.arithmetic.accuracy import numbers, numbers_from_texts
from calcgpt.arithmetic.columns import ColumnProblems, Numbers, Shape, as_problems
from calcgpt.arithmetic.parsing import tidy
from calcgpt.arithmetic.task import Task
from calcgpt.errors import CalcGPTError, ConfigError, TokenError, UnsupportedProblem
from calcgpt.inference import columns, plain
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.catalog import shown_name

Complete = Callable[[list[str]], Sequence[str]]
"""Prompts such as `12+34=` to what is written after each."""
# A number and no other on its line: of 1,234 or 46 * 2 or 4e5 the first digits are not meant.
_ANSWER = re.compile(r"\s*([+-]?[0-9]+)[.,;:!?)]?(?:[^\S\n][^\n\d]*)?(?=\n|\Z)")
_SLACK = 8  # characters that an answer may have beyond its problem's, leading zeros for example


@dataclass
class Answers:
    """What was made of N problems of one shape.

    numbers: what was answered. readable: (N,) whether there is an answer. confidence: (N,) probability of the whole
    completion, or None where that is not told. refusals: for each problem why it could not be asked, or None.
    written: for the row of a problem the completion, and its tokens with their probabilities, where that is told.
    """

    numbers: Numbers
    readable: np.ndarray
    confidence: np.ndarray | None
    refusals: list[str | None] | None
    written: Callable[[int], tuple[str | None, list[dict[str, Any]] | None]]


class Subject(Protocol):
    """Something that is evaluated.

    name: for people. tasks: the ranges that it should know. signed: whether operands may be negative. columns: whether
    its problems are drawn by their numbers of digits.
    """

    name: str
    tasks: list[Task]
    columns: bool

    @property
    def signed(self) -> bool: ...

    def answer(self, problems: ColumnProblems, progress: Callable[[int], None] | None = None) -> Answers:
        """Ask problems of one shape, greedily; `progress` is called with how many are done."""
        ...

    def answer_texts(self, texts: Sequence[str]) -> Answers:
        """Ask expressions as somebody typed them."""
        ...

    def refusals(self, problems: ColumnProblems) -> list[str | None]:
        """For each problem why it cannot be asked, as far as that is known before, or None."""
        ...

    def refuses(self, shape: Shape) -> str | None:
        """Why no problem of a shape can be asked, as far as that is known before one is drawn, or None."""
        ...

    def keys(self, problems: ColumnProblems) -> np.ndarray:
        """(N,) what problems are known by in the sorted keys of what was trained on."""
        ...


def subject_of(model: CalcGPT | Complete, tasks: Sequence[Task] | Task = ()) -> Subject:
    """What evaluates a model of ours, or a function from prompts to completions, which needs `tasks`.

    Raises:
        ConfigError: it is none of these, or there is nothing to ask it.
    """
    tasks = [tasks] if isinstance(tasks, Task) else tasks
    if isinstance(model, CalcGPT):
        if not (tasks or model.tasks):
            if model.run.get("status") == "foreign":
                raise ConfigError(
                    "this model's folder has no run.json, so what it was trained on is unknown: give evaluate() "
                    "`tasks` that say what to ask, such as [Task(('+',), 0, 999)]"
                )
            raise ConfigError("this model was trained on text without arithmetic: there are no problems to ask it")
        return ColumnSubject(model, tasks) if model.notation.work == "columns" else PlainSubject(model, tasks)
    if not callable(model):
        raise ConfigError(f"expected a model, or a function from prompts to completions, not {type(model).__name__}")
    if not tasks:
        raise ConfigError("expected `tasks` that say what to ask a function, such as [Task(('+',), 0, 999)]")
    return CallableSubject(model, tasks)


class _SolverSubject:
    """What models of ours have in common."""

    columns: bool = False

    def __init__(self, solver: CalcGPT, tasks: Sequence[Task] = ()):
        self.solver, self.tasks = solver, list(tasks or solver.tasks)
        self.name = "a model in memory" if solver.path is None else shown_name(solver.path)

    def answer_texts(self, texts: Sequence[str]) -> Answers:
        found = self.solver.solve_batch(texts, token_details=True)
        readable = np.array([result["answer"] is not None for result in found], bool)
        return Answers(
            numbers_from_texts([result["answer"] or "0" for result in found]),
            readable,
            np.array([result["confidence"] for result in found]),
            [result["error"] for result in found],
            lambda row: (None if found[row]["error"] else found[row]["completion"], found[row].get("tokens")),
        )


class PlainSubject(_SolverSubject):
    """A model of ours that reads and writes expressions in its notation."""

    def keys(self, problems: ColumnProblems) -> np.ndarray:
        return as_problems(problems).keys()

    @property
    def signed(self) -> bool:
        return any(task.min_value < 0 for task in self.tasks)

    def refusals(self, problems: ColumnProblems) -> list[str | None]:
        return self.solver.refusals(as_problems(problems))

    def refuses(self, shape: Shape) -> str | None:
        limit = self.solver.model.config.max_length
        if sum(shape.widths) > 2 * limit:  # a token holds two digits at most
            return f"this model has {limit} positions, and the problem {sum(shape.widths):,} digits"
        if len(shape.widths) > 2:
            return None
        smallest = ColumnProblems.from_operands(shape.symbol, [[10 ** (width - 1) for width in shape.widths]])
        return self.refusals(smallest)[0]

    def answer(self, problems: ColumnProblems, progress: Callable[[int], None] | None = None) -> Answers:
        answers = plain.ask(self.solver, as_problems(problems), progress)
        confidence = np.zeros(len(problems))
        if answers.completions is not None:
            confidence[answers.rows] = answers.completions.log_probabilities.sum(1).exp().nan_to_num().numpy()
        texts: list[str] = []

        def written(row: int) -> tuple[str | None, list[dict[str, Any]] | None]:
            if answers.completions is None or answers.refusals[row] is not None:
                return None, None
            if not texts:
                texts.extend(self.solver.texts(answers.completions))
            place = int(np.searchsorted(answers.rows, row))
            return texts[place], self.solver.token_details(answers.completions, place)

        refusals = answers.refusals if len(answers.rows) < len(problems) else None
        return Answers(numbers(answers.values), answers.readable, confidence, refusals, written)


class ColumnSubject(_SolverSubject):
    """A model of ours that writes its work in columns."""

    columns: bool = True

    def keys(self, problems: ColumnProblems) -> np.ndarray:
        return problems.keys()

    @property
    def signed(self) -> bool:
        return self.solver.notation.signed

    def refusals(self, problems: ColumnProblems) -> list[str | None]:
        return [None] * len(problems)

    def refuses(self, shape: Shape) -> str | None:
        try:
            columns.check_shape(self.solver, shape)
        except UnsupportedProblem as error:
            return str(error)
        return None

    def answer(self, problems: ColumnProblems, progress: Callable[[int], None] | None = None) -> Answers:
        size = len(problems)
        try:
            answers = columns.ask(self.solver, problems, progress=progress)
        except (TokenError, UnsupportedProblem) as error:  # an operator without a token, or more digits than ids
            nothing = Numbers(np.zeros((size, 1), np.uint8), np.zeros(size, bool))
            none = np.zeros(size, bool)
            return Answers(nothing, none, np.zeros(size), [str(error)] * size, lambda row: (None, None))
        confidence = answers.completions.log_probabilities.double().sum(1).exp().nan_to_num().numpy()
        texts: list[str] = []

        def written(row: int) -> tuple[str | None, list[dict[str, Any]] | None]:
            if not texts:
                texts.extend(self.solver.texts(answers.completions))
            return texts[row], self.solver.token_details(answers.completions, row)

        return Answers(answers.numbers, answers.readable, confidence, None, written)


def _read(completion: str, most: int) -> str | None:
    """The answer that a completion begins with, or None where that is no number of at most so many characters: a
    solution has no more than its problem, and one number of a million digits would make all others as wide."""
    match = _ANSWER.match(tidy(completion))
    return match[1].removeprefix("+") if match and len(match[1]) <= most else None


class CallableSubject:
    """A function from prompts to completions: another library's model, or one behind an API.

    Args:
        function: given `12+34=` and the like, returns what is written after each: it begins with the answer, a whole
            number; other words, but no other number, may follow in its line, and anything in the next ones.
        tasks: what to ask.
    """

    columns: bool = False

    def __init__(self, function: Complete, tasks: Sequence[Task]):
        self.function, self.tasks = function, list(tasks)
        self.name = getattr(function, "__name__", type(function).__name__)

    @property
    def signed(self) -> bool:
        return any(task.min_value < 0 for task in self.tasks)

    def refusals(self, problems: ColumnProblems) -> list[str | None]:
        return [None] * len(problems)

    def refuses(self, shape: Shape) -> str | None:
        return None

    def answer(self, problems: ColumnProblems, progress: Callable[[int], None] | None = None) -> Answers:
        return self._answers([f"{text}=" for text in problems.expressions()])

    def _answers(self, prompts: list[str]) -> Answers:
        texts = self._complete(prompts)
        found = [_read(text, len(prompt) + _SLACK) for text, prompt in zip(texts, prompts, strict=True)]
        readable = np.array([answer is not None for answer in found], bool)
        answered = numbers_from_texts([answer or "0" for answer in found])
        return Answers(answered, readable, None, None, lambda row: (texts[row], None))

    def keys(self, problems: ColumnProblems) -> np.ndarray:
        return as_problems(problems).keys()

    def answer_texts(self, texts: Sequence[str]) -> Answers:
        return self._answers([text if text.rstrip().endswith("=") else f"{text}=" for text in texts])

    def _complete(self, prompts: list[str]) -> list[str]:
        texts = self.function(prompts)
        good = isinstance(texts, Sequence) and not isinstance(texts, str) and len(texts) == len(prompts)
        if good and all(isinstance(text, str) for text in texts):
            return list(texts)
        wrong = [] if not good else [type(text).__name__ for text in texts if not isinstance(text, str)]
        size = f" of {len(texts)}" if isinstance(texts, Sized) else ""
        came = f"one with {wrong[0]} in it" if wrong else f"{type(texts).__name__}{size}"
        raise CalcGPTError(
            f"{self.name} was given {len(prompts)} prompts: expected a list of as many texts, not {came}"
        )
