"""Counts against plain Python's, and the figures made of them against formulas computed by themselves."""

from __future__ import annotations

import doctest
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calcgpt.arithmetic.accuracy import numbers
from calcgpt.arithmetic.columns import ColumnProblems
from calcgpt.arithmetic.integers import integer_array
from calcgpt.evaluation import tally as module
from calcgpt.evaluation.portions import Batch
from calcgpt.evaluation.subjects import Answers
from calcgpt.evaluation.tally import EDGES, Tally, row_of, wilson

TABLES = ("operations", "buckets", "carries", "cases", "grid")


class Asked(NamedTuple):
    """A problem and what came of it. answer: None where there is none; "refused" where it could not be asked."""

    operands: tuple[int, ...]
    answer: int | str | None
    confidence: float
    case: str
    trained: bool


NUMBER = st.integers(0, 999)
ANSWER = st.none() | st.just("refused") | st.just("right") | st.integers(-1200, 1200)
CONFIDENCE = st.sampled_from(EDGES) | st.floats(0, 1)
ROW = st.builds(Asked, st.tuples(NUMBER, NUMBER), ANSWER, CONFIDENCE, st.sampled_from(["x", "y"]), st.booleans())
BATCH = st.tuples(st.sampled_from("+-*"), st.lists(ROW, min_size=1, max_size=12), st.integers(0, 7))
FUNCTIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


def settle(symbol: str, rows: Sequence[Asked]) -> list[Asked]:
    """With the solution where the answer is to be right."""
    return [row._replace(answer=FUNCTIONS[symbol](*row.operands)) if row.answer == "right" else row for row in rows]


def add(tally: Tally, symbol: str, rows: Sequence[Asked], kind: int) -> None:
    """Count rows: `kind` has a bit for cases, for the grid, and for whether confidence and training are told."""
    problems = ColumnProblems.from_operands(symbol, [row.operands for row in rows], (3, 3))
    batch = Batch(problems, [row.case for row in rows] if kind & 1 else None, None, bool(kind & 2))
    given_answers = integer_array([row.answer if isinstance(row.answer, int) else 0 for row in rows])
    readable = np.array([isinstance(row.answer, int) for row in rows])
    refusals = ["no place" if row.answer == "refused" else None for row in rows]
    confidence = np.array([row.confidence for row in rows]) if kind & 4 else None
    answers = Answers(numbers(given_answers), readable, confidence, refusals, lambda row: (None, None))
    solutions = problems.solutions()
    right = answers.numbers.equal(solutions) & readable
    tally.add(batch, answers, solutions, right, np.array([row.trained for row in rows]) if kind & 4 else None)


def cascade(symbol: str, a: int, b: int) -> int:
    best = run = 0
    high, low = (max(a, b), min(a, b)) if symbol == "-" else (a, b)
    for place in range(3):
        x, y = high // 10**place % 10, low // 10**place % 10
        starts, goes_on = (x < y, x == y) if symbol == "-" else (x + y > 9, x + y == 9)
        run = 1 if starts else run + 1 if goes_on and run else 0
        best = max(best, run)
    return best


def expected(batches: Sequence[tuple[str, list[Asked], int]]) -> dict[str, Any]:
    """Every table, by plain loops: row's key to problems, right, malformed, refused."""
    tables: dict[str, dict[Any, list[int]]] = {name: defaultdict(lambda: [0] * 4) for name in (*TABLES, "all", "seen")}
    places: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    bins: dict[float, list[tuple[bool, float]]] = defaultdict(list)
    for symbol, rows, kind in batches:
        for row in settle(symbol, rows):
            solution = FUNCTIONS[symbol](*row.operands)
            right, refused = row.answer == solution, row.answer == "refused"
            first, second = (len(str(value)) for value in row.operands)
            longest = str(max(first, second))
            length = longest if symbol in "+-" or first == second else f"{first}x{second}"
            keys: dict[str, Any] = {"all": (), "operations": (symbol,), "buckets": (symbol, length)}
            if symbol in "+-":
                keys["carries"] = (symbol, cascade(symbol, *row.operands))
            if kind & 1:
                keys["cases"] = (row.case,)
            if kind & 2:
                keys["grid"] = (symbol, *(len(str(value)) for value in row.operands))
            if kind & 4:
                keys["seen"] = row.trained
                if not refused:
                    bins[max(edge for edge in EDGES[:-1] if edge <= row.confidence)].append((right, row.confidence))
            for table, key in keys.items():
                for index, counts in enumerate((True, right, row.answer is None, refused)):
                    tables[table][key][index] += counts
            if isinstance(row.answer, int):
                written = str(abs(row.answer))[::-1]
                for place, digit in enumerate(str(abs(solution))[::-1]):
                    places[symbol, place][0] += 1
                    places[symbol, place][1] += written[place : place + 1] == digit
    return {**tables, "places": dict(places), "bins": dict(bins)}


def figures_of(counts: Sequence[int]) -> dict[str, Any]:
    problems, right, malformed, refused = counts
    share = right / problems
    return {"problems": problems, "right": right, "malformed": malformed, "refused": refused, "exact_match": share}


def without_interval(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "interval"}


@settings(deadline=None, max_examples=60)
@given(st.lists(BATCH, min_size=1, max_size=5))
@example([("+", [Asked((999, 1), "right", 1.0, "x", True), Asked((0, 0), 0, 0.0, "y", False)], 7)])
def test_every_table_is_what_a_plain_count_says(batches: list[tuple[str, list[Asked], int]]) -> None:
    tally = Tally()
    for symbol, rows, kind in batches:
        add(tally, symbol, settle(symbol, rows), kind)
    found, wanted = tally.figures(), expected(batches)
    names = {"operations": ("operation",), "buckets": ("operation", "digits"), "carries": ("operation", "chain")}
    names |= {"cases": ("case",), "grid": ("operation", "first", "second")}
    for table in TABLES:
        rows = {tuple(row.pop(name) for name in names[table]): without_interval(row) for row in found[table]}
        assert rows == {key: figures_of(counts) for key, counts in wanted[table].items()}, table
    whole = figures_of(wanted["all"][()])
    assert {key: found[key] for key in whole} == whole
    for name, trained in (("trained_on", True), ("never_seen", False)):
        counts = wanted["seen"].get(trained, [0] * 4)
        assert (found[name] is None) == (not wanted["seen"])
        if counts[0]:
            assert without_interval(found[name]) == figures_of(counts)
        elif found[name] is not None:
            assert found[name] == row_of([0] * 4) and found[name]["exact_match"] is None
    places = {(row["operation"], row["place"]): [row["digits"], row["right"]] for row in found["places"]}
    assert places == wanted["places"]
    assert all(row["accuracy"] == row["right"] / row["digits"] for row in found["places"])
    check_calibration(found, wanted["bins"])


def check_calibration(found: dict[str, Any], bins: dict[float, list[tuple[bool, float]]]) -> None:
    total = sum(map(len, bins.values()))
    assert [row["low"] for row in found["calibration"]] == sorted(bins)
    error = 0.0
    for row in found["calibration"]:
        own = bins[row["low"]]
        right, mean = sum(good for good, _ in own), math.fsum(confidence for _, confidence in own) / len(own)
        assert (row["problems"], row["right"]) == (len(own), right) and row["confidence"] == pytest.approx(mean)
        assert row["high"] == EDGES[EDGES.index(row["low"]) + 1]
        error += len(own) / total * abs(right / len(own) - mean)
    assert found["calibration_error"] == (pytest.approx(error) if total else None)


@settings(deadline=None, max_examples=40)
@given(BATCH, st.integers(0, 12))
def test_parts_add_up_and_are_kept(batch: tuple[str, list[Asked], int], cut: int) -> None:
    symbol, rows, kind = batch
    rows = settle(symbol, rows)
    whole, parts = Tally(), Tally()
    add(whole, symbol, rows, kind)
    for part in (rows[:cut], rows[cut:]):
        if part:
            add(parts, symbol, part, kind)
            parts = Tally.from_dict(json.loads(json.dumps(parts.to_dict())))  # as an interruption leaves it
    assert Tally.from_dict(whole.to_dict()).to_dict() == whole.to_dict()
    one, other = whole.figures(), parts.figures()
    assert one.pop("calibration_error") == pytest.approx(other.pop("calibration_error"))
    for row, same in zip(one.pop("calibration"), other.pop("calibration"), strict=True):
        assert row == pytest.approx(same)
    for name in ("operations", "buckets", "cases"):
        assert sorted(map(str, one.pop(name))) == sorted(map(str, other.pop(name)))
    assert one == other


def test_calibration_by_hand() -> None:
    tally = Tally()
    rows = [Asked((1, 1), 2, 0.8, "", True), Asked((1, 2), 9, 0.8, "", True), Asked((1, 3), 4, 1.0, "", True)]
    add(tally, "+", [*rows, Asked((1, 3), "refused", 0.3, "", True)], 4)
    found = tally.figures()
    assert found["calibration"] == [
        {"low": 0.8, "high": 0.9, "problems": 2, "right": 1, "confidence": 0.8},
        {"low": 0.999, "high": 1.0, "problems": 1, "right": 1, "confidence": 1.0},
    ]
    assert found["calibration_error"] == pytest.approx(2 / 3 * 0.3)


def test_nothing_counted() -> None:
    found = Tally().figures()
    assert (found["problems"], found["exact_match"], found["interval"]) == (0, None, None)
    assert found["trained_on"] is found["never_seen"] is found["calibration_error"] is None
    assert all(found[name] == [] for name in (*TABLES, "places", "calibration"))
    assert Tally.from_dict(Tally().to_dict()).figures() == found


@pytest.mark.parametrize("content", [{}, {"tables": {}}, {"tables": 3}, None])
def test_what_is_no_tally(content: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Tally.from_dict(content)


@given(st.integers(1, 10**7), st.floats(0, 1))
@example(1, 0.0)
@example(1, 1.0)
def test_wilson_is_where_the_score_test_turns(total: int, share: float) -> None:
    """Wilson (1927): the ends are the shares p from which the observed one is 1.959964 standard errors away."""
    right = round(share * total)
    low, high = wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            assert abs(right / total - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / total), rel=1e-5)
    assert (low == 0) == (right == 0) and (high == 1) == (right == total)


def test_a_row() -> None:
    assert row_of(np.array([5, 3, 1, 1]), complete=True)["interval"] is None
    assert row_of(np.array([4, 3, 1, 0])) == {
        "problems": 4,
        "right": 3,
        "malformed": 1,
        "refused": 0,
        "exact_match": 0.75,
        "interval": list(wilson(3, 4)),
    }


def test_the_example_of_the_module() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
