"""Integers of any size: text, digits, random draws, and arrays that are int64 where that is enough.

Python refuses to turn more than 4,300 digits into an integer, or back, in one call (a guard against slow
input), and NumPy turns a list of large integers into floats. Both are avoided here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntegerArray = NDArray[Any]
"""An array of int64, or of object where it holds Python integers."""

INT64_MAX = 2**63 - 1
_SAFE_DIGITS = 600  # what Python converts in one call, however low its limit is set
_POWERS_OF_TEN = 10 ** np.arange(1, 19, dtype=np.int64)


def parse_integer(text: str) -> int:
    """The integer that `text` writes: ASCII digits after an optional sign, of any length."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    return sign * _parse_digits(digits)


def _parse_digits(digits: str) -> int:
    if len(digits) <= _SAFE_DIGITS:
        return int(digits)
    low = len(digits) // 2
    head, tail = _parse_digits(digits[:-low]), _parse_digits(digits[-low:])
    return head * int(10**low) + tail


def format_integer(value: int) -> str:
    """`value` in decimal, of any length."""
    sign, magnitude = ("-", -value) if value < 0 else ("", value)
    digits = magnitude.bit_length() * 30103 // 100000 + 1  # at least the number of digits
    return sign + (_format_digits(magnitude, digits).lstrip("0") or "0")


def _format_digits(magnitude: int, width: int) -> str:
    if width <= _SAFE_DIGITS:
        return str(magnitude).zfill(width)
    low = width // 2
    head, tail = divmod(magnitude, 10**low)
    return _format_digits(head, width - low) + _format_digits(tail, low)


def readable(count: int) -> str:
    """A count as a message gives it: `12,345`, and from 10^15 on `about 10^36`."""
    return f"{count:,}" if abs(count) < 10**15 else f"about 10^{len(format_integer(abs(count))) - 1}"


def parse_integers(texts: Sequence[str]) -> list[int]:
    """`parse_integer` of many, at C speed where every one is short."""
    try:
        return list(map(int, texts))
    except ValueError:
        return [parse_integer(text) for text in texts]


def integer_array(values: Iterable[Any]) -> IntegerArray:
    """An array of `values`, integers or rows of them: int64 where they fit, else object; never float."""
    values = list(values)
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)


def largest_magnitude(values: IntegerArray) -> int:
    """The largest absolute value in `values`, a Python integer; 0 for none."""
    if not values.size:
        return 0
    return max(abs(int(values.min())), abs(int(values.max())))


def magnitudes(values: IntegerArray) -> IntegerArray:
    """Absolute values; int64 comes back as uint64, where the magnitude of -2**63 fits too."""
    return np.abs(values) if values.dtype == object else np.abs(values).astype(np.uint64)


def digit_counts(values: IntegerArray) -> NDArray[np.int64]:
    """(N,) number of digits of each magnitude; 0 has one."""
    if values.dtype == object:
        return np.array([len(format_integer(abs(value))) for value in values.tolist()], dtype=np.int64)
    return np.searchsorted(_POWERS_OF_TEN.astype(np.uint64), magnitudes(values), side="right") + 1


def digit_sums(values: IntegerArray) -> NDArray[np.int64]:
    """(N,) sum of the digits of each magnitude."""
    if values.dtype == object:
        return np.array([sum(map(int, format_integer(abs(value)))) for value in values.tolist()], dtype=np.int64)
    rest, total = magnitudes(values), np.zeros(values.shape, dtype=np.int64)
    while rest.any():
        rest, digit = np.divmod(rest, np.uint64(10))
        total += digit.astype(np.int64)
    return total


def random_below(rng: np.random.Generator, limit: int, shape: tuple[int, ...]) -> IntegerArray:
    """Uniform integers in [0, limit) of any size: int64 where `limit` <= 2**63, Python integers otherwise."""
    if limit <= INT64_MAX + 1:
        return rng.integers(0, limit - 1, size=shape, dtype=np.int64, endpoint=True)
    values = _random_bits(rng, (limit - 1).bit_length(), shape)
    while (above := values >= limit).any():
        values[above] = _random_bits(rng, (limit - 1).bit_length(), (int(above.sum()),))
    return values


def _random_bits(rng: np.random.Generator, bits: int, shape: tuple[int, ...]) -> IntegerArray:
    words = -(-bits // 32)
    values = np.zeros(shape, dtype=object)
    for _ in range(words):
        values = values * 2**32 + rng.integers(0, 2**32, size=shape, dtype=np.int64).astype(object)
    return np.asarray(values // 2 ** (32 * words - bits), dtype=object)
