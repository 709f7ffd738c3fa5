"""Counting answers: by hand, and where a model is wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems, from_expressions, sample
from calcgpt.evaluation import metrics
from calcgpt.evaluation.metrics import Verdicts, by_operation_and_digits, digit_counts, judge

Stub = Callable[..., Any]
COLUMNS = Notation(2, 4, interleave=True, reverse=True)


def test_by_hand() -> None:
    problems = from_expressions(["1+1", "12+3", "99+1", "100+1", "7-5", "30-2", "4-44"])
    verdicts = Verdicts(problems, np.array([1, 0, 1, 1, 1, 0, 0], bool), np.ones(7, bool))
    assert verdicts.exact_match == 4 / 7
    rows = [tuple(row.values()) for row in by_operation_and_digits(verdicts)]
    assert rows == [
        ("+", 1, 1, 1, 1.0),
        ("+", 2, 2, 1, 0.5),
        ("+", 3, 1, 1, 1.0),
        ("-", 1, 1, 1, 1.0),
        ("-", 2, 2, 0, 0.0),
    ]
    assert list(next(by_operation_and_digits(verdicts))) == ["operation", "digits", "problems", "right", "exact_match"]
    assert Verdicts(Problems.concatenate([]), np.zeros(0, bool), np.zeros(0, bool)).exact_match == 0.0


@given(st.lists(st.tuples(*[st.integers(-(10**22), 10**22)] * 2), min_size=1, max_size=8))
def test_digits_are_those_of_the_longer_operand(pairs: list[tuple[int, int]]) -> None:
    problems = Problems(("+",), np.zeros(len(pairs), np.uint8), np.array(pairs, dtype=object))
    assert digit_counts(problems).tolist() == [max(len(str(abs(a))), len(str(abs(b)))) for a, b in pairs]


def carries(problems: Problems) -> np.ndarray:
    return problems.carries() > 0


def big(problems: Problems) -> np.ndarray:
    return np.asarray(problems.operands[:, 0] >= 50)


@pytest.mark.parametrize(
    "notation", [Notation(), COLUMNS, replace(COLUMNS, complement=True)], ids=["plain", "columns", "complement"]
)
def test_a_model_that_is_wrong_on_purpose_is_counted_exactly(stub: Stub, notation: Notation) -> None:
    problems = sample(("+", "-", "*"), 0, 99, 2000, np.random.default_rng(0))
    assert judge(stub(notation=notation), problems).right.all()
    wrong = judge(stub(notation=notation, wrong=carries), problems)
    assert np.array_equal(wrong.right, ~carries(problems)) and wrong.readable.all()
    for rule in ("mute", "endless"):
        silent = judge(stub(notation=notation, **{rule: big}), problems)
        assert np.array_equal(silent.right, ~big(problems)) and np.array_equal(silent.readable, ~big(problems))


def test_what_cannot_be_asked_is_wrong(stub: Stub) -> None:
    problems = from_expressions(["1+1", "100+1", "-3+4", "99+99", "9" * 400 + "+1"])
    verdicts = judge(stub(notation=COLUMNS), problems)
    assert verdicts.right.tolist() == verdicts.readable.tolist() == [True, False, False, True, False]
    assert not judge(stub(notation=COLUMNS), problems[1:2]).right.any()


def test_blocks_are_judged_one_after_the_other(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    problems, calls = sample(("+", "-"), 0, 99, 250, np.random.default_rng(1)), []
    whole = judge(stub(wrong=carries), problems).right
    monkeypatch.setattr(metrics, "BLOCK", 100)
    parts = judge(stub(wrong=carries), problems, lambda done, total: calls.append((done, total)))
    assert np.array_equal(parts.right, whole)
    assert calls == [(100, 250), (200, 250), (250, 250)]
