"""Problems as digit arrays: answers against Python's operators, keys, and the ways in from text and from batches."""

from __future__ import annotations

import doctest
import operator
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic import columns as module
from calcgpt.arithmetic.columns import (
    SYMBOLS,
    ColumnProblems,
    Numbers,
    Shape,
    as_problems,
    by_shape,
    group,
    parse_columns,
    solve,
    written_widths,
)
from calcgpt.arithmetic.digits import from_integers
from calcgpt.arithmetic.parsing import parse_expression
from calcgpt.arithmetic.problems import Problems, from_expressions
from calcgpt.errors import DataError, UnsupportedProblem

PYTHON = {"+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod}
Parsed = tuple[str, tuple[int, ...]]


def answer(symbol: str, operands: tuple[int, ...]) -> int:
    return sum(operands) if len(operands) > 2 else PYTHON[symbol](*operands)


def operand(width: int, least: int = 0) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(least, 10**width - 1), st.sampled_from([max(least, 10 ** (width - 1)), 10**width - 1]))


@st.composite
def batches(draw: Any, widest: int = 40, operands: int = 5, signed: bool | None = None) -> ColumnProblems:
    """Problems of one shape, at most six; with signs, without, or either."""
    symbol, signed = draw(st.sampled_from(SYMBOLS)), draw(st.booleans()) if signed is None else signed
    count = draw(st.integers(2, operands)) if symbol == "+" and not signed else 2
    sizes = [draw(st.integers(1, widest)) for _ in range(count)]
    least = [0, int(symbol in ("//", "%"))] + [0] * (count - 2)
    row = st.tuples(*(operand(width, low) for width, low in zip(sizes, least, strict=False)))
    rows = draw(st.lists(row, min_size=1, max_size=6))
    if signed:
        signs = st.tuples(st.sampled_from((1, -1)), st.sampled_from((1, -1)))
        rows = [tuple(value * sign for value, sign in zip(row, draw(signs), strict=True)) for row in rows]
    return ColumnProblems.from_operands(symbol, rows, written_widths(symbol, tuple(sizes)), signed)


EXPRESSIONS = st.one_of(
    st.tuples(st.sampled_from(("+", "-", "*")), st.tuples(operand(12), operand(12))),
    st.tuples(st.sampled_from(("//", "%")), st.tuples(operand(12), operand(12, 1))),
    st.tuples(st.just("+"), st.lists(operand(6), min_size=3, max_size=6).map(tuple)),
)


def integers(problems: ColumnProblems) -> list[tuple[int, ...]]:
    """The operands, digit by digit as the layout defines them."""
    worth = [10**place for place in range(problems.digits.shape[2])]
    signs = (
        problems.signs.tolist() if problems.signs is not None else [[False] * problems.digits.shape[1]] * len(problems)
    )
    return [
        tuple(
            (-1 if negative else 1) * sum(digit * unit for digit, unit in zip(row, worth, strict=True))
            for row, negative in zip(operands, negatives, strict=True)
        )
        for operands, negatives in zip(problems.digits.tolist(), signs, strict=True)
    ]


def written(symbol: str, operands: tuple[int, ...]) -> str:
    """The definition: a second operand below zero stands in brackets."""
    return symbol.join([str(operands[0]), *(str(value) if value >= 0 else f"({value})" for value in operands[1:])])


@given(batches())
def test_answers_are_pythons(problems: ColumnProblems) -> None:
    expected = [answer(problems.shape.symbol, operands) for operands in integers(problems)]
    found = problems.solutions()
    assert found.texts() == [str(value) for value in expected]
    assert (found.negative & found.digits.any(1)).tolist() == [value < 0 for value in expected]
    assert found.digits.shape[0] == len(problems) and found.digits.dtype == np.uint8


@given(batches(widest=12, signed=False))
def test_operands_of_any_widths_have_the_same_answer(problems: ColumnProblems) -> None:
    symbol, found = problems.shape.symbol, problems.solutions()
    parts = [
        from_integers(column, 12 + 5 * place) for place, column in enumerate(zip(*integers(problems), strict=True))
    ]
    assert solve(symbol, parts).texts() == found.texts()
    if symbol in ("+", "*"):
        assert solve(symbol, parts[::-1]).texts() == found.texts()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_answers_of_thousands_of_digits(symbol: str) -> None:
    rows = [(10**4500 - 1, 10**4400 + 7), (10**4400, 10**4500 - 1)]
    problems = ColumnProblems.from_operands(symbol, rows)
    expected = ColumnProblems.from_operands("+", [(abs(answer(symbol, row)), 0) for row in rows])
    assert (
        problems.solutions()
        .equal(Numbers(expected.operand(0), np.array([answer(symbol, row) < 0 for row in rows])))
        .all()
    )


@given(batches())
def test_expressions_say_the_operands(problems: ColumnProblems) -> None:
    symbol = problems.shape.symbol
    assert problems.expressions() == [written(symbol, operands) for operands in integers(problems)]
    assert len(problems[:1]) == 1 and problems[:1].expressions() == problems.expressions()[:1]
    mask = np.arange(len(problems)) % 2 == 0
    assert problems[mask].expressions() == problems.expressions()[::2] and problems[mask].shape == problems.shape
    both = ColumnProblems.concatenate([problems, problems[mask]])
    assert both.expressions() == problems.expressions() + problems.expressions()[::2] and both.shape == problems.shape


def test_which_numbers_are_the_same() -> None:
    def numbers(*values: int, width: int) -> Numbers:
        return Numbers(
            from_integers([abs(value) for value in values], width), np.array([value < 0 for value in values])
        )

    same = numbers(5, -5, 0, 12, -12, 7, width=2).equal(numbers(5, -5, 0, -12, -13, 70, width=6))
    assert same.tolist() == [True, True, True, False, False, False]
    minus_zero = Numbers(np.zeros((1, 3), np.uint8), np.ones(1, bool))
    assert minus_zero.equal(numbers(0, width=1)).all() and minus_zero.texts() == ["0"]


@given(batches(widest=15), st.integers(0, 9))
def test_keys_know_no_widths(problems: ColumnProblems, more: int) -> None:
    symbol, widths, signed = problems.shape
    wider = ColumnProblems.from_operands(symbol, integers(problems), [width + more for width in widths], signed)
    assert wider.keys().tolist() == problems.keys().tolist()
    assert wider.held_out(0.5, 3).tolist() == problems.held_out(0.5, 3).tolist()


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_keys_know_the_order_where_it_matters(symbol: str) -> None:
    one, other = (ColumnProblems.from_operands(symbol, [operands]).keys()[0] for operands in ((123, 45), (45, 123)))
    assert (one == other) == (symbol in ("+", "*"))


def test_keys_of_a_long_sum_are_the_same_in_every_order() -> None:
    orders = list(permutations((7, 88, 7, 1234)))
    keys = {int(ColumnProblems.from_operands("+", [operands]).keys()[0]) for operands in orders}
    assert len(keys) == 1
    others = ((7, 88, 1234), (7, 88, 88, 1234), (7, 88, 7, 1235), (7, 88, 7, 1234, 0))
    assert keys.isdisjoint(int(ColumnProblems.from_operands("+", [operands]).keys()[0]) for operands in others)


def test_keys_of_all_small_problems_differ() -> None:
    rows = [(a, b) for a in range(60) for b in range(1, 61)]
    keys = np.concatenate([ColumnProblems.from_operands(symbol, rows).keys() for symbol in SYMBOLS])
    pairs = {(min(a, b), max(a, b)) for a, b in rows}
    assert len(np.unique(keys)) == 2 * len(pairs) + 3 * len(rows)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_keys_know_signs_of_operands_and_nothing_of_whether_they_are_written(symbol: str) -> None:
    rows = [(12, 5), (-12, 5), (12, -5), (-12, -5), (0, 5), (0, -5)]
    keys = ColumnProblems.from_operands(symbol, rows, signed=True).keys().tolist()
    assert len(set(keys)) == len(rows)
    plain = ColumnProblems.from_operands(symbol, [rows[0], rows[4]]).keys().tolist()
    assert plain == [keys[0], keys[4]]
    problems = ColumnProblems.from_operands(symbol, [(0, 5)], signed=True)
    minus_zero = ColumnProblems(problems.shape, problems.digits, np.array([[True, False]]))
    assert minus_zero.keys().tolist() == [keys[4]] and minus_zero.expressions() == [f"0{symbol}5"]
    exchanged = ColumnProblems.from_operands(symbol, [(b, a) for a, b in rows[:4]], signed=True).keys().tolist()
    assert (exchanged == keys[:4]) == (symbol in ("+", "*"))


def test_the_share_that_is_held_out() -> None:
    rows = [(a, b) for a in range(150) for b in range(150)]
    problems = ColumnProblems.from_operands("-", rows)
    for share in (0.05, 0.5):
        assert abs(problems.held_out(share, 1).mean() - share) < 0.01
    assert (problems.held_out(0.05, 1) <= problems.held_out(0.5, 1)).all(), "a larger share holds the smaller"
    assert not problems.held_out(0.0, 1).any() and problems.held_out(1.0, 1).all()
    assert abs((problems.held_out(0.5, 1) == problems.held_out(0.5, 2)).mean() - 0.5) < 0.02, "seeds choose anew"
    exchanged = ColumnProblems.from_operands("+", [(b, a) for a, b in rows]).held_out(0.5, 1)
    assert (exchanged == ColumnProblems.from_operands("+", rows).held_out(0.5, 1)).all()


@given(EXPRESSIONS, st.sampled_from(["", "="]), st.sampled_from(["", " "]))
def test_what_is_written_is_read(parsed: Parsed, end: str, space: str) -> None:
    symbol, operands = parsed
    text = f"{space}{symbol}{space}".join(map(str, operands)) + space + end
    assert parse_columns(text) == parsed
    assert ColumnProblems.from_operands(symbol, [operands]).expressions() == [text.replace(" ", "").removesuffix("=")]


def test_reading_any_number_of_summands() -> None:
    assert parse_columns("1+2") == ("+", (1, 2))
    assert parse_columns(" 007 + 8\t+9 = ") == ("+", (7, 8, 9))
    assert parse_columns("+".join(["9" * 5000] * 3)) == ("+", (10**5000 - 1,) * 3)


@pytest.mark.parametrize(
    "text", ["", "1", "1+", "1+2+", "1++2+3", "1+2-3", "1*2*3", "1+2+3==", "1+2+x", "1+2+٣", "-1+2+3", "(1)+2+3"]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises((DataError, UnsupportedProblem)) as caught:
        parse_columns(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1 2+3", "1 2+3+4", "1+2 3+4", "1+2+3 4"])
def test_spaces_part_numbers(text: str) -> None:
    """As in `parse_expression`: what is not one number is never read as one."""
    with pytest.raises(DataError):
        parse_columns(text)


def test_an_operator_without_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SYMBOLS", ("+",))
    with pytest.raises(UnsupportedProblem, match="there are no columns for -: expected one of [+]"):
        parse_columns("1-2")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_operands_without_columns(symbol: str) -> None:
    for row in ((-1, 2), (1, -2)):
        assert len(ColumnProblems.from_operands(symbol, [(3, 4), row], signed=True)) == 2
        with pytest.raises(UnsupportedProblem, match="no place for a sign"):
            ColumnProblems.from_operands(symbol, [(3, 4), row])
    if symbol in ("//", "%"):
        with pytest.raises(UnsupportedProblem, match="division by zero"):
            ColumnProblems.from_operands(symbol, [(3, 4), (5, 0)])
    with pytest.raises(ValueError, match="at most 2 digits"):
        ColumnProblems.from_operands(symbol, [(3, 400)], (2, 2))


def test_widths_that_problems_are_written_with() -> None:
    assert written_widths("+", (3, 1)) == written_widths("-", (1, 3)) == (3, 3)
    for symbol in ("*", "//", "%"):
        assert written_widths(symbol, (3, 1)) == (3, 1)
    for operands in (3, 9, 10, 11, 99, 100):
        (width,) = set(written_widths("+", (4,) * operands))
        assert operands * (10**4 - 1) < 10**width, "no running sum needs a column more"


@given(st.lists(EXPRESSIONS, max_size=12))
def test_groups_have_one_shape_each_and_hold_everything(parsed: list[Parsed]) -> None:
    found = group(parsed)
    assert sorted(np.concatenate([places for places, _ in found]).tolist() if found else []) == list(range(len(parsed)))
    assert len({problems.shape for _, problems in found}) == len(found)
    for places, problems in found:
        assert [parse_columns(text) for text in problems.expressions()] == [parsed[place] for place in places]
        for place in places:
            sizes = tuple(len(str(value)) for value in parsed[place][1])
            assert problems.shape == Shape(parsed[place][0], written_widths(parsed[place][0], sizes))


@given(st.lists(EXPRESSIONS.filter(lambda parsed: len(parsed[1]) == 2), max_size=12), st.randoms(use_true_random=False))
def test_groups_of_operands_with_signs(parsed: list[Parsed], random: Any) -> None:
    plain, parsed = parsed, [(symbol, tuple(value * random.choice((1, -1)) for value in row)) for symbol, row in parsed]
    found = group(parsed, signed=True)
    texts = [written(symbol, operands) for symbol, operands in parsed]
    assert [parse_columns(text) for text in texts] == parsed
    batches = {columns.shape: (places.tolist(), columns) for places, columns in by_shape(from_expressions(texts), True)}
    for (places, problems), (same, unsigned) in zip(found, group(plain), strict=True):
        assert places.tolist() == same.tolist() and problems.shape == unsigned.shape._replace(signed=True)
        assert problems.expressions() == [texts[place] for place in places]
        assert batches[problems.shape][0] == places.tolist()
        assert batches[problems.shape][1].expressions() == problems.expressions()
    assert len(batches) == len(found)


@given(st.lists(EXPRESSIONS.filter(lambda parsed: len(parsed[1]) == 2), max_size=12), st.booleans())
def test_batches_fall_into_the_same_groups(parsed: list[Parsed], long: bool) -> None:
    if long:
        parsed = [*parsed, ("-", (7, 10**30))]
    problems = from_expressions([symbol.join(map(str, operands)) for symbol, operands in parsed])
    found = by_shape(problems)
    asked = {columns.shape: places.tolist() for places, columns in group(parsed)}
    assert {columns.shape: places.tolist() for places, columns in found} == asked
    for places, columns in found:
        assert columns.expressions() == problems[places].expressions()
        assert columns.solutions().texts() == [str(value) for value in problems[places].solutions().tolist()]


def test_batches_with_operators_that_do_not_occur() -> None:
    assert by_shape(Problems.concatenate([])) == []
    ((places, columns),) = by_shape(Problems(("+", "*"), np.ones(1, np.uint8), [[12, 3]]))
    assert places.tolist() == [0] and columns.shape == Shape("*", (2, 1))


def test_leading_zeros_and_spaces_read_as_parse_expression_does() -> None:
    for text in ("007 + 8", "12×3=", "9 − 4", "8 // 3 ="):
        symbol, a, b = parse_expression(text)
        assert parse_columns(text) == (symbol, (a, b))


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


@given(st.lists(st.tuples(*[st.integers(-(10**22), 10**22)] * 2), min_size=1, max_size=6), st.sampled_from("+-"))
def test_by_shape_and_back(pairs: list[tuple[int, int]], symbol: str) -> None:
    problems = Problems((symbol,), np.zeros(len(pairs), np.uint8), np.array(pairs, dtype=object))
    found = np.empty((len(pairs), 2), dtype=object)
    for places, part in by_shape(problems, signed=True):
        assert all(len(str(abs(value))) <= part.shape.number_width for value in pairs[places[0]])
        found[places] = as_problems(part).operands
    assert found.tolist() == [list(pair) for pair in pairs]
