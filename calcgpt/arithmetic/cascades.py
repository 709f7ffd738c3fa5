"""How far one carry or borrow runs: what makes a sum hard, and what a random test hardly ever asks.

A column *generates* a carry where its two digits make ten or more by themselves; a column of digits that make nine only
hands on what it is given. A cascade is a column that generates and those above it that hand on. For a difference a
column generates a borrow where the upper digit is the smaller one, and hands it on where both are the same; it is
looked at from the larger magnitude to the smaller.

>>> cascades(ColumnProblems.from_operands("+", [[12, 34], [17, 25], [999, 1], [949, 151]])).tolist()
[0, 1, 3, 2]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.columns import ColumnProblems, Shape

OPERATORS = ("+", "-")  # those that cascades are told of, between two operands


def has_cascades(shape: Shape) -> bool:
    """Whether cascades are told of a shape's problems."""
    return shape.symbol in OPERATORS and len(shape.widths) == 2


def cascades(problems: ColumnProblems) -> NDArray[np.int64]:
    """(N,) the length of each problem's longest cascade: 0 where there is no carry, at most its number of columns."""
    assert has_cascades(problems.shape)
    generates, hands_on = _columns(problems)
    longest, run = np.zeros(len(problems), np.int64), np.zeros(len(problems), np.int64)
    for column in range(generates.shape[1]):
        run = np.where(generates[:, column], 1, np.where(hands_on[:, column] & (run > 0), run + 1, 0))
        longest = np.maximum(longest, run)
    return longest


def _columns(problems: ColumnProblems) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(N, W) each: which columns generate, and which hand on."""
    a, b = problems.operand(0), problems.operand(1)
    together = a + b
    generates, hands_on = together > 9, together == 9
    subtracts = problems.negative[:, 0] ^ problems.negative[:, 1] ^ (problems.shape.symbol == "-")
    if subtracts.any():
        smaller = d.subtract(a, b)[1][:, None]
        more, less = np.where(smaller, b, a), np.where(smaller, a, b)
        generates = np.where(subtracts[:, None], more < less, generates)
        hands_on = np.where(subtracts[:, None], more == less, hands_on)
    return generates, hands_on


def draw_cascades(symbol: str, width: int, length: int, count: int, rng: np.random.Generator) -> ColumnProblems:
    """`count` problems of operands of `width` digits at most whose longest cascade has exactly this length.

    Where it begins is drawn, and so is everything else; fewer come back where hardly any problem is one of them. Of
    differences each sign is as likely; none has a cascade of all its columns, because the topmost digits end it.
    """
    found: list[ColumnProblems] = []
    missing = count
    for _ in range(20):
        drawn = _propose(symbol, width, length, 2 * missing + 16, rng)
        drawn = drawn[cascades(drawn) == length][:missing]
        found.append(drawn)
        missing -= len(drawn)
        if not missing:
            break
    return ColumnProblems.concatenate(found)


def _propose(symbol: str, width: int, length: int, count: int, rng: np.random.Generator) -> ColumnProblems:
    """Problems with a cascade of a length at a random place, and none that is made by chance right above or below."""
    a, b = rng.integers(0, 10, (2, count, width), dtype=np.uint8)
    # Elsewhere most columns make no carry, or hardly any problem would have exactly the cascade that is wanted.
    quiet = rng.random((count, width)) < (0.7 if length else 1.0)
    b = np.where(quiet, rng.integers(0, np.where(a < 9, 9 - a, 1), dtype=np.uint8), b)
    a, b = np.where(quiet & (a + b > 8), 0, a).astype(np.uint8), b.astype(np.uint8)
    if length:
        start = rng.integers(0, width - length + 1, (count, 1))
        column = np.arange(width)
        first, rest = column == start, (column > start) & (column < start + length)
        ten = rng.integers(0, 9, (count, width), dtype=np.uint8)  # with at least one more than its complement to nine
        a = np.where(first, 9 - ten, a).astype(np.uint8)
        b = np.where(first, rng.integers(ten + 1, 10, dtype=np.uint8), b)
        b = np.where(rest, 9 - a, b).astype(np.uint8)
    if symbol == "-":  # a sum's column generates, hands on, is quiet, as the difference with the nines' complement does
        a, b = np.where(rng.random((count, 1)) < 0.5, (9 - a, b), (b, 9 - a))
    return ColumnProblems(Shape(symbol, (width, width)), np.stack([a, b], 1).astype(np.uint8))
