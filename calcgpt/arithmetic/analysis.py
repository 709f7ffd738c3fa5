"""A data file in numbers: operations, lengths, carries, repetitions, and what is invalid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calcgpt.arithmetic.hashing import Words
from calcgpt.arithmetic.integers import IntegerArray, digit_counts
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems
from calcgpt.arithmetic.reading import read_examples
from calcgpt.arithmetic.scanning import Progress

_LISTED = 20


def analyze(path: str | Path, progress: Progress | None = None) -> dict[str, Any]:
    """What a data file holds. Raises DataError for a file that cannot be read at all.

    progress: called with the lines read, of how many.

    path, lines, examples (valid lines), invalid_lines, and invalid: the first 20 as `FILE:LINE: reason`.
    operations: {symbol: examples}.
    operand_digits, answer_digits: {number of digits: operands, answers}, the sign apart.
    carries: {symbol: {number of carries or borrows: examples}} of the operations that have them.
    negative_operands, negative_answers: how many examples have one.
    duplicates: {"exact": lines that repeat an earlier one, "commuted": further lines that only exchange an
    earlier one's operands where that changes nothing}.
    """
    file = read_examples(path, progress)
    right = file.scan.right()
    problems, answers = file.scan.problems[right], file.scan.answers[right]
    invalid = np.flatnonzero(~file.valid())
    counts = np.bincount(problems.operation, minlength=len(problems.symbols)).tolist()
    return {
        "path": str(file.path),
        "lines": len(file.lines),
        "examples": len(problems),
        "invalid_lines": len(invalid),
        "invalid": list(file.problems_of(invalid[:_LISTED])),
        "operations": {symbol: count for symbol, count in zip(problems.symbols, counts, strict=True) if count},
        "operand_digits": _histogram(digit_counts(problems.operands.reshape(-1))),
        "answer_digits": _histogram(digit_counts(answers)),
        "carries": {
            symbol: _histogram(problems[problems.operation == index].carries())
            for index, symbol in enumerate(problems.symbols)
            if counts[index] and OPERATIONS[symbol].count_carries is not None
        },
        "negative_operands": int(np.count_nonzero((problems.operands < 0).any(axis=1))),
        "negative_answers": int(np.count_nonzero(answers < 0)),
        "duplicates": _duplicates(problems),
    }


def _duplicates(problems: Problems) -> dict[str, int]:
    different = _count_different(problems.keys(ordered=True))
    commuted = different - _count_different(problems.keys())
    return {"exact": len(problems) - different, "commuted": commuted}


def _count_different(keys: Words) -> int:
    return int(np.count_nonzero(np.diff(np.sort(keys)))) + min(1, len(keys))


def _histogram(values: IntegerArray) -> dict[int, int]:
    present, counts = np.unique(values, return_counts=True)
    return dict(zip(present.tolist(), counts.tolist(), strict=True))
