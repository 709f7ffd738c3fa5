"""How many problems a range of operands has, without listing them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from calcgpt.arithmetic.integers import readable
from calcgpt.arithmetic.operands import OperandSet
from calcgpt.arithmetic.operations import (
    ADDITION,
    DIVISION,
    MULTIPLICATION,
    REMAINDER,
    SUBTRACTION,
    Operation,
)
from calcgpt.errors import ConfigError

_LISTED = 10_000  # operands up to which pairs are counted one by one where there is no formula


def count_problems(operation: Operation, operands: OperandSet, negative_results: bool) -> int:
    """The number of pairs of `operands` with a solution, and one that is not negative unless
    `negative_results`.

    Raises ConfigError where there is no formula and there are too many operands to count pair by pair.
    """
    if operation.domain is None and negative_results:
        return operands.size**2
    formula = _FORMULAS.get(operation)
    count = None if formula is None else formula(operands, negative_results)
    return _count_pairs(operation, operands, negative_results) if count is None else count


def _sums(operands: OperandSet, negative_results: bool) -> int:
    """Where both signs occur, their magnitudes are the first of one list: compare the places in it."""
    m, z, p = operands.negative, operands.zero, operands.positive
    both = min(m, p)
    return (z + p) ** 2 + 2 * (both * (p + 1) - both * (both + 1) // 2)


def _differences(operands: OperandSet, negative_results: bool) -> int:
    return operands.size * (operands.size + 1) // 2


def _products(operands: OperandSet, negative_results: bool) -> int:
    return operands.size**2 - 2 * operands.negative * operands.positive


def _quotients(operands: OperandSet, negative_results: bool) -> int:
    """Rounded down, a quotient is negative exactly where the signs differ."""
    defined = operands.size * (operands.size - operands.zero)
    return defined if negative_results else defined - 2 * operands.negative * operands.positive


def _remainders(operands: OperandSet, negative_results: bool) -> int | None:
    """A remainder has the divisor's sign; how many are 0 for negative divisors has no short formula."""
    if negative_results or not operands.negative:
        return operands.size * (operands.size - operands.zero)
    return None


_FORMULAS: dict[Operation, Callable[[OperandSet, bool], int | None]] = {
    ADDITION: _sums,
    SUBTRACTION: _differences,
    MULTIPLICATION: _products,
    DIVISION: _quotients,
    REMAINDER: _remainders,
}


def _count_pairs(operation: Operation, operands: OperandSet, negative_results: bool) -> int:
    if operands.size > _LISTED:
        advice = "" if negative_results else ", or negative results allowed"
        raise ConfigError(
            f"problems with {operation.symbol} of {readable(operands.size)} operands are too many to count: "
            f"expected at most {_LISTED:,} operands{advice}"
        )
    values, total = operands.all(), 0
    if operation.bound is None:
        values = values.astype(object)
    for b in values.tolist():
        kept = values[np.asarray(operation.defined(values, b), dtype=bool)]
        wanted = len(kept) if negative_results or not len(kept) else np.count_nonzero(operation.function(kept, b) >= 0)
        total += int(wanted)
    return total
