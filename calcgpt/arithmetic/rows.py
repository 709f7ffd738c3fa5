"""The rows of work that a trace is made of, as ASCII digits: what a person would write, from exact digit arrays.

What the signed rows add to the plain ones is said in `calcgpt.arithmetic.traces`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic import digits as d
from calcgpt.arithmetic.digits import Digits

Characters = NDArray[np.uint8]  # (N, T) ASCII codes
Signs = NDArray[np.bool_]  # (N,) true where negative
MULTIPLES = (8, 4, 2, 1)  # of the divisor, in the order in which a step of long division takes them
ZERO, PLUS, MINUS = np.uint8(ord("0")), np.uint8(ord("+")), np.uint8(ord("-"))


def sum_rows(operands: list[Digits]) -> list[Characters]:
    """The digits of a sum, or of every running sum of three operands or more."""
    if len(operands) == 2:
        return [d.add(*operands) + ZERO]
    rows, total = [], np.zeros_like(operands[0])
    for operand in operands:
        total = d.add(total, operand)[:, : total.shape[1]]
        rows.append(total + ZERO)
    return rows


def difference_rows(a: Digits, b: Digits) -> list[Characters]:
    """What columns leave, the sign, and the magnitude."""
    left, borrowed = d.subtract(a, b)
    magnitude = np.where(borrowed[:, None], d.complement(left), left).astype(np.uint8)
    return [left + ZERO, sign(borrowed), magnitude + ZERO]


def product_rows(a: Digits, b: Digits) -> list[Characters]:
    """For each digit of b, units first: the digit, and beside each other the partial product and the running sum."""
    size, width = a.shape
    rows, total = [], np.zeros((size, width + 1), np.uint8)
    wide = np.zeros((size, width + 1), np.uint8)
    for row in range(b.shape[1]):
        digit = b[:, row, None]
        wide[:, :width] = a * digit
        partial = d.carried(wide)
        total = d.add(total, partial)[:, : width + 1]
        rows += [digit + ZERO, np.stack([partial, total], 2).reshape(size, -1) + ZERO]
        total = np.concatenate([total[:, 1:], np.zeros((size, 1), np.uint8)], 1)
    return rows


def quotient_rows(a: Digits, b: Digits) -> list[Characters]:
    """The divisor doubled three times; then for each digit of a the passes and the remainder."""
    size, width = b.shape
    divisor = d.widen(b, width + 1)
    multiples = {1: divisor}
    for multiple in (2, 4, 8):
        multiples[multiple] = d.add(multiples[multiple // 2], multiples[multiple // 2])[:, : width + 1]
    rows = [multiples[multiple] + ZERO for multiple in (2, 4, 8)]
    left = np.zeros((size, width + 1), np.uint8)
    for column in reversed(range(a.shape[1])):
        left = np.concatenate([a[:, column, None], left[:, :width]], 1)
        below, quotient = np.zeros(size, bool), np.zeros(size, np.uint8)
        for multiple in MULTIPLES:
            left, below = _towards_zero(left, below, multiples[multiple])
            quotient = quotient + np.uint8(multiple) * ~below
            rows += [left + ZERO, sign(below), quotient[:, None] + ZERO]
        left = np.where(below[:, None], d.add(left, divisor)[:, : width + 1], left)
        rows.append(left + ZERO)
    return rows


def _towards_zero(left: Digits, below: NDArray[np.bool_], multiple: Digits) -> tuple[Digits, NDArray[np.bool_]]:
    """Take a multiple from what is left, or add it where that is negative; and whether the result is negative."""
    less, borrowed = d.subtract(left, multiple)
    more = d.add(left, multiple)
    return np.where(below[:, None], more[:, :-1], less), np.where(below, more[:, -1] == 0, borrowed)


def sign(negative: NDArray[np.bool_]) -> Characters:
    """A column of signs, (N, 1)."""
    return np.where(negative, MINUS, PLUS)[:, None]


def signed_sum_rows(symbol: str, operands: list[Digits], negative: list[Signs]) -> list[Characters]:
    """Whether magnitudes are added or subtracted, what columns leave, the sign of the answer, its magnitude."""
    a, b = (d.widen(operand, operand.shape[1] + 1) for operand in operands)
    second = negative[1] ^ (symbol == "-")
    subtracts = negative[0] ^ second
    difference, borrowed = d.subtract(a, b)
    borrowed &= subtracts
    left = np.where(subtracts[:, None], difference, d.add(a, b)[:, :-1]).astype(np.uint8)
    magnitude = np.where(borrowed[:, None], d.complement(left), left).astype(np.uint8)
    return [sign(subtracts), left + ZERO, sign(negative[0] ^ borrowed), magnitude + ZERO]


def signed_product_rows(operands: list[Digits], negative: list[Signs]) -> list[Characters]:
    """The sign of the product, then its rows."""
    return [sign(negative[0] ^ negative[1]), *product_rows(*operands)]


def signed_quotient_rows(operands: list[Digits], negative: list[Signs]) -> list[Characters]:
    """The division of the magnitudes, and what rounding down makes of it where the signs differ."""
    a, b = operands
    rows = quotient_rows(a, b)
    left = rows[-1] - ZERO
    quotients = rows[3 + 3 * len(MULTIPLES) - 1 :: 3 * len(MULTIPLES) + 1]  # of each step, the first digit first
    some = np.logical_or.accumulate(left > 0, 1)
    apart = negative[0] ^ negative[1]
    adjust = apart & some[:, -1]
    remainder = np.where(adjust[:, None], d.subtract(d.widen(b, left.shape[1]), left)[0], left).astype(np.uint8)
    rows += [some.astype(np.uint8) + ZERO, sign(adjust), sign(apart), sign(negative[1]), remainder + ZERO]
    carry = adjust
    for quotient in reversed(quotients):
        digit = quotient[:, 0] - ZERO + carry
        rows.append(np.stack([carry.astype(np.uint8), digit % 10], 1).astype(np.uint8) + ZERO)
        carry = digit > 9
    return rows
