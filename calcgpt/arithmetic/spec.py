"""What a generated data set holds, the name that says so, and how large it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from calcgpt.arithmetic.counting import count_problems
from calcgpt.arithmetic.integers import format_integer, parse_integer, random_below
from calcgpt.arithmetic.operands import ALL_DIGITS, OperandSet
from calcgpt.arithmetic.operations import OPERATIONS, find_operation
from calcgpt.arithmetic.parsing import shorten, shown
from calcgpt.arithmetic.problems import Problems, draw
from calcgpt.errors import ConfigError, check_seed

MAX_EXPRESSIONS = 10**9
"""The most expressions that one data set may hold."""
MAX_DIGITS = 2_000
"""The most digits that an operand of a data set may have."""

_DEFAULT_SEED = 42
_MEASURED = 1000  # examples drawn to estimate a line's length
_BYTES_A_SECOND = 10_000_000  # measured: examples generated and written, on one core
_NAME = re.compile(
    r"(?P<operations>[a-z]+(?:-[a-z]+)*)_(?P<low>-?[0-9]+)to(?P<high>-?[0-9]+)(?P<unit>digits)?"
    r"(?:_only(?P<digits>[0-9]+))?_(?P<sign>signed|nonnegative)_(?:all|count(?P<count>[0-9]+)_seed(?P<seed>[0-9]+))"
)


@dataclass(frozen=True)
class DatasetSpec:
    """What a generated data set holds; by default, what the shipped `datasets/ds-calcgpt.txt` does.

    operations: the operators, by symbol (or by name: "addition").
    min_value, max_value: the smallest and the largest operand; 0 and 100 where no range is given.
    min_digits, max_digits: in place of the values, how many digits an operand has; none of these is negative.
    allowed_digits: the digits that an operand may be written with.
    negative_results: whether problems whose solution is below zero belong to it.
    count: how many expressions to sample without repetition, each as likely; None: every one there is.
    seed: of the sample; kept at its default where nothing is sampled.

    Raises ConfigError for settings that contradict each other or leave no operand.
    """

    operations: tuple[str, ...] = ("+", "-")
    min_value: int | None = None
    max_value: int | None = None
    min_digits: int | None = None
    max_digits: int | None = None
    allowed_digits: str = ALL_DIGITS
    negative_results: bool = False
    count: int | None = None
    seed: int = _DEFAULT_SEED

    def __post_init__(self) -> None:
        self._settle_operations()
        self._settle_range()
        self._settle_digits()
        _check_integer("count", self.count, 1)
        _check_integer("seed", self.seed, 0)
        check_seed(self.seed)
        if self.count is None:
            object.__setattr__(self, "seed", _DEFAULT_SEED)
        elif self.count > MAX_EXPRESSIONS:
            raise ConfigError(f"count is at most {MAX_EXPRESSIONS:,}, not {self.count:,}")
        if not self.operands.size:
            raise ConfigError(
                f"no operand {self._range_in_words()} is written with the digits {self.allowed_digits} only"
            )

    def _settle_operations(self) -> None:
        given = (self.operations,) if isinstance(self.operations, str) else tuple(self.operations)
        symbols = tuple(find_operation(symbol).symbol for symbol in given)
        if not symbols or len(set(symbols)) < len(symbols):
            raise ConfigError(f"expected one or more different operations of {' '.join(OPERATIONS)}, not {given}")
        object.__setattr__(self, "operations", symbols)

    def _settle_range(self) -> None:
        values, digits = (self.min_value, self.max_value), (self.min_digits, self.max_digits)
        if values != (None, None) and digits != (None, None):
            raise ConfigError("expected a range of values or a range of digit counts, not both")
        by_digits = digits != (None, None)
        unit, (low, high) = ("digits", digits) if by_digits else ("value", values)
        _check_integer(f"min_{unit}", low, 1 if by_digits else None)
        _check_integer(f"max_{unit}", high, 1 if by_digits else None)
        if by_digits and high is None:
            raise ConfigError(f"min_digits is {low}, but there is no max_digits: expected both")
        low = int(by_digits) if low is None else low
        high = 100 if high is None else high
        if low > high:
            smallest, largest = shorten(format_integer(low)), shorten(format_integer(high))
            raise ConfigError(f"min_{unit} is {smallest}, more than max_{unit}, which is {largest}")
        digits_needed = high if unit == "digits" else len(format_integer(max(abs(low), abs(high))))
        if digits_needed > MAX_DIGITS:
            raise ConfigError(f"operands have at most {MAX_DIGITS:,} digits, not {digits_needed:,}")
        object.__setattr__(self, f"min_{unit}", low)
        object.__setattr__(self, f"max_{unit}", high)

    def _settle_digits(self) -> None:
        allowed = "".join(sorted(set(self.allowed_digits)))
        if not allowed or not set(allowed) <= set(ALL_DIGITS):
            raise ConfigError(f"allowed_digits is a text of digits such as 0123456789, not {self.allowed_digits!r}")
        object.__setattr__(self, "allowed_digits", allowed)

    @property
    def operands(self) -> OperandSet:
        """The operands that it may use."""
        if self.min_digits is not None and self.max_digits is not None:
            low = 0 if self.min_digits == 1 else 10 ** (self.min_digits - 1)
            return OperandSet(low, 10**self.max_digits - 1, self.allowed_digits)
        assert self.min_value is not None and self.max_value is not None, "settled when it was made"
        return OperandSet(self.min_value, self.max_value, self.allowed_digits)

    def draw(self, count: int, rng: np.random.Generator) -> Problems:
        """`count` of its problems, independent and uniform; some may repeat. See `problems.draw`."""
        operands = self.operands
        return draw(
            self.operations,
            lambda size: operands.take(random_below(rng, operands.size, (size, 2))),
            count,
            rng,
            self.negative_results,
        )

    def size(self) -> int:
        """How many expressions there are, whatever `count` is. Raises ConfigError for too many to count."""
        operands = self.operands
        return sum(count_problems(OPERATIONS[symbol], operands, self.negative_results) for symbol in self.operations)

    def expressions(self) -> int:
        """How many it holds. Raises ConfigError where there are none, or fewer than `count`."""
        size = self.size()
        if not size:
            allowed = "" if self.negative_results else " that is not negative"
            symbols = " ".join(self.operations)
            raise ConfigError(f"no {symbols} of operands {self._range_in_words()} has a solution{allowed}")
        if self.count is not None and self.count > size:
            raise ConfigError(f"count is {self.count:,}, but there are only {size:,} different expressions")
        return size if self.count is None else self.count

    def estimate(self) -> dict[str, int | float]:
        """What making it takes: `expressions`; roughly, `bytes` of the file and `seconds` on one core."""
        expressions = self.expressions()
        lines = self.draw(_MEASURED, np.random.default_rng(0)).examples()
        size = expressions * sum(len(line) + 1 for line in lines) // len(lines)
        return {
            "expressions": expressions,
            "bytes": size,
            "seconds": float(min(size, 10**300)) / _BYTES_A_SECOND,
        }

    def name(self) -> str:
        """A file name that carries every parameter: `addition-subtraction_0to100_nonnegative_all.txt`."""
        operations = "-".join(OPERATIONS[symbol].name for symbol in self.operations)
        only = "" if self.allowed_digits == ALL_DIGITS else f"_only{self.allowed_digits}"
        sign = "signed" if self.negative_results else "nonnegative"
        amount = "all" if self.count is None else f"count{self.count}_seed{self.seed}"
        return f"{operations}_{self._range()}{only}_{sign}_{amount}.txt"

    def _range(self) -> str:
        if self.min_digits is not None:
            return f"{self.min_digits}to{self.max_digits}digits"
        assert self.min_value is not None and self.max_value is not None, "settled when it was made"
        return f"{format_integer(self.min_value)}to{format_integer(self.max_value)}"

    def _range_in_words(self) -> str:
        if self.min_digits is not None:
            return f"of {self.min_digits} to {self.max_digits} digits"
        assert self.min_value is not None and self.max_value is not None, "settled when it was made"
        return " to ".join(shorten(format_integer(value)) for value in (self.min_value, self.max_value))


def _check_integer(name: str, value: int | None, least: int | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        given = shorten(format_integer(value)) if type(value) is int else repr(value)
        raise ConfigError(f"{name} is a whole number{bound}, not {given}")


def parse_name(name: str | PurePath) -> DatasetSpec:
    """The spec whose `name()` this is, in whatever folder. Raises ConfigError for another name."""
    match = _NAME.fullmatch(PurePath(name).name.removesuffix(".txt"))
    if match is None:
        raise ConfigError(
            f"the file name {shown(PurePath(name).name)} carries no parameters: expected one such as "
            f"{DatasetSpec().name()}"
        )
    unit = "digits" if match["unit"] else "value"
    limits: dict[str, Any] = {
        f"min_{unit}": parse_integer(match["low"]),
        f"max_{unit}": parse_integer(match["high"]),
    }
    return DatasetSpec(
        operations=tuple(match["operations"].split("-")),
        **limits,
        allowed_digits=match["digits"] or ALL_DIGITS,
        negative_results=match["sign"] == "signed",
        count=parse_integer(match["count"]) if match["count"] else None,
        seed=parse_integer(match["seed"]) if match["seed"] else _DEFAULT_SEED,
    )
