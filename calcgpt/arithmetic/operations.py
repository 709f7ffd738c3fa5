"""The operations: a symbol, what it computes, where it is defined, and how many carries it takes.

`//` and `%` are Python's: the quotient is rounded down and the remainder has the divisor's sign. Further
operations can be registered; everything that reads, generates or checks problems goes by `OPERATIONS`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcgpt.arithmetic.integers import digit_sums, integer_array, magnitudes
from calcgpt.errors import ConfigError, UnsupportedProblem


@dataclass(frozen=True)
class Operation:
    """A binary operation on integers.

    Every function takes Python integers, int64 arrays and object arrays of Python integers alike.

    symbol: how it is written between two operands; no digits, spaces, brackets or "=".
    name: a word of lower-case letters, used in file names ("addition").
    function: (a, b) -> the solution.
    commutative: whether a∘b equals b∘a for all a and b.
    domain: (a, b) -> whether the operation is defined there; None where it always is.
    bound: (|a|, |b|) -> the largest magnitude that a solution can have for operands up to these; it decides
    where int64 is enough. None: unknown, and then Python integers are used throughout.
    count_carries: (|a|, |b|) -> the number of carries or borrows; None where there are none to count.
    """

    symbol: str
    name: str
    function: Callable[[Any, Any], Any]
    commutative: bool = False
    domain: Callable[[Any, Any], Any] | None = None
    bound: Callable[[int, int], int] | None = None
    count_carries: Callable[[Any, Any], Any] | None = None

    def apply(self, a: Any, b: Any) -> Any:
        """The solution of a∘b, elementwise for arrays. Raises UnsupportedProblem where it is not defined."""
        if self.domain is not None and not np.all(self.domain(a, b)):
            first, second = _first(a, b, ~np.atleast_1d(self.defined(a, b)))
            raise UnsupportedProblem(f"{first}{self.symbol}{second} is not defined")
        return self.function(a, b)

    def defined(self, a: Any, b: Any) -> Any:
        """Whether a∘b has a solution: a bool for two integers, a bool array for arrays."""
        if self.domain is None:
            return True if _scalars(a, b) else np.ones(np.broadcast(a, b).shape, dtype=bool)
        if _scalars(a, b):
            return bool(self.domain(a, b))
        return np.broadcast_to(self.domain(a, b), np.broadcast(a, b).shape).astype(bool)

    def carries(self, a: Any, b: Any) -> Any:
        """The number of carries (+: of |a|+|b|) or borrows (-: of the larger less the smaller); 0 for others.

        An int for two integers, an int64 array for arrays.
        """
        if _scalars(a, b):
            return 0 if self.count_carries is None else int(self.count_carries(*_columns([a], [b]))[0])
        if self.count_carries is None:
            return np.zeros(np.broadcast(a, b).shape, dtype=np.int64)
        return self.count_carries(*_columns(*np.broadcast_arrays(a, b)))


def _scalars(a: Any, b: Any) -> bool:
    return np.ndim(a) == 0 and np.ndim(b) == 0


def _first(a: Any, b: Any, mask: Any) -> tuple[Any, Any]:
    first, second = (np.broadcast_to(np.atleast_1d(integer), mask.shape)[mask][0] for integer in (a, b))
    return first, f"({second})" if second < 0 else second


def _columns(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as arrays of magnitudes of one type, uint64 or object."""
    first, second = (magnitudes(x if isinstance(x, np.ndarray) else integer_array(x)) for x in (a, b))
    if object in (first.dtype, second.dtype):
        return first.astype(object), second.astype(object)
    return first, second


def _carries(a: Any, b: Any) -> Any:
    """Each carry turns ten of one column into one of the next: the sum of the digits falls by nine."""
    return (digit_sums(a) + digit_sums(b) - digit_sums(a + b)) // 9


def _borrows(a: Any, b: Any) -> Any:
    """Taking y from x borrows exactly where adding y to x-y carries."""
    small, large = np.minimum(a, b), np.maximum(a, b)
    return _carries(small, large - small)


def _divisor_is_not_zero(a: Any, b: Any) -> Any:
    return b != 0


ADDITION = Operation("+", "addition", operator.add, True, None, lambda a, b: a + b, _carries)
SUBTRACTION = Operation("-", "subtraction", operator.sub, False, None, lambda a, b: a + b, _borrows)
MULTIPLICATION = Operation("*", "multiplication", operator.mul, True, None, lambda a, b: a * b)
DIVISION = Operation("//", "division", operator.floordiv, False, _divisor_is_not_zero, lambda a, b: a)
REMAINDER = Operation("%", "remainder", operator.mod, False, _divisor_is_not_zero, lambda a, b: b)

OPERATIONS: dict[str, Operation] = {
    operation.symbol: operation for operation in (ADDITION, SUBTRACTION, MULTIPLICATION, DIVISION, REMAINDER)
}
"""Every operation by its symbol, in the order in which they are listed and generated."""


def register(operation: Operation) -> None:
    """Adds an operation. Raises ConfigError for a symbol or a name that could not be read back."""
    if not re.fullmatch(r"[^0-9\s()=]+", operation.symbol):
        raise ConfigError(
            f"an operation's symbol has no digits, spaces, brackets or '=', and at least one character; "
            f"not {operation.symbol!r}"
        )
    if not re.fullmatch(r"[a-z]+", operation.name):
        raise ConfigError(f"an operation's name is a word of lower-case letters, not {operation.name!r}")
    for other in OPERATIONS.values():
        if operation.symbol == other.symbol or operation.name == other.name:
            raise ConfigError(
                f"an operation {other.symbol} ({other.name}) is there already; choose another symbol and name"
            )
    OPERATIONS[operation.symbol] = operation


def unregister(symbol: str) -> None:
    """Takes an operation out. Raises ConfigError where there is none with this symbol."""
    del OPERATIONS[find_operation(symbol).symbol]


def rank(symbol: str) -> int:
    """What sorts symbols as they are listed everywhere: + - * // %, then registered ones, then unknown ones."""
    symbols = list(OPERATIONS)
    return symbols.index(symbol) if symbol in OPERATIONS else len(symbols)


def find_operation(symbol: str) -> Operation:
    """The operation with this symbol, or with this name. Raises ConfigError that lists what there is."""
    for operation in OPERATIONS.values():
        if symbol in (operation.symbol, operation.name):
            return operation
    known = ", ".join(f"{operation.symbol} ({operation.name})" for operation in OPERATIONS.values())
    raise ConfigError(f"unknown operation {symbol!r}: expected one of {known}")
