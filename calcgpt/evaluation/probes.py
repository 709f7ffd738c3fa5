"""Where in a model a carry can be read off, by layer, against shuffled labels and untrained networks.

A probe (`linear_probes.py`) goes from the residual stream at one token to one bit: does a carry (of a difference a
borrow) come into column k? The tokens up to there say much of it by themselves, the written digits most of all, so an
untrained network that reads the same tokens stands beside the model.

Sizes: N problems, K columns, L layers, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from calcgpt.errors import ConfigError, check_seed
from calcgpt.evaluation.explain import look_inside
from calcgpt.evaluation.linear_probes import CONTROLS, FEWEST, Bits, is_readable, probe, tells
from calcgpt.evaluation.roles import ANSWER, answer_roles, by_token, places_of
from calcgpt.inference.choosing import Completions
from calcgpt.inference.columns import ask
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.gpt import GPT
from calcgpt.tokens.encoding import encode_written
from calcgpt.tokens.places import Places, place_sequence, place_shape

Streams = dict[str, NDArray[np.float32]]
Progress = Callable[[int, int], None]
EQUALS, WRITING = "=", "column"  # where the stream is looked at: see probe_carries
_TEST_SHARE = 0.25
_UNTRAINED = 3  # networks of which the best counts: they differ, and one alone is at times beaten by another
_WEIGHTS = 2**24  # of attention that are computed at a time
_COLUMNS = 20  # the lowest ones are probed


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
        seed: of the draws, of the split, of the shuffles and of the untrained networks.
        operation: + or -; None for the first that the model has.
        progress: called with how many probes are fitted, of how many.

    Returns:
        operation, seed, problems (different ones), right, training, test, columns, layers (their names). rows, one for
        each position, column and layer: position ("=" or "column"), column (which the carry comes into; 1 is the tens),
        layer (0 the embedding), accuracy (on the test's problems), shuffled (of probes fitted to shuffled labels),
        untrained (the best of probes for untrained networks that read the same), majority (of always saying what is
        more frequent), problems (of the test). means, the same over all columns.
        first: for each position the first layer after which some carry is readable, a mean row of those columns, which
        are listed, or None.

    Raises:
        ConfigError: the model has no such operation, or there are too few problems to tell.
    """
    symbol, task = _choose(solver, operation)
    if count < 8 * FEWEST:
        raise ConfigError(f"expected a count of at least {8 * FEWEST} problems, not {count}")
    check_seed(seed)
    rng = np.random.default_rng((seed, 1))
    read = _read_columns if solver.notation.work == "columns" else _read_text
    reading, carries, right = read(solver, symbol, task, count, rng)
    if not len(carries):
        raise ConfigError("the model wrote no number, so there is nothing to probe")
    test = rng.random(len(carries)) < _TEST_SHARE
    untrained = [_streams(model, reading) for model in _untrained(solver.model, seed)]
    rows = _all_rows(_streams(solver.model, reading), untrained, reading, carries, test, seed, progress)
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
    own: Streams,
    untrained: Sequence[Streams],
    reading: Reading,
    carries: Bits,
    test: Bits,
    seed: int,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    rows, columns = [], range(1, carries.shape[1])
    for number, (column, position) in enumerate(product(columns, (EQUALS, WRITING))):
        known = reading.writing[:, column] >= (0 if position == WRITING else -1)
        labels, held = carries[known, column], test[known]
        if tells(labels, held):
            at = column if position == WRITING else 0
            features, *others = (streams[position][:, known, at] for streams in (own, *untrained))
            for layer, part in enumerate(features):
                rng = np.random.default_rng((seed, 2, number, layer))
                found = probe(part, [other[layer] for other in others], labels, held, rng)
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
    padded = [[*row, *[solver.tokenizer.pad_id] * (longest - len(row))] for row in rows]
    tokens = torch.tensor(padded, dtype=torch.int64, device="cpu")
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


def _untrained(model: GPT, seed: int) -> list[GPT]:
    """Networks of a model's shape as training begins with them."""
    seeds = [int(np.random.default_rng((seed, 3, number)).integers(2**63)) for number in range(_UNTRAINED)]
    generators = [torch.Generator("cpu").manual_seed(own) for own in seeds]
    return [GPT(model.config, generator).to(model.wte.weight).eval() for generator in generators]


def _streams(model: GPT, reading: Reading) -> Streams:
    """The residual stream at both positions: (L + 1, N, K, C) where columns are written, (L + 1, N, 1, C) at `=`."""
    size, length = reading.tokens.shape
    block = max(1, _WEIGHTS // (model.config.num_heads * length**2))
    parts: dict[str, list[NDArray[np.float32]]] = {EQUALS: [], WRITING: []}
    for start in range(0, size, block):
        rows = slice(start, start + block)
        stream, _ = look_inside(model, reading.tokens[rows].to(model.device), reading.places)
        own = torch.arange(stream.shape[1], device=stream.device)[:, None]
        for position, at in ((EQUALS, reading.equals[rows, None]), (WRITING, reading.writing[rows])):
            index = torch.from_numpy(np.maximum(at, 0)).to(stream.device)
            parts[position].append(stream[:, own, index].float().cpu().numpy())
    return {position: np.concatenate(found, 1) for position, found in parts.items()}


def _grouped(rows: list[dict[str, Any]], *names: str) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    keys = sorted({tuple(row[name] for name in names) for row in rows})
    for key in keys:
        yield key, [row for row in rows if tuple(row[name] for name in names) == key]


def _mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows of one position and layer as one, the mean over their columns."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in ("accuracy", *CONTROLS)}
    return {**{name: rows[0][name] for name in ("position", "layer")}, **means, "problems": rows[0]["problems"]}


def _first(rows: list[dict[str, Any]], position: str) -> dict[str, Any] | None:
    """The first layer after which carries are readable at a position, and into which columns."""
    for _, own in _grouped([row for row in rows if row["position"] == position], "layer"):
        readable = [row for row in own if is_readable(row)]
        if readable:
            return {**_mean(readable), "columns": [row["column"] for row in readable]}
    return None
