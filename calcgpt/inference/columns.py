"""Answering problems that are written in columns: one decoding for each shape, verdicts by exact digit arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.columns import ColumnProblems, Numbers, Shape, group, parse_columns, shape_of
from calcgpt.errors import DataError, UnsupportedProblem
from calcgpt.inference.choosing import Chooser, Completions
from calcgpt.inference.placed import decode_placed
from calcgpt.inference.results import NOT_FINITE, Progress, needs_too_many, out_of_time, refusal, spoil
from calcgpt.inference.watch import Limits, Watch
from calcgpt.model.config import GPTConfig
from calcgpt.runtime.memory import free_memory
from calcgpt.tokens.places import place_shape
from calcgpt.tokens.tokenizer import END, PAD

if TYPE_CHECKING:
    from calcgpt.inference.solver import CalcGPT

_SMALL = 2**28  # bytes that are not worth asking for
_TOKEN = 500  # bytes that a written token takes, for where it stands and what it sees
_HELD = 2**24  # tokens that are written before they are judged
_CHANNELS = 8  # numbers a channel that reading a token of a prompt takes


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


def tokens_to_write(shape: Shape) -> int:
    """How many tokens an answer of a shape takes, its work and its end counted: known before it is begun."""
    return traces.length(shape) + 1


def ask(
    solver: CalcGPT,
    problems: ColumnProblems,
    temperature: float = 0.0,
    seed: int | None = None,
    progress: Callable[[int], None] | None = None,
    rows: np.ndarray | None = None,
    watch: Watch | None = None,
) -> ColumnAnswers:
    """Have problems of one shape answered.

    `progress` is called with how many are done; `rows` are the problems' numbers, for draws; `watch` counts tokens and
    ends what takes too long.

    Raises:
        ConfigError: the temperature is negative or not finite, or the seed too large.
        TokenError: the model has no token for the operator.
        UnsupportedProblem: the problems need more position ids than the model has, or more memory than there is.
    """
    choose = Chooser(solver.model, temperature, seed)
    _check_memory(solver.model.config, problems.shape)
    prompts = torch.from_numpy(solver.tokenizer.encode_characters(traces.write_prompts(problems)))
    places = place_shape(problems.shape, solver.model.config.positions)
    completions = decode_placed(choose, prompts, places, len(places), progress, rows, watch)
    codes = [0 if token in (PAD, END) else min(ord(token), 127) for token in solver.tokenizer.id_to_token]
    tokens = completions.tokens[:, : len(places) - places.prompt - 1]  # what has not ended then has a token more
    numbers, readable = traces.read(problems.shape, np.array(codes, np.uint8)[tokens.numpy()])
    readable &= completions.ended.numpy()
    return ColumnAnswers(problems, numbers, readable, completions)


def at_once(shape: Shape) -> int:
    """How many problems of a shape are asked together, at most: what they write is held until they are judged."""
    return max(1, _HELD // tokens_to_write(shape))


def check_shape(solver: CalcGPT, shape: Shape) -> None:
    """Raises UnsupportedProblem where no problem of a shape can be asked."""
    config = solver.model.config
    _check_memory(config, shape)
    if config.positions.encoding == "learned":
        places = place_shape(shape, config.positions)
        solver.model.positions.check(places, len(places))


def _check_memory(config: GPTConfig, shape: Shape) -> None:
    """Raises UnsupportedProblem where not even one problem of a shape fits into the memory."""
    tokens, widths = tokens_to_write(shape), sum(shape.widths)
    needed = _TOKEN * tokens + 4 * _CHANNELS * config.embedding_dim * widths
    if config.positions.window == ():
        needed += 8 * config.num_layers * config.embedding_dim * tokens
    free = free_memory() if needed > _SMALL else None
    if free is not None and needed > free:
        raise UnsupportedProblem(
            f"the work and the answer take {tokens:,} tokens, for which there is not memory enough: "
            f"about {needed / 2**30:,.1f} GiB, of which {free / 2**30:,.1f} are free"
        )


def solve_columns(
    solver: CalcGPT,
    texts: Sequence[str],
    limits: Limits,
    token_details: bool,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """`CalcGPT.solve_batch` for a model that writes columns."""
    started, done, watch = time.perf_counter(), 0, limits.watch
    results, parsed, asked = _read(solver, texts)
    groups = sorted(  # short ones first: a long one may run out of time, and then takes no other with it
        _portions(group(parsed, solver.notation.signed)), key=lambda portion: tokens_to_write(portion[1].shape)
    )
    for places, problems in groups:
        if limits.max_tokens is None or tokens_to_write(problems.shape) <= limits.max_tokens:
            watch.expect(len(places) * tokens_to_write(problems.shape))

    def report(count: int) -> None:
        if progress:
            progress(done + count, len(asked))

    for places, problems in groups:
        rows, expected = [asked[place] for place in places.tolist()], tokens_to_write(problems.shape)
        try:
            if limits.max_tokens is not None and expected > limits.max_tokens:
                found = _unanswered(solver, problems, needs_too_many(expected, limits.max_tokens))
            elif watch.expired:
                found = _unanswered(solver, problems, out_of_time(watch.timeout, 0, expected))
            else:
                numbers = np.array(rows) + limits.first
                answers = ask(solver, problems, limits.temperature, limits.seed, report, numbers, watch)
                found = _results(solver, problems, answers, watch, token_details)
        except UnsupportedProblem as error:
            watch.wrote(len(rows) * expected)
            found = [refusal(texts[row], str(error)) for row in rows]
        for row, result in zip(rows, found, strict=True):
            results[row] = result
        done += len(rows)
    share = (time.perf_counter() - started) / max(1, len(texts))
    for result in results:
        result["inference_time"] = share
    return results


def _portions(
    groups: Iterable[tuple[NDArray[np.int64], ColumnProblems]],
) -> Iterator[tuple[NDArray[np.int64], ColumnProblems]]:
    for places, problems in groups:
        size = at_once(problems.shape)
        for start in range(0, len(places), size):
            yield places[start : start + size], problems[start : start + size]


def count_column_tokens(solver: CalcGPT, texts: Sequence[str]) -> list[int]:
    """`CalcGPT.count_tokens` for a model that writes columns."""
    counts, (_, parsed, asked) = [0] * len(texts), _read(solver, texts)
    for row, (symbol, operands) in zip(asked, parsed, strict=True):
        counts[row] = tokens_to_write(shape_of(symbol, operands, solver.notation.signed))
    return counts


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


def _unanswered(solver: CalcGPT, problems: ColumnProblems, error: str) -> list[dict[str, Any]]:
    """The results of problems that were not begun, though the model could be asked them."""
    inside = trained_shape(solver, problems.shape)
    return [{**refusal(text, error), "in_distribution": inside} for text in problems.expressions()]


def _results(
    solver: CalcGPT, problems: ColumnProblems, answers: ColumnAnswers, watch: Watch, token_details: bool
) -> list[dict[str, Any]]:
    confidences = answers.completions.log_probabilities.sum(1).exp().tolist()
    inside, expected, found = trained_shape(solver, problems.shape), tokens_to_write(problems.shape), []
    written = (answers.completions.lengths + answers.completions.ended).tolist()
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
        if confidence != confidence:
            spoil(result, NOT_FINITE)
        elif watch.expired and not answers.completions.ended[row] and written[row] < expected:
            spoil(result, out_of_time(watch.timeout, written[row], expected))
        if token_details:
            result["tokens"] = solver.token_details(answers.completions, row)
        found.append(result)
    return found
