"""Exact match by length: what is asked, that it was never seen, and how right and wrong are counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from calcgpt.arithmetic import traces
from calcgpt.arithmetic.columns import ColumnProblems, Shape, parse_columns, written_widths
from calcgpt.errors import ConfigError
from calcgpt.evaluation.evaluate import evaluate_fresh
from calcgpt.evaluation.lengths import describe_length, evaluate_lengths, parse_length, unseen_problems
from calcgpt.inference import columns
from calcgpt.inference.choosing import Completions
from calcgpt.inference.solver import CalcGPT
from calcgpt.model.config import GPTConfig
from calcgpt.model.gpt import GPT
from calcgpt.tokens.scheme import Positions
from calcgpt.tokens.tokenizer import Tokenizer

TASK = {"operations": ["+", "-", "*", "//", "%"], "max_digits": [3, 2], "max_operands": 3}
LENGTHS = [(3, 3), (3, 2), (3, 3, 3), (7, 7), (5,) * 12]
SHAPES = [
    *(Shape("+", (1, 1)), Shape("+", (3, 3)), Shape("-", (1, 1)), Shape("-", (4, 4)), Shape("*", (2, 1))),
    *(Shape("//", (2, 2)), Shape("%", (3, 1)), Shape("+", written_widths("+", (2, 2, 2)))),
]
counts = st.integers(1, 999_999)
settings.register_profile("calcgpt", deadline=None)
settings.load_profile("calcgpt")


def solver_of(**task: Any) -> CalcGPT:
    """A solver with random weights."""
    torch.manual_seed(0)
    tokenizer = Tokenizer.build(["0123456789+-*/%="])
    scheme = Positions("coupled", "relative", (1,), segments=True, ahead=True)
    model = GPT(GPTConfig(len(tokenizer), 99, 16, 1, 2, 16, positions=scheme))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    run = {"config": {"notation": {"work": "columns"}}, "data": {"tasks": [{**TASK, **task}]}}
    return CalcGPT.from_parts(model, tokenizer, run)


def knowing(monkeypatch: pytest.MonkeyPatch, is_wrong: Callable[[int, int], bool] = lambda a, b: False) -> None:
    """Models write the right work from here on; where `is_wrong`, with another last digit."""

    def decode(choose: Any, prompts: Tensor, places: Any, space: int, progress: Any = None) -> Completions:
        tokenizer, rows = Tokenizer.build(["0123456789+-*/%="]), []
        for row in prompts.tolist():
            prompt = tokenizer.decode(row)
            symbol, operands = parse_columns(prompt)
            widths = tuple(map(len, prompt.removesuffix("=").split(symbol)))
            work = bytes(traces.write(ColumnProblems.from_operands(symbol, [operands], widths))[0]).decode()
            if is_wrong(*operands[:2]):
                work = work[:-1] + str((int(work[-1]) + 1) % 10)
            rows.append(tokenizer.encode(work))
        tokens, size = torch.tensor(rows), len(rows)
        if progress:
            progress(size)
        scores = torch.full((size, tokens.shape[1] + 1), -0.01)
        return Completions(tokens, torch.full((size,), tokens.shape[1]), torch.ones(size, dtype=torch.bool), scores)

    monkeypatch.setattr(columns, "decode_placed", decode)


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


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.symbol}{shape.widths}")
def test_none_of_what_is_asked_was_seen(shape: Shape) -> None:
    everything = unseen_problems(shape, 10_000 if shape.widths == (1, 1) else 400, np.random.default_rng(0), None)
    seen = np.sort(everything.keys()[::2])
    left = unseen_problems(shape, 60, np.random.default_rng(0), seen)
    assert len(left) and left.shape == shape
    assert not set(left.keys().tolist()) & set(seen.tolist())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.symbol}{shape.widths}")
def test_problems_are_all_different_and_of_the_shape(shape: Shape) -> None:
    found = unseen_problems(shape, 50, np.random.default_rng(0), None)
    texts = found.expressions()
    assert len(set(texts)) == len(texts) == 50
    again = unseen_problems(shape, 50, np.random.default_rng(0), None)
    assert again.expressions() == texts
    for text in texts:
        _, operands = parse_columns(text)
        assert all(len(str(value)) <= width for value, width in zip(operands, shape.widths, strict=True))
        assert shape.symbol not in ("//", "%") or operands[1]
    other = unseen_problems(shape, 50, np.random.default_rng(1), None)
    assert other.expressions() != texts


def test_what_breaks_is_asked_first() -> None:
    found = unseen_problems(Shape("+", (4, 4)), 40, np.random.default_rng(0), None).expressions()
    assert found[:3] == ["9999+1", "1+9999", "9999+9999"]
    seen = ColumnProblems.from_operands("+", [(1, 9999)]).keys()
    assert unseen_problems(Shape("+", (4, 4)), 40, np.random.default_rng(0), seen).expressions()[0] == "9999+9999"


def test_a_small_range_gives_what_it_has() -> None:
    shape = Shape("+", (1, 1))
    everything = unseen_problems(shape, 1000, np.random.default_rng(0), None)
    assert len(everything) == 100, "every sum of two digits"
    few = ColumnProblems.from_operands("+", [(3, 4), (8, 8)])
    seen = np.array(sorted(set(everything.keys().tolist()) - set(few.keys().tolist())), np.uint64)
    assert set(unseen_problems(shape, 1000, np.random.default_rng(0), seen).expressions()) == {"3+4", "4+3", "8+8"}
    assert len(unseen_problems(shape, 1000, np.random.default_rng(0), np.unique(everything.keys()))) == 0


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"operations": ["*", "-"], "max_operands": 2}, [("*", "3x2"), ("-", "3")]),
        ({"operations": ["+"], "max_digits": [4]}, [("+", "4"), ("+", "4*3")]),
    ],
)
def test_without_lengths_each_operator_is_asked_its_own_longest(task: dict[str, Any], expected: Any) -> None:
    rows = evaluate_lengths(solver_of(**task), None, None, 5)["buckets"]
    assert [(row["operation"], row["digits"]) for row in rows] == expected and all(row["trained"] for row in rows)


def test_long_carries_are_asked() -> None:
    shape = Shape("+", (40, 40))
    problems = unseen_problems(shape, 1000, np.random.default_rng(0), None)
    nines = (problems.digits.sum(1) == 9).mean(1)  # of each problem, the share of columns that hand a carry on
    assert (nines > 0.4).sum() > 150, "a share of them, not only the edge cases"


def test_a_length_without_ids_is_a_row_of_its_own() -> None:
    torch.manual_seed(0)
    tokenizer = Tokenizer.build(["0123456789+="])
    scheme = Positions("coupled", "learned", max_id=20)
    run = {"config": {"notation": {"work": "columns"}}, "data": {"tasks": [{"operations": ["+"], "max_digits": [4]}]}}
    solver = CalcGPT.from_parts(GPT(GPTConfig(len(tokenizer), 99, 16, 1, 2, 16, positions=scheme)), tokenizer, run)
    report = evaluate_lengths(solver, [(4, 4), (50, 50)], None, 10)
    assert [(row["digits"], row["right"]) for row in report["buckets"]] == [("4", 0), ("50", 0)]
    assert "20 position ids" in report["wrong"][-1]["error"]


# The count


def test_random_weights_are_counted_and_never_raise() -> None:
    report = evaluate_lengths(solver_of(), LENGTHS, None, count=30)
    assert report["right"] <= 0.02 * report["problems"] and not report["unseen"]
    for row in report["buckets"]:
        assert row["problems"] == 30 and row["exact_match"] == row["right"] / 30
    for wrong in report["wrong"]:
        assert wrong["answer"] is None or (
            re.fullmatch(r"-?\d+", wrong["answer"]) and wrong["answer"] != wrong["solution"]
        )
        assert wrong["solution"] == str(eval(wrong["problem"])) and wrong["error"] is None
    assert json.loads(json.dumps(report)) == report


def test_right_answers_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    knowing(monkeypatch)
    report = evaluate_lengths(solver_of(), LENGTHS, np.zeros(0, np.uint64), count=25)
    keys = ["suite", "seed", "unseen", "problems", "right", "exact_match", "buckets", "wrong", "seconds"]
    assert list(report) == keys and report["suite"] == "lengths" and report["unseen"]
    assert report["exact_match"] == 1 and report["right"] == report["problems"] and report["wrong"] == []
    rows = {(row["operation"], row["digits"]): row["trained"] for row in report["buckets"]}
    assert len(rows) == len(report["buckets"]), "each is asked once"
    others = {(symbol, digits) for symbol in ("*", "//", "%") for digits in ("3", "3x2", "7")}
    sums = {("+", digits) for digits in ("3", "7", "3*3", "5*12")}
    assert set(rows) == sums | others | {("-", "3"), ("-", "7")}
    trained = {("+", "3"), ("+", "3*3"), ("-", "3"), ("*", "3x2"), ("//", "3x2"), ("%", "3x2")}
    assert {row for row, inside in rows.items() if inside} == trained


def test_wrong_answers_are_counted_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    knowing(monkeypatch, is_wrong=lambda a, b: a % 2 == 1)
    report = evaluate_lengths(solver_of(operations=["+"], max_operands=2), [(4, 4), (6, 6)], None, count=80)
    assert [row["digits"] for row in report["buckets"]] == ["4", "6"]
    assert all(row["problems"] == 80 and 20 < row["right"] < 60 for row in report["buckets"])
    assert len(report["wrong"]) == 40, "the first of each length"
    for wrong in report["wrong"]:
        a, b = map(int, wrong["problem"].split("+"))
        assert a % 2 == 1 and wrong["solution"] == str(a + b) != wrong["answer"]
    assert report["right"] == sum(row["right"] for row in report["buckets"])
    assert report["exact_match"] == report["right"] / 160


def test_a_length_is_asked_alike_whatever_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    knowing(monkeypatch, is_wrong=lambda a, b: True)
    solver = solver_of(operations=["+", "-"], max_operands=2)
    alone = evaluate_lengths(solver, [(7, 7)], None, count=15)["wrong"]
    beside = evaluate_lengths(solver, [(3, 3), (7, 7)], None, count=15)["wrong"]
    assert alone and [wrong for wrong in beside if wrong in alone] == alone
    assert evaluate_lengths(solver, [(7, 7)], None, count=15, seed=1)["wrong"] != alone


def test_nothing_unseen_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    knowing(monkeypatch)
    seen = np.unique(unseen_problems(Shape("+", (1, 1)), 100, np.random.default_rng(0), None).keys())
    report = evaluate_lengths(solver_of(operations=["+"], max_operands=2), [(1, 1)], seen)
    assert (report["problems"], report["right"], report["exact_match"], report["buckets"]) == (0, 0, None, [])


def test_progress_counts_every_problem() -> None:
    calls: list[tuple[int, int]] = []
    solver = solver_of(operations=["+", "-"], max_operands=2)
    evaluate_lengths(solver, [(2, 2), (5, 5)], None, count=20, progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls) and calls[-1] == (80, 80)


def test_what_no_operator_takes_is_refused() -> None:
    with pytest.raises(ConfigError, match="no operator for so many operands"):
        evaluate_lengths(solver_of(operations=["+"], max_operands=2), [(3, 3, 3)], None)
    with pytest.raises(ConfigError, match="no operator for so many operands"):
        evaluate_lengths(solver_of(operations=["-", "*"], max_operands=3), [(3, 3, 3)], None)
    tokenizer = Tokenizer.build(["0123456789+="])
    plain = CalcGPT.from_parts(GPT(GPTConfig(len(tokenizer), 9, 8, 1, 1, 8)), tokenizer, {})
    with pytest.raises(ConfigError):
        evaluate_lengths(plain, [(3, 3)], None)


def test_fresh_problems_of_columns_are_those_of_the_trained_lengths() -> None:
    solver = solver_of(operations=["+"], max_digits=[4])
    fresh, by_length = evaluate_fresh(solver, None, 10), evaluate_lengths(solver, [(4, 4), (4, 4, 4)], None, 10)
    for report in (fresh, by_length):
        del report["seconds"]
        for row in report["buckets"]:
            del row["seconds"]
    assert fresh == by_length
