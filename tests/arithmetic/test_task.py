"""Tasks: what is drawn is what they contain, on the right side of the split, and carries where carries are wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.operations import OPERATIONS, Operation, register, unregister
from calcgpt.arithmetic.problems import Problems, from_expressions, held_out
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError

JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.lists(st.integers()))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@st.composite
def tasks(draw: Any) -> Task:
    low = draw(st.integers(-200, 200))
    heavy = low >= 0 and draw(st.booleans())
    return Task(
        tuple(draw(st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, max_size=5, unique=True))),
        low,
        low + draw(st.integers(60, 1500)),
        True if low < 0 else draw(st.booleans()),
        draw(st.floats(0, 1)) if heavy else 0.0,
    )


@given(tasks(), st.integers(0, 2**32))
def test_what_is_drawn_is_contained(task: Task, seed: int) -> None:
    problems = task.sample(200, rng(seed))
    assert len(problems) == 200 and problems.symbols == task.operations
    assert task.contains(problems).all()
    for symbol, (a, b), solution in zip(
        np.array(problems.symbols)[problems.operation], problems.operands.tolist(), problems.solutions(), strict=True
    ):
        assert task.min_value <= min(a, b) and max(a, b) <= task.max_value and symbol in task.operations
        assert solution >= 0 or task.negative_results


@given(tasks())
def test_what_is_not_contained(task: Task) -> None:
    symbol, low, high = task.operations[0], task.min_value, task.max_value
    outside = Problems((symbol,), np.zeros(4, np.uint8), [[high + 1, 7], [7, high + 1], [low - 1, 7], [7, low - 1]])
    assert not task.contains(outside).any()
    others = [other for other in OPERATIONS if other not in task.operations]
    if others:
        assert not task.contains(Problems((others[0],), np.zeros(1, np.uint8), [[high, high]])).any()


def test_contains_asks_for_a_solution_and_its_sign() -> None:
    task = Task(("-", "//"), 0, 9, negative_results=False)
    found = task.contains(Problems(("-", "//"), np.array([0, 0, 1, 1]), [[3, 5], [5, 3], [4, 0], [4, 2]]))
    assert found.tolist() == [False, True, False, True]
    assert task.contains(Problems.concatenate([])).tolist() == []
    assert task.contains(from_expressions(["1+1", "9" * 30 + "-1"])).tolist() == [False, False]


def test_a_seed_fixes_the_draws() -> None:
    task = Task(carry_share=0.5, max_value=999)
    one, same, other = (task.sample(100, rng(seed)).examples() for seed in (1, 1, 2))
    assert one == same != other


def test_operators_and_operands_are_uniform() -> None:
    problems = Task(("+", "-", "*"), 0, 9).sample(30_000, rng())
    assert np.abs(np.bincount(problems.operation) / 30_000 - 1 / 3).max() < 0.015
    assert np.abs(np.bincount(problems.operands.ravel()) / 60_000 - 0.1).max() < 0.01


def handed_on(problems: Problems, symbol: str) -> np.ndarray:
    """(N,) the longest run of columns that each hand on the carry, or the borrow, that came in."""
    low, high = (np.sort(problems.operands, 1)[:, side] for side in (0, 1))
    carry, run, longest = (np.zeros(len(problems), np.int64) for _ in range(3))
    for place in range(6):
        a, b = high // 10**place % 10, low // 10**place % 10
        hands_on = (carry == 1) & ((a + b == 9) if symbol == "+" else (a == b))
        run = np.where(hands_on, run + 1, 0)
        longest = np.maximum(longest, run)
        carry = (a + b + carry > 9 if symbol == "+" else a - b - carry < 0).astype(np.int64)
    return longest


@pytest.mark.parametrize("symbol", ["+", "-"])
@pytest.mark.parametrize("negative", [True, False])
def test_carry_heavy_problems_hand_carries_on(symbol: str, negative: bool) -> None:
    def share_of_chains(carry_share: float) -> float:
        task = Task((symbol,), 0, 999_999, negative, carry_share)
        return float((handed_on(task.sample(6000, rng()), symbol) >= 3).mean())

    plain, some, heavy = map(share_of_chains, (0.0, 0.5, 1.0))
    assert plain < 0.003 and heavy > 0.03, "three columns in a row, ten times as often"
    assert abs(some - (plain + heavy) / 2) < 0.03


def test_carry_heavy_leaves_other_operations_alone() -> None:
    one, other = (Task(("*",), 0, 999, carry_share=share).sample(500, rng()) for share in (0.0, 1.0))
    assert one.examples() == other.examples()


@given(tasks(), st.sampled_from([0.05, 0.2, 0.5, 0.9]), st.integers(0, 100))
def test_a_split_has_two_sides(task: Task, share: float, seed: int) -> None:
    train = task.sample_split(150, rng(seed), share, seed, test=False)
    test = task.sample_split(150, rng(seed), share, seed, test=True)
    assert len(train) == len(test) == 150
    assert not held_out(train, share, seed).any() and held_out(test, share, seed).all()
    assert not set(train.keys().tolist()) & set(test.keys().tolist())
    assert task.contains(train).all() and task.contains(test).all()


def test_a_side_without_problems_is_told() -> None:
    task = Task(("+",), 0, 0)
    for test, side in ((True, "held-out"), (False, "training")):
        seed = next(s for s in range(50) if bool(held_out(task.sample(1, rng()), 0.5, s)[0]) != test)
        with pytest.raises(ConfigError, match=f"the task has no {side} problems at test_split 0.5"):
            task.sample_split(1, rng(), 0.5, seed, test)


def test_operands_beyond_int64() -> None:
    task = Task(("+", "-"), 0, 10**40, carry_share=0.5)
    problems = task.sample(50, rng())
    assert task.contains(problems).all() and max(problems.operands.ravel().tolist()) > 2**64
    Task(("+",), 10**5000, 10**5000 + 5).sample(3, rng())


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"operations": ()}, "task.operations must be some of"),
    ({"operations": ("+", "?")}, "task.operations must be some of"),
    ({"operations": ("+", "+")}, "each at most once"),
    ({"operations": 5}, "not 5"),
    ({"operations": [["+"]]}, "task.operations must be some of"),
    ({"operations": None}, "not None"),
    ({"min_value": 1.5}, "task.min_value must be an integer, not 1.5"),
    ({"max_value": "9"}, "task.max_value must be an integer, not '9'"),
    ({"max_value": None}, "not None"),
    ({"min_value": True}, "not True"),
    ({"min_value": 5, "max_value": 4}, "task.min_value 5 is above task.max_value 4"),
    ({"min_value": 10**5000, "max_value": 4}, "is above"),
    ({"negative_results": "no"}, "must be true or false, not 'no'"),
    ({"carry_share": 1.5}, "between 0 and 1, not 1.5"),
    ({"carry_share": float("nan")}, "between 0 and 1, not nan"),
    ({"carry_share": "half"}, "between 0 and 1, not 'half'"),
    ({"carry_share": 0.5, "min_value": -1}, "for operands of 0 or more"),
    ({"max_digits": 0}, "task.max_digits must be one or two numbers of 1 to 1000, not 0"),
    ({"max_digits": (3, 1001)}, "not [(]3, 1001[)]"),
    ({"max_digits": (1, 2, 3)}, "task.max_digits must be one or two numbers"),
    ({"max_digits": (3, True)}, "task.max_digits must be one or two numbers"),
    ({"max_digits": "33"}, "not '33'"),
    ({"max_digits": 3.0}, "not 3.0"),
    ({"max_digits": None}, "not None"),
    ({"max_operands": 1, "max_digits": 3}, "task.max_operands must be 2 to 1000, not 1"),
    ({"max_operands": 1001, "max_digits": 3}, "task.max_operands must be 2 to 1000"),
    ({"max_operands": True, "max_digits": 3}, "not True"),
    ({"max_operands": "3", "max_digits": 3}, "not '3'"),
    ({"max_operands": 3}, "task.max_operands above 2 needs task.max_digits"),
]


@pytest.mark.parametrize(("settings", "reason"), IMPOSSIBLE, ids=[str(list(entry[0])) for entry in IMPOSSIBLE])
def test_impossible_tasks(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        Task(**settings)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@given(st.dictionaries(st.sampled_from(list(Task().to_dict())), JUNK))
def test_junk_is_a_config_error_or_a_task(settings: dict[str, Any]) -> None:
    try:
        task = Task(**settings)
    except ConfigError:
        return
    assert Task(**task.to_dict()) == task


def test_one_operator_and_plain_values() -> None:
    task = Task(("+", "-"), 0, 9, False, 0.5)
    assert task.only("-") == Task(("-",), 0, 9, False, 0.5)
    assert Task("+") == Task(("+",)) == Task(["+"])  # type: ignore[arg-type]
    assert task.to_dict()["operations"] == ["+", "-"]


def test_digits_in_place_of_a_range() -> None:
    task = Task(("+", "*"), min_value=50, max_value=60, max_digits=(4, 2), max_operands=9)
    assert (task.min_value, task.max_value, task.max_digits, task.max_operands) == (0, 9999, (4, 2), 9)
    assert Task(max_digits=7) == Task(max_digits=[7]) == Task(max_digits=(7,))  # type: ignore[arg-type]
    assert Task(max_digits=(2, 40)).max_value == 10**40 - 1
    assert Task(max_digits=(1000, 1000)).max_value == 10**1000 - 1
    plain = task.to_dict()
    assert plain["max_digits"] == [4, 2] and plain["max_operands"] == 9
    assert Task(**plain) == task and Task(**Task().to_dict()) == Task()
    assert task.only("*") == Task(("*",), max_digits=(4, 2), max_operands=9)


def test_the_widths_of_an_operator() -> None:
    task = Task(("+", "-", "*", "//", "%"), max_digits=(6, 2))
    assert {symbol: task.widths(symbol) for symbol in task.operations} == {
        **dict.fromkeys(("+", "-"), (6, 6)),
        **dict.fromkeys(("*", "//", "%"), (6, 2)),
    }
    same = Task(("-", "*"), max_digits=(5,))
    assert same.widths("-") == same.widths("*") == (5, 5)


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.lists(
        st.tuples(st.sampled_from(list(OPERATIONS)), st.integers(-9, 30_000), st.integers(-9, 30_000)), max_size=9
    ),
)
def test_no_operand_has_more_digits_than_its_operator_allows(
    most: tuple[int, int], rows: list[tuple[str, int, int]]
) -> None:
    task = Task(("-", "*", "//"), max_digits=most)
    symbols = tuple(OPERATIONS)
    operation = np.array([symbols.index(symbol) for symbol, _, _ in rows], np.uint8)
    problems = Problems(symbols, operation, np.array([row[1:] for row in rows], np.int64).reshape(-1, 2))
    expected = []
    for symbol, a, b in rows:
        limits = (most[0], most[0]) if symbol == "-" else most
        fits = min(a, b) >= 0 and len(str(a)) <= limits[0] and len(str(b)) <= limits[1]
        expected.append(fits and symbol in task.operations and not (symbol == "//" and b == 0))
    assert task.contains(problems).tolist() == expected


def test_digits_beyond_int64_and_wanted_signs() -> None:
    task = Task(("-", "*"), max_digits=(30, 2), negative_results=False)
    longest = "9" * 30
    texts = [
        f"{longest}-{longest}",
        f"1-{longest}",
        f"{longest}*99",
        f"{longest}*100",
        f"1{longest}-1",
        "99*" + longest,
    ]
    assert task.contains(from_expressions(texts)).tolist() == [True, False, True, False, False, False]


def test_an_operator_without_columns() -> None:
    register(Operation("&", "both", lambda a, b: a & b, True))
    try:
        with pytest.raises(ConfigError, match="there are no columns for &: leave task.max_digits away"):
            Task(("+", "&"), max_digits=3)  # type: ignore[arg-type]
        assert Task(("+", "&")).operations == ("+", "&")
    finally:
        unregister("&")
