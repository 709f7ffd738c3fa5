"""Batches of problems: operators and operands as arrays, their solutions, their text; uniform samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.hashing import Words, integer_words, mix, mix_with_seed, text_keys
from calcgpt.arithmetic.integers import (
    INT64_MAX,
    IntegerArray,
    format_integer,
    integer_array,
    largest_magnitude,
    parse_integers,
    random_below,
)
from calcgpt.arithmetic.operations import OPERATIONS, Operation, find_operation
from calcgpt.arithmetic.parsing import expression_groups, parse_example, parse_expression
from calcgpt.errors import ConfigError, DataError, UnsupportedProblem

__all__ = [
    "Problems",
    "draw",
    "from_expressions",
    "held_out",
    "parse_example",
    "parse_expression",
    "sample",
]

_HOPELESS = 1e-4  # a sampler gives up where fewer of its draws than this are wanted ones
_PATIENCE = 200_000  # ... after so many draws
_LARGEST_DRAW = 4_000_000  # at once, for memory


@dataclass(eq=False)
class Problems:
    """N problems, each an operator between two operands.

    symbols: the operators that occur.
    operation: (N,) uint8, the operator of each as an index into `symbols`.
    operands: (N, 2) int64, or object (Python integers) where an operand or a solution could leave int64;
    whichever of the two is given, the right one is kept.

    Raises UnsupportedProblem for an operator that is not in OPERATIONS, ValueError for arrays of another
    shape or type.
    """

    symbols: tuple[str, ...]
    operation: NDArray[Any]
    operands: IntegerArray

    def __post_init__(self) -> None:
        self.symbols = tuple(self.symbols)
        for symbol in self.symbols:
            if symbol not in OPERATIONS:
                raise UnsupportedProblem(f"unknown operator {symbol!r}: expected one of {' '.join(OPERATIONS)}")
        operation = np.asarray(self.operation)
        if operation.ndim != 1 or (operation.size and not 0 <= operation.min() <= operation.max() < len(self.symbols)):
            raise ValueError(f"expected the operations as (N,) indices from 0 to {len(self.symbols) - 1}")
        if not isinstance(self.operands, np.ndarray):
            self.operands = integer_array(self.operands).reshape(-1, 2)
        shape, kind = self.operands.shape, self.operands.dtype
        if shape != (len(operation), 2) or kind.kind not in "iuO":
            raise ValueError(f"expected ({len(operation)}, 2) operands, integers, not {shape} of {kind}")
        self.operation = operation.astype(np.uint8, copy=False)
        self.operands = self.operands.astype(np.int64 if self._fits() else object, copy=False)

    def _fits(self) -> bool:
        """Whether int64 holds every operand, and whatever the operators make of the largest ones."""
        a, b = (largest_magnitude(self.operands[:, column]) for column in (0, 1))
        bounds = [operation.bound for operation in self._operations()]
        solutions = [math.inf if bound is None else bound(a, b) for bound in bounds] if len(self) else []
        return max(a, b, *solutions) <= INT64_MAX

    def _operations(self) -> list[Operation]:
        return [OPERATIONS[symbol] for symbol in self.symbols]

    def __len__(self) -> int:
        return len(self.operation)

    def __getitem__(self, index: Any) -> Problems:
        """The problems of a slice, a mask or an index array; of an integer, that one as a batch of one."""
        if isinstance(index, (int, np.integer)):
            index = np.array([index])
        return Problems(self.symbols, self.operation[index], self.operands[index])

    @classmethod
    def concatenate(cls, parts: Sequence[Problems]) -> Problems:
        """All the problems of `parts`, in order."""
        symbols = tuple(dict.fromkeys(symbol for part in parts for symbol in part.symbols))
        if not parts:
            return cls((), np.zeros(0, dtype=np.uint8), np.zeros((0, 2), dtype=np.int64))
        places = [np.array([symbols.index(symbol) for symbol in part.symbols], dtype=np.uint8) for part in parts]
        operation = np.concatenate([place[part.operation] for place, part in zip(places, parts, strict=True)])
        return cls(symbols, operation, np.concatenate([part.operands for part in parts]))

    def _by_operator(self, function: Callable[[Operation, Any, Any], Any], out: NDArray[Any]) -> NDArray[Any]:
        """Fills `out` (N,) with `function(operation, a, b)` of each operator's own problems."""
        if len(self.symbols) == 1:
            out[:] = function(OPERATIONS[self.symbols[0]], self.operands[:, 0], self.operands[:, 1])
            return out
        for index, operation in enumerate(self._operations()):
            own = self.operation == index
            if own.any():
                out[own] = function(operation, self.operands[own, 0], self.operands[own, 1])
        return out

    def defined(self) -> NDArray[np.bool_]:
        """(N,) whether each has a solution."""
        return self._by_operator(Operation.defined, np.ones(len(self), dtype=bool))

    def solutions(self) -> IntegerArray:
        """(N,) the true answers, of the operands' type. Raises UnsupportedProblem where there is none."""
        return self._by_operator(Operation.apply, np.empty(len(self), dtype=self.operands.dtype))

    def carries(self) -> NDArray[np.int64]:
        """(N,) carries of a sum, borrows of a difference, 0 of the others; see `Operation.carries`."""
        return self._by_operator(Operation.carries, np.zeros(len(self), dtype=np.int64))

    def expressions(self) -> list[str]:
        """`12+34`, `-3+4`, `12-(-34)`: the second operand in brackets where it is negative."""
        return [f"{a}{symbol}{b}" for a, symbol, b in self._written()]

    def prompts(self) -> list[str]:
        """`12+34=`"""
        return [f"{a}{symbol}{b}=" for a, symbol, b in self._written()]

    def examples(self) -> list[str]:
        """`12+34=46`. Raises UnsupportedProblem where one is not defined."""
        answers = _texts(self.solutions())
        return [f"{a}{symbol}{b}={answer}" for (a, symbol, b), answer in zip(self._written(), answers, strict=True)]

    def _written(self) -> zip[tuple[Any, str, Any]]:
        """First operand, symbol and second operand of each, ready to be put into text."""
        symbols = [self.symbols[index] for index in self.operation.tolist()]
        second = _texts(self.operands[:, 1])
        for place in np.flatnonzero(self.operands[:, 1] < 0).tolist():
            second[place] = f"({second[place]})"
        return zip(_texts(self.operands[:, 0]), symbols, second, strict=True)

    def keys(self, ordered: bool = False) -> Words:
        """(N,) uint64, a hash of the canonical problem, the same on every machine and in every version.

        `a+b` and `b+a` have the same one, as has every pair whose operation is commutative, unless `ordered`.
        """
        names = text_keys(self.symbols)
        commutes = np.array([operation.commutative for operation in self._operations()], dtype=bool)
        a, b = self.operands[:, 0], self.operands[:, 1]
        if commutes.any() and not ordered:
            swap = commutes[self.operation] & (a > b).astype(bool)
            a, b = np.where(swap, b, a), np.where(swap, a, b)
        return mix(mix(mix(names)[self.operation] ^ integer_words(a)) ^ integer_words(b))


def _texts(values: IntegerArray) -> list[Any]:
    """What an f-string needs: integers, or text where one is longer than Python writes in one call."""
    if values.dtype == object and largest_magnitude(values).bit_length() > 2000:
        return [format_integer(value) for value in values.tolist()]
    return list(values.tolist())


def held_out(problems: Problems, share: float, seed: int) -> NDArray[np.bool_]:
    """(N,) which problems are held out: about `share` of all there are, by their keys and the seed alone.

    Raises ConfigError for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share that is held out lies between 0 and 1, not {share}")
    threshold = int(share * 2**64)
    if threshold >= 2**64:
        return np.ones(len(problems), dtype=bool)
    return mix_with_seed(problems.keys(), seed) < np.uint64(threshold)


def from_expressions(texts: Sequence[str]) -> Problems:
    """A batch of what `parse_expression` reads. Raises its errors; among several texts, with a number."""
    groups = expression_groups(texts)
    if groups:
        first, written, plain, bracketed = zip(*groups, strict=True)
        second = [a or b for a, b in zip(plain, bracketed, strict=True)]
        problems = _batch(written, np.stack([integer_array(parse_integers(side)) for side in (first, second)], axis=1))
        if problems.defined().all():
            return problems
    parsed = []
    for number, text in enumerate(texts, start=1):
        try:
            parsed.append(parse_expression(text))
        except (DataError, UnsupportedProblem) as error:
            raise error if len(texts) == 1 else type(error)(f"expression {number}: {error}") from None
    symbols = [symbol for symbol, _, _ in parsed]
    return _batch(symbols, integer_array([operands for _, *operands in parsed]).reshape(-1, 2))


def _batch(written: Sequence[str], operands: IntegerArray) -> Problems:
    """Problems of the symbols as written, and operands (N, 2)."""
    used = set(written)
    symbols = tuple(symbol for symbol in OPERATIONS if symbol in used)
    index = {symbol: place for place, symbol in enumerate(symbols)}
    return Problems(symbols, np.array([index[symbol] for symbol in written], dtype=np.uint8), operands)


def sample(
    symbols: Sequence[str],
    low: int,
    high: int,
    count: int,
    rng: np.random.Generator,
    negative_results: bool = True,
) -> Problems:
    """`count` problems, independent and uniform over all that have these operators and operands in [low,
    high].

    negative_results: whether solutions below zero may occur; without them, every remaining problem is as
    likely as any other. Raises ConfigError for an empty range, an unknown operator, or where hardly any
    problem is wanted.
    """
    if low > high:
        raise ConfigError(f"expected a range of operands, but {low} is more than {high}")

    def operands(size: int) -> IntegerArray:
        offsets = random_below(rng, high - low + 1, (size, 2))
        wide = max(abs(low), abs(high)) > INT64_MAX
        return offsets.astype(object) + low if wide else offsets + low

    return draw(symbols, operands, count, rng, negative_results)


def draw(
    symbols: Sequence[str],
    operands: Callable[[int], IntegerArray],
    count: int,
    rng: np.random.Generator,
    negative_results: bool,
) -> Problems:
    """`count` problems: any operator, each as likely, with `operands(size)` (size, 2), drawn anew until it is
    a wanted one.

    Wanted are those that have a solution, and one that is not negative unless `negative_results`. Raises
    ConfigError where fewer than one in 10,000 are wanted.
    """
    names = tuple(find_operation(symbol).symbol for symbol in symbols)
    if not names:
        raise ConfigError("no operation: expected at least one of " + " ".join(OPERATIONS))
    parts: list[Problems] = []
    missing, drawn = count, 0
    while missing > 0 or not parts:
        share = max((count - missing) / drawn, _HOPELESS) if drawn else 1.0
        size = min(missing if share == 1 else int(missing / share * 1.02) + 16, _LARGEST_DRAW)
        batch = Problems(names, rng.integers(0, len(names), size=size, dtype=np.uint8), operands(size))
        part = keep_wanted(batch, negative_results)[:missing]
        parts.append(part)
        missing, drawn = missing - len(part), drawn + size
        if drawn > _PATIENCE and count - missing < _HOPELESS * drawn:
            raise ConfigError(
                f"of {drawn:,} problems with {' '.join(names)} from this range only {count - missing:,} have "
                f"a solution{'' if negative_results else ' that is not negative'}: expected a better range"
            )
    return parts[0] if len(parts) == 1 else Problems.concatenate(parts)


def keep_wanted(problems: Problems, negative_results: bool) -> Problems:
    """Those that have a solution, and one that is not negative unless `negative_results`; in order."""
    if any(OPERATIONS[symbol].domain is not None for symbol in problems.symbols):
        problems = problems[problems.defined()]
    if not negative_results:
        problems = problems[np.asarray(problems.solutions() >= 0, dtype=bool)]
    return problems
