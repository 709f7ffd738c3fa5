"""Counting answers: by hand, and where a model is wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcgpt.arithmetic.notation import Notation
from calcgpt.arithmetic.problems import Problems, from_expressions, sample
from calcgpt.inference import verdicts as module
from calcgpt.inference.verdicts import judge

Stub = Callable[..., Any]
COLUMNS = Notation(2, 4, interleave=True, reverse=True)


def test_the_share_of_right_answers(stub: Stub) -> None:
    problems = from_expressions(["1+1", "12+3", "99+1", "100+1", "7-5", "30-2", "4-44"])
    verdicts = judge(stub(wrong=lambda asked: np.isin(asked.operands[:, 0], [12, 30, 4])), problems)
    assert verdicts.right.tolist() == [True, False, True, True, True, False, False] and verdicts.readable.all()
    assert verdicts.exact_match == 4 / 7 and verdicts.problems is problems
    nothing = judge(stub(), Problems.concatenate([]))
    assert nothing.exact_match == 0.0 and [part.tolist() for part in nothing.digits] == [[], []]


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
    whole = judge(stub(wrong=carries), problems)
    monkeypatch.setattr(module, "BLOCK", 100)
    parts = judge(stub(wrong=carries), problems, lambda done, total: calls.append((done, total)))
    assert np.array_equal(parts.right, whole.right)
    assert [part.tolist() for part in parts.digits] == [part.tolist() for part in whole.digits]
    assert calls == [(100, 250), (200, 250), (250, 250)]


# Digits


@pytest.mark.parametrize("notation", [Notation(), COLUMNS], ids=["plain", "columns"])
def test_digits_by_place_are_counted_over_strings(stub: Stub, notation: Notation) -> None:
    problems = sample(("+", "-"), 0, 99, 400, np.random.default_rng(2))
    rules = {"wrong": carries, "mute": lambda asked: asked.operands[:, 0] % 7 == 0}
    asked, right = judge(stub(notation=notation, **rules), problems).digits
    expected: dict[int, list[bool]] = {}
    for (a, _), solution, one_more in zip(
        problems.operands.tolist(), problems.solutions().tolist(), carries(problems).tolist(), strict=True
    ):
        answer = "" if a % 7 == 0 else str(abs(solution + one_more))[::-1]
        for place, digit in enumerate(str(abs(solution))[::-1]):
            expected.setdefault(place, []).append(answer[place : place + 1] == digit)
    assert asked.tolist() == [len(expected[place]) for place in range(3)]
    assert right.tolist() == [sum(expected[place]) for place in range(3)] and 0 < right[0] < asked[0]


@pytest.mark.parametrize("large", [7, 10**20])
def test_what_cannot_be_asked_is_wrong_in_every_digit(stub: Stub, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    solver = stub(positions=14)
    read = solver.read_answers

    def another(completions: Any) -> tuple[np.ndarray, np.ndarray]:
        values, readable = read(completions)
        return np.where(values == 8, large, values.astype(object)), readable

    monkeypatch.setattr(solver, "read_answers", another)
    problems = from_expressions(["1+1", "123456+7654321", "1+7", "2+2"])
    verdicts = judge(solver, problems)
    assert verdicts.right.tolist() == [True, False, False, True]
    assert verdicts.readable.tolist() == [True, False, True, True]
    assert [part.tolist() for part in verdicts.digits] == [[4] + [1] * 6, [2] + [0] * 6]
    assert [part.tolist() for part in judge(solver, problems[1:2]).digits] == [[1] * 7, [0] * 7]
