"""Lengths as text, and problems of given lengths: what is asked, that it was never seen, and how it is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgpt.arithmetic.columns import ColumnProblems, Shape, parse_columns, written_widths
from calcgpt.errors import ConfigError
from calcgpt.evaluation import evaluate, judging, load_suite
from calcgpt.evaluation.lengths import describe_length, parse_length
from calcgpt.evaluation.suites import Suite
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

Columns = Callable[..., CalcGPT]
Knowing = Callable[..., None]
LENGTHS = ["3", "3x2", "3*3", "7", "5*12"]
CASES = [("+", "1"), ("+", "3"), ("-", "1"), ("-", "4"), ("*", "2x1"), ("//", "2"), ("%", "3x1"), ("+", "2*3")]
counts = st.integers(1, 999_999)
settings.register_profile("calcgpt", deadline=None)
settings.load_profile("calcgpt")


def suite_of(lengths: list[str], count: int | None = None, seed: int | None = None) -> Suite:
    return load_suite("lengths").changed(count, lengths, seed=seed)


def last_digit_wrong(is_wrong: Callable[[int, int], bool]) -> Callable[[str, str], str]:
    """A change of right work where the rule says so of the operands."""

    def change(prompt: str, work: str) -> str:
        _, (a, b, *_) = parse_columns(prompt)
        return work[:-1] + str((int(work[-1]) + 1) % 10) if is_wrong(a, b) else work

    return change


# Lengths as text


def test_lengths_are_written_in_three_ways() -> None:
    assert parse_length("100") == (100, 100) and parse_length("20x10") == (20, 10)
    assert parse_length("5*4") == (5, 5, 5, 5) and parse_length("5*2") == (5, 5)


@given(counts, counts)
def test_two_lengths_are_read_as_written(first: int, second: int) -> None:
    assert parse_length(f"{first}x{second}") == (first, second)
    assert parse_length(str(first)) == (first, first)
    for symbol in ("*", "//", "%"):
        assert parse_length(describe_length(Shape(symbol, (first, second)))) == (first, second)
    for symbol in ("+", "-"):
        assert parse_length(describe_length(Shape(symbol, written_widths(symbol, (first, first))))) == (first, first)


@given(st.integers(1, 5000), st.integers(2, 300))
def test_many_lengths_are_read_as_written(width: int, operands: int) -> None:
    widths = parse_length(f"{width}*{operands}")
    assert widths == (width,) * operands
    assert parse_length(describe_length(Shape("+", written_widths("+", widths)))) == widths


@pytest.mark.parametrize(
    "text", ["", "0", "x", "10x", "x10", "1x2x3", "010", "-5", "5*0", "5*1", "1e3", "5 x 5", "٣", "5\n"]
)
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected digits such as 100, 20x10") as caught:
        parse_length(text)
    assert "\n" not in str(caught.value)


@given(st.text("0123456789x* -", max_size=9))
def test_any_text_is_a_length_or_refused(text: str) -> None:
    try:
        found = parse_length(text)
    except ConfigError:
        assert not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5})?", text)
    else:
        assert len(found) >= 2 and min(found) >= 1


# What is asked


@pytest.fixture
def drawn(columns_of: Columns, asked_of: Any) -> Callable[..., ColumnProblems]:
    """The problems of one operator and length."""

    def draw(symbol: str, length: str, count: int, seen: Any = None, seed: int = 0) -> ColumnProblems:
        portions = asked_of(columns_of(), "lengths", seen, seed, count=count, digits=(length,), operations=(symbol,))
        assert list(portions) == [f"lengths {symbol} {length}"]
        (batches,) = portions.values()
        (batch,) = batches
        return batch.problems

    return draw


@pytest.mark.parametrize(("symbol", "length"), CASES)
def test_none_of_what_is_asked_was_seen(drawn: Any, symbol: str, length: str) -> None:
    everything = drawn(symbol, length, 10_000 if length == "1" else 400)
    seen = np.sort(everything.keys()[::2])
    left = drawn(symbol, length, 60, seen)
    assert len(left) and not set(left.keys().tolist()) & set(seen.tolist())


@pytest.mark.parametrize(("symbol", "length"), CASES)
def test_problems_are_all_different_and_of_the_shape(drawn: Any, symbol: str, length: str) -> None:
    found, widths = drawn(symbol, length, 50), parse_length(length)
    texts = found.expressions()
    assert len(set(texts)) == len(texts) == 50 and found.shape == Shape(symbol, written_widths(symbol, widths))
    assert drawn(symbol, length, 50).expressions() == texts
    for text in texts:
        _, operands = parse_columns(text)
        assert all(len(str(value)) <= width for value, width in zip(operands, widths, strict=True))
        assert symbol not in ("//", "%") or operands[1]
    assert drawn(symbol, length, 50, seed=1).expressions() != texts


def test_what_breaks_is_asked_first(drawn: Any) -> None:
    found = drawn("+", "4", 40).expressions()
    assert found[:3] == ["9999+1", "1+9999", "9999+9999"]
    seen = ColumnProblems.from_operands("+", [(1, 9999)]).keys()
    assert drawn("+", "4", 40, seen).expressions()[0] == "9999+9999"


def test_a_small_range_gives_what_it_has(drawn: Any) -> None:
    everything = drawn("+", "1", 1000)
    assert len(everything) == 100, "every sum of two digits"
    few = ColumnProblems.from_operands("+", [(3, 4), (8, 8)])
    seen = np.array(sorted(set(everything.keys().tolist()) - set(few.keys().tolist())), np.uint64)
    assert set(drawn("+", "1", 1000, seen).expressions()) == {"3+4", "4+3", "8+8"}
    assert len(drawn("+", "1", 1000, np.unique(everything.keys()))) == 0


def test_signed_problems_are_different_as_they_are_written(columns_of: Columns, asked_of: Any, texts: Any) -> None:
    portions = asked_of(columns_of(signed=True), "lengths", count=2000, digits=("1",), operations=("-",))
    found = texts(next(iter(portions.values())))
    assert len(set(found)) == len(found) == 19 * 19, "0 has no sign"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"operations": ["*", "-"], "max_operands": 2}, [("-", "3"), ("*", "3x2")]),
        ({"operations": ["+"], "max_digits": [4]}, [("+", "4"), ("+", "4*3")]),
    ],
)
def test_without_lengths_each_operator_is_asked_its_own_longest(
    columns_of: Columns, task: dict[str, Any], expected: Any
) -> None:
    rows = evaluate(columns_of(**task), suite_of([], 5))["buckets"]
    assert [(row["operation"], row["digits"]) for row in rows] == expected


def test_long_carries_are_asked(drawn: Any) -> None:
    problems = drawn("+", "40", 1000)
    nines = (problems.digits.sum(1) == 9).mean(1)  # of each problem, the share of columns that hand a carry on
    assert (nines > 0.4).sum() > 150, "a share of them, not only the edge cases"


def test_a_length_without_ids_is_refused_and_the_others_are_asked(columns_of: Columns) -> None:
    scheme = Positions("coupled", "learned", max_id=20)
    solver = columns_of(scheme=scheme, operations=["+"], max_digits=[4], max_operands=2)
    report = evaluate(solver, suite_of(["4", "50"], 10))
    assert [(row["digits"], row["problems"], row["right"]) for row in report["buckets"]] == [
        ("4", 10, 0),
        ("50", 10, 0),
    ]
    assert report["refused"] == 10 and "20 position ids" in report["wrong"][-1]["error"]
    assert report["wrong"][0]["error"] is None


# The count


def test_random_weights_are_counted_and_never_raise(columns_of: Columns) -> None:
    report = evaluate(columns_of(), suite_of(LENGTHS, 30))
    assert report["right"] <= 0.02 * report["problems"] and not report["unseen"]
    for row in report["buckets"]:
        assert row["problems"] == 30 and row["exact_match"] == row["right"] / 30
    for wrong in report["wrong"]:
        assert wrong["answer"] is None or (
            re.fullmatch(r"-?\d+", wrong["answer"]) and wrong["answer"] != wrong["solution"]
        )
        assert wrong["solution"] == str(eval(wrong["problem"])) and wrong["error"] is None
    assert json.loads(json.dumps(report)) == report


def test_right_answers_are_all_counted(columns_of: Columns, knowing: Knowing, monkeypatch: pytest.MonkeyPatch) -> None:
    knowing()
    monkeypatch.setattr(judging, "trained_problems", lambda run: np.zeros(0, np.uint64))
    report = evaluate(columns_of(), suite_of(LENGTHS, 25))
    assert report["suite"] == "lengths" and report["unseen"] and report["trained_on"]["problems"] == 0
    assert report["exact_match"] == 1 and report["right"] == report["problems"] and report["wrong"] == []
    rows = {(row["operation"], row["digits"]): row["problems"] for row in report["buckets"]}
    assert len(rows) == len(report["buckets"]) and set(rows.values()) == {25}, "each is asked once"
    others = {(symbol, digits) for symbol in ("*", "//", "%") for digits in ("3", "3x2", "7")}
    sums = {("+", digits) for digits in ("3", "7", "3*3", "5*12")}
    assert set(rows) == sums | others | {("-", "3"), ("-", "7")}


def test_wrong_answers_are_counted_and_listed(columns_of: Columns, knowing: Knowing) -> None:
    knowing(last_digit_wrong(lambda a, b: a % 2 == 1))
    report = evaluate(columns_of(operations=["+"], max_operands=2), suite_of(["4", "6"], 80))
    assert [row["digits"] for row in report["buckets"]] == ["4", "6"]
    assert all(row["problems"] == 80 and 20 < row["right"] < 60 for row in report["buckets"])
    assert len(report["wrong"]) == report["problems"] - report["right"]
    for wrong in report["wrong"]:
        a, b = map(int, wrong["problem"].split("+"))
        assert a % 2 == 1 and wrong["solution"] == str(a + b) != wrong["answer"]
    assert report["right"] == sum(row["right"] for row in report["buckets"])
    assert report["exact_match"] == report["right"] / 160


def test_a_length_is_asked_alike_whatever_else_is(columns_of: Columns, knowing: Knowing) -> None:
    knowing(last_digit_wrong(lambda a, b: True))
    solver = columns_of(operations=["+", "-"], max_operands=2)
    alone = evaluate(solver, suite_of(["7"], 15))["wrong"]
    beside = evaluate(solver, suite_of(["3", "7"], 15))["wrong"]
    assert alone and [wrong for wrong in beside if wrong in alone] == alone
    assert evaluate(solver, suite_of(["7"], 15, seed=1))["wrong"] != alone


def test_nothing_unseen_is_left(
    columns_of: Columns, drawn: Any, knowing: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing()
    seen = np.unique(drawn("+", "1", 100).keys())
    monkeypatch.setattr(judging, "trained_problems", lambda run: seen)
    report = evaluate(columns_of(operations=["+"], max_operands=2), suite_of(["1"]))
    assert (report["problems"], report["right"], report["exact_match"], report["buckets"]) == (0, 0, None, [])


def test_progress_counts_every_problem(columns_of: Columns) -> None:
    calls: list[tuple[int, int]] = []
    solver = columns_of(operations=["+", "-"], max_operands=2)
    evaluate(solver, suite_of(["2", "5"], 20), progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls) and calls[-1] == (80, 80)


@pytest.mark.parametrize("task", [{"operations": ["+"], "max_operands": 2}, {"operations": ["-", "*"]}])
def test_what_no_operator_takes_is_refused(columns_of: Columns, task: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="has nothing to ask a model in memory"):
        evaluate(columns_of(**task), suite_of(["3*3"]))


def test_a_model_of_text_has_no_lengths() -> None:
    tokenizer = Tokenizer.build(["0123456789+="])
    plain = CalcGPT.from_parts(GPT(GPTConfig(len(tokenizer), 9, 8, 1, 1, 8)), tokenizer, {})
    with pytest.raises(ConfigError, match="text without arithmetic"):
        evaluate(plain, suite_of(["3"]))
