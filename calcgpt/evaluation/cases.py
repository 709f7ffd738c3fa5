"""Problems that break what random ones do not: carries through every column, nothing left, one operand tiny.

>>> from itertools import islice
>>> for name, pairs in islice(adversarial("+", (3, 3), np.random.default_rng(0)), 2):
...     print(name, pairs)
99...9 + 1 [(999, 1), (1, 999)]
99...9 + 99...9 [(999, 999)]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np

Pairs = list[tuple[int, int]]
_DRAWN = 20  # problems of a case that has random digits
_MOST = 40  # problems of a case that has one for each column

VARIANTS: dict[str, Callable[[str, str, str], str]] = {
    "spaces": lambda a, symbol, b: f"  {a}  {symbol} {b} ",
    "no space, with =": lambda a, symbol, b: f"{a}{symbol}{b}=",
    "× and −": lambda a, symbol, b: f"{a}{symbol.replace('*', '×').replace('-', '−')}{b}",
    "leading zeros": lambda a, symbol, b: f"{_with_zeros(a)}{symbol}{_with_zeros(b)}",
    "plus sign": lambda a, symbol, b: f"+{a}{symbol}{b}" if not a.startswith("-") else f"{a}{symbol}{b}",
    "brackets": lambda a, symbol, b: f"({a}){symbol}({b})",
}
"""Unusual but legal ways to write a problem, from its first operand, operator and second operand."""


def _with_zeros(number: str) -> str:
    return f"-00{number[1:]}" if number.startswith("-") else f"00{number}"


def adversarial(symbol: str, widths: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    """The cases of an operator for operands of these widths: a name and its operands, as (a, b).

    Operands are 0 or more, and divisors are not 0. The operator is one that `has_cases`.
    """
    for name, pairs in _CASES[symbol](widths, rng):
        kept = list(dict.fromkeys((a, b) for a, b in pairs if b or symbol not in ("//", "%")))
        if kept:
            yield name, kept


def has_cases(symbol: str) -> bool:
    """Whether `adversarial` knows what is hard about an operator; of a user's own nobody does."""
    return symbol in _CASES


def with_signs(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """The same magnitudes, the first, the second or both of them negative."""
    signs = [((-1, 1), (1, -1), (-1, -1))[kind] for kind in rng.integers(0, 3, len(pairs)).tolist()]
    return [(a * first, b * second) for (a, b), (first, second) in zip(pairs, signs, strict=True)]


def _sums(widths: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    width = max(widths)
    nines, one = 10**width - 1, 10 ** (width - 1)
    yield "99...9 + 1", [(nines, 1), (1, nines)]
    yield "99...9 + 99...9", [(nines, nines)]
    yield "half and half", [(5 * one, 5 * one), (nines - one, one + 1)]
    yield from _shared(width, rng)


def _differences(widths: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    width = max(widths)
    nines, one = 10**width - 1, 10 ** (width - 1)
    yield "10...0 - 1", [(one, 1), (1, one)]
    yield "a - a", [(nines, nines), (one, one), *((a, a) for a in _numbers(width, _DRAWN, rng))]
    yield "a - (a + 1)", [pair for a in _numbers(width, _DRAWN, rng) if a < nines for pair in ((a, a + 1), (a + 1, a))]
    yield "99...9 - 10...0", [(nines, one), (one, nines)]
    yield from _shared(width, rng)


def _shared(width: int, rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    """Cases of sums and differences alike."""
    yield "an operand of 0", [pair for a in _numbers(width, _DRAWN, rng) for pair in ((a, 0), (0, a))] + [(0, 0)]
    yield "0 in every place", list(_with_a_zero(width, rng))
    yield "equal operands", [(a, a) for a in _numbers(width, _DRAWN, rng)]
    tiny = rng.integers(1, 10, _DRAWN).tolist()
    long = _numbers(width, _DRAWN, rng)
    yield "long and short", [pair for a, b in zip(long, tiny, strict=True) for pair in ((a, b), (b, a))]
    yield "powers of ten", _powers(width, width, rng)


def _products(widths: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    first, second = (10**width - 1 for width in widths)
    yield "99...9 * 99...9", [(first, second)]
    yield "times 0 and 1", [pair for a in _numbers(widths[0], _DRAWN, rng) for pair in ((a, 0), (a, 1))]
    yield "0 and 1 times", [pair for b in _numbers(widths[1], _DRAWN, rng) for pair in ((0, b), (1, b))]
    yield "11...1 * 11...1", [(first // 9, second // 9)]
    yield "powers of ten", _powers(*widths, rng)
    yield "squares", [(a, a) for a in _numbers(min(widths), _DRAWN, rng)]


def _quotients(widths: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[str, Pairs]]:
    divisors = [b for b in _numbers(widths[1], _DRAWN, rng) if b]
    limit = 10 ** widths[0]
    multiples = [(limit - 1) // b for b in divisors]
    exact = [(int(rng.integers(0, multiple + 1)) if multiple < 2**62 else multiple // 3) for multiple in multiples]
    pairs = list(zip(exact, divisors, strict=True))
    yield "nothing left", [(multiple * b, b) for multiple, b in pairs]
    yield "one less than a multiple", [(multiple * b - 1, b) for multiple, b in pairs if multiple]
    yield "dividend below the divisor", [(b - 1, b) for b in divisors if b <= limit]
    yield "equal operands", [(b, b) for b in divisors if b < limit]
    yield "0 divided", [(0, b) for b in divisors]
    yield "divided by 1", [(a, 1) for a in _numbers(widths[0], _DRAWN, rng)]
    yield "99...9 and 10...0", list(product((limit - 1, limit // 10), (10 ** widths[1] - 1, 10 ** (widths[1] - 1))))


def _numbers(width: int, count: int, rng: np.random.Generator) -> list[int]:
    """Numbers with exactly `width` digits, or of 0 to 9."""
    digits = rng.integers(0, 10, (count, width))
    if width > 1:
        digits[:, 0] = rng.integers(1, 10, count)
    return [sum(digit * 10**place for place, digit in enumerate(row[::-1])) for row in digits.tolist()]


def _with_a_zero(width: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """For each place a pair of numbers whose digits there are 0."""
    for place in _places(width, rng):
        a, b = _numbers(width, 2, rng)
        yield a - a // 10**place % 10 * 10**place, b - b // 10**place % 10 * 10**place


def _powers(first: int, second: int, rng: np.random.Generator) -> Pairs:
    places = product(_places(first, rng), _places(second, rng))
    pairs: Pairs = [(10**a, 10**b) for a, b in places]
    return [pairs[index] for index in sorted(rng.permutation(len(pairs))[:_MOST].tolist())]


def _places(width: int, rng: np.random.Generator) -> list[int]:
    """Every place of a number, or some of a long one's, the ends among them."""
    if width <= _MOST:
        return list(range(width))
    return sorted({0, width - 1, *rng.integers(0, width, _MOST - 2).tolist()})


_CASES = {"+": _sums, "-": _differences, "*": _products, "//": _quotients, "%": _quotients}
