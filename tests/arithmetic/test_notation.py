"""How problems are written, against a writer of one line; that layout never looks at digits; and reading back."""

from __future__ import annotations

import doctest
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic import notation as module
from calcgpt.arithmetic.notation import Notation, Written
from calcgpt.arithmetic.operations import Operation, register, unregister
from calcgpt.arithmetic.problems import Problems, from_expressions
from calcgpt.errors import ConfigError, UnsupportedProblem

SYMBOLS = ("+", "-", "*", "//", "%")
PLAIN = st.builds(Notation, reverse=st.booleans())
PADDED = st.builds(
    Notation,
    width=st.integers(1, 25),
    answer_width=st.sampled_from([0, 51]),
    interleave=st.booleans(),
    reverse=st.booleans(),
)
INTEGERS = st.one_of(st.integers(-120, 120), st.integers(-(10**25), 10**25))


@st.composite
def padded(draw: Any) -> tuple[Notation, Problems]:
    """A padded notation and problems that it can write."""
    notation = draw(PADDED)
    operand = st.integers(0, 10 ** draw(st.integers(1, notation.width)) - 1)
    rows = draw(st.lists(st.tuples(st.sampled_from(SYMBOLS), operand, operand), min_size=1, max_size=6))
    return notation, problems_of(rows)


def problems_of(rows: list[tuple[str, int, int]]) -> Problems:
    symbols = tuple(dict.fromkeys(symbol for symbol, _, _ in rows))
    operation = np.array([symbols.index(symbol) for symbol, _, _ in rows], np.uint8)
    return Problems(symbols, operation, np.array([row[1:] for row in rows], dtype=object).reshape(-1, 2))


def prompt(notation: Notation, symbol: str, a: int, b: int) -> str:
    """The definition, one problem at a time."""
    if not notation.width:
        return f"{a}{symbol}{b}=" if b >= 0 else f"{a}{symbol}({b})="
    left, right = str(a).zfill(notation.width), str(b).zfill(notation.width)
    if notation.interleave:
        return symbol + "".join(x + y for x, y in zip(left, right, strict=True)) + "="
    return left + symbol + right + "="


def answer(notation: Notation, value: int) -> str:
    digits = str(abs(value)).zfill(notation.answer_width)
    digits = digits[::-1] if notation.reverse else digits
    return ("-" if value < 0 else "+" if notation.answer_width else "") + digits


@given(padded())
def test_padded_prompts_are_as_defined(case: tuple[Notation, Problems]) -> None:
    notation, problems = case
    written = notation.write_prompts(problems)
    expected = [prompt(notation, *row) for row in rows_of(problems)]
    assert written.texts() == expected and written.lengths.tolist() == [len(text) for text in expected]
    assert notation.unsupported(problems) == [None] * len(problems)


def rows_of(problems: Problems) -> list[tuple[str, int, int]]:
    symbols = [problems.symbols[index] for index in problems.operation.tolist()]
    return [(symbol, a, b) for symbol, (a, b) in zip(symbols, problems.operands.tolist(), strict=True)]


@given(PLAIN, st.lists(st.tuples(st.sampled_from(SYMBOLS), INTEGERS, INTEGERS), min_size=1, max_size=6))
def test_plain_prompts_read_back_as_the_same_problems(notation: Notation, rows: list[tuple[str, int, int]]) -> None:
    rows = [row for row in rows if row[0] not in ("//", "%") or row[2]] or [("+", 1, 2)]
    texts = notation.write_prompts(problems_of(rows)).texts()
    assert texts == [prompt(notation, *row) for row in rows]
    assert rows_of(from_expressions(texts)) == rows


@given(st.one_of(PLAIN, PADDED), st.lists(INTEGERS, max_size=8))
def test_answers_read_back_as_written(notation: Notation, values: list[int]) -> None:
    array = np.array(values, dtype=object if any(abs(value) >= 2**63 for value in values) else np.int64)
    written = notation.write_answers(sums(len(values)), array)
    assert written.texts() == [answer(notation, value) for value in values]
    assert [notation.read_answer(text) for text in written.texts()] == values
    numbers, readable = notation.read_answers(written)
    assert numbers.tolist() == values and readable.all() and len(readable) == len(values)


def sums(count: int) -> Problems:
    return Problems(("+",), np.zeros(count, np.uint8), np.zeros((count, 2), np.int64))


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 3), st.booleans(), st.randoms(use_true_random=False))
def test_differences_with_their_complement(width: int, digits: int, more: int, reverse: bool, random: Any) -> None:
    notation, limit = Notation(width, width + more, True, reverse, complement=True), 10 ** min(width, digits)
    rows = [(random.choice("+-"), random.randrange(limit // 2 + 1), random.randrange(limit // 2)) for _ in "1234"]
    problems = problems_of(rows)
    written = notation.write_answers(problems, problems.solutions())

    def ordered(value: int, digits: int) -> str:
        text = str(value).zfill(digits)
        return text[::-1] if reverse else text

    for (symbol, a, b), text in zip(rows, written.texts(), strict=True):
        if symbol == "+":
            assert text == ordered(a + b, width + more)
        elif a >= b:
            assert text == ordered(a - b, width)
        else:
            assert text == ordered(10**width + a - b, width) + "-" + ordered(b - a, width)
        assert notation.read_answer(text) == (a + b if symbol == "+" else a - b)
    numbers, readable = notation.read_answers(written)
    assert readable.all() and numbers.tolist() == problems.solutions().tolist()


COMPLETIONS = st.one_of(
    st.text("0123456789+-=()x", max_size=24), st.from_regex(r"[0-9]{0,4}[+-]?[0-9]{0,22}", fullmatch=True)
)


@given(st.booleans(), st.booleans(), st.lists(COMPLETIONS, max_size=8))
def test_reading_many_is_reading_one_by_one(reverse: bool, complement: bool, texts: list[str]) -> None:
    notation = Notation(4, 8, reverse=reverse, complement=complement)
    width = max(map(len, texts), default=0)
    characters = np.zeros((len(texts), width), np.uint8)
    for row, text in enumerate(texts):
        characters[row, : len(text)] = list(text.encode())
    numbers, readable = notation.read_answers(Written(characters, np.array([len(text) for text in texts], np.int64)))
    expected = [notation.read_answer(text) for text in texts]
    assert readable.tolist() == [value is not None for value in expected]
    assert numbers[readable].tolist() == [value for value in expected if value is not None]


@pytest.mark.parametrize("text", ["", "-", "+", "--1", "1-", "1 2", "12=", "1x", "١", "1\n"])
def test_what_is_no_number(text: str) -> None:
    assert Notation().read_answer(text) is None


def test_answers_of_thousands_of_digits() -> None:
    value = -(10**5000) + 7
    for notation in (Notation(), Notation(reverse=True), Notation(answer_width=6000)):
        written = notation.write_answers(sums(2), np.array([value, 5], dtype=object))
        assert notation.read_answer(written.texts()[0]) == value
        assert notation.read_answers(written)[0].tolist() == [value, 5]


@given(padded(), st.randoms(use_true_random=False))
def test_layout_never_looks_at_digits(case: tuple[Notation, Problems], random: Any) -> None:
    """Other operands, the same shape: every character that is no digit stays where it was."""
    notation, problems = case
    other = Problems(
        problems.symbols,
        problems.operation,
        np.array([[random.randrange(10**notation.width) for _ in "ab"] for _ in range(len(problems))], dtype=object),
    )
    assert shape(notation.write_prompts(problems)) == shape(notation.write_prompts(other))


def shape(written: Written) -> list[str]:
    return [re.sub("[0-9]", "d", text) for text in written.texts()]


def test_plain_layout_depends_on_the_number_of_digits_alone() -> None:
    one, other = (Notation().write_prompts(from_expressions(texts)) for texts in (["12+345", "7-0"], ["98+100", "1-1"]))
    assert shape(one) == shape(other)


def test_writing_a_prompt_computes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = from_expressions(["12+34", "7-45", "3*9"])
    monkeypatch.setattr(Operation, "apply", lambda *_: pytest.fail("the solution was computed"))
    for notation in (Notation(), Notation(2, 4), Notation(2, 4, True, True)):
        notation.write_prompts(problems)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("-1+2", "no negative operands, and -1 is one"),
        ("1-(-2)", "no negative operands, and -2 is one"),
        ("100+2", "places for 2 digits an operand, and 100 has more"),
        ("1+" + "9" * 5000, r"places for 2 digits an operand, and 9{60}… \(5,000 characters\) has more"),
    ],
)
def test_what_a_width_cannot_write_is_never_written(expression: str, reason: str) -> None:
    notation, problems = Notation(width=2), from_expressions(["1+2", expression])
    assert notation.unsupported(problems)[0] is None
    assert re.search(reason, notation.unsupported(problems)[1] or "")
    with pytest.raises(UnsupportedProblem, match=reason):
        notation.write_prompts(problems)
    assert Notation().unsupported(problems) == [None, None]


def test_an_answer_without_room() -> None:
    with pytest.raises(ConfigError, match="answer_width 3 has no place for the answer 1000"):
        Notation(answer_width=3).write_answers(sums(2), np.array([5, -1000]))
    with pytest.raises(ConfigError, match=r"no place for the answer 10{59}… \(5,001 characters\)"):
        Notation(answer_width=3).write_answers(sums(1), np.array([10**5000], dtype=object))


def test_nothing_is_written_as_nothing() -> None:
    for notation in (Notation(), Notation(2, 3), Notation(2, 3, True, True)):
        empty = Problems.concatenate([])
        assert notation.write_prompts(empty).texts() == [] and notation.unsupported(empty) == []
        assert notation.write_answers(empty, empty.solutions()).texts() == []
    assert Written(np.zeros((2, 0), np.uint8), np.zeros(2, np.int64)).texts() == ["", ""]


@pytest.mark.parametrize("symbol", ["<&>", "⊕"])
def test_operators_of_ones_own(symbol: str) -> None:
    register(Operation(symbol, "own", lambda a, b: a + b, True))
    try:
        problems = from_expressions([f"1{symbol}2", "3+4"])
        for notation in (Notation(), Notation(1), Notation(1, 1, True)):
            reasons = notation.unsupported(problems)
            if symbol.isascii():
                assert reasons == [None, None]
                assert notation.write_prompts(problems).texts() == [prompt(notation, *row) for row in rows_of(problems)]
            else:
                assert "expected ASCII characters" in str(reasons[0]) and reasons[1] is None
                assert notation.write_prompts(problems[1:]).texts() == [prompt(notation, "+", 3, 4)]
                with pytest.raises(UnsupportedProblem, match="expected ASCII"):
                    notation.write_prompts(problems)
    finally:
        unregister(symbol)


@pytest.mark.parametrize("name", ["width", "answer_width"])
@pytest.mark.parametrize("value", [-1, 1.0, "3", None, True, float("nan"), 10_001])
def test_impossible_widths(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"notation.{name} must be 0 to 10,000 digits"):
        Notation(**{name: value})


def test_impossible_switches() -> None:
    for name in ("interleave", "reverse", "complement"):
        with pytest.raises(ConfigError, match=f"notation.{name} must be true or false, not 'yes'"):
            Notation(**{"width": 1, name: "yes"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="interleave needs notation.width"):
        Notation(interleave=True)
    for widths in ((0, 0), (3, 0), (3, 2), (0, 3)):
        with pytest.raises(ConfigError, match="complement needs notation.width"):
            Notation(*widths, complement=True)


def test_columns_say_all_of_how_problems_are_written() -> None:
    assert Notation(work="columns").work == "columns" and Notation().work == "none"
    others: list[dict[str, Any]] = [
        {"width": 3},
        {"answer_width": 3},
        {"reverse": True},
        {"width": 3, "interleave": True},
        {"width": 3, "answer_width": 3, "complement": True},
    ]
    for settings in others:
        with pytest.raises(ConfigError, match="notation.work columns says all of how problems are written"):
            Notation(**settings, work="columns")
    for value in ("rows", None, True, ["columns"], ""):
        with pytest.raises(ConfigError, match="notation.work must be one of none, columns, not"):
            Notation(work=value)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="notation.signed is for columns"):
        Notation(signed=True)
    with pytest.raises(ConfigError, match="notation.signed must be true or false, not 'yes'"):
        Notation(work="columns", signed="yes")  # type: ignore[arg-type]


def test_columns_have_negative_operands_only_with_signs() -> None:
    problems = from_expressions(["-1+2", "12+34", "3-(-4)", f"1-{'9' * 40}", "0*0"])
    reason = "this model's notation has no negative operands"
    assert Notation(work="columns").unsupported(problems) == [reason, None, reason, None, None]
    assert Notation(work="columns", signed=True).unsupported(problems) == [None] * 5
    assert Notation(work="columns").unsupported(Problems.concatenate([])) == []


def test_plain_is_what_a_file_says() -> None:
    assert Notation().plain
    assert not Notation(work="columns").plain and not Notation(work="columns", signed=True).plain
    assert not any(each.plain for each in (Notation(1), Notation(answer_width=1), Notation(reverse=True)))


def test_the_examples_of_the_docstring() -> None:
    found = doctest.testmod(module)
    assert found.attempted > 5 and not found.failed
