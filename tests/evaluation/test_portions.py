"""What every kind of part asks: in range, different, unseen, of the lengths and cascades that it says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.columns import parse_columns
from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.parsing import parse_expression
from calcgpt.arithmetic.task import Task
from calcgpt.errors import ConfigError
from calcgpt.evaluation import portions as portions_module
from calcgpt.evaluation.cases import VARIANTS
from calcgpt.evaluation.judging import check_askable
from calcgpt.evaluation.portions import Drawer
from calcgpt.evaluation.subjects import subject_of
from calcgpt.evaluation.suites import Part, Suite, load_suite
from calcgpt.tokens.scheme import Positions

PLAIN = {
    "0 to 99, nothing below 0": Task(("+", "-"), 0, 99, negative_results=False),
    "-20 to 20": Task(("+", "-", "*", "//", "%"), -20, 20),
    "0 to 100": Task(("+", "-", "*", "//", "%"), 0, 100),
    "7 to 999": Task(("-", "*"), 7, 999),
    "300 to 800": Task(("+", "//"), 300, 800),
}
COLUMNS: dict[str, dict[str, Any]] = {
    "columns": {},
    "signed": {"signed": True, "operations": ["+", "-", "*", "//", "%"], "max_operands": 2},
    "one width": {"operations": ["-", "*"], "max_digits": [2], "max_operands": 2},
    "many operands": {"operations": ["+"], "max_digits": [2], "max_operands": 5},
}
DRAWN = ("uniform", "lengths", "grid", "carry", "robustness")
COUNT = 12


@pytest.fixture(params=[*PLAIN, *COLUMNS])
def model(request: pytest.FixtureRequest, stub: Any, columns_of: Any) -> Any:
    name = request.param
    return stub(PLAIN[name]) if name in PLAIN else columns_of(**COLUMNS[name])


@pytest.fixture
def told(asked_of: Any, texts: Any) -> Callable[..., list[list[tuple[str, tuple[int, ...]]]]]:
    """Operator and operands of what a part asks, portion by portion."""

    def tell(*arguments: Any, **part: Any) -> list[list[tuple[str, tuple[int, ...]]]]:
        portions = asked_of(*arguments, **part)
        return [[parse_columns(text) for text in texts(batches)] for batches in portions.values()]

    return tell


def lengths(operands: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(len(str(abs(value))) for value in operands)


def inside(task: Task, symbol: str, operands: tuple[int, ...]) -> bool:
    """Whether a task has a problem, by its definition."""
    if symbol not in task.operations or (symbol in ("//", "%") and operands[1] == 0):
        return False
    if task.max_digits:
        most = (max(task.widths(symbol)),) * len(operands) if len(operands) > 2 else task.widths(symbol)
        fits = all(length <= limit for length, limit in zip(lengths(operands), most, strict=True))
        return fits and len(operands) <= task.max_operands
    result = OPERATIONS[symbol].apply(*operands)
    return all(task.min_value <= value <= task.max_value for value in operands) and (
        task.negative_results or result >= 0
    )


def cascade(symbol: str, a: int, b: int) -> int:
    """The longest cascade, column by column."""
    low, high = sorted((abs(a), abs(b)))
    subtracts = (symbol == "-") ^ (a < 0) ^ (b < 0)
    best = run = 0
    while high:
        x, y, high, low = high % 10, low % 10, high // 10, low // 10
        starts, goes_on = (x < y, x == y) if subtracts else (x + y > 9, x + y == 9)
        run = 1 if starts else run + 1 if goes_on and run else 0
        best = max(best, run)
    return best


@pytest.mark.parametrize("kind", [*DRAWN, "adversarial"])
def test_what_is_asked_is_the_models(kind: str, model: Any, told: Any) -> None:
    (task,) = model.tasks
    portions = told(model, kind, count=COUNT)
    assert {symbol for portion in portions for symbol, _ in portion} == set(task.operations) & (
        {"+", "-"} if kind == "carry" else set(OPERATIONS)
    )
    for symbol, operands in (problem for portion in portions for problem in portion):
        if kind == "grid" and task.max_digits:
            assert max(lengths(operands)) <= 2 * max(task.max_digits), "beyond what it was trained on"
        else:
            assert inside(task, symbol, operands), (symbol, operands)


@pytest.mark.parametrize("kind", DRAWN)
def test_what_is_drawn_is_different_and_never_seen(kind: str, model: Any, told: Any, asked_of: Any) -> None:
    subject = subject_of(model)
    copies = len(VARIANTS) if kind == "robustness" else 1
    everything = asked_of(model, kind, count=40)
    keys = np.concatenate([subject.keys(batch.problems) for batches in everything.values() for batch in batches])
    seen = np.unique(keys[::3])
    assert len(seen)
    for name, batches in asked_of(model, kind, seen, count=COUNT).items():
        for batch in batches:
            assert not set(subject.keys(batch.problems).tolist()) & set(seen.tolist()), name
            texts = batch.problems.expressions()
            assert len(set(texts)) == len(texts) <= COUNT * (len(batch.problems) if batch.grid else 1)
        assert sum(len(batch.problems) for batch in batches) <= COUNT * copies or batches[0].grid


@pytest.mark.parametrize("kind", [*DRAWN, "adversarial"])
def test_a_seed_fixes_each_portion_whatever_else_is_asked(kind: str, model: Any, asked_of: Any, texts: Any) -> None:
    def asked(**part: Any) -> dict[str, list[str]]:
        found = asked_of(model, kind, **{"count": COUNT, **part})
        return {name: texts(batches) for name, batches in found.items()}

    one, other = asked(), asked(seed=1)
    assert asked() == one and other.keys() == one.keys()
    assert sum(other[name] != one[name] for name in one) >= sum(map(bool, one.values())) / 2
    symbol = model.tasks[0].operations[0]
    alone = asked(operations=(symbol,))
    assert alone and all(one[name] == found for name, found in alone.items())
    assert set(alone) == {name for name in one if f" {symbol} " in name}


def test_portions_share_no_draws(columns_of: Any, asked_of: Any) -> None:
    found = asked_of(columns_of(operations=["+", "-"], max_operands=2), "uniform", count=COUNT, digits=("3", "9"))
    digits = [batch.problems.digits[:, :, :3].tobytes() for batches in found.values() for batch in batches]
    assert len(set(digits)) == len(digits) == 4


@pytest.mark.parametrize("kind", ["uniform", "carry"])
def test_what_there_is_enough_of_is_asked_as_often_as_wanted(kind: str, stub: Any, columns_of: Any, told: Any) -> None:
    for model in (stub(Task(("+", "-"), 0, 999)), columns_of(operations=["+", "-"], max_operands=2)):
        assert {len(portion) for portion in told(model, kind, count=50)} == {50}


def test_uniform_asks_every_length(stub: Any, columns_of: Any, told: Any) -> None:
    found = told(stub(Task(("+", "*"), 0, 999)), "uniform", count=COUNT)
    assert [{max(lengths(operands)) for _, operands in portion} for portion in found] == [{1}, {2}, {3}] * 2
    found = told(columns_of(operations=["+", "*"]), "uniform", count=COUNT)
    longest = [tuple(map(max, zip(*[lengths(operands) for _, operands in portion], strict=True))) for portion in found]
    assert longest == [(1, 1), (2, 2), (3, 3), (3, 3, 3), (1, 1), (2, 2), (3, 2)]


@pytest.mark.parametrize("digits", [(), ("2",)])
def test_grid_cells_have_exactly_the_lengths(model: Any, asked_of: Any, told: Any, digits: tuple[str, ...]) -> None:
    (task,) = model.tasks
    found = Counter(
        (symbol, *lengths(operands))
        for portion in told(model, "grid", count=5, digits=digits)
        for symbol, operands in portion
    )
    assert max(found.values()) == 5
    for symbol in task.operations:
        cells = {cell[1:] for cell in found if cell[0] == symbol}
        if digits:
            below = symbol == "-" and not task.negative_results  # 1 - 10 and the like are not asked
            assert cells == {(a, b) for a in (1, 2) for b in (1, 2) if a >= b or not below}
        elif task.max_digits:
            first, second = (2 * width for width in task.widths(symbol))
            assert cells == {(a, b) for a in range(1, first + 1) for b in range(1, second + 1)}
    assert all(batch.grid for batches in asked_of(model, "grid", count=2).values() for batch in batches)


@pytest.mark.parametrize("digits", [(), ("4", "20x3")])
def test_carry_portions_have_exactly_the_cascade(model: Any, asked_of: Any, texts: Any, digits: Any) -> None:
    if "+" not in model.tasks[0].operations and "-" not in model.tasks[0].operations:
        return
    for name, batches in asked_of(model, "carry", count=COUNT, digits=digits).items():
        _, symbol, width, length = name.split()
        found = [parse_columns(text)[1] for text in texts(batches)]
        assert {cascade(symbol, *operands) for operands in found} <= {int(length)}
        assert max((max(lengths(operands)) for operands in found), default=0) <= int(width)
        assert digits == () or len(found) == COUNT


def test_lengths_that_no_operator_has_are_left_out(stub: Any, columns_of: Any, told: Any) -> None:
    for kind in DRAWN:
        with pytest.raises(ConfigError, match="has nothing to ask a model in memory"):
            told(stub(Task(("+", "*"), 0, 99)), kind, digits=("3*4",))
    symbols = [{symbol for symbol, _ in portion} for portion in told(columns_of(), "uniform", digits=("3*3",), count=5)]
    assert symbols == [{"+"}]


@pytest.mark.parametrize("suite", ["standard", "length-grid", "lengths"])
def test_operators_that_the_model_does_not_know(stub: Any, suite: str) -> None:
    with pytest.raises(ConfigError, match="has nothing to ask a model in memory: no operation that it knows"):
        Drawer(subject_of(stub(Task(("+",), 0, 9))), load_suite(suite).changed(operations=["*"]), None).portions()


# Exhaustive


def test_exhaustive_is_the_models_range_or_what_is_said(model: Any, told: Any) -> None:
    (task,) = model.tasks
    ways: list[tuple[tuple[str, ...], int, int]] = [(("1",), 0, 9)]
    if task.max_operands == 2 and (task.max_value < 500 or max(task.max_digits, default=3) < 3):
        ways.append(((), task.min_value, task.max_value))
    for digits, low, high in ways:
        found = [problem for portion in told(model, "exhaustive", digits=digits) for problem in portion]
        whole = Task(task.operations, low, high, task.negative_results) if digits else task
        numbers = range(low, high + 1)
        every = {(symbol, (a, b)) for symbol in task.operations for a in numbers for b in numbers}
        assert len(found) == len(set(found)) and set(found) == {each for each in every if inside(whole, *each)}


def test_exhaustive_of_two_widths(columns_of: Any, told: Any) -> None:
    found = [problem for part in told(columns_of(max_digits=[2, 1], max_operands=2), "exhaustive") for problem in part]
    assert Counter(symbol for symbol, _ in found) == {"+": 10**4, "-": 10**4, "*": 1000, "//": 900, "%": 900}
    assert len(set(found)) == len(found)


def test_exhaustive_of_signs_and_of_many_operands(columns_of: Any, told: Any) -> None:
    solver = columns_of(signed=True, max_digits=[1, 1], max_operands=2)
    found = [problem for part in told(solver, "exhaustive") for problem in part]
    assert Counter(symbol for symbol, _ in found) == {**dict.fromkeys("+-*", 19 * 19), "//": 19 * 18, "%": 19 * 18}
    assert len(set(found)) == len(found)
    with pytest.raises(ConfigError, match="every sum of three operands or more is too many: say --digits 2"):
        told(columns_of(max_digits=[1, 1]), "exhaustive")
    assert told(columns_of(max_digits=[1, 1]), "exhaustive", digits=("1",)), "of two operands"


# Ways to write


def test_robustness_asks_the_same_problem_in_every_way(model: Any, asked_of: Any) -> None:
    found = asked_of(model, "robustness", count=COUNT)
    assert len(found) == len(model.tasks[0].operations)
    for batches in found.values():
        assert [set(batch.cases) for batch in batches] == [{name} for name in VARIANTS]
        for batch in batches:
            for plain, text in zip(batch.problems.expressions(), batch.texts, strict=True):
                assert parse_expression(text) == parse_expression(plain), text
                assert parse_columns(text) == parse_columns(plain), text
                assert (
                    text != plain
                    or "(" in plain
                    or plain.startswith("-")
                    or "//" in plain
                    or "%" in plain
                    or ("+" in plain)
                )


def test_the_ways_to_write() -> None:
    def written(a: str, symbol: str, b: str) -> list[str]:
        return [write(a, symbol, b) for write in VARIANTS.values()]

    assert written("12", "*", "3") == ["  12  * 3 ", "12*3=", "12×3", "0012*003", "+12*3", "(12)*(3)"]
    assert written("-7", "-", "-5")[2:4] == ["-7−-5", "-007--005"]


# Files


@pytest.mark.parametrize("columns", [False, True])
def test_a_data_file_is_asked_line_by_line(
    stub: Any, columns_of: Any, told: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, columns: bool
) -> None:
    problems = [f"{a}{symbol}{b}" for a in (7, 85, 999) for symbol in ("+", "-", "*", "%") for b in (1, 30, 5)]
    problems += ["7+1", "5-12"]
    path = tmp_path / "data.txt"
    path.write_text("".join(f"{text}={eval(text)}\n" for text in problems))
    monkeypatch.setattr("calcgpt.evaluation.portions._LINES", 10)
    model = columns_of() if columns else stub(Task(("+",), 0, 9), notation=Notation())
    found = told(model, "dataset", path=str(path))
    assert Counter(each for part in found for each in part) == Counter(map(parse_columns, problems))
    assert [len(part) for part in found] == [10, 10, 10, 8]


@pytest.mark.parametrize("text", ["3-(-5)=8", "-4+1=-3"])
def test_a_data_file_may_have_negative_numbers(stub: Any, told: Any, tmp_path: Any, text: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(f"{text}\n1+1=2\n")
    found = told(stub(Task(("+",), 0, 9)), "dataset", path=str(path))
    assert {each for part in found for each in part} == {parse_columns(text.split("=")[0]), ("+", (1, 1))}


def test_hard_cases_are_asked_with_signs_where_there_are_any(columns_of: Any, asked_of: Any) -> None:
    for signed in (True, False):
        model = columns_of(signed=signed, operations=["+", "//"], max_operands=2)
        batches = [batch for part in asked_of(model, "adversarial").values() for batch in part]
        named = np.array([case.endswith(", with signs") for batch in batches for case in batch.cases])
        negative = np.concatenate(
            [(batch.problems.negative & batch.problems.digits.any(2)).any(1) for batch in batches]
        )
        assert not negative[~named].any() and named.any() == signed
        assert negative[named].sum() >= 0.8 * named.sum(), "all but those of zeros"


def test_a_grid_has_one_size_and_a_part_is_asked_once(stub: Any, asked_of: Any) -> None:
    with pytest.raises(ConfigError, match="a grid has one size, such as 100 or 20x10, not 2 3"):
        asked_of(stub(PLAIN["0 to 100"]), "grid", digits=("2", "3"))
    for more in (Part("carry", 5), Part("carry", 9), Part("carry", 5, operations=("-",))):
        twice = Suite("x", (Part("uniform", 5), Part("carry", 5), more))
        with pytest.raises(ConfigError, match=r"parts 2 and 3 of the suite x ask the same problems \(carry . 2 0\)"):
            Drawer(subject_of(stub(PLAIN["0 to 100"])), twice, None).portions()
    apart = Suite("x", (Part("carry", 5, operations=("+",)), Part("carry", 9, operations=("-",))))
    assert Drawer(subject_of(stub(PLAIN["0 to 100"])), apart, None).portions()


def test_cases_keep_their_names_where_some_are_out_of_range(stub: Any, asked_of: Any) -> None:
    for batches in asked_of(stub(Task(("+", "-"), 0, 50)), "adversarial").values():
        for batch in batches:
            for text, case in zip(batch.problems.expressions(), batch.cases or [], strict=True):
                a, b = map(int, re.split("[+-]", text))
                assert a <= 50 and b <= 50
                assert {"equal operands": a == b, "a - a": a == b, "an operand of 0": 0 in (a, b)}.get(case, True), text
                assert case != "powers of ten" or {a, b} <= {1, 10}


def test_more_than_there_are_is_all_there_are(stub: Any, asked_of: Any, texts: Any) -> None:
    for kind in ("uniform", "lengths", "grid", "carry"):
        for name, batches in asked_of(stub(Task(("+",), 0, 99)), kind, count=10**9, digits=("1",)).items():
            asked = texts(batches)
            assert len(asked) == len(set(asked)), name
            if kind != "carry":
                assert len(asked) == 100, name
    suite = Suite("x", (Part("uniform", 10**9, digits=("1",)), Part("robustness", 10**9, digits=("1",))))
    portions = Drawer(subject_of(stub(Task(("+",), 0, 99))), suite, None).portions()
    assert [portion.expected for portion in portions] == [100, 600]
    ranges = Drawer(subject_of(stub(Task(("+",), 0, 99))), Suite("x", (Part("uniform", 10**9),)), None).portions()
    assert [portion.expected for portion in ranges] == [100, 10_000]
    assert [sum(map(len, map(texts, [portion.batches()]))) for portion in ranges][0] == 100


def test_many_problems_are_drawn_in_blocks(
    stub: Any, asked_of: Any, texts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions_module, "_BLOCK", 50)
    for kind in ("lengths", "robustness", "carry"):
        for name, batches in asked_of(stub(Task(("-",), 0, 99999)), kind, count=230).items():
            assert max(len(batch.problems) for batch in batches) <= 150 and len(batches) > 1, name
            if kind == "robustness":
                batches = [batch for batch in batches if batch.cases and batch.cases[0] == "brackets"]
            asked = texts(batches)
            assert len(asked) == len(set(asked)) == 230, name


# What would all be refused


@pytest.mark.parametrize("kind", ["lengths", "uniform", "carry", "adversarial", "robustness"])
def test_what_would_be_drawn_for_long_only_to_be_refused_is_refused_at_once(
    kind: str, stub: Any, columns_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("draw", "draw_exactly", "draw_cascades", "edge_cases", "adversarial"):
        monkeypatch.setattr(portions_module, name, lambda *_, **__: pytest.fail("something was drawn"))
    suite = Suite("x", (Part(kind, 1000, ("200000",), operations=("+",)),))
    with pytest.raises(ConfigError, match=r"cannot be asked \+ of 200000 digits: this model has 40 positions"):
        Drawer(subject_of(stub(Task(("+",), 0, 999))), suite, None).portions()
    learned = columns_of(scheme=Positions("coupled", "learned", max_id=20), operations=["+"], max_operands=2)
    with pytest.raises(ConfigError, match=r"cannot be asked .* this model has 20 position ids"):
        Drawer(subject_of(learned), suite, None).portions()
    assert Drawer(subject_of(columns_of()), suite, None).portions(), "it can be asked these"


def test_what_does_not_fit_into_memory_is_refused_at_once(columns_of: Any) -> None:
    suite = Suite("x", (Part("lengths", 1000, ("900000",), operations=("*",)),))
    with pytest.raises(ConfigError, match=r"cannot be asked \* of 900000 digits: .* not memory enough"):
        Drawer(subject_of(columns_of()), suite, None).portions()


def test_a_grid_has_not_more_cells_than_can_be_listed(columns_of: Any) -> None:
    suite = Suite("x", (Part("grid", 1, ("596519",)),))
    with pytest.raises(ConfigError, match=r"a grid of at most 1,048,576 cells, not 596,519 × 596,519"):
        Drawer(subject_of(columns_of()), suite, None).portions()


def test_a_suite_of_which_all_is_refused_and_one_of_which_some_is(stub: Any) -> None:
    narrow = stub(Task(("+",), 0, 99), notation=Notation(2, 3))
    all_of_it, some = (Suite("x", (Part("lengths", 5, digits),)) for digits in (("3", "20"), ("2", "20")))
    with pytest.raises(ConfigError, match=r"cannot be asked \+ of 3 digits: .* the suite x has nothing else to ask"):
        check_askable(narrow, all_of_it)
    check_askable(narrow, some)


def test_long_problems_are_drawn_a_few_at_a_time(columns_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    suite, sizes = Suite("x", (Part("lengths", 40, ("500",), operations=("+",)),)), []
    (portion,) = Drawer(subject_of(columns_of()), suite, None).portions()
    monkeypatch.setattr(portions_module, "_HELD", 10_000)
    draw = portions_module.draw

    def counted(shape: Any, size: int, *rest: Any) -> Any:
        sizes.append(size)
        return draw(shape, size, *rest)

    monkeypatch.setattr(portions_module, "draw", counted)
    assert sum(len(batch.problems) for batch in portion.batches()) == 40
    assert set(sizes) == {10}
