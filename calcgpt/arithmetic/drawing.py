"""Drawing problems by their numbers of digits: every width alike, long carries mixed in, and the cases that break.

A uniform draw hardly ever has a long carry (a column sums to 9 one time in ten), and a uniform number hardly ever has
few digits. So widths are drawn first, and a share of the problems is made to hand carries on in most columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.columns import ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.task import Task

_CHAIN = 0.7  # of the columns of a carry-heavy problem, the share that hands a carry on, or nearly does
_NEARLY = 0.15  # of those, the shares that miss it by one, on either side
_SHORTER = 0.3  # share of sums and differences whose operands have different lengths
_NINES = 1.5  # of an operand in a carry-heavy sum of many, at most this share of digits is 9: all in a third
_EXTREME = 0.6  # of the digits of a carry-heavy factor or divisor, the share that is 9 or 0


def draw_shape(task: Task, rng: np.random.Generator, share: float = 1.0, signed: bool = False) -> Shape:
    """One of a task's shapes: operator and widths, each as likely as any other.

    `share` of the largest widths is reached: a curriculum raises it from 0 to 1.
    """
    symbol = task.operations[int(rng.integers(len(task.operations)))]
    limits = [max(1, math.ceil(share * limit)) for limit in task.widths(symbol)]
    if symbol in ("+", "-"):
        operands = int(rng.integers(2, task.max_operands + 1)) if symbol == "+" else 2
        return Shape(symbol, written_widths(symbol, (int(rng.integers(1, limits[0] + 1)),) * operands), signed)
    return Shape(symbol, tuple(int(rng.integers(1, limit + 1)) for limit in limits), signed)


def draw(shape: Shape, count: int, rng: np.random.Generator, carry_share: float = 0.0) -> ColumnProblems:
    """`count` problems of a shape; of two operands the longer has every digit that the shape has place for."""
    widest = max(shape.widths)
    digits = rng.integers(0, 10, (count, len(shape.widths), widest), dtype=np.uint8)
    heavy = np.arange(count) < round(count * carry_share)
    if shape.symbol in ("+", "-"):
        _draw_columns(shape, digits, heavy, rng)
    else:
        _draw_factors(shape, digits, heavy, rng)
    signs = rng.random(digits.shape[:2]) < 0.5 if shape.signed else None
    return ColumnProblems(shape, digits, signs)


def draw_exactly(
    shape: Shape, lengths: tuple[int, int], count: int, rng: np.random.Generator, carry_share: float = 0.0
) -> ColumnProblems:
    """`count` problems of a shape whose two operands have exactly so many digits; a length of 1 includes 0."""
    if shape.symbol not in ("+", "-"):
        assert shape.widths == lengths
        return draw(shape, count, rng, carry_share)
    digits = rng.integers(0, 10, (count, 2, max(shape.widths)), dtype=np.uint8)
    _link(shape, digits, np.arange(count) < round(count * carry_share), rng)
    for index, length in enumerate(lengths):
        digits[:, index, length:] = 0
        if length > 1:
            top = digits[:, index, length - 1]
            digits[:, index, length - 1] = np.where(top == 0, rng.integers(1, 10, count), top)
    signs = rng.random(digits.shape[:2]) < 0.5 if shape.signed else None
    return ColumnProblems(shape, digits, signs)


def _draw_columns(shape: Shape, digits: NDArray[np.uint8], heavy: NDArray[np.bool_], rng: np.random.Generator) -> None:
    operands, width = len(shape.widths), shape.number_width
    digits[:, :, width:] = 0
    top = digits[:, :, width - 1]
    if width > 1:
        digits[:, :, width - 1] = np.where(top == 0, rng.integers(1, 10, top.shape), top)
    if operands == 2:
        _link(shape, digits, heavy, rng)
        top = digits[:, 1, width - 1]
        if width > 1:  # a link may be 0, and the other operand is perhaps the one that is shortened
            digits[:, 1, width - 1] = np.where(top == 0, rng.integers(1, 10, len(top)), top)
    else:
        share = rng.uniform(0, _NINES, digits.shape[:2])[:, :, None]
        digits[heavy[:, None, None] & (rng.random(digits.shape) < share)] = 9
        digits[:, :, width:] = 0
    _shorten(digits, width, rng)


def _link(shape: Shape, digits: NDArray[np.uint8], heavy: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Make most columns of the heavy sums or differences of two hand a carry on, or nearly so."""
    first = digits[heavy, 0]
    link = (9 - first if shape.symbol == "+" else first).astype(np.int8)
    more, less = (rng.random(link.shape) < _NEARLY for _ in range(2))
    link = np.clip(link + more - less, 0, 9).astype(np.uint8)
    digits[heavy, 1] = np.where(rng.random(link.shape) < _CHAIN, link, digits[heavy, 1])


def _shorten(digits: NDArray[np.uint8], width: int, rng: np.random.Generator) -> None:
    """Give one operand of some problems fewer digits, or many their own lengths where there are many."""
    size, operands = digits.shape[:2]
    kept = rng.integers(1, width + 1, (size, operands))
    if operands == 2:
        kept[np.arange(size), rng.integers(0, 2, size)] = width
    kept[rng.random(size) >= _SHORTER] = width
    digits[:, :, :width][np.arange(width) >= kept[:, :, None]] = 0


def _draw_factors(shape: Shape, digits: NDArray[np.uint8], heavy: NDArray[np.bool_], rng: np.random.Generator) -> None:
    extreme = heavy[:, None, None] & (rng.random(digits.shape) < _EXTREME)
    digits[extreme] = (rng.integers(0, 2, digits.shape) * 9)[extreme].astype(np.uint8)
    for index, width in enumerate(shape.widths):
        digits[:, index, width:] = 0
        top = digits[:, index, width - 1]
        least = 1 if width > 1 or (index == 1 and shape.symbol != "*") else 0
        digits[:, index, width - 1] = np.where(top < least, rng.integers(least, 10, len(top)), top)


def edge_cases(symbol: str, widths: Sequence[int]) -> list[tuple[int, ...]]:
    """Operands of these widths where carries and borrows run through every column, or nothing is left.

    >>> edge_cases("+", (3, 3))
    [(999, 1), (1, 999), (999, 999), (100, 0), (500, 500), (899, 101), (0, 999)]
    """
    nines, ones = [10**width - 1 for width in widths], [10 ** (width - 1) for width in widths]
    a, b = nines[0], nines[1]
    if symbol == "+":
        if len(widths) > 2:
            return [tuple(nines), tuple(ones), (*nines[:-1], 1)]
        return [(a, 1), (1, b), (a, b), (ones[0], 0), (5 * ones[0], 5 * ones[1]), (a - ones[0], ones[1] + 1), (0, b)]
    if symbol == "-":
        low = ones[0]
        return [(low, 1), (1, low), (a, a), (low, low), (0, a), (a, 0), (low, a), (a, low), (a, a - 1), (a - 1, a)]
    if symbol == "*":
        return [(a, b), (ones[0], ones[1]), (a, ones[1]), (ones[0], b), (5 * ones[0], 2 * ones[1])]
    cases = [(a, b), (ones[0], b), (a, ones[1]), (ones[0], ones[1]), (a - 1, b), (ones[0], b - 1)]
    return [(x, y) for x, y in cases if y]
