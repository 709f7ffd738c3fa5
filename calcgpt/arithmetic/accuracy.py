"""Digit accuracy: how many digits of the answers are right, by their place from the units.

>>> import numpy as np
>>> asked, right = digits_right(numbers(np.array([46, 7])), numbers(np.array([46, 107])), np.array([True, True]))
>>> asked.tolist(), right.tolist()     # units, tens, hundreds; 7 has no tens, so their 0 is not there
([2, 2, 1], [2, 1, 0])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.columns import Numbers
from calcgpt.arithmetic.integers import IntegerArray, digit_counts

Counts = NDArray[np.int64]
_ROWS = 255  # numbers compared at a time: their count still fits into the byte that a column is summed in


def digits_right(answers: Numbers, solutions: Numbers, readable: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """How many digits were asked for at each place, and how many of them are right.

    The digits are those of the numbers, without leading zeros; 0 has one. A digit of the solution that the answer
    differs in, or does not have, is wrong; digits that the answer has beyond the solution, and its sign, are not looked
    at.

    Args:
        answers: N numbers; the widths of the two arrays may differ.
        solutions: N numbers.
        readable: (N,) whether there is an answer; without one every digit of the solution is wrong.

    Returns:
        asked, right: (P,) by place from the units, P the digits of the longest solution. Nowhere is `asked` 0.
    """
    ours, theirs = _at_least_one(answers.digits), _at_least_one(solutions.digits)
    lengths = digit_lengths(theirs)
    width = int(lengths.max(initial=0))
    asked = np.bincount(lengths, minlength=width + 1)[::-1].cumsum()[::-1][1:]
    shared = np.where(readable, np.minimum(lengths, digit_lengths(ours)), 0).astype(np.int32)
    place = np.arange(min(width, ours.shape[1]), dtype=np.int32)
    right = np.zeros(width, np.int64)
    for start in range(0, len(lengths), _ROWS):
        rows = slice(start, start + _ROWS)
        same = ours[rows, : len(place)] == theirs[rows, : len(place)]
        same &= place < shared[rows, None]
        right[: len(place)] += same.view(np.uint8).sum(0, dtype=np.uint8)
    return asked, right


def add_places(parts: Iterable[tuple[Counts, Counts]]) -> tuple[Counts, Counts]:
    """The sums of what `digits_right` counted in several parts, whose longest solutions may differ."""
    parts = list(parts)
    asked, right = (np.zeros(max((len(part[0]) for part in parts), default=0), np.int64) for _ in range(2))
    for part_asked, part_right in parts:
        asked[: len(part_asked)] += part_asked
        right[: len(part_right)] += part_right
    return asked, right


def digit_lengths(digits: d.Digits) -> NDArray[np.int64]:
    """(N,) how many digits each number of a digit array (N, W) has without leading zeros; 0 has one."""
    if not digits.shape[1]:
        return np.ones(len(digits), np.int64)
    filled = digits[:, ::-1] != 0
    leading = filled.argmax(1)
    lengths = digits.shape[1] - leading
    lengths[~filled[np.arange(len(digits)), leading]] = 1
    return lengths


def numbers(values: IntegerArray) -> Numbers:
    """Integers (N,), int64 or object, as digits as wide as the longest, and signs."""
    width = int(digit_counts(values).max(initial=1))
    held = values if width <= d.INT64_DIGITS else values.astype(object)  # int64 has no magnitude of -2**63
    return Numbers(d.from_array(np.abs(held), width), np.asarray(values < 0, bool))


def numbers_from_texts(texts: Sequence[str]) -> Numbers:
    """Integers as canonical text (`-38`), of any length, as digits as wide as the longest, and signs."""
    negative = np.array([text.startswith("-") for text in texts], bool)
    bare = [text.removeprefix("-") for text in texts]
    return Numbers(d.from_texts(bare, max(map(len, bare), default=1)), negative)


def _at_least_one(digits: d.Digits) -> d.Digits:
    """The numbers with a column for the 0 that a number without digits is."""
    return digits if digits.shape[1] else d.widen(digits, 1)
