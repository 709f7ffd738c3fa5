"""How a problem is written for a model, and how the answer is read out of what the model wrote.

Files always say `12+34=46`. A notation is applied when text becomes tokens. It lays out columns of characters from the
digits of the operands alone; the solution is written by a method of its own, which solving never calls.

>>> from calcgpt.arithmetic.problems import from_expressions
>>> problems = from_expressions(["12+34", "7-45"])
>>> Notation().write_prompts(problems).texts()
['12+34=', '7-45=']
>>> columns = Notation(width=2, answer_width=3, interleave=True, reverse=True)
>>> columns.write_prompts(problems).texts()     # the operator, tens of both, units of both
['+1324=', '-0475=']
>>> columns.write_answers(problems, problems.solutions()).texts()     # the sign, units, tens, hundreds
['+640', '-830']
>>> columns.read_answer("-830")
-38

To write the sign of a difference first, a model has to compare whole numbers before it writes anything. With
`complement` it subtracts column by column, borrowing past the last one: 45-7 leaves 38, and 7-45 leaves 62, which is
-38 in ten's complement. Only then, where it borrowed, it writes the minus and the digits of the answer:

>>> worked = Notation(width=2, answer_width=3, interleave=True, reverse=True, complement=True)
>>> problems = from_expressions(["12+34", "45-7", "7-45"])
>>> worked.write_answers(problems, problems.solutions()).texts()
['640', '83', '26-83']
>>> worked.read_answer("83"), worked.read_answer("26-83")
(38, -38)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from calcgpt.arithmetic.columns import SYMBOLS
from calcgpt.arithmetic.digits import INT64_DIGITS
from calcgpt.arithmetic.integers import INT64_MAX, format_integer, integer_array, largest_magnitude, parse_integer
from calcgpt.arithmetic.parsing import shorten
from calcgpt.arithmetic.problems import Problems
from calcgpt.errors import ConfigError, UnsupportedProblem, shown_value

_MOST_DIGITS = 10_000  # a wider notation is a slip: every prompt would be this long
_ANSWER = re.compile(r"([+-]?)([0-9]+)")
_WORKED_ANSWER = re.compile(r"(?:[0-9]*(-))?([0-9]+)")


class Written(NamedTuple):
    """Texts as columns: `characters` (N, T) uint8 ASCII codes, 0 after a text's end, and `lengths` (N,)."""

    characters: np.ndarray
    lengths: np.ndarray

    def texts(self) -> list[str]:
        rows = np.ascontiguousarray(self.characters)
        if not rows.shape[1]:
            return [""] * len(rows)
        return [text.decode("ascii") for text in rows.view(f"S{rows.shape[1]}")[:, 0].tolist()]


@dataclass(frozen=True)
class Notation:
    """How problems and answers are written.

    Args:
        width: digits every operand is padded to with zeros; 0 writes operands as they are.
        answer_width: digits every answer is padded to, its sign (+ or -) always before it; 0 writes answers as they
            are.
        interleave: the operands' digits column by column, the operator before them: 12+34= becomes +1324=.
        reverse: answers least significant digit first.
        complement: no plus signs; a difference as wide as an operand, and a negative one as its ten's complement, a
            minus, and its digits.
        work: columns writes every operation out column by column, as wide as each problem needs, so that a model can
            learn it at any length (`calcgpt.arithmetic.traces` shows how); none writes the answer alone.
        signed: in columns, every operand has its sign before it, so that it may be negative.

    Raises:
        ConfigError: a width is no number of digits, or columns or complements are asked for without one.
    """

    width: int = 0
    answer_width: int = 0
    interleave: bool = False
    reverse: bool = False
    complement: bool = False
    work: Literal["none", "columns"] = "none"
    signed: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "answer_width"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_DIGITS:
                raise ConfigError(f"notation.{name} must be 0 to {_MOST_DIGITS:,} digits, not {shown_value(value)}")
        for name in ("interleave", "reverse", "complement", "signed"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"notation.{name} must be true or false, not {shown_value(getattr(self, name))}")
        if self.work not in ("none", "columns"):
            raise ConfigError(f"notation.work must be one of none, columns, not {shown_value(self.work)}")
        if self.work == "columns" and replace(self, work="none", signed=False) != Notation():
            raise ConfigError("notation.work columns says all of how problems are written: leave the others away")
        if self.signed and self.work != "columns":
            raise ConfigError("notation.signed is for columns: set notation.work to columns")
        if self.interleave and not self.width:
            raise ConfigError("notation.interleave needs notation.width: only padded operands share columns")
        if self.complement and not 0 < self.width <= self.answer_width:
            raise ConfigError(
                "notation.complement needs notation.width, and an answer_width of at least as much: "
                "a complement is one of so many digits"
            )

    @property
    def plain(self) -> bool:
        """Whether it writes just what a file says."""
        return self == Notation()

    def unsupported(self, problems: Problems) -> list[str | None]:
        """For each problem the reason why it cannot be written, or None."""
        reasons: list[str | None] = [None] * len(problems)
        if self.work == "columns":
            self._refuse_columns(problems, reasons)
            return reasons
        outside = self._outside(problems)
        for place in np.flatnonzero(outside.any(1)).tolist():
            operand = int(problems.operands[place][outside[place]][0])
            shown = shorten(format_integer(operand))
            reasons[place] = (
                f"this model's notation has no negative operands, and {shown} is one"
                if operand < 0
                else f"this model has places for {self.width} digits an operand, and {shown} has more"
            )
        for index, symbol in enumerate(problems.symbols):
            if not symbol.isascii():  # one byte a character is what columns are made of
                for place in np.flatnonzero(problems.operation == index).tolist():
                    reasons[place] = f"the operator {symbol!r} cannot be written: expected ASCII characters"
        return reasons

    def _refuse_columns(self, problems: Problems, reasons: list[str | None]) -> None:
        if not self.signed:
            for place in np.flatnonzero((problems.operands < 0).any(1)).tolist():
                reasons[place] = "this model's notation has no negative operands"
        for index, symbol in enumerate(problems.symbols):
            if symbol not in SYMBOLS:
                for place in np.flatnonzero(problems.operation == index).tolist():
                    reasons[place] = f"there are no columns for {symbol}: expected one of {' '.join(SYMBOLS)}"

    def _outside(self, problems: Problems) -> np.ndarray:
        """(N, 2) which operands cannot be written."""
        if not self.width:
            return np.zeros(problems.operands.shape, bool)
        limit = 10**self.width
        below = (problems.operands < 0).astype(bool)
        if limit > INT64_MAX and problems.operands.dtype != object:
            return below
        return below | (problems.operands >= limit).astype(bool)

    def write_prompts(self, problems: Problems) -> Written:
        """Everything up to and with `=`; the solution is not looked at.

        Raises:
            UnsupportedProblem: an operand, or an operator, that this notation cannot write.
        """
        assert self.work == "none", "columns are written shape by shape: see calcgpt.arithmetic.traces"
        if self._outside(problems).any() or not all(symbol.isascii() for symbol in problems.symbols):
            for reason in self.unsupported(problems):
                if reason:
                    raise UnsupportedProblem(reason)
        if not self.width:
            return _from_texts(problems.prompts())
        size = len(problems)
        left, right = (_digits(problems.operands[:, side], self.width) for side in (0, 1))
        symbols = _from_texts([symbol if symbol.isascii() else "" for symbol in problems.symbols]).characters
        operator = symbols[problems.operation]
        equals = np.full((size, 1), ord("="), np.uint8)
        if self.interleave:
            digits = np.stack([left, right], 2).reshape(size, 2 * self.width)
            columns = [operator, digits, equals]
        else:
            columns = [left, operator, right, equals]
        return _close_gaps(np.concatenate(columns, 1), wide=symbols.shape[1] > 1)

    def write_answers(self, problems: Problems, solutions: np.ndarray) -> Written:
        """The true answers to problems, (N,) integers, as the model should write them, with the work before them.

        Raises:
            ConfigError: an answer has more digits than `answer_width`.
        """
        if not self.answer_width:
            return _from_texts([self._answer(value) for value in solutions.tolist()])
        largest = largest_magnitude(solutions)
        if largest >= 10**self.answer_width:
            raise ConfigError(
                f"notation.answer_width {self.answer_width} has no place for the answer "
                f"{shorten(format_integer(largest))}"
            )
        if self.complement:
            return self._write_worked(problems, solutions)
        sign = np.where(solutions < 0, ord("-"), ord("+")).astype(np.uint8)[:, None]
        return _fixed(np.concatenate([sign, self._ordered(np.abs(solutions), self.answer_width)], 1))

    def _write_worked(self, problems: Problems, solutions: np.ndarray) -> Written:
        """Each answer as what columns leave, then, where that is no answer yet, the minus and its digits."""
        is_difference = np.array([symbol == "-" for symbol in problems.symbols], bool)[problems.operation]
        is_negative = np.asarray(solutions < 0, bool)
        characters = np.zeros((len(solutions), 2 * self.answer_width + 1), np.uint8)
        if self.answer_width > INT64_DIGITS:
            solutions = solutions.astype(object)
        for rows, width in ((is_difference, self.width), (~is_difference, self.answer_width)):
            characters[rows, :width] = self._ordered(solutions[rows] % 10**width, width)
            below = rows & is_negative
            characters[below, width] = ord("-")
            characters[below, width + 1 : 2 * width + 1] = self._ordered(-solutions[below], width)
        lengths = (characters != 0).sum(1)
        return Written(characters[:, : int(lengths.max(initial=1))], lengths)

    def _ordered(self, values: np.ndarray, width: int) -> np.ndarray:
        digits = _digits(values, width)
        return digits[:, ::-1] if self.reverse else digits

    def _answer(self, value: int) -> str:
        digits = format_integer(abs(value))
        return ("-" if value < 0 else "") + (digits[::-1] if self.reverse else digits)

    def read_answer(self, completion: str) -> int | None:
        """The number that a completion writes, or None where it writes none."""
        assert self.work == "none", "columns are read shape by shape: see calcgpt.arithmetic.traces"
        match = (_WORKED_ANSWER if self.complement else _ANSWER).fullmatch(completion)
        if not match:
            return None
        sign, digits = match.groups()
        magnitude = parse_integer(digits[::-1] if self.reverse else digits)
        return -magnitude if sign == "-" else magnitude

    def read_answers(self, completions: Written) -> tuple[np.ndarray, np.ndarray]:
        """`read_answer` of many: the numbers (N,), int64 or Python integers, and whether each could be read (N,)."""
        characters, lengths = completions
        if not characters.shape[1]:
            return np.zeros(len(lengths), np.int64), np.zeros(len(lengths), bool)
        if characters.shape[1] > INT64_DIGITS:
            values = [self.read_answer(text) for text in completions.texts()]
            readable = np.array([value is not None for value in values], bool)
            return integer_array([value or 0 for value in values]), readable
        place = np.arange(characters.shape[1])
        is_minus = characters == ord("-")
        if self.complement:  # what stands before the minus is work
            start = np.where(is_minus.any(1), is_minus.argmax(1) + 1, 0)
        else:
            start = (is_minus[:, 0] | (characters[:, 0] == ord("+"))).astype(np.int64)
        inside = (place < lengths[:, None]) & (place >= start[:, None])
        is_digit = (characters >= ord("0")) & (characters <= ord("9"))
        expected = (place < lengths[:, None]) & (place != start[:, None] - 1)
        readable = (is_digit | ~expected).all(1) & (start < lengths)
        power = place - start[:, None] if self.reverse else lengths[:, None] - 1 - place
        worth = np.where(inside, 10 ** np.clip(power, 0, INT64_DIGITS).astype(np.int64), 0)
        values = ((characters.astype(np.int64) - ord("0")) * worth).sum(1)
        is_negative = is_minus[np.arange(len(start)), np.maximum(start - 1, 0)]
        return np.where(is_negative, -values, values), readable


def _digits(values: np.ndarray, width: int) -> np.ndarray:
    """ASCII digits, most significant first: (N,) -> (N, width)."""
    # An int64 has no digit further left, and no such power of ten.
    held = width if values.dtype == object else min(width, INT64_DIGITS + 1)
    columns = [(values // 10**place) % 10 for place in reversed(range(held))]
    digits = np.zeros((len(values), width), np.uint8)
    digits[:, width - held :] = np.stack(columns, 1).astype(np.uint8)
    return digits + np.uint8(ord("0"))


def _fixed(characters: np.ndarray) -> Written:
    return Written(characters, np.full(len(characters), characters.shape[1]))


def _close_gaps(characters: np.ndarray, wide: bool) -> Written:
    """Move the nothing that one-character operators leave beside two-character ones behind each text."""
    filled = characters != 0
    lengths = filled.sum(1)
    if wide:
        order = np.argsort(~filled, axis=1, kind="stable")
        characters = np.take_along_axis(characters, order, 1)
    else:
        characters = characters[:, filled.all(0)] if len(characters) else characters
    return Written(characters, lengths)


def _from_texts(texts: list[str]) -> Written:
    rows = np.array(texts, dtype="S") if texts else np.zeros(0, "S1")
    width = max(rows.dtype.itemsize, 1)
    return Written(rows.view(np.uint8).reshape(len(texts), width), np.array([len(text) for text in texts], np.int64))
