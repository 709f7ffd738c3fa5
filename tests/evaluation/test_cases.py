"""The cases that break: each is what its name says, by Python's integers."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.columns import parse_columns
from calcgpt.arithmetic.task import Task
from calcgpt.evaluation import cases, evaluate
from calcgpt.evaluation.cases import adversarial

WIDTHS = [(1, 1), (2, 2), (3, 3), (3, 2), (2, 5), (9, 1), (25, 25), (60, 45)]
Rule = Callable[[int, int, int, int], bool]  # of the widths and the operands


def is_power(value: int) -> bool:
    return str(value).strip("0") == "1"


def nines(width: int) -> int:
    return int("9" * width)


def tens(width: int) -> int:
    return int("1" + "0" * (width - 1))


SHARED: dict[str, Rule] = {
    "an operand of 0": lambda v, w, a, b: 0 in (a, b),
    "equal operands": lambda v, w, a, b: a == b,
    "long and short": lambda v, w, a, b: min(a, b) < 10 and len(str(max(a, b))) == max(v, w),
    "powers of ten": lambda v, w, a, b: is_power(a) and is_power(b),
}
EXPECTED: dict[str, dict[str, Rule]] = {
    "+": {
        **SHARED,
        "99...9 + 1": lambda v, w, a, b: {a, b} == {1, nines(max(v, w))},
        "99...9 + 99...9": lambda v, w, a, b: a == b == nines(max(v, w)),
        "half and half": lambda v, w, a, b: a + b == 10 ** max(v, w),
    },
    "-": {
        **SHARED,
        "10...0 - 1": lambda v, w, a, b: {a, b} == {1, tens(max(v, w))},
        "a - a": lambda v, w, a, b: a == b,
        "a - (a + 1)": lambda v, w, a, b: abs(a - b) == 1,
        "99...9 - 10...0": lambda v, w, a, b: {a, b} == {nines(max(v, w)), tens(max(v, w))},
    },
    "*": {
        "99...9 * 99...9": lambda v, w, a, b: (a, b) == (nines(v), nines(w)),
        "times 0 and 1": lambda v, w, a, b: b in (0, 1),
        "0 and 1 times": lambda v, w, a, b: a in (0, 1),
        "11...1 * 11...1": lambda v, w, a, b: (str(a), str(b)) == ("1" * v, "1" * w),
        "powers of ten": lambda v, w, a, b: is_power(a) and is_power(b),
        "squares": lambda v, w, a, b: a == b,
    },
}
EXPECTED["//"] = EXPECTED["%"] = {
    "nothing left": lambda v, w, a, b: a % b == 0,
    "one less than a multiple": lambda v, w, a, b: (a + 1) % b == 0,
    "dividend below the divisor": lambda v, w, a, b: a == b - 1,
    "equal operands": lambda v, w, a, b: a == b,
    "0 divided": lambda v, w, a, b: a == 0,
    "divided by 1": lambda v, w, a, b: b == 1,
    "99...9 and 10...0": lambda v, w, a, b: a in (nines(v), tens(v)) and b in (nines(w), tens(w)),
}


@pytest.mark.parametrize("symbol", EXPECTED)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_cases_are_what_their_names_say(symbol: str, widths: tuple[int, int]) -> None:
    found = dict(adversarial(symbol, widths, np.random.default_rng(0)))
    places = found.pop("0 in every place", None)
    assert set(found) <= set(EXPECTED[symbol])
    if max(widths) > 1 and (widths[0] >= widths[1] or symbol not in ("//", "%")):
        assert set(found) == set(EXPECTED[symbol])
    limits = (max(widths),) * 2 if symbol in "+-" else widths
    for name, pairs in found.items():
        assert len(set(pairs)) == len(pairs) > 0, name
        for a, b in pairs:
            assert EXPECTED[symbol][name](*widths, a, b), (name, a, b)
            assert 0 <= a < 10 ** limits[0] and 0 <= b < 10 ** limits[1], (name, a, b)
            assert b or symbol not in ("//", "%")
    assert (places is not None) == (symbol in "+-")
    if places:
        width = max(widths)
        zeros = {place for a, b in places for place in range(width) if a // 10**place % 10 == b // 10**place % 10 == 0}
        assert zeros == set(range(width)) if width <= 40 else {0, width - 1} <= zeros and len(zeros) > 30


@pytest.mark.parametrize("symbol", EXPECTED)
def test_a_seed_fixes_the_cases(symbol: str) -> None:
    one, same, other = (list(adversarial(symbol, (6, 4), np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert one == same != other and [name for name, _ in one] == [name for name, _ in other]


def test_both_orders_and_every_column() -> None:
    sums = dict(adversarial("+", (3, 3), np.random.default_rng(0)))
    assert sums["99...9 + 1"] == [(999, 1), (1, 999)] and (0, 0) in sums["an operand of 0"]
    assert {pair for pair in sums["powers of ten"]} == {(a, b) for a in (1, 10, 100) for b in (1, 10, 100)}
    differences = dict(adversarial("-", (4, 4), np.random.default_rng(0)))
    assert {a < b for a, b in differences["a - (a + 1)"]} == {True, False}
    assert {a < b for a, b in differences["long and short"]} == {True, False}
    products = dict(adversarial("*", (50, 50), np.random.default_rng(0)))
    assert len(products["powers of ten"]) == 40, "some of them, where there are very many"


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "columns"])
def test_what_is_asked_has_its_case(plain: bool, stub: Any, columns_of: Any, asked_of: Any) -> None:
    """Cases stay beside their problems where some of them leave the range."""
    task = Task(tuple(EXPECTED), 0, 100) if plain else None
    model = stub(task) if task else columns_of()
    for name, batches in asked_of(model, "adversarial").items():
        _, symbol, lengths = name.split()
        widths = tuple(map(int, lengths.split("x")))
        for batch in batches:
            assert batch.cases is not None and len(batch.cases) == len(batch.problems)
            for text, case in zip(batch.problems.expressions(), batch.cases, strict=True):
                _, (a, b) = parse_columns(text)
                assert case == "0 in every place" or EXPECTED[symbol][case](*widths, a, b), (case, text)
                assert task is None or max(a, b) <= 100


def test_cases_are_counted_apart(stub: Any) -> None:
    solver = stub(Task(("+",), 0, 999), wrong=lambda problems: (problems.operands == 1).any(1))
    rows = {row["case"]: row for row in evaluate(solver, "adversarial")["cases"]}
    assert set(rows) == {*EXPECTED["+"], "0 in every place"}
    assert (rows["99...9 + 1"]["problems"], rows["99...9 + 1"]["right"]) == (6, 0)
    assert rows["99...9 + 99...9"]["right"] == rows["99...9 + 99...9"]["problems"] == 3


def test_the_example_of_the_module() -> None:
    found = doctest.testmod(cases)
    assert found.attempted and not found.failed
