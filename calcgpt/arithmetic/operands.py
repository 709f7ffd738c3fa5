"""The operands of a data set as an ordered set that is never listed: how many there are, and the k-th of
them.

Numbers that use only the digits D are counted like numbers in base |D|, so sets of any size (18-digit
operands without the digit 7) are sized and drawn from at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calcgpt.arithmetic.integers import INT64_MAX, IntegerArray, format_integer

ALL_DIGITS = "0123456789"


@dataclass(frozen=True)
class OperandSet:
    """The integers from `low` to `high`, both included, with no digits but `digits` (sorted, ASCII)."""

    low: int
    high: int
    digits: str = ALL_DIGITS

    @cached_property
    def negative(self) -> int:
        """How many are below zero."""
        return max(0, self._below(1 - self.low) - self._first_negative)

    @cached_property
    def zero(self) -> int:
        """1 where 0 is one of them, else 0."""
        return int(self.low <= 0 <= self.high and "0" in self.digits)

    @cached_property
    def positive(self) -> int:
        """How many are above zero."""
        return max(0, self._below(self.high + 1) - self._below(max(1, self.low)))

    @property
    def size(self) -> int:
        """How many there are."""
        return self.negative + self.zero + self.positive

    @cached_property
    def _first_negative(self) -> int:
        """How many allowed magnitudes are too small for a negative operand: 0, and those above `high`."""
        return self._below(max(1, -self.high))

    def _below(self, limit: int) -> int:
        """How many of the numbers 0, 1, ... with allowed digits are less than `limit`."""
        if limit <= 0:
            return 0
        if self.digits == ALL_DIGITS:
            return limit
        base, text = len(self.digits), format_integer(limit)
        # Without a 0 to pad them with, shorter numbers are none of those with as many digits, and count by
        # themselves.
        shorter = 0 if "0" in self.digits else sum(base**length for length in range(1, len(text)))
        rank = 0
        for place, digit in enumerate(text):
            smaller = sum(allowed < digit for allowed in self.digits)
            rank = rank * base + smaller
            if digit not in self.digits:
                return shorter + rank * int(base ** (len(text) - place - 1))
        return shorter + rank

    def take(self, ranks: IntegerArray) -> IntegerArray:
        """The operands with these ranks (the smallest has 0), int64 or Python integers, of the same shape."""
        if max(abs(self.low), abs(self.high), self.size) > INT64_MAX:
            ranks = ranks.astype(object)
        if self.digits == ALL_DIGITS:
            return ranks + self.low
        signed = ranks - self.negative
        start = self._below(max(0, self.low))
        values = self._number(np.where(signed < 0, self._first_negative - 1 - signed, start + signed))
        return np.where(signed < 0, -values, values)

    def _number(self, places: IntegerArray) -> IntegerArray:
        """The numbers with allowed digits that have these places among them, counted from 0."""
        base, padded = len(self.digits), "0" in self.digits
        rest = places if padded else places + 1
        digits = np.array([int(digit) for digit in self.digits], dtype=places.dtype)
        values, power = np.zeros_like(places), 1
        while (rest > 0).any():
            # With a 0: base |D|. Without: the bijective numeral, whose digits are 1 to |D|, and which ends
            # where rest is 0.
            index = (rest % base if padded else (rest - 1) % base).astype(np.int64)
            values = values + np.where(rest > 0, digits[index] * power, 0)
            rest = (rest if padded else rest - 1) // base
            power *= 10
        return values

    def all(self) -> IntegerArray:
        """(size,) every operand, in order."""
        return self.take(np.arange(self.size, dtype=np.int64))
