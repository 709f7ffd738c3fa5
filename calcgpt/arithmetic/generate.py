"""Making a data set: every problem of a spec, or a sample of them without repetition; and writing it down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from calcgpt.arithmetic.integers import readable
from calcgpt.arithmetic.problems import Problems, keep_wanted
from calcgpt.arithmetic.scanning import Progress
from calcgpt.arithmetic.spec import MAX_EXPRESSIONS, DatasetSpec
from calcgpt.errors import ConfigError, DataError, shown_path
from calcgpt.runtime.files import make_folder, write_atomic

_BLOCK = 250_000  # expressions between two reports of progress; bounds the memory that is used on the way
_MAX_PAIRS = 4 * 10**9  # of operands that are tried one by one


def generate(spec: DatasetSpec, progress: Progress | None = None) -> Problems:
    """The problems of `spec`: all of them by operation and operands in order, or `count` different ones in
    random order.

    Raises ConfigError where there are none, fewer than `count`, or too many to hold.
    """
    count, size = spec.expressions(), spec.size()
    return _exhaustive(spec, size, progress) if spec.count is None else _sampled(spec, count, size, progress)


def _exhaustive(spec: DatasetSpec, size: int, progress: Progress | None) -> Problems:
    operands = spec.operands
    pairs = len(spec.operations) * operands.size**2
    if size > MAX_EXPRESSIONS or pairs > _MAX_PAIRS:
        raise ConfigError(
            f"{readable(size)} expressions among {readable(pairs)} pairs of operands are too many to list: "
            "expected a count, or a smaller range"
        )
    values = operands.all()
    rows = max(1, _BLOCK // len(values))
    parts, done = [], 0
    for symbol in spec.operations:
        for start in range(0, len(values), rows):
            first = values[start : start + rows]
            grid = np.stack([np.repeat(first, len(values)), np.tile(values, len(first))], axis=1)
            part = keep_wanted(Problems((symbol,), np.zeros(len(grid), dtype=np.uint8), grid), spec.negative_results)
            parts.append(part)
            done += len(part)
            if progress is not None:
                progress(done, size)
    return Problems.concatenate(parts)


def _sampled(spec: DatasetSpec, count: int, size: int, progress: Progress | None) -> Problems:
    rng = np.random.default_rng(spec.seed)
    if 2 * count >= size:
        everything = _exhaustive(spec, size, progress)
        return everything[rng.permutation(size)[:count]]
    # So many draws hold `count` different ones on average; the rest is drawn again.
    parts = [Problems.concatenate([])]
    missing = math.ceil(-math.log1p(-count / size) * size * 1.001) if size < 2**53 else count
    found = parts[0]
    while len(found) < count:
        parts = [found]
        for start in range(0, missing, _BLOCK):
            parts.append(spec.draw(min(_BLOCK, missing - start), rng))
            if progress is not None:
                progress(min(len(found) + start, count - 1), count)
        found = _without_repetition(Problems.concatenate(parts))
        missing = 2 * (count - len(found)) + 16
    if progress is not None:
        progress(count, count)
    return found[:count]


def _without_repetition(problems: Problems) -> Problems:
    """The first of each; two that share a 64-bit hash count as one, as more can be drawn."""
    _, first = np.unique(problems.keys(ordered=True), return_index=True)
    return problems[np.sort(first)]


def write_examples(path: str | Path, examples: Problems | Iterable[str], progress: Progress | None = None) -> int:
    """Writes examples, one a line, whole or not at all, and the folders on the way; returns the bytes.

    examples: the lines, or problems to be solved and written. progress: called for problems only.
    Raises DataError where the file cannot be written.
    """
    path = Path(path)
    blocks = _blocks(examples, progress) if isinstance(examples, Problems) else _text_blocks(examples)
    try:
        make_folder(path.parent)
        data = b"".join(block.encode() for block in blocks)
        write_atomic(path, data)
    except OSError as error:
        raise DataError(f"cannot write {shown_path(path)}: {error.strerror or error}") from error
    return len(data)


def _blocks(problems: Problems, progress: Progress | None) -> Iterator[str]:
    for start in range(0, len(problems), _BLOCK):
        yield "\n".join(problems[start : start + _BLOCK].examples()) + "\n"
        if progress is not None:
            progress(min(start + _BLOCK, len(problems)), len(problems))


def _text_blocks(lines: Iterable[str]) -> Iterator[str]:
    remaining = iter(lines)
    while block := list(islice(remaining, _BLOCK)):
        yield "\n".join(block) + "\n"
