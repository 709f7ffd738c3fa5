"""The work that a model writes before an answer, column by column, so that each digit has a reason close by.

Every trace has the length that its problem's shape says, whatever the digits are. Operands stand most significant
digit first, as people write them; what the model writes starts at the units, because that is where carries start.

A sum is zero-padded, and its digits are written in reversed order. Each follows from its own column and the one
before (whose carry shows in its own digit):

>>> shown("+", 12, 345)
'012+345=7530'

A difference is first written as columns leave it, borrowing past the last one where it is negative (its ten's
complement), then its sign, then its digits: for 12-345 the columns leave 667, which is 1000-333.

>>> shown("-", 12, 345)
'012-345=766-333'

A sum of several operands keeps a running sum, one row for each of them, here 12, 35 and 41:

>>> shown("+", 12, 23, 6)
'012+023+006=210530140'

A product has one row for each digit of the second operand, units first: the digit, then for every column the digit of
the partial product and beside it the digit of the running sum. For 12*34: 4 times 12 is 048; 3 times 12 is 036, which
makes 40 with the 04 that is left of the row before; the final digits are 8, 0, 4, 0.

>>> shown("*", 12, 34)
'12*34=48844003603400'
>>> split("*", (2, 2), '48844003603400')
['4', '88 44 00', '3', '60 34 00']

A long division first doubles the divisor three times. Then every digit of the dividend is brought down to the
remainder, and 8, 4, 2 and 1 times the divisor are taken from it in turn; after a negative result the next one is added
instead (non-restoring division), and a last row adds the divisor back where the remainder is still negative. Each row
ends with its sign and with the quotient digit as far as it is known. For 7//3: 6, 12, 24; then 7-24, which leaves 83
and a borrow; +12 leaves 95, again; +6 leaves 1 and a first 2; -3 leaves 98; +3 leaves 1.

>>> shown("//", 7, 3)
'7//3=60214238-059-010+289-210'
>>> split("//", (1, 1), '60214238-059-010+289-210')
['60', '21', '42', '38-0', '59-0', '10+2', '89-2', '10']
>>> (read(Shape("//", (1, 1)), characters('60214238-059-010+289-210'))[0].texts(),
...  read(Shape("%", (1, 1)), characters('60214238-059-010+289-210'))[0].texts())
(['2'], ['1'])

With signs, every operand has one. A sum or difference says first whether the magnitudes are added or subtracted, and
after what the columns leave the sign of the answer and its magnitude; a product begins with its sign:

>>> shown("+", 12, -345, signed=True)
'+012+-345=-7669-3330'
>>> shown("*", 12, -3, signed=True)
'+12*-3=-3663300'

A division goes on after that of the magnitudes: column by column whether any digit of the remainder so far is not 0;
whether the result is rounded down past it (the signs differ, and something is left); the signs of quotient and
remainder; the remainder; and the quotient, each digit after the carry that it takes. For -7//3: 1 is left, so the
remainder is 3-1 and the quotient one further down, 3:

>>> shown("//", -7, 3, signed=True)[len('-7//+3=60214238-059-010+289-210'):]
'11--+2013'
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic import rows as r
from calcgpt.arithmetic.columns import ColumnProblems, Numbers, Shape
from calcgpt.arithmetic.rows import MINUS, MULTIPLES, PLUS, ZERO, Characters


def write_prompts(problems: ColumnProblems) -> Characters:
    """Everything up to and with `=`: (N, P)."""
    parts = []
    for index in range(len(problems.shape.widths)):
        if problems.shape.signed:
            parts.append(r.sign(problems.negative[:, index]))
        parts += [problems.operand(index)[:, ::-1] + ZERO, _constant(len(problems), problems.shape.symbol)]
    parts[-1] = _constant(len(problems), "=")
    return np.concatenate(parts, 1)


def write(problems: ColumnProblems) -> Characters:
    """Work and answer as a model should write them: (N, L)."""
    symbol, widths, signed = problems.shape
    operands = [problems.operand(index) for index in range(len(widths))]
    if signed:
        negative = list(problems.negative.T)
        if symbol in ("+", "-"):
            rows = r.signed_sum_rows(symbol, operands, negative)
        else:
            rows = (r.signed_product_rows if symbol == "*" else r.signed_quotient_rows)(operands, negative)
    elif symbol == "+":
        rows = r.sum_rows(operands)
    elif symbol == "-":
        rows = r.difference_rows(*operands)
    else:
        rows = (r.product_rows if symbol == "*" else r.quotient_rows)(*operands)
    return np.concatenate(rows, 1)


def read(shape: Shape, completions: Characters) -> tuple[Numbers, NDArray[np.bool_]]:
    """The numbers that completions (N, L) write, and (N,) whether each has the form that its shape asks for.

    Only the digits that make up the answer are read; nothing is computed.
    """
    form = np.frombuffer(template(shape).encode("ascii"), np.uint8)
    size = len(completions)
    if completions.shape[1] != len(form):
        return Numbers(np.zeros((size, 1), np.uint8), np.zeros(size, bool)), np.zeros(size, bool)
    is_digit = (completions >= ZERO) & (completions < ZERO + 10)
    is_sign = (completions == PLUS) | (completions == MINUS)
    readable = np.asarray(np.where(form == ZERO, is_digit, is_sign).all(1), bool)
    found = (completions[:, answer_places(shape)] - ZERO).astype(np.uint8)
    place = sign_place(shape)
    signs = np.zeros(size, bool) if place is None else completions[:, place] == MINUS
    return Numbers(np.where(readable[:, None], found, 0).astype(np.uint8), signs & readable), readable


def template(shape: Shape) -> str:
    """The kinds of the characters of a completion: `0` where a digit stands, `+` where a sign does.

    >>> template(Shape("-", (2, 2)))
    '00+00'
    """
    symbol, widths, signed = shape
    if symbol in ("+", "-") and signed:
        return f"+{'0' * (widths[0] + 1)}" * 2
    if symbol == "-":
        return "0" * widths[0] + "+" + "0" * widths[0]
    if symbol == "+":
        return "0" * (widths[0] + 1) if len(widths) == 2 else "0" * (widths[0] * len(widths))
    if symbol == "*":
        return "+" * signed + "0" * (widths[1] * (1 + 2 * (widths[0] + 1)))
    row = "0" * (widths[1] + 1)
    division = row * 3 + ((row + "+0") * len(MULTIPLES) + row) * widths[0]
    return division + (row + "+++" + row + "00" * widths[0]) * signed


def length(shape: Shape) -> int:
    """How many characters a completion has, without writing any.

    >>> length(Shape("*", (2, 2))), length(Shape("//", (300, 100)))
    (14, 154203)
    """
    symbol, widths, signed = shape
    first, second = widths[0], widths[-1]
    if symbol in ("+", "-") and signed:
        return 2 * (first + 2)
    if symbol == "-":
        return 2 * first + 1
    if symbol == "+":
        return first + 1 if len(widths) == 2 else first * len(widths)
    if symbol == "*":
        return signed + second * (1 + 2 * (first + 1))
    row = second + 1
    return row * 3 + first * ((row + 2) * len(MULTIPLES) + row) + signed * (2 * row + 3 + 2 * first)


def sign_place(shape: Shape) -> int | None:
    """Where the answer's sign stands in a completion, or None where it has none."""
    symbol, widths, signed = shape
    if symbol == "-" and not signed:
        return widths[0]
    if not signed:
        return None
    if symbol in ("+", "-"):
        return widths[0] + 2
    if symbol == "*":
        return 0
    end = len(template(shape)) - 2 * widths[0] - (widths[1] + 1)
    return end - (2 if symbol == "//" else 1)


def answer_places(shape: Shape) -> NDArray[np.int64]:
    """Where the answer's digits stand in a completion, least significant first."""
    symbol, widths, signed = shape
    length = len(template(shape))
    if symbol in ("+", "-") and signed:
        return np.arange(widths[0] + 3, length)
    if symbol == "-":
        return np.arange(widths[0] + 1, length)
    if symbol == "+":
        return np.arange(length - (widths[0] + 1 if len(widths) == 2 else widths[0]), length)
    if symbol == "*":
        row = 1 + 2 * (widths[0] + 1)
        firsts = np.arange(widths[1]) * row + 2  # a row's first column is final
        rest = (widths[1] - 1) * row + 2 + 2 * np.arange(1, widths[0] + 1)
        return np.concatenate([firsts, rest]) + signed
    row, head = widths[1] + 1, 3 * (widths[1] + 1)
    if signed:
        last = length - 2 * widths[0]
        return last + 1 + 2 * np.arange(widths[0]) if symbol == "//" else np.arange(last - row, last)
    if symbol == "%":
        return np.arange(length - row, length)
    step = len(MULTIPLES) * (row + 2) + row
    return (head + np.arange(widths[0]) * step + len(MULTIPLES) * (row + 2) - 1)[::-1]


def _constant(size: int, text: str) -> Characters:
    return np.tile(np.frombuffer(text.encode("ascii"), np.uint8), (size, 1))


def characters(text: str) -> Characters:
    """One text as an array (1, T)."""
    return _constant(1, text)


def shown(symbol: str, *operands: int, signed: bool = False) -> str:
    """A problem, the work and the answer as text."""
    problems = ColumnProblems.from_operands(symbol, [operands], signed=signed)
    return bytes(np.concatenate([write_prompts(problems), write(problems)], 1)[0]).decode("ascii")


def split(symbol: str, widths: tuple[int, ...], completion: str) -> list[str]:
    """A product's or a division's work in its rows, for people."""
    if symbol == "*":
        row = 1 + 2 * (widths[0] + 1)
        parts = [completion[start : start + row] for start in range(0, len(completion), row)]
        return [
            text for part in parts for text in (part[0], " ".join(part[1:][i : i + 2] for i in range(0, row - 1, 2)))
        ]
    row = widths[1] + 1
    sizes = [row] * 3 + ([row + 2] * len(MULTIPLES) + [row]) * widths[0]
    ends = np.cumsum(sizes).tolist()
    return [completion[end - size : end] for end, size in zip(ends, sizes, strict=True)]
