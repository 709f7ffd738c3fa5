"""Lengths as text: how many digits each operand of a problem has."""

from __future__ import annotations

import re

from calcgpt.arithmetic.columns import Shape
from calcgpt.errors import ConfigError


def parse_length(text: str) -> tuple[int, ...]:
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
