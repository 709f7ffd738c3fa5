"""Problems of any length as digit arrays: one operator, and operands written with the same widths in all of them.

They are what a notation with `work="columns"` writes. The *shape* of such a batch, its operator and the widths, is
all that its layout depends on (`calcgpt.arithmetic.cells`).

>>> import numpy as np
>>> problems = ColumnProblems.from_operands("-", [[45, 7], [7, 45]], (2, 2))
>>> problems.expressions()
['45-7', '7-45']
>>> problems.solutions().texts()
['38', '-38']
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.hashing import Words, mix, mix_with_seed, text_keys
from calcgpt.arithmetic.integers import digit_counts, format_integer, parse_integer
from calcgpt.arithmetic.operations import find_operation
from calcgpt.arithmetic.parsing import parse_expression, tidy
from calcgpt.arithmetic.problems import Problems
from calcgpt.errors import UnsupportedProblem

SYMBOLS = ("+", "-", "*", "//", "%")
_SUM = re.compile(r"[0-9]+(?:\+[0-9]+){2,}")


class Shape(NamedTuple):
    """What a layout depends on: the operator, how many digits each operand is written with, and whether with a sign."""

    symbol: str
    widths: tuple[int, ...]
    signed: bool = False

    @property
    def number_width(self) -> int:
        """The most digits that the first operand itself has: its width without what a running sum needs above it."""
        return self.widths[0] - spare_columns(len(self.widths))


class Numbers(NamedTuple):
    """N integers: `digits` (N, W) of their magnitudes, least significant first, and `negative` (N,) bool."""

    digits: d.Digits
    negative: NDArray[np.bool_]

    def texts(self) -> list[str]:
        """The integers in decimal."""
        signs = self.negative & self.digits.any(1)
        return ["-" * bool(sign) + text for sign, text in zip(signs, d.to_texts(self.digits), strict=True)]

    def equal(self, other: Numbers) -> NDArray[np.bool_]:
        """(N,) which integers are the same."""
        width = max(self.digits.shape[1], other.digits.shape[1])
        mine, theirs = d.widen(self.digits, width), d.widen(other.digits, width)
        return (mine == theirs).all(1) & ((self.negative == other.negative) | ~mine.any(1))


@dataclass(eq=False)
class ColumnProblems:
    """N problems of one shape.

    shape: operator and widths. digits: (N, K, W) uint8 of the K operands, least significant first; W is the largest
    width, and what stands above an operand's own width is 0. signs: (N, K) true where an operand is
    negative, or None where there are no signs.
    """

    shape: Shape
    digits: NDArray[np.uint8]
    signs: NDArray[np.bool_] | None = None

    @property
    def negative(self) -> NDArray[np.bool_]:
        """(N, K) which operands are negative."""
        return np.zeros(self.digits.shape[:2], bool) if self.signs is None else self.signs

    @classmethod
    def from_operands(
        cls,
        symbol: str,
        operands: Sequence[Sequence[int]],
        widths: Sequence[int] | None = None,
        signed: bool = False,
    ) -> ColumnProblems:
        """Problems from integers, (N, K); without widths those that the widest are written with.

        Raises:
            UnsupportedProblem: a negative operand where there are no signs, or a division by zero.
        """
        columns = list(zip(*operands, strict=True))
        if len(columns) != 2 and (symbol != "+" or signed):
            raise UnsupportedProblem(f"expected two operands for {symbol}, not {len(columns)}: only sums have more")
        negative = np.array([[value < 0 for value in row] for row in operands], bool)
        if negative.any() and not signed:
            raise UnsupportedProblem("columns have no place for a sign: expected operands of 0 or more")
        if symbol in ("//", "%") and any(value == 0 for value in columns[1]):
            raise UnsupportedProblem("division by zero is not defined")
        columns = [tuple(map(abs, column)) for column in columns]
        needed = tuple(max(len(format_integer(value)) for value in column) for column in columns)
        widths = tuple(widths) if widths else written_widths(symbol, needed)
        parts = [d.from_integers(column, max(widths)) for column in columns]
        return cls(Shape(symbol, widths, signed), np.stack(parts, 1), negative if signed else None)

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, index: Any) -> ColumnProblems:
        return ColumnProblems(self.shape, self.digits[index], None if self.signs is None else self.signs[index])

    @classmethod
    def concatenate(cls, parts: Sequence[ColumnProblems]) -> ColumnProblems:
        """All the problems of `parts`, of one shape, in order."""
        signs = [part.negative for part in parts]
        digits = np.concatenate([part.digits for part in parts])
        return cls(parts[0].shape, digits, np.concatenate(signs) if parts[0].shape.signed else None)

    def operand(self, index: int) -> d.Digits:
        """(N, width) the digits of one operand."""
        return self.digits[:, index, : self.shape.widths[index]]

    def expressions(self) -> list[str]:
        """`12+34`, as files say it."""
        texts = [d.to_texts(self.operand(index)) for index in range(self.digits.shape[1])]
        for index, part in enumerate(texts):
            for place in np.flatnonzero(self.negative[:, index] & self.operand(index).any(1)).tolist():
                part[place] = f"-{part[place]}" if index == 0 else f"(-{part[place]})"
        return [self.shape.symbol.join(row) for row in zip(*texts, strict=True)]

    def keys(self, ordered: bool = False) -> Words:
        """(N,) uint64, a hash of the canonical problem: whatever the widths, and for + and * whatever the order, unless
        `ordered`."""
        parts = np.stack([d.words(self.operand(index)) for index in range(self.digits.shape[1])], 1)
        parts = np.where(self.negative & self.digits.any(2), ~parts, parts)
        if find_operation(self.shape.symbol).commutative and not ordered:
            parts = np.sort(parts, 1)
        name = text_keys([self.shape.symbol])[0]
        return reduce(lambda key, part: mix(key ^ part), parts.T, np.full(len(self), name))

    def held_out(self, share: float, seed: int) -> NDArray[np.bool_]:
        """(N,) which problems are held out: about `share` of all there are, by their keys and the seed alone."""
        return mix_with_seed(self.keys(), seed) < np.uint64(min(int(share * 2**64), 2**64 - 1))

    def solutions(self) -> Numbers:
        """The true answers, by exact digit arrays; quotients and remainders by Python's own integers."""
        operands = [self.operand(index) for index in range(self.digits.shape[1])]
        if self.negative.any():
            return solve_signed(self.shape.symbol, operands, list(self.negative.T))
        return solve(self.shape.symbol, operands)


def solve_signed(symbol: str, operands: Sequence[d.Digits], negative: Sequence[NDArray[np.bool_]]) -> Numbers:
    """The true answers for operands with signs."""
    if symbol not in ("+", "-", "*"):
        return _apply(symbol, operands, np.where(negative, -1, 1).T.tolist())
    first, second = negative[0], negative[1] ^ (symbol == "-")
    if symbol == "*":
        return Numbers(d.multiply(*operands), negative[0] ^ negative[1])
    total, difference = solve("+", operands), solve("-", operands)
    apart = (first ^ second)[:, None]
    digits = np.where(apart, d.widen(difference.digits, total.digits.shape[1]), total.digits).astype(np.uint8)
    return Numbers(digits, first ^ (apart[:, 0] & difference.negative))


def solve(symbol: str, operands: Sequence[d.Digits]) -> Numbers:
    """The true answers for operands (N, W) each; every width may be another."""
    size, widest = len(operands[0]), max(part.shape[1] for part in operands)
    positive = np.zeros(size, bool)
    if symbol == "*":
        return Numbers(d.multiply(operands[0], operands[1]), positive)
    a, *rest = [d.widen(part, widest) for part in operands]
    if symbol == "+":
        for part in rest:
            a = d.add(a, d.widen(part, a.shape[1]))
        return Numbers(a, positive)
    if symbol == "-":
        difference, borrowed = d.subtract(a, rest[0])
        return Numbers(np.where(borrowed[:, None], d.complement(difference), difference), borrowed)
    return _apply(symbol, operands, [(1, 1)] * size)


def _apply(symbol: str, operands: Sequence[d.Digits], signs: Sequence[Sequence[int]]) -> Numbers:
    """The true answers by Python's own integers: of an operation of a user's own nothing else is known."""
    pairs = zip(*map(d.to_integers, operands), signs, strict=True)
    values = [int(find_operation(symbol).apply(a * first, b * second)) for a, b, (first, second) in pairs]
    width = max([part.shape[1] for part in operands] + [len(format_integer(abs(value))) for value in values])
    return Numbers(d.from_integers(map(abs, values), width), np.array([value < 0 for value in values], bool))


def written_widths(symbol: str, widths: tuple[int, ...]) -> tuple[int, ...]:
    """The widths that operands of these are written with: sums and differences pad them to one, with leading zeros.

    A sum of three or more is padded so far that its running sums fit (`spare_columns`).
    """
    if symbol not in ("+", "-"):
        return widths
    return (max(widths) + spare_columns(len(widths)),) * len(widths)


def spare_columns(operands: int) -> int:
    """The columns that the running sums of so many operands need above the widest one: none where there are two."""
    return len(str(operands)) if operands > 2 else 0


def parse_columns(text: str) -> tuple[str, tuple[int, ...]]:
    """Operator and operands of an expression; sums may have any number of them, `1+2+3`.

    Raises:
        DataError: it is no expression.
        UnsupportedProblem: it cannot be asked in columns.
    """
    bare = re.sub(r"\s*([+=])\s*", r"\1", tidy(text)).removesuffix("=")  # a space within a number parts it
    if _SUM.fullmatch(bare):
        return "+", tuple(parse_integer(part) for part in bare.split("+"))
    symbol, a, b = parse_expression(text)
    if symbol not in SYMBOLS:
        raise UnsupportedProblem(f"there are no columns for {symbol}: expected one of {' '.join(SYMBOLS)}")
    return symbol, (a, b)


def shape_of(symbol: str, operands: Sequence[int], signed: bool = False) -> Shape:
    """The shape of a problem."""
    widths = tuple(len(format_integer(abs(value))) for value in operands)
    return Shape(symbol, written_widths(symbol, widths), signed)


def group(
    parsed: Sequence[tuple[str, tuple[int, ...]]], signed: bool = False
) -> list[tuple[NDArray[np.int64], ColumnProblems]]:
    """Operators and operands in groups of one shape each: their places among the given ones, and the group."""
    groups: dict[Shape, list[int]] = {}
    for place, (symbol, operands) in enumerate(parsed):
        groups.setdefault(shape_of(symbol, operands, signed), []).append(place)
    return [
        (np.array(places), ColumnProblems.from_operands(symbol, [parsed[row][1] for row in places], widths, signed))
        for (symbol, widths, _), places in groups.items()
    ]


def by_shape(problems: Problems, signed: bool = False) -> list[tuple[NDArray[np.int64], ColumnProblems]]:
    """Problems in groups of one shape each: their places among the given ones, and the group."""
    counts = np.stack([digit_counts(problems.operands[:, side]) for side in (0, 1)], 1)
    found = []
    for index, symbol in enumerate(problems.symbols):
        own = np.flatnonzero(problems.operation == index)
        widths = counts[own].max(1, keepdims=True).repeat(2, 1) if symbol in ("+", "-") else counts[own]
        kinds, kind = np.unique(widths, axis=0, return_inverse=True)
        for number, row in enumerate(kinds.tolist()):
            places = own[kind.reshape(-1) == number]
            found.append((places, _of_operands(symbol, problems.operands[places], tuple(row), signed)))
    return found


def _of_operands(symbol: str, operands: NDArray[Any], widths: tuple[int, ...], signed: bool) -> ColumnProblems:
    """Problems of a shape from operands (N, 2) that it has place for."""
    negative = (operands < 0).astype(bool)
    if negative.any() and not signed:
        raise UnsupportedProblem("columns have no place for a sign: expected operands of 0 or more")
    parts = [d.from_array(np.abs(operands[:, side]), max(widths)) for side in (0, 1)]
    return ColumnProblems(Shape(symbol, widths, signed), np.stack(parts, 1), negative if signed else None)


def as_problems(problems: ColumnProblems) -> Problems:
    """Problems of two operands without their shape, in order."""
    assert len(problems.shape.widths) == 2
    operands = np.stack([d.to_array(problems.operand(side)) for side in (0, 1)], 1)
    operands = np.where(problems.negative, -operands, operands)
    return Problems((problems.shape.symbol,), np.zeros(len(problems), np.uint8), operands)
