"""Arithmetic on digit arrays: exact at any length, many numbers at once, without Python's integers.

A digit array holds N numbers of one width: (N, W) uint8, least significant digit first, so that column c is worth
10**c whatever the width.

>>> numbers = from_integers([95, 7], 2)
>>> numbers.tolist()
[[5, 9], [7, 0]]
>>> add(numbers, from_integers([5, 8], 2)).tolist()     # 100 and 15
[[0, 0, 1], [5, 1, 0]]
>>> to_integers(multiply(numbers, numbers))
[9025, 49]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.hashing import Words, mix
from calcgpt.arithmetic.integers import format_integer, parse_integer

Digits = NDArray[np.uint8]
INT64_DIGITS = 18  # every number of so many digits, and its magnitude, is an int64


def from_integers(values: Iterable[int], width: int) -> Digits:
    """Digits of integers of 0 or more: (N, width). Raises ValueError for one that has more digits, or a sign."""
    texts = [format_integer(int(value)) for value in values]
    for text in texts:
        if len(text) > width or text.startswith("-"):
            raise ValueError(f"expected integers of 0 or more with at most {width} digits, not {text[:40]}")
    return from_texts(texts, width)


def from_texts(texts: Sequence[str], width: int) -> Digits:
    """The inverse of `to_texts`, for decimal digits of at most that width: (N, width)."""
    joined = "".join([text.zfill(width) for text in texts]).encode("ascii")
    return np.ascontiguousarray(np.frombuffer(joined, np.uint8).reshape(len(texts), width)[:, ::-1]) - np.uint8(48)


def from_array(values: NDArray[Any], width: int) -> Digits:
    """`from_integers` for an array (N,), int64 or Python integers, at once where they are int64."""
    if values.dtype == object or width > INT64_DIGITS:
        return from_integers(values.tolist(), width)
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < 10**width:
        raise ValueError(f"expected integers of 0 or more with at most {width} digits")
    return ((values[:, None] // 10 ** np.arange(width)) % 10).astype(np.uint8)


def to_array(digits: Digits) -> NDArray[Any]:
    """(N,) the numbers, int64 where all of that width fit, else Python integers."""
    if digits.shape[1] > INT64_DIGITS:
        found = np.empty(len(digits), dtype=object)
        found[:] = to_integers(digits)
        return found
    return digits.astype(np.int64) @ (10 ** np.arange(digits.shape[1]))


def to_integers(digits: Digits) -> list[int]:
    """The numbers as Python integers."""
    return [parse_integer(text) for text in to_texts(digits)]


def to_texts(digits: Digits) -> list[str]:
    """The numbers in decimal, without leading zeros."""
    if not digits.shape[1]:
        return ["0"] * len(digits)
    rows = np.ascontiguousarray(digits[:, ::-1] + np.uint8(48)).view(f"S{digits.shape[1]}")[:, 0]
    return [row.decode("ascii").lstrip("0") or "0" for row in rows.tolist()]


def widen(digits: Digits, width: int) -> Digits:
    """The same numbers with `width` digits, no fewer than now."""
    return np.pad(digits, ((0, 0), (0, width - digits.shape[1])))


def add(a: Digits, b: Digits) -> Digits:
    """a + b: (N, W) of both -> (N, W + 1)."""
    total = np.zeros((len(a), a.shape[1] + 1), np.uint8)
    total[:, :-1] = a + b
    return carried(total)


def subtract(a: Digits, b: Digits) -> tuple[Digits, NDArray[np.bool_]]:
    """a - b column by column, (N, W) of both: (N, W) digits, and (N,) whether it borrowed past the last column.

    Where it did the digits are those of a - b + 10**W, the ten's complement of b - a.
    """
    difference = a.astype(np.int8) - b.astype(np.int8)
    borrow = np.zeros(len(a), np.int8)
    for column in range(a.shape[1]):
        left = difference[:, column] - borrow
        borrow = (left < 0).astype(np.int8)
        difference[:, column] = left + 10 * borrow
    return difference.astype(np.uint8), borrow.astype(bool)


def complement(digits: Digits) -> Digits:
    """10**W less each number, (N, W); 0 stays 0."""
    return subtract(np.zeros_like(digits), digits)[0]


def multiply(a: Digits, b: Digits) -> Digits:
    """a * b: (N, W) and (N, V) -> (N, W + V)."""
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    total = np.zeros((len(a), a.shape[1] + b.shape[1]), np.int64)
    wide = a.astype(np.int64)
    for column in range(b.shape[1]):
        total[:, column : column + a.shape[1]] += wide * b[:, column, None]
    return carried(total)


def carried(columns: NDArray[Any]) -> Digits:
    """Columns of any size of 0 or more, (N, W), with each carry handed on; what leaves the last column is dropped."""
    columns = columns.copy()
    for column in range(columns.shape[1] - 1):
        columns[:, column + 1] += columns[:, column] // 10
        columns[:, column] %= 10
    columns[:, -1:] %= 10
    return columns.astype(np.uint8)


def words(digits: Digits) -> Words:
    """(N,) a 64-bit hash of each number, the same whatever width it is held in."""
    place = mix(np.arange(digits.shape[1], dtype=np.uint64))
    marks = np.where(digits > 0, mix(digits.astype(np.uint64) ^ place), np.uint64(0))
    return mix(marks.sum(1, dtype=np.uint64))
