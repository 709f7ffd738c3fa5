"""Reading one line: the lenient expression, the strict example, and junk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calcgpt.arithmetic.operations import OPERATIONS, Operation, register, unregister
from calcgpt.arithmetic.parsing import example_groups, parse_example, parse_expression, tidy, write_expression
from calcgpt.errors import DataError, UnsupportedProblem

OPERAND = st.one_of(st.integers(-1000, 1000), st.integers(-(10**40), 10**40))
SYMBOL = st.sampled_from(list(OPERATIONS))
NEARLY = st.text(st.sampled_from("0123456789+-*/%=() ×−\n"), max_size=20)


@given(SYMBOL, OPERAND, OPERAND)
def test_what_is_written_is_read_back(symbol: str, a: int, b: int) -> None:
    text = write_expression(symbol, a, b)
    if not OPERATIONS[symbol].defined(a, b):
        with pytest.raises(UnsupportedProblem, match="not defined"):
            parse_expression(text)
        return
    answer = OPERATIONS[symbol].apply(a, b)
    assert parse_expression(text) == (symbol, a, b)
    assert parse_expression(f" {text} = ") == (symbol, a, b)
    assert parse_example(f"{text}={answer}") == (symbol, a, b, answer)
    assert eval(text) == answer  # noqa: S307  - Python reads the same text and means the same


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12+34", ("+", 12, 34)),
        (" 12 + 34 =", ("+", 12, 34)),
        ("12\t+\n34", ("+", 12, 34)),
        ("12×34", ("*", 12, 34)),
        ("12−34", ("-", 12, 34)),
        ("−12−(−34)", ("-", -12, -34)),
        ("(-12)+(34)", ("+", -12, 34)),
        ("( - 12 ) + 34", ("+", -12, 34)),
        ("12--34", ("-", 12, -34)),
        ("12+-34", ("+", 12, -34)),
        ("+12*+34", ("*", 12, 34)),
        ("012//005", ("//", 12, 5)),
        ("7%-3", ("%", 7, -3)),
        ("-0+0", ("+", 0, 0)),
    ],
)
def test_expressions_as_people_type_them(text: str, expected: tuple[str, int, int]) -> None:
    assert parse_expression(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "12",
        "+",
        "12+",
        "+34",
        "1 2+3",
        "1+2+3",
        "1.5+2",
        "12+34=46",
        "(12+34)",
        "((1))+2",
        "1+2==",
        "١+٢",
        "a+b",
    ],
)
def test_no_expressions(text: str) -> None:
    with pytest.raises(DataError):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "operator"), [("12/3", "/"), ("2^3", "^"), ("2**3", "**"), ("6÷2=", "÷"), ("1 x 2", "x")]
)
def test_unknown_operators_are_named(text: str, operator: str) -> None:
    with pytest.raises(UnsupportedProblem) as caught:
        parse_expression(text)
    assert f"unknown operator {operator!r} in {text!r}: expected one of + - * // %" in str(caught.value)


@pytest.mark.parametrize("text", ["5//0", "5%0", "0 // 0 ="])
def test_division_by_zero_has_no_solution(text: str) -> None:
    with pytest.raises(UnsupportedProblem, match="not defined"):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12+34", "no '='"),
        ("", "empty line"),
        ("  ", "empty line"),
        ("012+34=46", r"not canonical: expected 12\+34=46"),
        ("12+034=46", "not canonical"),
        ("12+34=046", "not canonical"),
        ("12 + 34 = 46", "not canonical"),
        ("12+34=46 ", "not canonical"),
        ("12+34=46\n", "not canonical"),
        ("+12+34=46", "not canonical"),
        ("12++34=46", "not canonical"),
        ("12+34=+46", "not canonical"),
        ("12--34=46", r"not canonical: expected 12-\(-34\)=46"),
        ("12+(34)=46", "not canonical"),
        ("(-12)+34=22", "not canonical"),
        ("-0+1=1", "not canonical"),
        ("12×34=408", "not canonical"),
        ("12+34=", "whole number after"),
        ("12+34=4.6", "whole number after"),
        ("5//0=0", "not defined"),
        ("2^2=4", "unknown operator"),
        ("hello=world", "two whole numbers"),
    ],
)
def test_examples_are_canonical(text: str, reason: str) -> None:
    with pytest.raises((DataError, UnsupportedProblem), match=reason):
        parse_example(text)


@given(st.one_of(st.text(), NEARLY))
@example("9" * 5000 + "+1")
@example("1" + " " * 5000 + "2")
@example("(" * 3000)
@example("0" * 5000)
def test_junk_raises_nothing_else(text: str) -> None:
    for parse in (parse_expression, parse_example):
        try:
            parse(text)
        except (DataError, UnsupportedProblem) as error:
            assert str(error) and "\n" not in str(error) and len(str(error)) < 400


@given(NEARLY)
def test_strict_reading_accepts_only_what_it_would_write(text: str) -> None:
    try:
        symbol, a, b, answer = parse_example(text)
    except (DataError, UnsupportedProblem):
        return
    assert f"{write_expression(symbol, a, b)}={answer}" == text


def test_five_thousand_digits() -> None:
    symbol, a, b = parse_expression("9" * 5000 + "+1")
    assert (symbol, a + b) == ("+", 10**5000)


@given(st.lists(st.one_of(NEARLY, st.sampled_from(["1+1=2", "5-(-3)=8", ""])), max_size=8))
def test_groups_of_many_lines(lines: list[str]) -> None:
    groups = example_groups(lines)
    assert len(groups) == len(lines)
    for line, (a, symbol, plain, bracketed, answer) in zip(lines, groups, strict=True):
        second = f"({bracketed})" if bracketed else plain
        if a:
            assert f"{a}{symbol}{second}={answer}" == line
        else:
            assert line not in ("1+1=2", "5-(-3)=8")


FORMS = [
    "12-34",
    "\ufeff12-34",
    "12-34\r\n",
    "12-34\r",
    " 12-34\t",
    "12−34",
    "１２－３４",
    "12 - 34\u3000",
    "\n12-34\n\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_a_text_is_read_in_one_way_wherever_it_comes_from(tmp_path: Path, text: str) -> None:
    from calcgpt.arithmetic.columns import parse_columns
    from calcgpt.arithmetic.reading import load_dataset
    from calcgpt.evaluation.subjects import _read

    assert parse_expression(text) == ("-", 12, 34) and parse_columns(text) == ("-", (12, 34))
    assert tidy(text).replace(" ", "") == "12-34"
    answer = text.replace("12", "").replace("１２", "").replace(" ", "")
    assert _read(answer, 10) == "-34"
    if "12 - 34" not in text and not text.startswith("\n"):  # in a data file these are errors
        line = text.replace("34", "34=−22").replace("４", "４=−22")
        (tmp_path / "data.txt").write_bytes(f"{line}\r\n \r\n\r\n".encode())
        assert load_dataset(tmp_path / "data.txt") == ["12-34=-22"]


def test_what_an_operator_of_ones_own_is_written_with_stays() -> None:
    register(Operation("×", "cross", lambda a, b: a * b + 1))
    try:
        assert parse_expression("3×4") == ("×", 3, 4) and parse_expression("3−4") == ("-", 3, 4)
    finally:
        unregister("×")
    assert parse_expression("3×4") == ("*", 3, 4)


@pytest.mark.parametrize("text", ["7÷2", "3²", "١+٢", "1–2", "1\u200b+2"])
def test_what_could_mean_something_else_is_refused(text: str) -> None:
    with pytest.raises((DataError, UnsupportedProblem)):
        parse_expression(text)
