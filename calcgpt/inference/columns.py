"""Answering problems that are written in columns: one decoding for each shape, verdicts by exact digit arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.columns import ColumnProblems, Numbers, Shape, group, parse_columns
from calcgpt.errors import ConfigError, DataError, UnsupportedProblem
from calcgpt.inference.choosing import Chooser, Completions
from calcgpt.inference.placed import decode_placed
from calcgpt.inference.results import refusal
from calcgpt.tokens.places import place_shape
from calcgpt.tokens.tokenizer import END, PAD

if TYPE_CHECKING:
    from calcgpt.inference.solver import CalcGPT

Progress = Callable[[int, int], None]


@dataclass
class ColumnAnswers:
    """What a model made of N problems of one shape.

    numbers: what it answered. readable: (N,) whether there is an answer, with its end. completions: the tokens.
    """

    problems: ColumnProblems
    numbers: Numbers
    readable: np.ndarray
    completions: Completions

    @cached_property
    def right(self) -> np.ndarray:
        """(N,) whether each answer is the solution, which nothing has computed before."""
        return self.numbers.equal(self.problems.solutions()) & self.readable


def ask(
    solver: CalcGPT,
    problems: ColumnProblems,
    temperature: float = 0.0,
    seed: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ColumnAnswers:
    """Have problems of one shape answered.

    `progress` is called with how many are done.

    Raises:
        ConfigError: the temperature is negative or not finite.
        TokenError: the model has no token for the operator.
        UnsupportedProblem: the problems need more position ids than the model has.
    """
    if not 0 <= temperature < float("inf"):
        raise ConfigError(f"temperature must be a finite number of 0 or more, not {temperature}")
    prompts = torch.from_numpy(solver.tokenizer.encode_characters(traces.write_prompts(problems)))
    places = place_shape(problems.shape, solver.model.config.positions)
    choose = Chooser(solver.model, temperature, seed)
    completions = decode_placed(choose, prompts, places, len(places), progress)
    codes = [0 if token in (PAD, END) else min(ord(token), 127) for token in solver.tokenizer.id_to_token]
    tokens = completions.tokens[:, : len(places) - places.prompt - 1]  # what has not ended then has a token more
    numbers, readable = traces.read(problems.shape, np.array(codes, np.uint8)[tokens.numpy()])
    readable &= completions.ended.numpy()
    return ColumnAnswers(problems, numbers, readable, completions)


def solve_columns(
    solver: CalcGPT,
    texts: Sequence[str],
    temperature: float,
    seed: int | None,
    token_details: bool,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """`CalcGPT.solve_batch` for a model that writes columns."""
    started, done = time.perf_counter(), 0
    results, parsed, asked = _read(solver, texts)

    def report(count: int) -> None:
        if progress:
            progress(done + count, len(asked))

    for places, problems in group(parsed, solver.notation.signed):
        rows = [asked[place] for place in places.tolist()]
        try:
            answers = ask(solver, problems, temperature, seed, report)
        except UnsupportedProblem as error:
            for row in rows:
                results[row] = refusal(texts[row], str(error))
            continue
        for row, result in zip(rows, _results(solver, problems, answers, token_details), strict=True):
            results[row] = result
        done += len(rows)
    share = (time.perf_counter() - started) / max(1, len(texts))
    for result in results:
        result["inference_time"] = share
    return results


def trained_shape(solver: CalcGPT, shape: Shape) -> bool:
    """Whether training could have asked problems of a shape."""
    for task in solver.tasks:
        if task.max_digits and shape.symbol in task.operations and len(shape.widths) <= task.max_operands:
            limits = task.widths(shape.symbol)
            if shape.number_width <= limits[0] and (shape.symbol in "+-" or shape.widths[1] <= limits[1]):
                return True
    return False


def _read(
    solver: CalcGPT, texts: Sequence[str]
) -> tuple[list[dict[str, Any]], list[tuple[str, tuple[int, ...]]], list[int]]:
    """A result for each text, of which only the refusals are final; what can be asked, parsed; and where it stands."""
    results, parsed, asked = [], [], []
    known = {symbol for task in solver.tasks for symbol in task.operations}
    for row, text in enumerate(texts):
        reason = None
        try:
            symbol, operands = parse_columns(text)
            if any(value < 0 for value in operands) and not solver.notation.signed:
                reason = "this model's notation has no negative operands"
            elif symbol not in known:
                reason = f"this model was not trained on {symbol!r}: it was trained on {' '.join(sorted(known))}"
            elif len(operands) > 2 and max(task.max_operands for task in solver.tasks) == 2:
                reason = "this model was trained on sums of two operands; the recipe many-operands has more"
        except (DataError, UnsupportedProblem) as error:
            reason = str(error)
        if reason is None:
            parsed.append((symbol, operands))
            asked.append(row)
        results.append(refusal(text, reason))
    return results, parsed, asked


def _results(
    solver: CalcGPT, problems: ColumnProblems, answers: ColumnAnswers, token_details: bool
) -> list[dict[str, Any]]:
    confidences = answers.completions.log_probabilities.sum(1).exp().tolist()
    inside, found = trained_shape(solver, problems.shape), []
    rows = zip(
        problems.expressions(),
        answers.numbers.texts(),
        answers.readable.tolist(),
        answers.right.tolist(),
        confidences,
        solver.texts(answers.completions),
        strict=True,
    )
    for row, (problem, answer, readable, right, confidence, text) in enumerate(rows):
        result = {
            "problem": problem,
            "answer": answer if readable else None,
            "is_correct": right,
            "confidence": confidence,
            "in_distribution": inside,
            "inference_time": 0.0,
            "full_result": f"{problem}={answer if readable else text}",
            "completion": text,
            "error": None,
        }
        if token_details:
            result["tokens"] = solver.token_details(answers.completions, row)
        found.append(result)
    return found
