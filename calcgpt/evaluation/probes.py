"""Linear probes: where in a model a carry can be read off, by layer, against shuffled labels.

A probe is a logistic regression from the residual stream at one token to one bit: does a carry (of a difference a
borrow) come into column k? What it reads there is linearly present; whether the model uses it is another question.
See Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (2016), and for the control
Hewitt and Liang, "Designing and Interpreting Probes with Control Tasks" (2019).

Sizes: N problems, K columns, L layers, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic import traces
from calcgpt.arithmetic.cells import SEGMENTS, lay_out
from calcgpt.arithmetic.columns import ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.drawing import draw
from calcgpt.arithmetic.integers import digit_counts
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.explain import look_inside
from calcgpt.evaluation.roles import ANSWER, answer_roles, by_token, places_of
from calcgpt.inference.choosing import Completions
from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT
from calcgpt.tokens.encoding import encode_written
from calcgpt.tokens.places import Places, place_sequence, place_shape

Bits = NDArray[np.bool_]
Streams = dict[str, NDArray[np.float32]]
Progress = Callable[[int, int], None]
READABLE = 0.95  # from this accuracy on a carry is called readable
EQUALS, WRITING = "=", "column"  # where the stream is looked at: see probe_carries
_TEST_SHARE = 0.25
_SHUFFLES = 3  # controls whose accuracies are averaged
_FEWEST = 20  # problems of either kind to fit, and problems to test, below which nothing is told
_WEIGHTS = 2**24  # of attention that are computed at a time
_COLUMNS = 20  # the lowest ones are probed
_STILL = 1e-6  # spread of a feature below which it does not change
_ROUNDS = 30  # of Newton's method
_EASE = 1.0  # what half the squared weights of a probe cost


@dataclass
class Reading:
    """What a model read and wrote, N problems: tokens (N, T) padded on the right, their places, None for GPT-2's own,
    and from which token column k was written, (N, K), and that of the equals sign (N,); -1 where there is none."""

    tokens: torch.Tensor
    places: Places | None
    writing: NDArray[np.int64]
    equals: NDArray[np.int64]


def probe_carries(
    solver: CalcGPT,
    count: int = 2000,
    seed: int = 0,
    operation: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Where a model has the carry (the borrow) into each column, by layer.

    Problems are drawn as in training, of two operands of 0 or more, the largest lengths, of differences those with a
    result of 0 or more. The model answers them greedily; then it reads problem and answer, and probes look at the
    residual stream at the `=`, and at the token from which the column's digit is chosen. Where the columns are worked
    out before the answer is written, that is the digit there.

    Args:
        solver: the model.
        count: problems to draw; those drawn twice, a+b and b+a among them, count once.
        seed: of the draws, of the split and of the shuffles.
        operation: + or -; None for the first that the model has.
        progress: called with how many probes are fitted, of how many.

    Returns:
        operation, seed, problems (different ones), right, training, test, columns, layers (their names). rows, one for
        each position, column and layer: position ("=" or "column"), column (which the carry comes into; 1 is the tens),
        layer (0 the embedding), accuracy (on the test's problems), shuffled (of probes fitted to shuffled labels),
        majority (of always saying what is more frequent), problems (of the test). means, the same over all columns.
        first: for each position the first layer after which some carry is readable, a mean row of those columns, which
        are listed, or None.

    Raises:
        ConfigError: the model has no such operation, or there are too few problems to tell.
    """
    symbol, task = _choose(solver, operation)
    if count < 8 * _FEWEST:
        raise ConfigError(f"expected a count of at least {8 * _FEWEST} problems, not {count}")
    rng = np.random.default_rng((seed, 1))
    read = _read_columns if solver.notation.work == "columns" else _read_text
    reading, carries, right = read(solver, symbol, task, count, rng)
    if not len(carries):
        raise ConfigError("the model wrote no number, so there is nothing to probe")
    test = rng.random(len(carries)) < _TEST_SHARE
    rows = _all_rows(_streams(solver, reading), reading, carries, test, seed, progress)
    if not rows:
        raise ConfigError("too few different problems, or too few carries, to tell: raise --count")
    layers = ["embedding", *(f"layer {layer + 1}" for layer in range(solver.model.config.num_layers))]
    return {
        "operation": symbol,
        "seed": seed,
        "problems": len(carries),
        "right": right,
        "training": int((~test).sum()),
        "test": int(test.sum()),
        "columns": sorted({row["column"] for row in rows}),
        "layers": layers,
        "rows": rows,
        "means": [_mean(own) for _, own in _grouped(rows, "position", "layer")],
        "first": {position: _first(rows, position) for position in (EQUALS, WRITING)},
    }


def _all_rows(
    streams: Streams, reading: Reading, carries: Bits, test: Bits, seed: int, progress: Progress | None
) -> list[dict[str, Any]]:
    rows, columns = [], range(1, carries.shape[1])
    for number, (column, position) in enumerate(product(columns, (EQUALS, WRITING))):
        known = reading.writing[:, column] >= (0 if position == WRITING else -1)
        labels, held = carries[known, column], test[known]
        if _tells(labels, held):
            features = streams[position][:, known, column if position == WRITING else 0]
            for layer, part in enumerate(features):
                found = probe(part, labels, held, np.random.default_rng((seed, 2, number, layer)))
                rows.append({"position": position, "column": column, "layer": layer, **found})
        if progress:
            progress(number + 1, 2 * len(columns))
    return rows


def _choose(solver: CalcGPT, operation: str | None) -> tuple[str, Task]:
    known = {symbol: task for task in solver.tasks for symbol in task.operations if symbol in ("+", "-")}
    if not known:
        raise ConfigError("carries are those of sums and differences, and this model was trained on neither")
    symbol = next(iter(known)) if operation is None else operation
    if symbol not in known:
        raise ConfigError(f"carries of this model are those of {' and '.join(known)}, not of {operation!r}")
    return symbol, known[symbol]


def _read_columns(
    solver: CalcGPT, symbol: str, task: Task, count: int, rng: np.random.Generator
) -> tuple[Reading, Bits, int]:
    width = task.widths(symbol)[0] if task.max_digits else len(str(task.max_value))
    shape = Shape(symbol, written_widths(symbol, (width, width)), solver.notation.signed)
    digits = draw(shape, count, rng, task.carry_share).digits
    if symbol == "-":
        below = d.subtract(digits[:, 0], digits[:, 1])[1]
        digits[below] = digits[below][:, ::-1]
    problems = ColumnProblems(shape, digits, np.zeros(digits.shape[:2], bool) if shape.signed else None)
    problems = problems[np.unique(problems.keys(), return_index=True)[1]]
    answers = ask(solver, problems)
    kept = np.flatnonzero(answers.readable)
    prompts = torch.from_numpy(solver.tokenizer.encode_characters(traces.write_prompts(problems)))
    written = answers.completions.tokens[:, : len(traces.template(shape))]
    at = _column_tokens(shape) - 1
    reading = Reading(
        torch.cat([prompts, written], 1)[kept],
        place_shape(shape, solver.model.config.positions),
        np.tile(at, (len(kept), 1)),
        np.full(len(kept), prompts.shape[1] - 1),
    )
    bits = carries_into(symbol, problems.operand(0)[kept], problems.operand(1)[kept])
    return reading, bits[:, : len(at)], int(answers.right[kept].sum())


def _column_tokens(shape: Shape) -> NDArray[np.int64]:
    """Where each column's digit is first written, units first, counted from the beginning of the prompt."""
    cells = lay_out(shape)
    worked = np.flatnonzero(cells.segments == SEGMENTS.index("difference"))
    return (worked if len(worked) else cells.prompt + traces.answer_places(shape))[:_COLUMNS]


def _read_text(
    solver: CalcGPT, symbol: str, task: Task, count: int, rng: np.random.Generator
) -> tuple[Reading, Bits, int]:
    problems = _draw_text(solver, symbol, task, count, rng)
    completions = solver.decode(problems)
    values, readable = solver.read_answers(completions)
    kept = np.flatnonzero(readable)
    right = (values == problems.solutions()).astype(bool) & readable
    ids, lengths = encode_written(solver.tokenizer, solver.notation.write_prompts(problems))
    writing = np.full((len(problems), _COLUMNS), -1)
    for row in kept.tolist():
        for index, places in enumerate(_places_written(solver, completions, row)):
            for place in places:
                writing[row, place] = lengths[row] + index - 1
    columns = int((writing >= 0).any(0).sum())
    rows = [[*ids[row, : lengths[row]], *completions.tokens[row, : completions.lengths[row]].tolist()] for row in kept]
    longest = max(map(len, rows), default=1)
    tokens = torch.tensor([[*row, *[solver.tokenizer.pad_id] * (longest - len(row))] for row in rows])
    scheme, limit = solver.model.config.positions, solver.model.config.max_length
    seen = None if scheme.plain else place_sequence(limit, 0, scheme)
    width = int(digit_counts(problems.operands).max(initial=1))
    a, b = (d.from_integers(problems.operands[kept, side].tolist(), max(width, columns)) for side in (0, 1))
    bits = carries_into(symbol, a, b)[:, :columns]
    return Reading(tokens, seen, writing[kept, :columns], lengths[kept] - 1), bits, int(right.sum())


def _draw_text(solver: CalcGPT, symbol: str, task: Task, count: int, rng: np.random.Generator) -> Problems:
    """Different problems that the model can be asked, of operands of 0 or more."""
    low = max(0, task.min_value)
    if task.max_value < low:
        raise ConfigError("carries are those of operands of 0 or more, and this model was trained on none")
    problems = replace(task.only(symbol), min_value=low, negative_results=True).sample(count, rng)
    operands = problems.operands
    if symbol == "-":
        below = (operands[:, 0] < operands[:, 1]).astype(bool)
        operands = np.where(below[:, None], operands[:, ::-1], operands)
    problems = Problems(problems.symbols, problems.operation, operands)
    problems = problems[np.unique(problems.keys(), return_index=True)[1]]
    return problems[np.flatnonzero([reason is None for reason in solver.refusals(problems)])]


def _places_written(solver: CalcGPT, completions: Completions, row: int) -> Iterator[tuple[int, ...]]:
    """The places of the answer's digits in each token of a completion, as far as they are probed."""
    tokens = completions.tokens[row, : int(completions.lengths[row])].tolist()
    names = [solver.tokenizer.id_to_token[token] for token in tokens]
    for part in by_token(names, answer_roles(solver.notation, "".join(names))):
        yield tuple(place for place in places_of(part, ANSWER) if place < _COLUMNS)


def carries_into(symbol: str, a: d.Digits, b: d.Digits) -> Bits:
    """Whether a carry of a + b, or a borrow of a - b, comes into each column: digits (N, W) each -> (N, W + 1).

    >>> carries_into("+", d.from_integers([95], 2), d.from_integers([17], 2)).tolist()
    [[False, True, True]]
    """
    bits = np.zeros((len(a), a.shape[1] + 1), bool)
    for column in range(a.shape[1]):
        before = bits[:, column]
        left, right = a[:, column].astype(np.int8), b[:, column].astype(np.int8)
        bits[:, column + 1] = left + right + before > 9 if symbol == "+" else left - right - before < 0
    return bits


def _streams(solver: CalcGPT, reading: Reading) -> Streams:
    """The residual stream at both positions: (L + 1, N, K, C) where columns are written, (L + 1, N, 1, C) at `=`."""
    size, length = reading.tokens.shape
    block = max(1, _WEIGHTS // (solver.model.config.num_heads * length**2))
    parts: dict[str, list[NDArray[np.float32]]] = {EQUALS: [], WRITING: []}
    for start in range(0, size, block):
        rows = slice(start, start + block)
        stream, _ = look_inside(solver.model, reading.tokens[rows].to(solver.model.device), reading.places)
        own = torch.arange(stream.shape[1], device=stream.device)[:, None]
        for position, at in ((EQUALS, reading.equals[rows, None]), (WRITING, reading.writing[rows])):
            index = torch.from_numpy(np.maximum(at, 0)).to(stream.device)
            parts[position].append(stream[:, own, index].float().cpu().numpy())
    return {position: np.concatenate(found, 1) for position, found in parts.items()}


def _tells(labels: Bits, test: Bits) -> bool:
    """Whether there are problems enough of either kind."""
    known = labels[~test]
    return bool(min(known.sum(), (~known).sum()) >= _FEWEST and test.sum() >= _FEWEST)


def probe(features: NDArray[Any], labels: Bits, test: Bits, rng: np.random.Generator) -> dict[str, Any]:
    """How well a bit can be read off features with one direction.

    Args:
        features: (N, C). labels: (N,). test: (N,) which rows are held out of fitting.
        rng: of the shuffles.

    Returns:
        accuracy, shuffled, majority, problems: see `probe_carries`.
    """
    features = features.astype(np.float64)
    middle, spread = features[~test].mean(0), features[~test].std(0)
    features = (features - middle) / np.where(spread > _STILL, spread, np.inf)  # what never changes says nothing

    def held(known: Bits) -> float:
        weights = _fit(features[~test], known)
        return float(((features[test] @ weights[:-1] + weights[-1] > 0) == labels[test]).mean())

    known = labels[~test]
    return {
        "accuracy": held(known),
        "shuffled": float(np.mean([held(rng.permutation(known)) for _ in range(_SHUFFLES)])),
        "majority": float((labels[test] == (2 * known.sum() > len(known))).mean()),
        "problems": int(test.sum()),
    }


def _fit(x: NDArray[np.float64], labels: Bits) -> NDArray[np.float64]:
    """Logistic regression with a cost on its weights, by Newton's method: (n, C) -> (C + 1,), the last the offset."""
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    cost = np.append(np.full(x.shape[1] - 1, _EASE), 1e-6)
    weights = np.zeros(x.shape[1])

    def loss(w: NDArray[np.float64]) -> float:
        z = x @ w
        return float(np.logaddexp(0, z).sum() - z[labels].sum() + (cost * w * w).sum() / 2)

    for _ in range(_ROUNDS):
        share = 0.5 * (1 + np.tanh(x @ weights / 2))  # the logistic function, without overflow
        slope = x.T @ (share - labels) + cost * weights
        curve = (x * (share * (1 - share))[:, None]).T @ x + np.diag(cost)
        step, here, length = np.linalg.solve(curve, slope), loss(weights), 1.0
        while loss(weights - length * step) > here and length > 1e-4:
            length /= 2
        weights = weights - length * step
        if np.abs(length * step).max() < 1e-4:
            break
    return weights


def _grouped(rows: list[dict[str, Any]], *names: str) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    keys = sorted({tuple(row[name] for name in names) for row in rows})
    for key in keys:
        yield key, [row for row in rows if tuple(row[name] for name in names) == key]


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows of one position and layer as one, the mean over their columns."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in ("accuracy", "shuffled", "majority")}
    return {**{name: rows[0][name] for name in ("position", "layer")}, **means, "problems": rows[0]["problems"]}


def is_readable(row: dict[str, Any]) -> bool:
    """Whether a probe reads a carry: with an accuracy of READABLE, and above both controls beyond chance."""
    return row["accuracy"] >= READABLE and _at_least(row) > max(row["shuffled"], row["majority"])


def _at_least(row: dict[str, Any]) -> float:
    """The lower end of Wilson's 95% interval for a row's accuracy."""
    share, n, z = row["accuracy"], row["problems"], 1.96
    spread = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return (share + z * z / (2 * n) - spread) / (1 + z * z / n)


def _first(rows: list[dict[str, Any]], position: str) -> dict[str, Any] | None:
    """The first layer after which carries are readable at a position, and into which columns."""
    for _, own in _grouped([row for row in rows if row["position"] == position], "layer"):
        readable = [row for row in own if is_readable(row)]
        if readable:
            return {**_mean(readable), "columns": [row["column"] for row in readable]}
    return None
