"""Where each token of a problem and its work stands: a function of the problem's shape, never of a digit.

Written out on squared paper, a problem has columns and rows. A *cell* has a place on four axes, of which a shape uses
what it needs:

    COLUMN  what the digit is worth: units 0, tens 1, ... of the problem
    LOCAL   the same within a number that is used in every row: a factor, a divisor and its multiples
    ROW     the row of the work
    PASS    which multiple of the divisor

A token that several places need is *anywhere* on an axis: it is seen from every place there, though it stands at one.
A *segment* says what kind of token it is. In 12+34=640 the units of both operands and of the answer share column 0:

>>> cells = lay_out(Shape("+", (2, 2)))
>>> cells.ids[:, COLUMN].clip(-1).tolist()       # 1 2 + 3 4 = 6 4 0 and the end
[1, 0, -1, 1, 0, -1, 0, 1, 2, 3]
>>> cells.anywhere[:, COLUMN].nonzero()[0].tolist()       # the operator, the = and the end
[2, 5, 9]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcgpt.arithmetic.columns import Shape
from calcgpt.arithmetic.rows import MULTIPLES

AXES = ("column", "local", "row", "pass")
COLUMN, LOCAL, ROW, PASS = range(4)
SEGMENTS = (
    *("mark", "first operand", "second operand", "answer", "difference", "sign", "magnitude", "running sum"),
    *("row digit", "product", "multiple", "pass 8", "pass 4", "pass 2", "pass 1", "remainder", "quotient", "end"),
    *("operand's sign", "kind", "something left", "rounding", "rounded remainder", "carry", "rounded quotient"),
)
FAR = -1_000_000  # a place on an axis that nothing is near to


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one shape's tokens, prompt, completion and end: T of them, the first `prompt` of them given.

    ids: (T, 4) places. anywhere: (T, 4) whether it is seen from everywhere on an axis. segments: (T,) indices into
    SEGMENTS. places: (T,) of a digit its place within its own number, counted from 1 at the units; 0 of others.
    """

    ids: NDArray[np.int32]
    anywhere: NDArray[np.bool_]
    segments: NDArray[np.int16]
    places: NDArray[np.int32]
    prompt: int


class _Writer:
    """Collects cells; what is not said of an axis is anywhere."""

    def __init__(self, signed: bool) -> None:
        self.signed = signed
        self.parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def put(self, segment: str, count: int, place: Any = 0, at: dict[int, Any] | None = None, **stands: Any) -> None:
        """`count` cells. `at`: places by axis, where alone they are seen; `stands`: places of those seen anywhere."""
        if self.signed and segment in ("first operand", "second operand"):
            self.put("operand's sign", 1)
        ids = np.full((count, len(AXES)), FAR, np.int32)
        anywhere = np.ones((count, len(AXES)), bool)
        for axis, value in (at or {}).items():
            ids[:, axis], anywhere[:, axis] = value, False
        for name, value in stands.items():
            ids[:, AXES.index(name)] = value
        segments = np.full(count, SEGMENTS.index(segment), np.int16)
        self.parts.append((ids, anywhere, segments, np.broadcast_to(np.asarray(place, np.int32), (count,))))

    def finish(self, prompt: int) -> Cells:
        ids, anywhere, segments, places = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        return Cells(ids, anywhere, segments, places, prompt)

    @property
    def count(self) -> int:
        return sum(len(part[0]) for part in self.parts)


@lru_cache(maxsize=4096)
def lay_out(shape: Shape) -> Cells:
    """The cells of a shape's tokens."""
    writer = _Writer(shape.signed)
    if shape.symbol == "*":
        _product(writer, *shape.widths)
    elif shape.symbol in ("//", "%"):
        left, right = shape.widths
        _division(writer, left, right, len(shape.symbol))
    elif len(shape.widths) > 2:
        _running_sum(writer, len(shape.widths), shape.widths[0])
    else:
        _sum_or_difference(writer, shape.symbol, shape.widths[0])
    operands = len(shape.widths)
    prompt = sum(shape.widths) + (operands - 1) * len(shape.symbol) + 1 + operands * shape.signed
    return writer.finish(prompt)


def _falling(width: int) -> NDArray[np.int64]:
    return np.arange(width)[::-1]


def _sum_or_difference(writer: _Writer, symbol: str, width: int) -> None:
    up, down = np.arange(width), _falling(width)
    writer.put("first operand", width, down + 1, {COLUMN: down})
    writer.put("mark", 1)
    writer.put("second operand", width, down + 1, {COLUMN: down})
    writer.put("mark", 1)
    if writer.signed:
        up = np.arange(width + 1)
        writer.put("kind", 1, column=FAR)
        writer.put("difference", width + 1, up + 1, {COLUMN: up})
        writer.put("sign", 1, column=width + 1)
        writer.put("magnitude", width + 1, up + 1, {COLUMN: up})
        writer.put("end", 1, column=width + 1)
        return
    if symbol == "+":
        up = np.arange(width + 1)
        writer.put("answer", width + 1, up + 1, {COLUMN: up})
        writer.put("end", 1, column=width + 1)
        return
    writer.put("difference", width, up + 1, {COLUMN: up})
    writer.put("sign", 1, column=width)
    writer.put("magnitude", width, up + 1, {COLUMN: up})
    writer.put("end", 1, column=width)


def _running_sum(writer: _Writer, operands: int, width: int) -> None:
    up, down = np.arange(width), _falling(width)
    for row in range(operands):
        writer.put("first operand", width, down + 1, {COLUMN: down, ROW: row})
        # Seen from its own rows alone: marks seen from everywhere would share attention out among ever more of them.
        writer.put("mark", 1, 0, {ROW: row})
    for row in range(operands):
        writer.put("running sum", width, up + 1, {COLUMN: up, ROW: row})
    writer.put("end", 1, column=width, row=operands)


def _product(writer: _Writer, left: int, right: int) -> None:
    writer.put("first operand", left, _falling(left) + 1, {LOCAL: _falling(left)})
    writer.put("mark", 1)
    writer.put("second operand", right, _falling(right) + 1, {ROW: _falling(right)})
    writer.put("mark", 1)
    if writer.signed:
        writer.put("sign", 1, column=FAR, row=FAR)
    local = np.repeat(np.arange(left + 1), 2)
    for row in range(right):
        writer.put("row digit", 1, row + 1, {ROW: row}, column=FAR, local=FAR)
        writer.put("product", 2 * (left + 1), row + local + 1, {COLUMN: row + local, ROW: row}, local=local)
        _alternate(writer, "running sum")
    writer.put("end", 1, column=left + right, row=right)


def _alternate(writer: _Writer, segment: str) -> None:
    """Every second cell of the last block is of another segment."""
    writer.parts[-1][2][1::2] = SEGMENTS.index(segment)


def _division(writer: _Writer, left: int, right: int, operator: int) -> None:
    steps, rows = np.arange(left), len(MULTIPLES) + 1
    column, local, width = left - 1 - steps, np.arange(right + 1), right + 1
    writer.put("first operand", left, column + 1, {COLUMN: column, ROW: rows * steps})
    writer.put("mark", operator)
    writer.put("second operand", right, _falling(right) + 1, {LOCAL: _falling(right), PASS: 1})
    writer.put("mark", 1)
    for number in (2, 3, 4):
        writer.put("multiple", width, local + 1, {LOCAL: local, PASS: number})
    for step in steps.tolist():
        units = left - 1 - step
        for index, multiple in enumerate(MULTIPLES):
            row, stands = rows * step + index, len(MULTIPLES) - index
            writer.put(
                f"pass {multiple}", width, local + 1, {COLUMN: units + local, ROW: row}, local=local, **{"pass": stands}
            )
            writer.put("sign", 1, 0, {ROW: row}, column=units + width, local=width, **{"pass": stands})
            writer.put("quotient", 1, units + 1, {ROW: row}, column=units + width, local=width, **{"pass": stands})
        row = rows * step + len(MULTIPLES)
        writer.put("remainder", width, local + 1, {COLUMN: units + local, ROW: row}, local=local, **{"pass": 1})
    if writer.signed:
        _rounding(writer, left, right, rows)
    writer.put("end", 1, column=width, row=rows * left)


def _rounding(writer: _Writer, left: int, right: int, rows: int) -> None:
    """What follows the division of the magnitudes, below its last row."""
    last, local, width = rows * left, np.arange(right + 1), right + 1
    writer.put("something left", width, local + 1, {COLUMN: local, ROW: last}, local=local)
    for segment in ("rounding", "sign", "sign"):
        writer.put(segment, 1, 0, column=width, local=width, row=last)
    writer.put("rounded remainder", width, local + 1, {COLUMN: local, ROW: last}, local=local, **{"pass": 1})
    # A digit of the quotient stands in the row where long division found it, and is seen by its column.
    column = np.repeat(np.arange(left), 2)
    row = rows * (left - 1 - column) + len(MULTIPLES) - 1
    writer.put("carry", 2 * left, column + 1, {COLUMN: column, LOCAL: FAR}, row=row)
    _alternate(writer, "rounded quotient")
