"""Counting, a batch at a time: the memory it takes does not depend on how many problems were asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcgpt.arithmetic.accuracy import digit_lengths, digits_right
from calcgpt.arithmetic.cascades import OPERATORS, cascades, has_cascades
from calcgpt.arithmetic.columns import Numbers, Shape
from calcgpt.arithmetic.operations import rank
from calcgpt.evaluation.lengths import describe_length, parse_length
from calcgpt.evaluation.portions import Batch
from calcgpt.evaluation.subjects import Answers

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)  # of confidence
_TABLES = {
    "all": (),
    "operations": ("operation",),
    "buckets": ("operation", "digits"),
    "carries": ("operation", "chain"),
    "cases": ("case",),
    "grid": ("operation", "first", "second"),
    "seen": ("trained_on",),
}
_NOTHING = (0, 0, 0, 0)
Key = tuple[Any, ...]


@dataclass
class Tally:
    """What was counted so far.

    tables: for each of the report's tables a row's key to its counts: problems, right, malformed, refused. places:
    operator and place from the units to digits asked and right. calibration: (bins, 3) problems, right, and the sum of
    their confidences.
    """

    tables: dict[str, dict[Key, np.ndarray]] = field(default_factory=lambda: {name: {} for name in _TABLES})
    places: dict[Key, np.ndarray] = field(default_factory=dict)
    calibration: np.ndarray = field(default_factory=lambda: np.zeros((len(EDGES) - 1, 3)))

    def add(
        self, batch: Batch, answers: Answers, solutions: Numbers, right: np.ndarray, trained: np.ndarray | None
    ) -> None:
        """Count a batch: `right` (N,) are the verdicts, `trained` (N,) whether training saw the problem."""
        shape, size = batch.problems.shape, len(batch.problems)
        refused = np.zeros(size, bool)
        if answers.refusals is not None:
            refused = np.array([reason is not None for reason in answers.refusals], bool)
        counts = np.stack([np.ones(size, bool), right, ~answers.readable & ~refused, refused], 1)
        self._count("all", (), counts)
        self._count("operations", (shape.symbol,), counts)
        self._lengths(batch, counts)
        if has_cascades(shape):
            self._split("carries", (shape.symbol,), cascades(batch.problems), counts)
        if batch.cases is not None:
            self._split("cases", (), np.array(batch.cases), counts)
        if trained is not None:
            self._split("seen", (), trained, counts)
        self._places(shape.symbol, answers, solutions, refused)
        if answers.confidence is not None:
            self._calibrate(answers.confidence, right, ~refused)

    def _count(self, table: str, key: Key, counts: np.ndarray) -> None:
        total = counts.sum(0, dtype=np.int64)
        self.tables[table][key] = self.tables[table].get(key, 0) + total

    def _split(self, table: str, key: Key, values: np.ndarray, counts: np.ndarray) -> None:
        """Count the problems of each of some values, (N,), as a row of its own."""
        for value in np.unique(values).tolist():
            self._count(table, (*key, value), counts[values == value])

    def _lengths(self, batch: Batch, counts: np.ndarray) -> None:
        """By the digits that operands have, however wide they are written; of three or more by the width alone."""
        problems, shape = batch.problems, batch.problems.shape
        if len(shape.widths) > 2:
            self._count("buckets", (shape.symbol, describe_length(shape)), counts)
            return
        first, second = (digit_lengths(problems.operand(side)) for side in (0, 1))
        cells = first * 2**20 + second
        order = np.argsort(cells, kind="stable")
        values, starts = np.unique(cells[order], return_index=True)
        for value, part in zip(values.tolist(), np.split(counts[order], starts[1:]), strict=True):
            cell = divmod(value, 2**20)
            widths = (max(cell),) * 2 if shape.symbol in OPERATORS else cell
            self._count("buckets", (shape.symbol, describe_length(Shape(shape.symbol, widths))), part)
            if batch.grid:
                self._count("grid", (shape.symbol, *cell), part)

    def _places(self, symbol: str, answers: Answers, solutions: Numbers, refused: np.ndarray) -> None:
        asked = answers.readable & ~refused
        if not asked.any():
            return
        rows = slice(None) if asked.all() else asked
        answered = Numbers(answers.numbers.digits[rows], answers.numbers.negative[rows])
        true = Numbers(solutions.digits[rows], solutions.negative[rows])
        digits, right = digits_right(answered, true, asked[rows])
        for place, count in enumerate(np.stack([digits, right], 1)):
            self.places[symbol, place] = self.places.get((symbol, place), 0) + count

    def _calibrate(self, confidence: np.ndarray, right: np.ndarray, asked: np.ndarray) -> None:
        confidence, right = confidence[asked], right[asked]
        place = np.clip(np.searchsorted(EDGES, confidence, side="right") - 1, 0, len(EDGES) - 2)
        for column, weights in enumerate((None, right.astype(float), confidence)):
            self.calibration[:, column] += np.bincount(place, weights, len(EDGES) - 1)

    def total(self) -> list[int]:
        """Problems, right, malformed and refused ones of all that was asked."""
        return list(self.tables["all"].get((), np.array(_NOTHING)).tolist())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them; `from_dict` reads them."""
        tables = {name: [[list(key), row.tolist()] for key, row in rows.items()] for name, rows in self.tables.items()}
        places = [[list(key), row.tolist()] for key, row in self.places.items()]
        return {"tables": tables, "places": places, "calibration": self.calibration.tolist()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Tally:
        """A tally that `to_dict` wrote. Raises KeyError, TypeError or ValueError where something else did."""
        kept = content["tables"]
        tables = {name: {tuple(key): np.array(row, np.int64).reshape(4) for key, row in kept[name]} for name in _TABLES}
        places = {tuple(key): np.array(row, np.int64).reshape(2) for key, row in content["places"]}
        return cls(tables, places, np.array(content["calibration"], float).reshape(len(EDGES) - 1, 3))

    def figures(self, complete: bool = False) -> dict[str, Any]:
        """Every table of a report, and the figures above them; without intervals where the count is `complete`, every
        problem there is."""
        seen = self.tables["seen"]
        sides = (("trained_on", True), ("never_seen", False))
        apart = {name: row_of(seen.get((trained,), _NOTHING), complete) if seen else None for name, trained in sides}
        return {
            **row_of(self.total(), complete),
            **apart,
            **{
                name: list(self._rows(name, complete)) for name in ("operations", "buckets", "carries", "cases", "grid")
            },
            "places": list(self._place_rows()),
            "calibration": list(self._bins()),
            "calibration_error": self._calibration_error(),
        }

    def _rows(self, table: str, complete: bool) -> Iterator[dict[str, Any]]:
        rows = list(self.tables[table].items())
        if table == "buckets":
            rows.sort(key=lambda row: _by_length(*row[0]))
        elif _TABLES[table][0] == "operation":
            rows.sort(key=lambda row: (rank(row[0][0]), row[0][1:]))
        for key, counts in rows:
            yield {**dict(zip(_TABLES[table], key, strict=True)), **row_of(counts, complete)}

    def _place_rows(self) -> Iterator[dict[str, Any]]:
        for (symbol, place), (digits, right) in sorted(self.places.items(), key=lambda row: (rank(row[0][0]), row[0])):
            found = {"digits": int(digits), "right": int(right), "accuracy": float(right / digits)}
            yield {"operation": symbol, "place": place, **found}

    def _bins(self) -> Iterator[dict[str, Any]]:
        for low, high, (problems, right, confidence) in zip(EDGES[:-1], EDGES[1:], self.calibration, strict=True):
            if problems:
                counts = {"problems": int(problems), "right": int(right), "confidence": float(confidence / problems)}
                yield {"low": low, "high": high, **counts}

    def _calibration_error(self) -> float | None:
        """The expected calibration error: how far confidence and share of right answers are apart, bin by bin
        (Guo et al. 2017, section 2, with these bins)."""
        total = self.calibration[:, 0].sum()
        return float(np.abs(self.calibration[:, 1] - self.calibration[:, 2]).sum() / total) if total else None


def _by_length(symbol: str, digits: str) -> tuple[int, list[int]]:
    """What sorts operations as they are listed, and then lengths: 3, 20x10, 20, 4*3."""
    return rank(symbol), [*sorted(parse_length(digits), reverse=True), *parse_length(digits)]


def row_of(counts: Sequence[int] | np.ndarray, complete: bool = False) -> dict[str, Any]:
    """The figures of problems, right, malformed and refused ones: exact match, and its Wilson interval, which a
    `complete` count has not."""
    problems, right, malformed, refused = (int(count) for count in counts)
    return {
        "problems": problems,
        "right": right,
        "malformed": malformed,
        "refused": refused,
        "exact_match": right / problems if problems else None,
        "interval": list(wilson(right, problems)) if problems and not complete else None,
    }


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% score interval of a share, both ends in [0, 1] (Wilson 1927).

    >>> [round(end, 4) for end in wilson(1000, 1000)]
    [0.9962, 1.0]
    """
    share = right / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low, high = ((middle + side * spread) / (1 + z * z / total) for side in (-1, 1))
    return (0.0 if not right else max(0.0, low)), (1.0 if right == total else min(1.0, high))
