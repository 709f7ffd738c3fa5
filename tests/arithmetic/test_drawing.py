"""Draws by number of digits: the widths that were asked for, carries where they are wanted, every shape in reach."""

from __future__ import annotations

import doctest
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from calcgpt.arithmetic import drawing as module
from calcgpt.arithmetic.columns import SYMBOLS, ColumnProblems, Shape, written_widths
from calcgpt.arithmetic.digits import to_integers
from calcgpt.arithmetic.drawing import draw, draw_exactly, draw_shape, edge_cases
from calcgpt.arithmetic.operations import OPERATIONS
from calcgpt.arithmetic.task import Task

PAIRS = [Shape(symbol, (width, width)) for symbol in "+-" for width in (1, 2, 5, 30)]
LONG_SUMS = [Shape("+", written_widths("+", (width,) * operands)) for width, operands in ((1, 3), (4, 5), (3, 12))]
FACTORS = [Shape(symbol, widths) for symbol in ("*", "//", "%") for widths in ((1, 1), (6, 2), (2, 6), (12, 12))]
SHARES = (0.0, 0.5, 1.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def named(shapes: Sequence[Shape]) -> pytest.MarkDecorator:
    names = [f"{shape.symbol} {'x'.join(map(str, shape.widths))}" for shape in shapes]
    return pytest.mark.parametrize("shape", shapes, ids=names)


def operands_of(problems: ColumnProblems) -> np.ndarray:
    """(N, K) Python integers."""
    columns = [to_integers(problems.digits[:, index]) for index in range(len(problems.shape.widths))]
    return np.array(columns, dtype=object).T


def sizes_of(problems: ColumnProblems) -> np.ndarray:
    """(N, K) the number of digits of each operand."""
    return np.array([[len(str(value)) for value in row] for row in operands_of(problems)])


@named([*PAIRS, *LONG_SUMS, *FACTORS])
@pytest.mark.parametrize("share", SHARES)
def test_draws_have_the_shape_and_digits_only(shape: Shape, share: float) -> None:
    problems = draw(shape, 300, rng(), share)
    assert problems.shape == shape and problems.digits.shape == (300, len(shape.widths), max(shape.widths))
    assert problems.digits.dtype == np.uint8 and problems.digits.max() <= 9
    assert (sizes_of(problems) <= np.array(shape.widths)).all(), "nothing stands above an operand's own width"
    assert len(draw(shape, 0, rng(), share)) == 0


@named(PAIRS)
@pytest.mark.parametrize("share", SHARES)
def test_the_longer_of_two_operands_has_every_digit(shape: Shape, share: float) -> None:
    sizes = sizes_of(draw(shape, 3000, rng(), share))
    assert (sizes.max(1) == shape.widths[0]).all()


@named([shape for shape in PAIRS if shape.widths[0] > 1])
def test_some_operands_are_shorter(shape: Shape) -> None:
    sizes = sizes_of(draw(shape, 4000, rng()))
    width = shape.widths[0]
    shorter = (sizes.min(1) < width).mean()
    assert abs(shorter - 0.3 * (1 - 1 / width)) < 0.03
    assert set(sizes.min(1)) == set(range(1, width + 1)), "every length occurs beside the longest"
    assert abs((sizes[:, 0] < width).mean() - (sizes[:, 1] < width).mean()) < 0.04, "on either side"


@named(LONG_SUMS)
@pytest.mark.parametrize("share", SHARES)
def test_long_sums_stay_within_their_columns(shape: Shape, share: float) -> None:
    problems, operands = draw(shape, 500, rng(), share), len(shape.widths)
    width = shape.widths[0] - len(str(operands))
    sizes = sizes_of(problems)
    assert sizes.max() == width and set(sizes.ravel()) == set(range(1, width + 1))
    assert ((sizes == width).all(1)).mean() > 0.6, "most have all their digits"
    assert (operands_of(problems).sum(1) < 10 ** shape.widths[0]).all()


@named(FACTORS)
@pytest.mark.parametrize("share", SHARES)
def test_top_digits_of_factors_and_divisors_are_not_zero(shape: Shape, share: float) -> None:
    problems = draw(shape, 500, rng(), share)
    sizes, operands = sizes_of(problems), operands_of(problems)
    assert (sizes == np.array(shape.widths)).all()
    for side, width in enumerate(shape.widths):
        may_be_nothing = width == 1 and (side == 0 or shape.symbol == "*")
        assert (0 in operands[:, side]) == may_be_nothing, "a divisor is never 0, a factor of one digit may be"
        if width <= 2 and share == 0:
            assert len(set(operands[:, side])) > 8


def mean_carries(problems: ColumnProblems) -> float:
    """Of sums of any number of operands: each carry turns ten of one column into one of the next."""

    def digit_sum(value: int) -> int:
        return sum(map(int, str(value)))

    return float(np.mean([(sum(map(digit_sum, row)) - digit_sum(sum(row))) / 9 for row in operands_of(problems)]))


def longest_run(problems: ColumnProblems) -> np.ndarray:
    """(N,) how many columns in a row hand on the carry, or the borrow, that came in."""
    found = []
    for a, b in operands_of(problems):
        low, high = sorted((a, b))
        carry, run, longest = 0, 0, 0
        while high:
            x, y = high % 10, low % 10
            hands_on = carry and (x + y == 9 if problems.shape.symbol == "+" else x == y)
            run = run + 1 if hands_on else 0
            longest = max(longest, run)
            carry = int(x + y + carry > 9 if problems.shape.symbol == "+" else x - y - carry < 0)
            high, low = high // 10, low // 10
        found.append(longest)
    return np.array(found)


@named([Shape("+", (20, 20)), Shape("-", (20, 20))])
def test_a_share_of_long_carries(shape: Shape) -> None:
    plain, some, heavy = (draw(shape, 1500, rng(), share) for share in SHARES)
    shares = [float((longest_run(problems) >= 4).mean()) for problems in (plain, some, heavy)]
    assert shares[0] < 0.01 and shares[2] > 0.2, "four columns in a row, twenty times as often"
    assert abs(shares[1] - (shares[0] + shares[2]) / 2) < 0.05


@named([shape for shape in LONG_SUMS if shape.widths[0] > 2])
def test_long_sums_carry_more_where_that_is_wanted(shape: Shape) -> None:
    counts = [mean_carries(draw(shape, 800, rng(), share)) for share in SHARES]
    assert counts[0] * 1.05 < counts[1] < counts[2]


@named([shape for shape in FACTORS if min(shape.widths) > 1])
def test_heavy_factors_are_made_of_nines_and_zeros(shape: Shape) -> None:
    def extremes(share: float) -> float:
        problems = draw(shape, 800, rng(), share)
        held = [problems.operand(side) for side in (0, 1)]
        return float(np.mean(np.concatenate([np.isin(part, (0, 9)).ravel() for part in held])))

    plain, some, heavy = map(extremes, SHARES)
    assert plain < 0.25 and heavy > 0.5 and abs(some - (plain + heavy) / 2) < 0.03


@named([*PAIRS, *FACTORS])
def test_every_second_operand_with_a_sign_is_negative(shape: Shape) -> None:
    problems = draw(shape._replace(signed=True), 2000, rng(), 0.5)
    assert problems.signs is not None and np.abs(problems.signs.mean(0) - 0.5).max() < 0.05
    assert abs((problems.signs[:, 0] ^ problems.signs[:, 1]).mean() - 0.5) < 0.05, "one whatever the other"
    plain = draw(shape, 2000, rng(), 0.5)
    assert (problems.digits == plain.digits).all() and plain.signs is None


EXACTLY = [(symbol, lengths) for symbol in "+-" for lengths in ((1, 1), (3, 1), (2, 5), (12, 12), (1, 30))]
EXACTLY += [(symbol, lengths) for symbol in ("*", "//", "%") for lengths in ((1, 1), (4, 2), (1, 3))]


@pytest.mark.parametrize(("symbol", "lengths"), EXACTLY)
@pytest.mark.parametrize("share", SHARES)
def test_exact_lengths_of_both_operands(symbol: str, lengths: tuple[int, int], share: float) -> None:
    shape = Shape(symbol, written_widths(symbol, lengths))
    problems = draw_exactly(shape, lengths, 400, rng(), share)
    assert problems.shape == shape and len(problems) == 400 and problems.signs is None
    assert (sizes_of(problems) == np.array(lengths)).all() and (problems.digits <= 9).all()
    operands = operands_of(problems)
    for side, length in enumerate(lengths):
        if length == 1 and not share:
            assert len(set(operands[:, side])) >= 9, "every digit, 0 among them but for divisors"
    assert symbol not in ("//", "%") or operands[:, 1].all()
    assert (draw_exactly(shape, lengths, 400, rng(), share).digits == problems.digits).all()
    assert (draw_exactly(shape, lengths, 400, rng(1), share).digits != problems.digits).any()


@pytest.mark.parametrize("symbol", ["+", "-"])
def test_some_columns_nearly_hand_a_carry_on(symbol: str) -> None:
    """Sums of 8 and 10 beside those of 9, and differences of 1 beside those of 0: a model has to tell them apart."""
    found = draw_exactly(Shape(symbol, (12, 12)), (12, 12), 4000, np.random.default_rng(0), carry_share=1.0)
    first, second = (found.digits[:, side, 1:10].astype(int) for side in (0, 1))
    off = first + second - 9 if symbol == "+" else first - second
    exact, above, below = ((off == value).mean() for value in (0, 1, -1))
    # 0.7 of the columns are linked, 0.15 x 0.85 of these off by one on either side; the others are random.
    assert 0.5 < exact < 0.65 and 0.08 < above < 0.15 and 0.08 < below < 0.15


def test_exact_lengths_with_long_carries_and_signs() -> None:
    for symbol in "+-":
        shape = Shape(symbol, (20, 20), signed=True)
        plain, heavy = (draw_exactly(shape, (20, 20), 600, rng(), share) for share in (0.0, 1.0))
        assert (longest_run(heavy) >= 4).mean() > 0.2 > 20 * (longest_run(plain) >= 4).mean()
        assert heavy.signs is not None and np.abs(heavy.signs.mean(0) - 0.5).max() < 0.1


def test_a_seed_fixes_the_draws() -> None:
    shape = Shape("-", (9, 9))
    one, same, other = (draw(shape, 50, rng(seed), 0.5).expressions() for seed in (1, 1, 2))
    assert one == same != other


TASK = Task(SYMBOLS, max_digits=(4, 3), max_operands=4)


def reachable(task: Task, share: float) -> set[Shape]:
    """The definition."""
    found = set()
    for symbol in task.operations:
        first, second = (max(1, math.ceil(share * width)) for width in task.widths(symbol))
        if symbol in ("+", "-"):
            counts = range(2, task.max_operands + 1) if symbol == "+" else (2,)
            found |= {Shape(symbol, written_widths(symbol, (w,) * k)) for w in range(1, first + 1) for k in counts}
        else:
            found |= {Shape(symbol, (a, b)) for a in range(1, first + 1) for b in range(1, second + 1)}
    return found


@pytest.mark.parametrize("share", [0.0, 0.25, 0.26, 0.5, 0.75, 1.0])
def test_every_shape_within_the_share_is_reached_and_no_other(share: float) -> None:
    generator = rng()
    drawn = {draw_shape(TASK, generator, share) for _ in range(2500)}
    assert drawn == reachable(TASK, share)
    assert share > 0.25 or all(max(shape.widths) <= 1 for shape in drawn if len(shape.widths) == 2)


def test_shapes_are_as_likely_as_each_other() -> None:
    generator, count = rng(), 6000
    drawn = Counter(draw_shape(TASK, generator) for _ in range(count))
    for symbol in SYMBOLS:
        own = [shape for shape in reachable(TASK, 1.0) if shape.symbol == symbol]
        expected = count / len(SYMBOLS) / len(own)
        assert all(abs(drawn[shape] - expected) < 5 * math.sqrt(expected) for shape in own)


def test_shapes_with_signs() -> None:
    generator = rng()
    task = Task(SYMBOLS, max_digits=(2,))
    drawn = {draw_shape(task, generator, signed=True) for _ in range(600)}
    assert drawn == {shape._replace(signed=True) for shape in reachable(task, 1.0)}


def test_the_operators_own_widths() -> None:
    generator = rng()
    task = Task(("-", "*"), max_digits=(7, 2))
    drawn = [draw_shape(task, generator) for _ in range(800)]
    assert max(shape.widths[0] for shape in drawn if shape.symbol == "*") == 7
    assert max(shape.widths[1] for shape in drawn if shape.symbol == "*") == 2
    assert {shape.widths for shape in drawn if shape.symbol == "-"} == {(width, width) for width in range(1, 8)}


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("width", [1, 2, 3, 40])
def test_edge_cases_are_within_their_widths(symbol: str, width: int) -> None:
    shapes = [(width, width)]
    shapes += [(width, 3), (2, width)] if symbol in ("*", "//", "%") else []
    shapes += [(width,) * 3, (width,) * 11] if symbol == "+" else []
    for widths in shapes:
        cases = edge_cases(symbol, widths)
        assert len(cases) >= 3
        for case in cases:
            assert len(case) == len(widths)
            assert all(0 <= value < 10**most for value, most in zip(case, widths, strict=True))
            assert case[1] or symbol not in ("//", "%")
        assert tuple(10**most - 1 for most in widths) in cases, "the largest of each"
        solved = ColumnProblems.from_operands(symbol, cases, written_widths(symbol, widths)).solutions()
        assert len(solved.texts()) == len(cases)


def test_edge_cases_carry_through_every_column() -> None:
    sums = edge_cases("+", (30, 30))
    assert max(OPERATIONS["+"].carries(*case) for case in sums) == 30 and min(map(sum, sums)) >= 10**29
    assert max(OPERATIONS["-"].carries(*case) for case in edge_cases("-", (30, 30))) == 29
    assert 0 in [a - b for a, b in edge_cases("-", (30, 30))]


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed
