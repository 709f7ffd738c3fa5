"""Lengths, how many digits each operand of a problem has: as text, and those of what a model was trained on."""

from __future__ import annotations

import re
from dataclasses import replace

from calcgpt.arithmetic.cascades import OPERATORS
from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation.suites import Part

Widths = tuple[int, ...]


def parse_length(text: str) -> Widths:
    """Digits of each operand: `100` of both, `20x10` of the first and the second, `30*30` of thirty operands.

    >>> parse_length("100"), parse_length("20x10"), parse_length("30*3")
    ((100, 100), (20, 10), (30, 30, 30))

    Raises:
        ConfigError: it is none of these.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,5})(?:([x*])([1-9][0-9]{0,5}))?", text)
    if not match or match[0].endswith("*1"):
        raise ConfigError(f"expected digits such as 100, 20x10 (20 and 10) or 30*5 (five operands of 30), not {text!r}")
    first, kind, second = int(match[1]), match[2], int(match[3] or 2)
    if kind == "x":
        return first, second
    return (first,) * second


def describe_length(shape: Shape) -> str:
    """The inverse of `parse_length`, for a shape.

    >>> describe_length(Shape("*", (20, 10))), describe_length(Shape("+", (5, 5, 5)))
    ('20x10', '4*3')
    """
    if len(shape.widths) > 2:
        return f"{shape.number_width}*{len(shape.widths)}"
    return str(shape.widths[0]) if shape.widths[0] == shape.widths[1] else "x".join(map(str, shape.widths))


def given_lengths(part: Part, symbol: str, task: Task, otherwise: list[Widths]) -> list[Widths]:
    """The lengths that a part gives, as far as an operator has so many operands; 20x10 and 20 are the same sum."""
    if not part.digits:
        return otherwise
    most = task.max_operands if symbol == "+" else 2
    lengths = [widths for widths in map(parse_length, part.digits) if len(widths) == 2 or most > 2]
    if symbol in OPERATORS:
        lengths = [(max(widths),) * len(widths) for widths in lengths]
    return list(dict.fromkeys(lengths))


def task_within(part: Part, task: Task) -> Task | None:
    """What a part's problems have to be of: where it gives lengths it leaves a task's range, but asks nothing negative
    of a model that was never shown it."""
    if not part.digits:
        return task
    if task.negative_results:
        return None
    longest = 10 ** max(max(parse_length(length)) for length in part.digits)
    return replace(task, min_value=-longest, max_value=longest, carry_share=0.0)


def most_digits(task: Task) -> int:
    """Of an operand of a range."""
    return len(str(max(abs(task.min_value), abs(task.max_value))))


def _limits(task: Task, symbol: str) -> tuple[int, int]:
    return task.widths(symbol) if task.max_digits else (most_digits(task),) * 2


def widest(task: Task, symbol: str) -> list[Widths]:
    """The longest problems of a task: of each number of operands that it has."""
    limits = _limits(task, symbol)
    more = range(3, task.max_operands + 1) if symbol == "+" else ()
    return [limits, *((limits[0],) * operands for operands in more)]


def each_width(task: Task, symbol: str) -> list[Widths]:
    """Every width up to the longest problems of a task, and then those of more operands."""
    limits = _limits(task, symbol)
    widths = [tuple(min(width, limit) for limit in limits) for width in range(1, max(limits) + 1)]
    return [*widths, *widest(task, symbol)[1:]]


def wide(task: Task, symbol: str) -> list[Widths]:
    """The longest problems of a task of which there are many: of 0 to 100 those of two digits."""
    return widest(task, symbol) if task.max_digits else [(full_width(task, symbol),) * 2]


def full_width(task: Task, symbol: str) -> int:
    """The most digits of which every number is in a task's range, or that all of its numbers have."""
    width = _limits(task, symbol)[0]
    full = task.max_digits or task.max_value >= 10**width - 1 or task.min_value >= 10 ** (width - 1)
    return width if full else max(1, width - 1)
