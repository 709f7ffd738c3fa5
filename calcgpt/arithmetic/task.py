"""A task: the problems that a model is asked, described by operators and ranges, drawn or counted out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcgpt.arithmetic.columns import SYMBOLS
from calcgpt.arithmetic.integers import format_integer
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.problems import Problems, held_out, keep_wanted, sample
from calcgpt.errors import ConfigError, MissingOperation, shown_value

_CHAIN = 0.7  # of the columns of a carry-heavy problem, the share that hands a carry on, or nearly does
_NEARLY = 0.15  # of those, the shares that miss it by one, on either side
_MOST_DIGITS = 1000  # to train on; more is a slip


@dataclass(frozen=True)
class Task:
    """Problems drawn afresh for every step, instead of a data file.

    Args:
        operations: the operators that occur, equally often.
        min_value: the smallest operand.
        max_value: the largest operand.
        negative_results: whether answers below zero occur.
        carry_share: share of the sums and differences made to hand carries on, or to cancel, in most columns; with
            max_digits, of products and divisions made of nines and zeros too.
        max_digits: in place of min_value and max_value the most digits of an operand, or of each of the two: problems
            are then drawn by their number of digits, and need notation.work "columns".
        max_operands: the most operands of a sum; more than two need max_digits.

    Raises:
        MissingOperation: an operator that is not registered.
        ConfigError: the same one twice, an empty range, a share outside 0 to 1, or a value of another type.
    """

    operations: tuple[str, ...] = ("+", "-")
    min_value: int = 0
    max_value: int = 99
    negative_results: bool = True
    carry_share: float = 0.0
    max_digits: tuple[int, ...] = ()
    max_operands: int = 2

    def __post_init__(self) -> None:
        self._settle_operations()
        self._settle_digits()
        for name in ("min_value", "max_value"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"task.{name} must be an integer, not {shown_value(value)}")
        if self.min_value > self.max_value:
            low, high = shown_value(self.min_value), shown_value(self.max_value)
            raise ConfigError(f"task.min_value {low} is above task.max_value {high}")
        if not isinstance(self.negative_results, bool):
            raise ConfigError(f"task.negative_results must be true or false, not {shown_value(self.negative_results)}")
        share = self.carry_share
        if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share <= 1:
            raise ConfigError(f"task.carry_share must lie between 0 and 1, not {shown_value(share)}")
        if self.carry_share and self.min_value < 0:
            raise ConfigError("task.carry_share is for operands of 0 or more; raise task.min_value or leave it away")

    def _settle_digits(self) -> None:
        given: Any = self.max_digits
        given = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        if len(given) > 2 or not all(_whole(count) and 1 <= count <= _MOST_DIGITS for count in given):
            raise ConfigError(
                f"task.max_digits must be one or two numbers of 1 to {_MOST_DIGITS}, not {shown_value(self.max_digits)}"
            )
        object.__setattr__(self, "max_digits", given)
        if not _whole(self.max_operands) or not 2 <= self.max_operands <= _MOST_DIGITS:
            raise ConfigError(f"task.max_operands must be 2 to {_MOST_DIGITS}, not {shown_value(self.max_operands)}")
        if self.max_operands > 2 and not given:
            raise ConfigError("task.max_operands above 2 needs task.max_digits: only columns are written for more")
        if given:
            strange = [symbol for symbol in self.operations if symbol not in SYMBOLS]
            if strange:
                raise ConfigError(f"there are no columns for {' '.join(strange)}: leave task.max_digits away")
            object.__setattr__(self, "min_value", 0)
            object.__setattr__(self, "max_value", 10 ** max(given) - 1)

    def widths(self, symbol: str) -> tuple[int, int]:
        """The most digits of the operands of an operator; sums and differences have the first number for both."""
        first, last = self.max_digits[0], self.max_digits[-1]
        return (first, first) if symbol in ("+", "-") else (first, last)

    def _settle_operations(self) -> None:
        given: Any = self.operations
        if isinstance(given, str):  # one operator, as YAML and flags may give it
            given = (given,)
        texts = isinstance(given, (list, tuple)) and all(isinstance(entry, str) for entry in given)
        expected = f"task.operations must be some of {' '.join(OPERATIONS)}, each at most once"
        if not texts or not given or len(set(given)) < len(given):
            raise ConfigError(f"{expected}, not {shown_value(given)}")
        if missing := [symbol for symbol in given if symbol not in OPERATIONS]:
            raise MissingOperation(
                f"{expected}, and there is no {shown_value(missing[0])}: an operation of your own is registered first, "
                "in Python: calcgpt.arithmetic.operations.register(Operation(...))"
            )
        object.__setattr__(self, "operations", tuple(given))

    def sample(self, count: int, rng: np.random.Generator) -> Problems:
        """`count` independent problems; of a task with max_digits, `calcgpt.arithmetic.drawing` draws them."""
        assert not self.max_digits
        problems = sample(self.operations, self.min_value, self.max_value, count, rng, self.negative_results)
        heavy = int(count * self.carry_share)
        if not heavy:
            return problems
        chained = self._chain(problems[:heavy], rng)
        return Problems.concatenate([chained, problems[heavy:]])

    def sample_split(self, count: int, rng: np.random.Generator, share: float, seed: int, test: bool) -> Problems:
        """`count` problems of one side of the split: `share` of all problems, by their hash, is the test side.

        Raises:
            ConfigError: that side has no problem.
        """
        kept: list[Problems] = []
        missing = count
        for _ in range(1000):
            wanted = share if test else 1 - share
            problems = self.sample(int(missing / max(wanted, 1e-3) * 1.05) + 16, rng)
            rng_order = rng.permutation(len(problems))  # the carry-heavy ones stand first
            problems = problems[rng_order]
            part = problems[held_out(problems, share, seed) == test][:missing]
            kept.append(part)
            missing -= len(part)
            if not missing:
                return Problems.concatenate(kept)
        side = "held-out" if test else "training"
        raise ConfigError(f"the task has no {side} problems at test_split {share}: widen its range or change the split")

    def contains(self, problems: Problems) -> np.ndarray:
        """(N,) bool: whether each problem could have been drawn."""
        inside = ((problems.operands >= self.min_value) & (problems.operands <= self.max_value)).all(1)
        known = np.array([symbol in self.operations for symbol in problems.symbols], bool)[problems.operation]
        inside = inside.astype(bool) & known & problems.defined()
        if self.max_digits:
            for index, symbol in enumerate(problems.symbols):
                if symbol in self.operations:
                    limits = np.array([10**width for width in self.widths(symbol)], dtype=object)
                    narrow = (problems.operands < limits).all(1).astype(bool)
                    inside &= narrow | (problems.operation != index)
        if not self.negative_results and inside.any():
            places = np.flatnonzero(inside)
            inside[places] = (problems[places].solutions() >= 0).astype(bool)
        return inside

    def only(self, symbol: str) -> Task:
        """The same task with one operator."""
        return replace(self, operations=(symbol,))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON and YAML hold them."""
        return {
            "operations": list(self.operations),
            "min_value": self.min_value,
            "max_value": self.max_value,
            "negative_results": self.negative_results,
            "carry_share": self.carry_share,
            "max_digits": list(self.max_digits),
            "max_operands": self.max_operands,
        }

    def _chain(self, problems: Problems, rng: np.random.Generator) -> Problems:
        """Set most digits of the second operand to what makes a column hand its carry on, or nearly so.

        That is 9 less the other digit in a sum, the other digit itself in a difference; one more or less turns the
        column into the one that decides. Problems that leave the range stay as they were.
        """
        places = 10 ** np.arange(len(format_integer(self.max_value)), dtype=problems.operands.dtype)
        left, right = ((problems.operands[:, side, None] // places) % 10 for side in (0, 1))
        symbols = np.array(problems.symbols)[problems.operation]
        linking = np.where((symbols == "+")[:, None], 9 - left, left)
        more, less = (rng.random(left.shape) < _NEARLY for _ in range(2))
        linking = np.clip(linking + more - less, 0, 9)
        digits = np.where(rng.random(left.shape) < _CHAIN, linking, right)
        changed = (digits * places).sum(1)
        fits = np.isin(symbols, ("+", "-")) & (changed >= self.min_value) & (changed <= self.max_value)
        operands = problems.operands.copy()
        operands[fits, 1] = changed[fits]
        chained = Problems(problems.symbols, problems.operation, operands)
        if len(keep_wanted(chained, self.negative_results)) == len(chained):
            return chained
        unwanted = np.asarray(chained.solutions() < 0, bool)
        operands[unwanted] = operands[unwanted][:, ::-1]  # b - a is positive where a - b is not
        return Problems(problems.symbols, problems.operation, operands)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
